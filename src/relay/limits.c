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
static struct relay_limits used(const struct relay *relay, const struct cothon_usage *usage)
{
	return (struct relay_limits){
		.tcp_flows = usage->flows,
		.half_open = usage->half_open,
		.receive_growth = usage->receive_granted,
		.buffers = usage->buffers,
		.fragments = usage->fragments,
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

void relay_limits(const struct relay *relay,
		  void (*each)(const struct relay_limit *limit, void *context), void *context)
{
	const struct cothon_usage usage = cothon_stack_usage(relay->stack);
	const struct relay_limits in_use = used(relay, &usage), times = met(relay);
	const struct relay_limits uncounted = {.flow_receive = 1, .flow_send = 1, .icmp_errors = 1};
	struct relay_limit limit;

#define RELAY_LIMIT(member, called, otherwise, least, most, what) \
	limit = (struct relay_limit){                             \
		.name = (called),                                 \
		.text = (what),                                   \
		.bound = relay->limits.member,                    \
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
		.used = host_loop_watched(relay->loop),
		.refused = relay->counters.no_socket + relay->counters.accept_paused,
	};
	each(&limit, context);
}
