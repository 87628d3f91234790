/* SPDX-License-Identifier: MIT */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

/* Bytes with a length, looked at only through a check; integers in network order. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A view: the bytes are somebody else's. */
struct cothon_bytes {
	const uint8_t *data;
	size_t len;
};

/* The `len` bytes at `offset`, or NULL when not all of them are there. */
static inline const uint8_t *cothon_bytes_at(struct cothon_bytes bytes, size_t offset, size_t len)
{
	if (offset > bytes.len || len > bytes.len - offset)
		return NULL;
	return bytes.data + offset;
}

static inline uint16_t cothon_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t cothon_get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void cothon_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void cothon_put32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

#endif
