/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_STORM_H
#define HOSTILE_STORM_H

/*
 * Random frames given to a stack whose applications, link, allocator and clock have their whims
 * too. A round is all that follows from one seed: its stack's bounds, its link, what happens, and
 * in the end that nothing is left.
 */

#include "stage.h"
#include <stddef.h>
#include <stdint.h>

enum {
	STORM_ROUND = 20000 /* frames of a round, if nothing else is asked for */
};

/* What rounds have been, added up. */
struct storm_sum {
	uint64_t frames;
	size_t peak; /* bytes of memory */
};

/* What holds of a stack that has been polled, whatever came in; the test fails where it does not. */
void storm_audit(const struct stage *stage);
/*
 * All is quiet for so long that every flow has ended, and all buffers are given back; then somebody
 * ordinary comes, and is served.
 */
void storm_calm(struct stage *stage);
/* One round of `count` frames; the test fails if anything is wrong. */
void storm_round(uint64_t seed, uint64_t count, struct storm_sum *sum);
/* Rounds from `seed` on until so many seconds have passed. */
void storm_seconds(uint64_t seed, unsigned seconds, struct storm_sum *sum);
/* Says on stderr how to see again what happens now, if a round is under way. */
void storm_say_where(void);

#endif
