/* SPDX-License-Identifier: MIT */
#ifndef CLI_FLOW_VIEW_H
#define CLI_FLOW_VIEW_H

/*
 * The TCP flows of a stack, seen from the applications at the far end of its link: the port that each has, the service
 * that it is linked to by name, bytes and rate. On a terminal a table is drawn again in place; elsewhere a line is
 * printed every few seconds. In the end comes a summary.
 */

#include <cothon/cothon.h>
#include <stdio.h>

struct flow_view;

/* Draws to `out`, live if that is a terminal. `now` as the stack's clock. Returns NULL when there is no memory. */
struct flow_view *flow_view_create(FILE *out, uint64_t now);
void flow_view_destroy(struct flow_view *view);
/*
 * Looks at all flows of the stack and draws the table, if live; otherwise a line when it is time for one. To be called
 * a few times a second.
 */
void flow_view_update(struct flow_view *view, struct cothon_stack *stack, uint64_t now);
/* A flow has ended: counts it with its last figures. */
void flow_view_ended(struct flow_view *view, const struct cothon_tcp_info *info);
/*
 * Removes the table and prints what was seen: flows by service, ports, bytes and rate. Counts what has ended; to be
 * called when all flows have.
 */
void flow_view_finish(struct flow_view *view, uint64_t now);

#endif
