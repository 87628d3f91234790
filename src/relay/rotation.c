/* SPDX-License-Identifier: MIT */
#include "relay/resolve.h"
#include "relay/state.h"
#include <errno.h>
#include <stdlib.h>

struct relay_rotation {
	struct relay_waiter waiter;
	struct relay_tcp *flow;
	unsigned count, at;
	struct cothon_endpoint list[2 * RELAY_NAME_ADDRESSES];
};

void relay_rotation_end(struct relay_tcp *flow)
{
	if (!flow->rotation)
		return;
	relay_resolve_cancel(&flow->rotation->waiter);
	free(flow->rotation);
	flow->rotation = NULL;
}

/* The flow's `retry`: dials the next address. Returns 0, or `error` when each was tried. */
static int dial_next(struct relay_tcp *flow, int error)
{
	struct relay_rotation *rotation = flow->rotation;

	relay_disarm(flow->relay, &flow->timer);
	while (rotation->at < rotation->count) {
		struct host_sockaddr to;

		flow->outside = rotation->list[rotation->at++];
		to = host_sockaddr_make(&flow->outside, 0);
		error = relay_tcp_dial(flow, &to);
		if (error)
			continue;
		if (rotation->at < rotation->count)
			relay_arm(flow->relay, &flow->timer, RELAY_SECONDS(RELAY_ROTATION_TIMEOUT));
		return 0;
	}
	return error;
}

/* The name is resolved: finds out where it may lead, and goes there. */
static int set_out(struct relay_tcp *flow)
{
	const struct cothon_flow *inside = cothon_tcp_flow(flow->tcp);
	const struct relay_attempt attempt = {
		.transport = COTHON_TCP,
		.source = cothon_flow_remote(inside),
		.destination = cothon_flow_local(inside),
	};
	int count = relay_gate_addresses(flow->relay, &attempt, flow->name, flow->rotation->list);

	if (count < 0)
		return count;
	flow->rotation->count = (unsigned)count;
	flow->retry = dial_next;
	return dial_next(flow, -EHOSTUNREACH);
}

static void resolved(struct relay_waiter *waiter)
{
	struct relay_tcp *flow = cothon_container(waiter, struct relay_rotation, waiter)->flow;
	int error = set_out(flow);

	if (error)
		relay_tcp_refuse(flow, error);
}

int relay_rotation_start(struct relay_tcp *flow)
{
	struct relay_rotation *rotation = calloc(1, sizeof(*rotation));

	if (!rotation)
		return -ENOMEM;
	rotation->flow = flow;
	flow->rotation = rotation;
	relay_waiter_init(&rotation->waiter, resolved);
	return relay_resolve(flow->relay, flow->name, &rotation->waiter) ? set_out(flow) : 0;
}
