/* SPDX-License-Identifier: MIT */
#ifndef PORT_TURN_H
#define PORT_TURN_H

/*
 * Turns on the link: the multiplexer. It decides which flow may send next, by deficit round robin
 * (Shreedhar and Varghese, 1995) with new flows first (as RFC 8290 section 4.2 does): a flow that
 * had been quiet is served before those that send in bulk, once, so that a short request never
 * waits behind a download.
 */

#include "base/list.h"
#include <stdbool.h>
#include <stdint.h>

struct cothon_turn {
	struct cothon_list node;
	int32_t deficit; /* bytes it may still send in this turn */
	uint8_t queue;   /* enum in turn.c: idle, new, old or passing */
};

struct cothon_turns {
	struct cothon_list fresh, old;
	int32_t quantum; /* bytes per turn */
};

/* A quantum as large as the largest frame makes every step take constant time; it is at least 1. */
void cothon_turns_init(struct cothon_turns *turns, int32_t quantum);
void cothon_turn_init(struct cothon_turn *turn);
/* The flow has something to send. Of no effect when it waits already. */
void cothon_turn_request(struct cothon_turns *turns, struct cothon_turn *turn);
/* The flow is no longer one of those that wait (it is about to be freed). */
void cothon_turn_cancel(struct cothon_turn *turn);
/*
 * Whose turn it is, with a deficit above 0; NULL when nobody waits. It stays first until
 * cothon_turn_done(), unless it is an old one and a new one comes.
 */
struct cothon_turn *cothon_turn_next(struct cothon_turns *turns);
/*
 * The flow whose turn it was has sent `bytes`; `more` says that it has more to send. Without more
 * it passes once through the old queue before it counts as quiet again, so that it cannot win by
 * coming and going.
 */
void cothon_turn_done(struct cothon_turns *turns, struct cothon_turn *turn, uint32_t bytes,
		      bool more);

#endif
