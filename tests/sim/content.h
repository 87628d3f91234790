/* SPDX-License-Identifier: MIT */
#ifndef SIM_CONTENT_H
#define SIM_CONTENT_H

/* What streams and datagrams carry: bytes that follow from a key and their place, so that they need not be stored. */

#include <stddef.h>
#include <stdint.h>

/* The `len` bytes at `offset`. */
void content_fill(uint64_t key, uint64_t offset, uint8_t *data, size_t len);
/* How many of these bytes are, from the first, those at `offset`. */
size_t content_match(uint64_t key, uint64_t offset, const uint8_t *data, size_t len);

#endif
