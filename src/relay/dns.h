/* SPDX-License-Identifier: MIT */
#ifndef RELAY_DNS_H
#define RELAY_DNS_H

/*
 * The sandbox's DNS server: passes queries on to the host's resolvers, and their answers back.
 *
 * Every query over UDP goes out by a socket of its own, with a port and an ID that nobody can guess
 * (RFC 5452), to one resolver after the other until one answers. TCP is joined to a resolver's port
 * as any other flow.
 */

#include "host/loop.h"
#include "relay/resolv.h"
#include "relay/timer.h"
#include <cothon/tcp.h>
#include <cothon/udp.h>

struct relay;
struct relay_config;

enum {
	RELAY_DNS_QUERIES = 512,    /* outstanding at a time; beyond it the oldest is dropped */
	RELAY_DNS_QUERY_MAX = 4096, /* bytes of a query; larger ones are malformed */
	RELAY_DNS_TIMEOUT = 2,      /* seconds that one resolver is waited for */
	RELAY_DNS_ROUNDS = 2,       /* times that each is asked */
};

struct relay_dns {
	struct relay_resolvers resolvers;
	/* One of each for every family that is on. */
	struct cothon_udp *udp[2];
	struct cothon_listener *tcp[2];
	struct cothon_list queries; /* oldest first */
	unsigned query_count;
};

void relay_dns_init(struct relay *relay, const struct relay_config *config);
/* Binds port 53 of the network's DNS addresses. Returns 0 or an error of cothon_udp_bind(). */
int relay_dns_listen(struct relay *relay);
void relay_dns_finish(struct relay *relay);

#endif
