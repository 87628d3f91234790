/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_METRICS_H
#define CONTROL_METRICS_H

/* The metrics of a running sandbox, as OpenMetrics text. */

#include "control/server.h"

struct control_metrics;

/*
 * Nothing is measured before the first look at them: what they say of flows that ended, of round trips
 * and of delays, counts from then on. `relay` outlives them. NULL: there is no memory.
 */
struct control_metrics *control_metrics_create(struct relay *relay);
/* NULL does nothing. */
void control_metrics_destroy(struct control_metrics *metrics);
/* Begins to measure now. */
void control_metrics_begin(struct control_metrics *metrics);

/* The routes of a server that shows nothing else. */
extern const struct control_route control_metrics_routes[];

#endif
