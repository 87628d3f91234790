/* SPDX-License-Identifier: MIT */
#include "port/ephemeral.h"

#include <errno.h>

/*
 * The algorithm is RFC 6056's simple port randomization (section 3.3.1), with two changes: a
 * pseudo-random function of the destination and of a counter takes the place of random(), and after
 * a port that is taken comes not its neighbour but the next of a random permutation of the range.
 *
 * Why not one of the three that keep counters (sections 3.3.3 to 3.3.5)? They step through the
 * range so that a port is not used again soon for the same destination. Two things make that
 * needless here: `free` knows every flow of this host, those in TIME-WAIT too; and where only the
 * far side is still in TIME-WAIT, initial sequence numbers that grow per flow (RFC 6528) let it
 * take the new SYN (RFC 9293 section 3.6.1). Their price is that one port tells something about the
 * next one to the same destination, or, with a shared counter, about how many flows went elsewhere.
 * Here a port tells nothing about any other, to whomever it goes.
 *
 * Why not the neighbour? A port behind a run of taken ones would be chosen as often as the run is
 * long, so ports would fill in runs that an observer can continue. In the order of a random
 * permutation every free port is as likely as any other, however the taken ones lie, and each is
 * tried once.
 */

int cothon_ephemeral_init(struct cothon_ephemeral *ephemeral, const struct cothon_siphash_key *key,
			  uint16_t first, uint16_t last)
{
	if (first < 1024 || first > last)
		return -EINVAL;
	*ephemeral = (struct cothon_ephemeral){.key = *key, .first = first, .last = last};
	return 0;
}

/* A number in [0, bound) from 32 random bits. Its bias is below bound / 2^32, here 1 / 65,536. */
static uint32_t scale(uint32_t random, uint32_t bound)
{
	return (uint32_t)((uint64_t)random * bound >> 32);
}

/*
 * The image of `value` under a permutation of [0, 4^half) that `key` chooses: a Feistel network of
 * four rounds. It need not withstand cryptanalysis, since nobody sees more than where it led.
 */
static uint32_t permute(uint32_t value, unsigned half, uint32_t key)
{
	uint32_t mask = (1U << half) - 1, left = value >> half, right = value & mask;

	for (int round = 0; round < 4; round++) {
		key = key * 0x9e3779b1 + 0x85ebca6b;
		uint32_t mixed = (right ^ key) * 0xc2b2ae35;
		mixed = (mixed ^ mixed >> 15) * 0x27d4eb2f;
		uint32_t next = left ^ (mixed >> 16 & mask);
		left = right;
		right = next;
	}
	return left << half | right;
}

int cothon_ephemeral_choose(struct cothon_ephemeral *ephemeral, const struct cothon_addr *local,
			    const struct cothon_endpoint *remote,
			    bool (*free)(void *context, uint16_t port), void *context,
			    uint16_t *port)
{
	const uint64_t input[] = {local->q[0],       local->q[1],  remote->addr.q[0],
				  remote->addr.q[1], remote->port, ephemeral->counter++};
	uint64_t random = cothon_siphash24(&ephemeral->key, input, sizeof(input));
	uint32_t count = (uint32_t)(ephemeral->last - ephemeral->first) + 1;
	uint32_t start = scale((uint32_t)(random >> 32), count);
	unsigned half = 0;

	while (UINT32_C(1) << 2 * half < count)
		half++;
	/*
	 * The permutation is of up to four times as many numbers; those beyond the range are left
	 * out.
	 */
	for (uint32_t i = 0; i < UINT32_C(1) << 2 * half; i++) {
		uint32_t at = permute(i, half, (uint32_t)random);
		if (at >= count)
			continue;
		uint16_t candidate = (uint16_t)(ephemeral->first + (start + at) % count);
		if (free(context, candidate)) {
			*port = candidate;
			return 0;
		}
	}
	return -EADDRNOTAVAIL;
}
