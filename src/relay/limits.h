/* SPDX-License-Identifier: MIT */
#ifndef RELAY_LIMITS_H
#define RELAY_LIMITS_H

/*
 * The bounds of a relay and of its stack: how much of each resource there may be, how much there
 * is, and how often the bound was met. docs/limits.md says who gives way at each.
 */

#include <stdbool.h>
#include <stdint.h>

struct relay;

/*
 * Member, name, default, the least and the most that it may be, and what is bounded.
 *
 * The sandbox's kernel sends what windows let it into the device's queue, where it would be ahead
 * of everybody else's: the growth of receive buffers is more than a link of this kind needs
 * (25 Gbit/s times 150 us), and 0.2 ms of waiting.
 */
#define RELAY_LIMITS(X)                                                                        \
	X(tcp_flows, "tcp-flows", 262144, 1, 16777216, "TCP flows, in all states")             \
	X(half_open, "half-open", 4096, 1, 1048576, "TCP flows that the sandbox is opening")   \
	X(flow_receive, "flow-receive", 4 << 20, 64 << 10, 1 << 30,                            \
	  "bytes that one TCP flow has received and not passed on")                            \
	X(flow_send, "flow-send", 4 << 20, 16 << 10, 1 << 30,                                  \
	  "bytes that one TCP flow has not seen acknowledged")                                 \
	X(receive_growth, "receive-growth", 512 << 10, 1, 1 << 30,                             \
	  "bytes of all receive buffers, beyond 64 KiB each")                                  \
	X(buffers, "buffers", 256 << 20, 1 << 20, INT64_C(1) << 40, "bytes in packet buffers") \
	X(fragments, "fragments", 4 << 20, 64 << 10, 1 << 30,                                  \
	  "bytes of datagrams that are not whole")                                             \
	X(icmp_errors, "icmp-errors", 1000, 1, 1000000, "ICMP errors a second")                \
	X(udp_mappings, "udp-mappings", 4096, 1, 1048576, "endpoints inside that send UDP")    \
	X(udp_peers, "udp-peers", 4096, 1, 1048576, "clients of published UDP ports")          \
	X(udp_ways, "udp-ways", 16384, 1, 1048576, "destinations of UDP, under rules")         \
	X(echo_mappings, "echo-mappings", 256, 1, 65536, "addresses and identifiers of pings") \
	X(waiting, "waiting", 4 << 20, 64 << 10, 1 << 30,                                      \
	  "bytes of datagrams that wait for a name")                                           \
	X(names, "names", 65536, 16, 65536, "names that have an address inside")               \
	X(dns_queries, "dns-queries", 512, 1, 65536, "DNS queries without an answer yet")      \
	X(dns_requests, "dns-requests", 512, 1, 65536, "questions of the sandbox that wait")   \
	X(dns_streams, "dns-streams", 256, 1, 65536, "DNS connections of the sandbox")         \
	X(published_ports, "published-ports", 262144, 1, 262144, "sockets of published ports")

/* In a configuration 0 stands for the default. */
struct relay_limits {
#define RELAY_LIMIT(member, name, otherwise, least, most, text) uint64_t member;
	RELAY_LIMITS(RELAY_LIMIT)
#undef RELAY_LIMIT
};

/* One of them as it is now. */
struct relay_limit {
	const char *name;
	const char *text; /* what is bounded */
	uint64_t bound;
	bool counted;     /* false: it bounds each of many, or a rate, and `used` says nothing */
	uint64_t used;    /* now */
	uint64_t refused; /* how often the bound was met */
};

/* The limits with defaults where `wanted` has 0. */
struct relay_limits relay_limits_fill(const struct relay_limits *wanted);
/* Calls `each` for all of them, and for the descriptors of the process, in the order above. */
void relay_limits(const struct relay *relay,
		  void (*each)(const struct relay_limit *limit, void *context), void *context);

#endif
