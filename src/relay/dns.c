/* SPDX-License-Identifier: MIT */
#include "relay/dns.h"

#include "relay/question.h"
#include "relay/request.h"
#include "relay/state.h"
#include <errno.h>

enum {
	/* Flows to the sandbox's port 53 that may be half-open. */
	TCP_BACKLOG = 64,
};

/* UDP */

void relay_dns_take(struct relay *relay, const struct cothon_datagram *datagram)
{
	const struct relay_asker asker = {datagram->source, datagram->destination, NULL};
	size_t piece = datagram->gso_size ? datagram->gso_size : datagram->len;
	size_t at = 0;

	do {
		size_t len = datagram->len - at < piece ? datagram->len - at : piece;

		relay_request_take(relay, &asker, datagram->payload + at, len);
		at += piece;
	} while (at < datagram->len);
}

static void udp_told(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	(void)udp;
	relay_dns_take(owner, datagram);
}

void relay_dns_send(struct relay *relay, const struct relay_asker *asker, const uint8_t *message,
		    size_t len)
{
	const struct cothon_datagram datagram = {
		.source = asker->server,
		.destination = asker->client,
		.payload = message,
		.len = len,
	};

	if (asker->stream)
		relay_stream_answer(asker->stream, message, len);
	else
		cothon_stack_send_datagram(relay->stack, &datagram);
}

bool relay_dns_stands_in(const struct relay *relay, const struct cothon_endpoint *server)
{
	return relay->policy.names && server->port == RELAY_DNS_PORT &&
	       cothon_addr_is_unicast(&server->addr) &&
	       !relay_network_broadcast(&relay->policy.network, &server->addr);
}

/* TCP */

/* Dials the next resolver; returns 0, or `error` when each was tried. */
static int dial_next(struct relay_tcp *flow, int error)
{
	const struct relay_resolver *resolver;

	while ((resolver = relay_queries_resolver(&flow->relay->queries, flow->attempt, 1))) {
		struct host_sockaddr to = host_sockaddr_make(&resolver->endpoint, resolver->scope);

		flow->attempt++;
		if (relay_tcp_dial(flow, &to) == 0)
			return 0;
	}
	return error;
}

bool relay_dns_is_joined(const struct relay_tcp *flow)
{
	return flow->retry == dial_next;
}

static void join_resolver(struct relay *relay, struct cothon_tcp *tcp)
{
	struct relay_tcp *flow = relay_tcp_create(relay);

	if (!flow) {
		cothon_tcp_abort(tcp);
		return;
	}
	relay_tcp_take_inside(flow, tcp, true);
	flow->retry = dial_next;
	relay_resolvers_refresh(&relay->queries.resolvers);
	if (dial_next(flow, -EHOSTUNREACH))
		relay_tcp_drop(flow);
}

static void tcp_told(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct relay *relay = owner;

	if (relay->draining)
		cothon_tcp_abort(tcp);
	else if (relay->policy.some_names_denied || relay->neighbour.neighbourhood)
		relay_stream_open(relay, tcp, events);
	else
		join_resolver(relay, tcp);
}

/* Life */

static int listen_at(struct relay *relay, unsigned index, const struct relay_family *family)
{
	const struct cothon_endpoint local = {family->dns, RELAY_DNS_PORT};
	int error;

	if (!family->enabled)
		return 0;
	error = cothon_udp_bind(relay->stack, &local, udp_told, relay, &relay->dns.udp[index]);
	if (error)
		return error;
	return cothon_tcp_listen(relay->stack, &local, TCP_BACKLOG, tcp_told, relay,
				 &relay->dns.tcp[index]);
}

void relay_dns_init(struct relay *relay)
{
	cothon_list_init(&relay->dns.requests);
	cothon_list_init(&relay->dns.streams);
}

int relay_dns_listen(struct relay *relay)
{
	int error = listen_at(relay, 0, &relay->policy.network.ipv4);

	return error ? error : listen_at(relay, 1, &relay->policy.network.ipv6);
}

void relay_dns_finish(struct relay *relay)
{
	struct relay_dns *dns = &relay->dns;

	relay_stream_finish(relay);
	relay_request_finish(relay);
	for (unsigned i = 0; i < 2; i++) {
		if (dns->udp[i])
			cothon_udp_close(dns->udp[i]);
		if (dns->tcp[i])
			cothon_listener_close(dns->tcp[i]);
	}
}
