/* SPDX-License-Identifier: MIT */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

/*
 * A hierarchical timer wheel: four levels of 256 slots, a tick of about a millisecond (1,024
 * microseconds). Arming, moving and disarming take constant time; a timer fires at most one tick
 * late, never early. Deadlines beyond the wheel's span (about 51 days) are kept and re-armed.
 */

#include "base/list.h"
#include <stdbool.h>
#include <stdint.h>

enum {
	COTHON_WHEEL_LEVELS = 4,
	COTHON_WHEEL_SLOTS = 256,
	COTHON_WHEEL_SHIFT = 10
};

struct cothon_timer {
	struct cothon_list node;
	uint64_t deadline; /* microseconds */
};

struct cothon_wheel {
	struct cothon_list slots[COTHON_WHEEL_LEVELS][COTHON_WHEEL_SLOTS];
	/* A bit per slot that is not empty. */
	uint64_t used[COTHON_WHEEL_LEVELS][COTHON_WHEEL_SLOTS / 64];
	uint64_t tick; /* all ticks below have been run */
};

void cothon_wheel_init(struct cothon_wheel *wheel, uint64_t now);
void cothon_timer_init(struct cothon_timer *timer);
bool cothon_timer_armed(const struct cothon_timer *timer);
/* Arms or moves a timer. A deadline in the past fires at the next run. */
void cothon_wheel_arm(struct cothon_wheel *wheel, struct cothon_timer *timer, uint64_t deadline);
void cothon_wheel_disarm(struct cothon_wheel *wheel, struct cothon_timer *timer);
/*
 * Takes out one timer that is due at `now` and returns it, disarmed; NULL when none is left. The
 * caller may arm and disarm any timer between calls.
 */
struct cothon_timer *cothon_wheel_expired(struct cothon_wheel *wheel, uint64_t now);
/*
 * When cothon_wheel_expired() should be called next: never later than the earliest deadline rounded
 * up to a tick, perhaps earlier; UINT64_MAX when no timer is armed.
 */
uint64_t cothon_wheel_next(const struct cothon_wheel *wheel);

#endif
