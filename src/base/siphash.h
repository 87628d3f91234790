/* SPDX-License-Identifier: MIT */
#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

/*
 * SipHash, a keyed hash of short inputs that is also a pseudo-random function (Aumasson and
 * Bernstein, 2012). One primitive serves what peers could otherwise steer: hash tables use 1-3, and
 * 2-4 makes initial sequence numbers, ephemeral ports and random numbers.
 */

#include <stddef.h>
#include <stdint.h>

struct cothon_siphash_key {
	uint64_t k[2];
};

/*
 * Key number `purpose` drawn from a seed of 32 bytes: keys of different purposes are independent.
 */
struct cothon_siphash_key cothon_siphash_key(const uint8_t seed[static 32], uint64_t purpose);

/* SipHash-2-4 of `len` bytes. */
uint64_t cothon_siphash24(const struct cothon_siphash_key *key, const void *data, size_t len);

/* SipHash-1-3 of `count` words of 64 bits, as memory has them: for tables only, not portable. */
uint64_t cothon_siphash13_words(const struct cothon_siphash_key *key, const uint64_t *words,
				size_t count);

#endif
