/* SPDX-License-Identifier: MIT */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

/*
 * The relay joins flows on a stack to sockets of the outside host: it is the stack's forwarder for
 * what the sandbox opens (TCP, UDP, echo), its DNS server, and the one that accepts on published
 * ports.
 */

#include "host/loop.h"
#include <cothon/cothon.h>

/* One family's half of the network that a sandbox is in. */
struct relay_family {
	bool enabled;
	struct cothon_addr sandbox, gateway, dns;
	unsigned prefix; /* bits, in the family's own count */
};

struct relay_network {
	struct relay_family ipv4, ipv6;
	uint32_t mtu;
};

/* 10.0.2.0/24 and fd00:c070::/64 with .100, .2 and .3, MTU 1500. */
struct relay_network relay_network_default(void);

struct relay_config {
	struct host_loop *loop;
	struct cothon_link *link; /* becomes the relay's */
	/*
	 * What to watch for the link's input: readable when it has some; -1: ask it in every round.
	 */
	int link_fd;
	struct relay_network network;
	/*
	 * The gateway's address leads to the host's loopback (127.0.0.1, ::1) instead of nowhere.
	 */
	bool host_loopback;
	/*
	 * Resolvers to ask instead of the host's; NULL: those of resolv_conf, followed as it
	 * changes.
	 */
	const struct cothon_endpoint *resolvers;
	unsigned resolver_count;
	const char *resolv_conf; /* "/etc/resolv.conf" */
};

/* What a publication links: `count` ports from `outside` up to as many from `inside` up. */
struct relay_publication {
	uint8_t transport; /* COTHON_TCP or COTHON_UDP */
	bool has_addr;     /* false: all addresses of the host, both families */
	struct cothon_addr addr;
	uint16_t outside, inside, count;
};

/* Why a publication failed: the port and address that it was about. */
struct relay_publish_error {
	int error; /* negative errno of socket, bind or listen */
	uint16_t port;
	struct cothon_addr addr;
};

struct relay;

/* What a relay counts: name, and what one means. */
#define RELAY_COUNTERS(X)                                                              \
	X(no_socket, "times the host had no descriptor or memory for a socket")        \
	X(prohibited, "flows, datagrams and echo requests for a place that is closed") \
	X(tcp_out, "flows that the sandbox opened")                                    \
	X(tcp_in, "connections accepted on published ports")                           \
	X(tcp_failed, "flows whose other side could not be reached")                   \
	X(accept_paused, "times accepting rested for lack of descriptors")             \
	X(udp_out, "datagrams given to the host")                                      \
	X(udp_in, "datagrams taken from the host")                                     \
	X(udp_lost, "datagrams that the host did not take")                            \
	X(udp_unsolicited, "datagrams from the host's side that may not enter")        \
	X(udp_evicted, "mappings and peers that made room for newer ones")             \
	X(broadcast, "datagrams for a broadcast address")                              \
	X(errors_passed, "ICMP errors passed into the sandbox")                        \
	X(echo_out, "echo requests given to the host")                                 \
	X(echo_in, "echo replies taken from the host")                                 \
	X(echo_lost, "echo requests that the host did not take")                       \
	X(dns_queries, "DNS queries over UDP")                                         \
	X(dns_answers, "DNS answers passed on")                                        \
	X(dns_failed, "DNS queries that no resolver answered")                         \
	X(dns_dropped, "DNS queries dropped: malformed, or too many outstanding")

struct relay_counters {
#define RELAY_COUNTER(name, text) uint64_t name;
	RELAY_COUNTERS(RELAY_COUNTER)
#undef RELAY_COUNTER
};

/*
 * Makes the stack and joins it to the loop. Returns 0, -ENOMEM, or the errno of a call to the host;
 * on an error the link stays the caller's.
 */
int relay_create(const struct relay_config *config, struct relay **relay);
void relay_destroy(struct relay *relay);
/*
 * Publishes all ports of a publication, or none. Returns 0, or a negative errno with *error filled
 * in: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL, -EMFILE, -ENOMEM.
 */
int relay_publish(struct relay *relay, const struct relay_publication *publication,
		  struct relay_publish_error *error);
/*
 * Ends what the sandbox's end leaves behind: publications are closed and nothing new is accepted;
 * bytes that were acknowledged to the sandbox but not yet taken by a host's socket still go out.
 * Call once.
 */
void relay_drain(struct relay *relay);
/* How many flows still hold bytes that were acknowledged and not yet delivered outside. */
unsigned relay_undelivered(const struct relay *relay);
/*
 * Has `ended` called with the last figures of every TCP flow that was established, when it ends;
 * also from relay_destroy().
 */
void relay_observe(struct relay *relay,
		   void (*ended)(void *context, const struct cothon_tcp_info *info), void *context);
struct cothon_stack *relay_stack(struct relay *relay);
const struct relay_counters *relay_counters(const struct relay *relay);

#endif
