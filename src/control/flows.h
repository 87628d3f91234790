/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_FLOWS_H
#define CONTROL_FLOWS_H

/* Flows as they are told: what /v1/flows and /v1/ports have in common. */

#include "relay/relay.h"

#include <jansson.h>

/* The relay's flows, one after the other. */
struct control_flows {
	uint64_t now; /* host_now() when it began */
	struct relay_walk walk;
	/* The mappings of UDP and echo, as they were then. */
	struct relay_flow *list;
	size_t count, room, at;
	size_t told;
	bool truncated; /* there are more than CONTROL_FLOWS_MAX, or than memory has room for */
};

enum {
	CONTROL_FLOWS_MAX = 65536
};

/* Ends with control_flows_end(). */
void control_flows_begin(struct control_flows *flows, struct relay *relay);
/*
 * Tells the next flow; false: there is none. Published UDP ports that nothing has come through yet are left out.
 */
bool control_flows_next(struct control_flows *flows, struct relay_flow *flow);
void control_flows_end(struct control_flows *flows);

/* A flow as docs/control-api.md has it, without its applications; `now` as in the flows. */
json_t *control_flow_json(const struct relay_flow *flow, uint64_t now);
/* The name of a service, or null; "echo" for transport 0; null for a time of 0, in seconds. */
json_t *control_service_json(uint16_t port, unsigned transport);
const char *control_transport_name(unsigned transport);
json_t *control_seconds_json(uint64_t microseconds);

#endif
