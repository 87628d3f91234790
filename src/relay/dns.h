/* SPDX-License-Identifier: MIT */
#ifndef RELAY_DNS_H
#define RELAY_DNS_H

/*
 * The sandbox's DNS server at the gateway's DNS addresses, and, where there are rules about names,
 * at port 53 of every other address too, in whose name it answers then.
 *
 * As long as every name may be asked for, queries over UDP are passed on to the host's resolvers,
 * and TCP is joined to a resolver's port as any other flow. Otherwise request.c answers.
 */

#include "relay/stream.h"
#include <cothon/udp.h>

struct relay_config;
struct relay_tcp;

struct relay_dns {
	/* One of each for every family that is on. */
	struct cothon_udp *udp[2];
	struct cothon_listener *tcp[2];
	struct cothon_list requests; /* oldest first */
	unsigned request_count;
	struct cothon_list streams; /* oldest first */
	unsigned stream_count;
};

/* Who asked, and whom: as it is inside. */
struct relay_asker {
	struct cothon_endpoint client, server;
	struct relay_stream *stream; /* NULL: UDP */
};

void relay_dns_init(struct relay *relay);
/* Binds port 53 of the network's DNS addresses. Returns 0 or an error of cothon_udp_bind(). */
int relay_dns_listen(struct relay *relay);
void relay_dns_finish(struct relay *relay);
/* True when the gateway answers for the server at this endpoint. */
bool relay_dns_stands_in(const struct relay *relay, const struct cothon_endpoint *server);
/* Takes a datagram for a server that the gateway stands in for. */
void relay_dns_take(struct relay *relay, const struct cothon_datagram *datagram);
/* Gives an answer to whom asked. */
void relay_dns_send(struct relay *relay, const struct relay_asker *asker, const uint8_t *message,
		    size_t len);
/* True for a flow that is joined to a resolver's port. */
bool relay_dns_is_joined(const struct relay_tcp *flow);

#endif
