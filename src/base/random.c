/* SPDX-License-Identifier: MIT */
#include "base/random.h"

void cothon_random_init(struct cothon_random *random, const uint8_t seed[static 32],
			uint64_t purpose)
{
	random->key = cothon_siphash_key(seed, purpose);
	random->counter = 0;
}

uint64_t cothon_random_u64(struct cothon_random *random)
{
	uint64_t n = random->counter++;
	uint8_t bytes[8];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(n >> (8 * i));
	return cothon_siphash24(&random->key, bytes, sizeof(bytes));
}

uint32_t cothon_random_u32(struct cothon_random *random)
{
	return (uint32_t)(cothon_random_u64(random) >> 32);
}

uint32_t cothon_random_below(struct cothon_random *random, uint32_t bound)
{
	/*
	 * The high half of number * bound lies in [0, bound). Of the 2^32 numbers, 2^32 mod bound
	 * are too many for an even share: those whose low half is below that remainder are drawn
	 * again.
	 */
	uint64_t product = (uint64_t)cothon_random_u32(random) * bound;

	if ((uint32_t)product < bound) {
		uint32_t excess = -bound % bound;

		while ((uint32_t)product < excess)
			product = (uint64_t)cothon_random_u32(random) * bound;
	}
	return (uint32_t)(product >> 32);
}
