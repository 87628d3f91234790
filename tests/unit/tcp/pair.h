/* SPDX-License-Identifier: MIT */
#ifndef UNIT_TCP_PAIR_H
#define UNIT_TCP_PAIR_H

/*
 * Two stacks, "left" and "right", joined by a link that delays, loses, duplicates, reorders, damages and queues by a
 * seed, on a virtual clock that jumps from event to event. Memory is counted and may be refused.
 *
 * Of what crosses the link it is checked that no window's right edge moves left by more than its scale
 * rounds (SHLD-14, RFC 7323 section 2.4).
 */

#include "../stack/host.h"
#include "base/random.h"

struct pair_impairment {
	uint64_t delay;     /* microseconds one way */
	uint64_t jitter;    /* microseconds more, at most; frames keep their order */
	uint32_t loss;      /* of 10,000 */
	uint32_t duplicate; /* of 10,000 */
	uint32_t reorder;   /* of 10,000: held back by one more delay */
	uint32_t damage;    /* of 10,000: a bit is turned, in frames whose checksum is complete */
	uint32_t rate;      /* bytes per millisecond; 0: as fast as it comes */
	uint32_t queue; /* bytes that wait for the rate, beyond which frames are lost; 0: any number */
	unsigned features;
	uint32_t mtu; /* 0: 1500 */
};

/* What a window's right edge was last, per flow and direction: one flow at a time is looked at. */
struct pair_edge {
	bool known, scaled;
	uint16_t ports[2];
	uint8_t scale;
	uint32_t edge;
};

struct pair_link {
	struct cothon_link link;
	struct pair *pair;
	struct pair_link *peer;
	struct pair_frame *queue; /* sorted by arrival */
	uint64_t busy_until;      /* the last frame has left by then */
	bool cut;                 /* loses everything */
	uint64_t frames;
	struct pair_edge edge;
};

struct pair {
	uint64_t now;
	struct pair_impairment impairment;
	struct cothon_random random;
	struct host_memory memory;
	struct cothon_pool *pool;
	struct pair_link links[2];
	struct cothon_stack *stacks[2];
	struct cothon_addr ipv4[2], ipv6[2];
	/* When each stack wants to be polled. */
	uint64_t deadlines[2];
};

enum {
	PAIR_LEFT,
	PAIR_RIGHT
};

struct pair_setup {
	uint64_t seed;
	struct pair_impairment impairment;
	uint64_t now;      /* 0: one second */
	size_t pool_limit; /* 0: 64 MiB */
	/* Changes what a side's config would be. May be NULL. */
	void (*configure)(void *context, int side, struct cothon_stack_config *config);
	void *context;
};

void pair_create(struct pair *pair, const struct pair_setup *setup);
/* Fails the test if memory is left. */
void pair_destroy(struct pair *pair);
/* Something was called on a stack from outside: it is polled at once. */
void pair_kick(struct pair *pair);
/* Goes to the next event. Returns false when there is none within `limit`. */
bool pair_step(struct pair *pair, uint64_t limit);
/* Goes on until done(context) or `limit`. Returns what done said last. */
bool pair_run(struct pair *pair, uint64_t limit, bool (*done)(void *context), void *context);

#endif
