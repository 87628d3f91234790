/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_HOSTS_H
#define EXAMPLES_HOSTS_H

/* Two hosts in one process: stacks of libcothon, joined by the simulated wire. Shows how a stack is driven. */

#include <cothon/cothon.h>

enum {
	HOSTS_MTU = 1500
};

struct hosts {
	struct cothon_pool *pool;
	struct cothon_link *links[2];
	struct cothon_stack *stacks[2];
};

/*
 * Makes both, without addresses. `now` is the time in microseconds. Returns 0 or a negative errno: -ENOMEM, or why there
 * are no random bytes for the stacks' seeds.
 */
int hosts_create(struct hosts *hosts, uint64_t now);
void hosts_destroy(struct hosts *hosts);
/*
 * Takes in what is on the wire and does what is due on both hosts, a bounded amount of it. Returns when it wants to be
 * called again, or COTHON_NEVER.
 */
uint64_t hosts_turn(struct hosts *hosts, uint64_t now);

#endif
