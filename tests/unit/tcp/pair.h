/* SPDX-License-Identifier: MIT */
#ifndef UNIT_TCP_PAIR_H
#define UNIT_TCP_PAIR_H

/*
 * Two stacks, "left" and "right", joined by a link that delays, loses, duplicates and reorders by a seed, on a
 * virtual clock that jumps from event to event.
 */

#include "base/random.h"
#include <cothon/cothon.h>

struct pair_impairment {
	uint64_t delay;	  /* microseconds one way */
	uint32_t loss;	  /* of 10,000 */
	uint32_t duplicate; /* of 10,000 */
	uint32_t reorder; /* of 10,000: held back by one more delay */
	unsigned features;
	uint32_t mtu;
};

struct pair_link {
	struct cothon_link link;
	struct pair *pair;
	struct pair_link *peer;
	struct pair_frame *queue; /* sorted by arrival */
	bool cut;		  /* loses everything */
	uint64_t frames;
};

struct pair {
	uint64_t now;
	struct pair_impairment impairment;
	struct cothon_random random;
	struct cothon_pool *pool;
	struct pair_link links[2];
	struct cothon_stack *stacks[2];
	struct cothon_addr ipv4[2], ipv6[2];
	/* When each stack wants to be polled. */
	uint64_t deadlines[2];
};

enum { PAIR_LEFT, PAIR_RIGHT };

void pair_create(struct pair *pair, uint64_t seed, const struct pair_impairment *impairment);
void pair_create_with(struct pair *pair, uint64_t seed, const struct pair_impairment *impairment,
		      void (*configure)(int side, struct cothon_stack_config *config));
void pair_destroy(struct pair *pair);
/* Something was called on a stack from outside: it is polled at once. */
void pair_kick(struct pair *pair);
/* Goes to the next event. Returns false when there is none within `limit`. */
bool pair_step(struct pair *pair, uint64_t limit);
/* Goes on until done(context) or `limit`. Returns what done said last. */
bool pair_run(struct pair *pair, uint64_t limit, bool (*done)(void *context), void *context);

#endif
