/* SPDX-License-Identifier: MIT */
#include "port/ephemeral.h"

#include <errno.h>

/*
 * The algorithm is RFC 6056's simple port randomization (section 3.3.1), with two changes: a
 * pseudo-random function of the destination and of a counter takes the place of random(), and a
 * taken port is followed not by its neighbour but by a walk with a random stride.
 *
 * Why not one of the three that keep counters (sections 3.3.3 to 3.3.5)? They step through the range so that a port
 * is not used again soon for the same destination. Two things make that needless here: `free` knows every flow of
 * this host, those in TIME-WAIT too; and where only the far side is still in TIME-WAIT, initial sequence numbers
 * that grow per flow (RFC 6528) let it take the new SYN (RFC 9293 section 3.6.1). The price they
 * pay, that one port tells something about the next one to the same destination, or with a shared
 * counter about how many flows went elsewhere, is the very thing to avoid. Here a port tells nothing
 * about any other, to whomever it goes.
 *
 * Why not walk to the neighbour? A port behind a run of taken ones would be chosen as often as the run
 * is long, so that ports fill in runs which an observer can continue. The stride is coprime with the size of the
 * range: the walk visits every port once and ends.
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

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

/* A stride in [1, count) that is coprime with `count`, which is at least 2. */
static uint32_t coprime(uint32_t random, uint32_t count)
{
	uint32_t stride = 1 + scale(random, count - 1);

	/* At most 22 steps: a number below 65,536 has at most six prime factors, and h(30,030) is 22. */
	while (gcd(count, stride) != 1)
		stride = stride + 1 < count ? stride + 1 : 1;
	return stride;
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
	uint32_t at = scale((uint32_t)(random >> 32), count);
	uint32_t stride = 0;

	for (uint32_t tried = 0; tried < count; tried++) {
		uint16_t candidate = (uint16_t)(ephemeral->first + at);
		if (free(context, candidate)) {
			*port = candidate;
			return 0;
		}
		if (!stride)
			stride = count > 1 ? coprime((uint32_t)random, count) : 1;
		at = (at + stride) % count;
	}
	return -EADDRNOTAVAIL;
}
