/* SPDX-License-Identifier: MIT */
#ifndef RELAY_TIMER_H
#define RELAY_TIMER_H

/* The relay's timers: one wheel for all of them, run once in every round of the loop. */

#include "base/wheel.h"

struct relay;

struct relay_timer {
	struct cothon_timer timer;
	/* Disarmed before it is called; it may arm it again, or free its owner. */
	void (*expired)(struct relay *relay, struct relay_timer *timer);
};

/* Microseconds of the units that delays are given in. */
#define RELAY_MILLISECONDS(n) ((uint64_t)(n)*1000)
#define RELAY_SECONDS(n)      ((uint64_t)(n)*1000000)

static inline void relay_timer_init(struct relay_timer *timer,
				    void (*expired)(struct relay *relay, struct relay_timer *timer))
{
	cothon_timer_init(&timer->timer);
	timer->expired = expired;
}

#endif
