/* SPDX-License-Identifier: MIT */
#include "relay/limits.h"

#include "relay/state.h"

struct relay_limits relay_limits_fill(const struct relay_limits *wanted)
{
	struct relay_limits limits = *wanted;

#define RELAY_LIMIT(member, name, otherwise, least, most, text) \
	if (!limits.member)                                     \
		limits.member = (uint64_t)(otherwise);
	RELAY_LIMITS(RELAY_LIMIT)
#undef RELAY_LIMIT
	return limits;
}

/* How much of each is in use; bounds of each of many, and of rates, are left out. */
static struct relay_limits used(const struct relay *relay)
{
	const struct cothon_usage usage = cothon_stack_usage(relay->stack);

	return (struct relay_limits){
		.tcp_flows = usage.flows,
		.half_open = usage.half_open,
		.receive_growth = usage.receive_granted,
		.buffers = usage.buffers,
		.fragments = usage.fragments,
		.udp_mappings = cothon_flow_table_count(relay->udp.mappings),
		.udp_peers = cothon_flow_table_count(relay->udp.peers),
		.udp_ways = cothon_flow_table_count(relay->ways.ways),
		.echo_mappings = cothon_flow_table_count(relay->echo.mappings),
		.waiting = relay->waiting,
		.names = relay->names.count,
		.dns_queries = relay->queries.count,
		.dns_requests = relay->dns.request_count,
		.dns_streams = relay->dns.stream_count,
		.published_ports = relay->publisher.port_count,
	};
}

/* How often each was met. */
static struct relay_limits met(const struct relay *relay)
{
	const struct cothon_counters *stack = cothon_stack_counters(relay->stack);
	struct relay_limits met = relay->met;

	met.tcp_flows = stack->tcp_flows_refused;
	met.half_open = stack->tcp_half_open_dropped;
	met.buffers = stack->memory_pressed;
	met.fragments = stack->reassembly_evicted;
	met.icmp_errors = stack->icmp_errors_limited;
	met.names = relay->names.forgotten;
	return met;
}

static void add(struct relay_limits *sum, const struct relay_limits *more)
{
#define RELAY_LIMIT(member, name, otherwise, least, most, text) sum->member += more->member;
	RELAY_LIMITS(RELAY_LIMIT)
#undef RELAY_LIMIT
}

void relay_limits(const struct relay *relay,
		  void (*each)(const struct relay_limit *limit, void *context), void *context)
{
	const struct relay_limits *bounds = relay->lane ? &relay->lane->lanes->limits
							: &relay->limits;
	const struct relay_counters *counters = relay_counters(relay);
	struct relay_limits in_use = {0}, times = {0};
	uint64_t watched = 0;
	const struct relay_limits uncounted = {.flow_receive = 1, .flow_send = 1, .icmp_errors = 1};
	struct relay_limit limit;

	for (const struct relay *lane = relay; lane; lane = relay_lane_after(lane)) {
		const struct relay_limits in_lane = used(lane), in_time = met(lane);

		add(&in_use, &in_lane);
		add(&times, &in_time);
		watched += host_loop_watched(lane->loop);
	}
#define RELAY_LIMIT(member, called, otherwise, least, most, what) \
	limit = (struct relay_limit){                             \
		.name = (called),                                 \
		.text = (what),                                   \
		.bound = bounds->member,                          \
		.counted = !uncounted.member,                     \
		.used = in_use.member,                            \
		.refused = times.member,                          \
	};                                                        \
	each(&limit, context);
	RELAY_LIMITS(RELAY_LIMIT)
#undef RELAY_LIMIT
	limit = (struct relay_limit){
		.name = "descriptors",
		.text = "descriptors of the process that serves the sandbox",
		.bound = relay->descriptors,
		.counted = true,
		.used = watched,
		.refused = counters->no_socket + counters->accept_paused,
	};
	each(&limit, context);
}
