/* SPDX-License-Identifier: MIT */
#include "relay/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum {
	/* Bytes of the headers in front of a payload, and of the largest payload behind them. */
	HEADERS = 40 + 8,
	RUN_MAX = 65535 - HEADERS,
};

int relay_udp_inbox_init(struct relay *relay)
{
	/*
	 * So large that it is fresh pages of the kernel's, which take no memory before they are
	 * used.
	 */
	relay->udp.inbox = calloc(1, sizeof(*relay->udp.inbox));
	return relay->udp.inbox ? 0 : -ENOMEM;
}

/* Gives the datagrams that the host put together to the stack one by one. */
static void deliver_pieces(struct relay *relay, const struct cothon_datagram *whole)
{
	for (size_t at = 0; at < whole->len; at += whole->gso_size) {
		struct cothon_datagram piece = *whole;

		piece.payload = whole->payload + at;
		piece.len = whole->len - at < whole->gso_size ? whole->len - at : whole->gso_size;
		piece.gso_size = 0;
		cothon_stack_send_datagram(relay->stack, &piece);
	}
}

/*
 * Whom a datagram of a socket that is not published is from, as the sandbox knows it. Returns false
 * when it may not enter: whoever the sandbox has sent to may answer, and so may anybody whom it
 * could send to.
 */
static bool admit_source(const struct relay_mapping *mapping, struct cothon_endpoint *source)
{
	const struct relay *relay = mapping->relay;
	struct cothon_addr inside = mapping->entry.flow.local;
	const struct cothon_endpoint real = *source;

	if (relay_way_visible(mapping, &real, source))
		return true;
	if (cothon_addr_is_ipv4(&source->addr) != cothon_addr_is_ipv4(&inside))
		return false;
	if (cothon_addr_is_loopback(&source->addr))
		source->addr = relay_network_family(&relay->policy.network, &source->addr)->gateway;
	else if (relay_network_inside(&relay->policy.network, &source->addr))
		return false;
	return relay_way_leads_to(mapping, source) ||
	       relay_gate_may_enter(relay, COTHON_UDP, source);
}

static void deliver(struct relay_udp_socket *socket, const struct host_datagram *received)
{
	struct relay *relay = socket->mapping->relay;
	struct cothon_endpoint source = host_sockaddr_endpoint(&received->peer);
	struct cothon_datagram datagram = {
		.destination = cothon_flow_local(&socket->mapping->entry.flow),
		.payload = received->data,
		.len = received->len,
		.gso_size = received->gso_size,
		/*
		 * The hop that this is; 0, where the host did not tell, is the stack's own default.
		 */
		.hops = received->hops > 1 ? (uint8_t)(received->hops - 1) : received->hops,
		.traffic_class = received->traffic_class,
	};

	if (socket->published) {
		struct relay_peer *peer = relay_peer_admit(socket, received);

		if (peer)
			source = cothon_flow_local(&peer->entry.flow);
		else
			source.port = 0;
	} else if (!admit_source(socket->mapping, &source)) {
		source.port = 0;
	}
	if (source.port == 0) {
		relay->counters.udp_unsolicited++;
		return;
	}
	datagram.source = source;
	relay->counters.udp_in += relay_udp_pieces(&datagram);
	socket->mapping->bytes_in += received->len;
	if (cothon_stack_send_datagram(relay->stack, &datagram) == -EINVAL && datagram.gso_size)
		deliver_pieces(relay, &datagram);
}

/* Whether two datagrams differ in nothing but their payload. */
static bool alike(const struct host_datagram *a, const struct host_datagram *b)
{
	return a->peer.len == b->peer.len && memcmp(&a->peer.in6, &b->peer.in6, a->peer.len) == 0 &&
	       cothon_addr_equal(&a->local, &b->local) && a->hops == b->hops &&
	       a->traffic_class == b->traffic_class;
}

/*
 * Puts a datagram behind those in the run, if it is of their size and comes from the same place:
 * a link that cuts datagrams takes them all as one frame. Pieces above the MTU would be fragments.
 */
static bool extend(const struct cothon_link *link, struct host_datagram *run,
		   const struct host_datagram *next)
{
	size_t size = run->gso_size ? run->gso_size : run->len;

	if (!(link->features & COTHON_LINK_USO) || size == 0 || size + HEADERS > link->mtu ||
	    run->len % size != 0 || next->len == 0 || run->len + next->len > RUN_MAX ||
	    (next->gso_size ? next->gso_size != size : next->len > size) ||
	    (run->len + next->len) / size > HOST_DATAGRAM_SEGMENTS || !alike(run, next))
		return false;
	memcpy(run->data + run->len, next->data, next->len);
	run->len += next->len;
	run->gso_size = (uint16_t)size;
	return true;
}

static void receive(struct relay_udp_socket *socket)
{
	const struct relay *relay = socket->mapping->relay;
	struct relay_udp_inbox *inbox = relay->udp.inbox;
	struct host_datagram *run = inbox->datagrams;
	int count;

	for (unsigned i = 0; i < HOST_DATAGRAM_BATCH; i++) {
		inbox->datagrams[i].data = inbox->data[i];
		inbox->datagrams[i].len = sizeof(inbox->data[i]);
	}
	count = host_datagram_receive(socket->watch.fd, inbox->datagrams, HOST_DATAGRAM_BATCH);
	for (int i = 1; i < count; i++) {
		if (extend(relay->link, run, &inbox->datagrams[i]))
			continue;
		deliver(socket, run);
		run = &inbox->datagrams[i];
	}
	if (count > 0)
		deliver(socket, run);
}

void relay_udp_socket_ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct relay_udp_socket *socket = cothon_container(watch, struct relay_udp_socket, watch);

	socket->mapping->relay->now = now;
	if (events & EPOLLERR) {
		uint32_t mtu;

		/*
		 * An error without an entry in the queue is taken by itself, or its event would
		 * come for ever.
		 */
		if (relay_udp_pass_errors(socket, &mtu) == 0)
			host_socket_error(watch->fd);
	}
	if (events & EPOLLIN)
		receive(socket);
}
