/* SPDX-License-Identifier: MIT */
#ifndef CLI_FLOW_VIEW_H
#define CLI_FLOW_VIEW_H

/*
 * A table of a stack's TCP flows, seen from the application: its port, the service at the far end by name, bytes and
 * rate each way. On a terminal it is drawn again in place; elsewhere only the summary is printed.
 */

#include <cothon/cothon.h>
#include <stdio.h>

struct flow_view;

/* Draws to `out`, live if that is a terminal. `now` as the stack's clock. Returns NULL when there is no memory. */
struct flow_view *flow_view_create(FILE *out, uint64_t now);
void flow_view_destroy(struct flow_view *view);
/* Looks at all flows of the stack, and draws the table if live. To be called a few times a second. */
void flow_view_update(struct flow_view *view, struct cothon_stack *stack, uint64_t now);
/* A flow has ended: counts it with its last figures. */
void flow_view_ended(struct flow_view *view, const struct cothon_tcp_info *info);
/* Removes the table and prints what was seen: flows by service, ports chosen, bytes and rates. */
void flow_view_finish(struct flow_view *view, struct cothon_stack *stack, uint64_t now);

#endif
