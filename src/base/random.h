/* SPDX-License-Identifier: MIT */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

/* Random numbers from a seed: SipHash-2-4 of a counter. The same seed gives the same numbers. */

#include "base/siphash.h"

struct cothon_random {
	struct cothon_siphash_key key;
	uint64_t counter;
};

void cothon_random_init(struct cothon_random *random, const uint8_t seed[static 32],
			uint64_t purpose);
uint64_t cothon_random_u64(struct cothon_random *random);
uint32_t cothon_random_u32(struct cothon_random *random);
/* Uniform in [0, bound); bound is not 0. */
uint32_t cothon_random_below(struct cothon_random *random, uint32_t bound);

#endif
