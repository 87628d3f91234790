/* SPDX-License-Identifier: MIT */
#ifndef RELAY_HELD_H
#define RELAY_HELD_H

/*
 * Denied connections whose answer is held back for a moment: who is refused at once is often gone at
 * once, and then nobody can find out who that was.
 */

#include "base/list.h"
#include "relay/timer.h"
#include <cothon/tcp.h>

enum {
	RELAY_HELD_MAX = 64,    /* more are refused at once */
	RELAY_HELD_TIME = 1000, /* milliseconds, when nobody lets them go before */
};

struct relay_held_flows {
	bool wanted;
	struct cothon_list all;
	unsigned count;
};

void relay_held_init(struct relay *relay);
/* Refuses all. */
void relay_held_finish(struct relay *relay);
/* Holds a SYN that is to be refused with -EACCES. Returns 0, or -EACCES when it is not held. */
int relay_held_add(struct relay *relay, struct cothon_tcp *tcp);

#endif
