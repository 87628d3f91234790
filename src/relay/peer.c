/* SPDX-License-Identifier: MIT */
#include "relay/state.h"

#include <stdlib.h>
#include <string.h>

enum {
	/* Ports tried for a peer that is known by the gateway's address. */
	PORTS_TRIED = 16,
};

static void touch(struct relay *relay, struct relay_peer *peer)
{
	peer->used_at = relay->now;
	cothon_list_remove(&peer->by_use);
	cothon_list_append(&relay->udp.peers_by_use, &peer->by_use);
	relay_udp_watch_idle(relay);
}

static void forget(struct relay *relay, struct relay_peer *peer)
{
	cothon_flow_table_remove(relay->udp.peers, &peer->entry);
	cothon_list_remove(&peer->by_use);
	free(peer);
}

static struct relay_peer *find(const struct relay *relay, const struct relay_mapping *mapping,
			       const struct cothon_endpoint *visible)
{
	struct cothon_endpoint inside = cothon_flow_local(&mapping->entry.flow);
	struct cothon_flow flow = cothon_flow_make(COTHON_UDP, visible, &inside);
	struct cothon_flow_entry *entry = cothon_flow_table_find(relay->udp.peers, &flow);

	return entry ? cothon_container(entry, struct relay_peer, entry) : NULL;
}

struct relay_peer *relay_peer_find(struct relay *relay, const struct relay_mapping *mapping,
				   const struct cothon_endpoint *visible)
{
	struct relay_peer *peer = find(relay, mapping, visible);

	if (peer)
		touch(relay, peer);
	return peer;
}

static struct relay_peer *remember(struct relay_udp_socket *socket,
				   const struct cothon_endpoint *visible,
				   const struct host_sockaddr *addr)
{
	struct relay *relay = socket->mapping->relay;
	struct cothon_endpoint inside = cothon_flow_local(&socket->mapping->entry.flow);
	struct relay_peer *peer;

	if (cothon_flow_table_count(relay->udp.peers) >= relay->limits.udp_peers) {
		forget(relay,
		       cothon_container(relay->udp.peers_by_use.next, struct relay_peer, by_use));
		relay->counters.udp_evicted++;
		relay->met.udp_peers++;
	}
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->entry.flow = cothon_flow_make(COTHON_UDP, visible, &inside);
	peer->addr = *addr;
	cothon_list_init(&peer->by_use);
	if (cothon_flow_table_insert(relay->udp.peers, &peer->entry)) {
		free(peer);
		return NULL;
	}
	return peer;
}

static bool same_sockaddr(const struct host_sockaddr *a, const struct host_sockaddr *b)
{
	struct cothon_endpoint x = host_sockaddr_endpoint(a), y = host_sockaddr_endpoint(b);

	if (a->any.sa_family == AF_INET6 && a->in6.sin6_scope_id != b->in6.sin6_scope_id)
		return false;
	return x.port == y.port && cothon_addr_equal(&x.addr, &y.addr);
}

/*
 * Finds, or makes, the peer under the gateway's address: its own port, or the next one that no
 * other has.
 */
static struct relay_peer *admit_as_gateway(struct relay_udp_socket *socket,
					   const struct host_sockaddr *addr)
{
	struct relay *relay = socket->mapping->relay;
	struct cothon_endpoint visible = host_sockaddr_endpoint(addr);

	visible.addr = relay_network_family(&relay->policy.network, &visible.addr)->gateway;
	for (unsigned tries = 0; tries < PORTS_TRIED; tries++) {
		struct relay_peer *peer = find(relay, socket->mapping, &visible);

		if (!peer)
			return remember(socket, &visible, addr);
		if (same_sockaddr(&peer->addr, addr))
			return peer;
		visible.port = visible.port == UINT16_MAX ? 1 : (uint16_t)(visible.port + 1);
	}
	return NULL;
}

struct relay_peer *relay_peer_admit(struct relay_udp_socket *socket,
				    const struct host_datagram *datagram)
{
	struct relay *relay = socket->mapping->relay;
	struct cothon_endpoint visible = host_sockaddr_endpoint(&datagram->peer);
	struct relay_peer *peer;

	if (visible.port == 0)
		return NULL;
	if (cothon_addr_is_loopback(&visible.addr) || cothon_addr_is_link_local(&visible.addr) ||
	    relay_network_inside(&relay->policy.network, &visible.addr)) {
		peer = admit_as_gateway(socket, &datagram->peer);
	} else {
		peer = find(relay, socket->mapping, &visible);
		if (!peer)
			peer = remember(socket, &visible, &datagram->peer);
	}
	if (!peer)
		return NULL;
	peer->socket = socket;
	peer->local = datagram->local;
	touch(relay, peer);
	return peer;
}

void relay_peer_forget(struct relay *relay, const struct relay_udp_socket *socket)
{
	struct cothon_list *node = relay->udp.peers_by_use.next;

	while (node != &relay->udp.peers_by_use) {
		struct relay_peer *peer = cothon_container(node, struct relay_peer, by_use);

		node = node->next;
		if (!socket || peer->socket == socket)
			forget(relay, peer);
	}
}

uint64_t relay_peer_expire(struct relay *relay)
{
	while (!cothon_list_empty(&relay->udp.peers_by_use)) {
		struct relay_peer *peer =
			cothon_container(relay->udp.peers_by_use.next, struct relay_peer, by_use);
		uint64_t deadline = peer->used_at + RELAY_SECONDS(RELAY_UDP_IDLE);

		if (deadline > relay->now)
			return deadline;
		relay_take_first(&relay->udp.peers_by_use);
		forget(relay, peer);
	}
	return COTHON_NEVER;
}
