/* SPDX-License-Identifier: MIT */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

/*
 * What goes wrong: the weather of links, which lasts, and faults, which come and are over in the end:
 * links that go away, allocations that fail, clocks that jump, stacks that are not driven, applications that
 * stall, links that take nothing.
 */

#include "call.h"
#include "world.h"

struct faults {
	struct world *world;
	struct calls *calls;
	struct cothon_random random;
	uint64_t over_at;
	uint64_t over_since; /* COTHON_NEVER: they are not yet over */
	bool clean;          /* no frame is lost, delayed beyond its time, doubled or spoilt */
	bool far_jumps;      /* clocks jump by days */
	bool harm;           /* there are faults, not only weather */
	struct cothon_impairment weather[WORLD_NODES][2]; /* up and down */
	uint64_t until[WORLD_NODES]; /* when a node's present fault is over; 0: it has none */
};

/* Makes the weather and adds the faults as work; tells the calls which errors are excused. */
void faults_open(struct faults *faults, struct world *world, struct calls *calls,
		 const struct cothon_random *random);
/* Of a million packets that may be marked for congestion, `marks` are from now on. */
void faults_mark(struct faults *faults, uint32_t marks);

#endif
