/* SPDX-License-Identifier: MIT */
#include "relay/state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Sockets */

static struct relay_udp_socket *create_socket(struct relay_mapping *mapping, int fd, bool ipv4)
{
	struct relay_udp_socket *socket = calloc(1, sizeof(*socket));

	if (!socket)
		return NULL;
	socket->watch = (struct host_watch){.fd = fd, .ready = relay_udp_socket_ready};
	socket->mapping = mapping;
	socket->ipv4 = ipv4;
	socket->hops = socket->traffic_class = socket->discovery = -1;
	socket->segment_limit = UINT16_MAX;
	if (host_loop_add(mapping->relay->loop, &socket->watch, EPOLLIN)) {
		free(socket);
		return NULL;
	}
	cothon_list_append(&mapping->sockets, &socket->node);
	return socket;
}

static void destroy_socket(struct relay_udp_socket *socket)
{
	struct relay *relay = socket->mapping->relay;

	relay_udp_flush_socket(socket);
	if (socket->published)
		relay_peer_forget(relay, socket);
	host_loop_remove(relay->loop, &socket->watch);
	close(socket->watch.fd);
	cothon_list_remove(&socket->node);
	free(socket);
}

/* Mappings */

static struct cothon_flow mapping_key(const struct cothon_endpoint *inside)
{
	const struct cothon_endpoint anybody = {0};

	return cothon_flow_make(COTHON_UDP, inside, &anybody);
}

struct relay_mapping *relay_udp_find(const struct relay *relay,
				     const struct cothon_endpoint *inside)
{
	struct cothon_flow key = mapping_key(inside);
	struct cothon_flow_entry *entry = cothon_flow_table_find(relay->udp.mappings, &key);

	return entry ? cothon_container(entry, struct relay_mapping, entry) : NULL;
}

static void destroy_mapping(struct relay_mapping *mapping)
{
	struct relay *relay = mapping->relay;

	relay_way_forget(mapping);
	while (!cothon_list_empty(&mapping->sockets))
		destroy_socket(cothon_container(relay_take_first(&mapping->sockets),
						struct relay_udp_socket, node));
	cothon_flow_table_remove(relay->udp.mappings, &mapping->entry);
	cothon_list_remove(&mapping->by_use);
	free(mapping);
}

void relay_udp_end(struct relay_mapping *mapping)
{
	if (!mapping->published) {
		destroy_mapping(mapping);
		return;
	}
	relay_way_forget(mapping);
	for (struct cothon_list *node = mapping->sockets.next; node != &mapping->sockets;
	     node = node->next)
		relay_peer_forget(mapping->relay,
				  cothon_container(node, struct relay_udp_socket, node));
	mapping->bytes_in = mapping->bytes_out = 0;
}

/*
 * Ends the mapping that was not used for the longest time. Returns false when there is none that
 * may.
 */
static bool evict_mapping(struct relay *relay)
{
	struct cothon_list *oldest = relay->udp.mappings_by_use.next;

	if (oldest == &relay->udp.mappings_by_use)
		return false;
	destroy_mapping(cothon_container(oldest, struct relay_mapping, by_use));
	relay->counters.udp_evicted++;
	return true;
}

/* A mapping without a socket. Returns NULL when there is no room or no memory. */
static struct relay_mapping *create_mapping(struct relay *relay,
					    const struct cothon_endpoint *inside)
{
	struct relay_mapping *mapping;

	if (cothon_flow_table_count(relay->udp.mappings) >= relay->limits.udp_mappings) {
		relay->met.udp_mappings++;
		if (!evict_mapping(relay))
			return NULL;
	}
	mapping = calloc(1, sizeof(*mapping));
	if (!mapping)
		return NULL;
	mapping->entry.flow = mapping_key(inside);
	mapping->relay = relay;
	mapping->opened_at = relay->now;
	cothon_list_init(&mapping->sockets);
	cothon_list_init(&mapping->by_use);
	cothon_list_init(&mapping->ways);
	if (cothon_flow_table_insert(relay->udp.mappings, &mapping->entry)) {
		free(mapping);
		return NULL;
	}
	return mapping;
}

static void touch(struct relay_mapping *mapping)
{
	struct relay *relay = mapping->relay;

	if (mapping->published)
		return;
	mapping->used_at = relay->now;
	cothon_list_remove(&mapping->by_use);
	cothon_list_append(&relay->udp.mappings_by_use, &mapping->by_use);
	relay_udp_watch_idle(relay);
}

/* Ends the mappings that are idle; returns when the next one will be. */
static uint64_t expire_mappings(struct relay *relay)
{
	while (!cothon_list_empty(&relay->udp.mappings_by_use)) {
		struct relay_mapping *mapping = cothon_container(relay->udp.mappings_by_use.next,
								 struct relay_mapping, by_use);
		uint64_t deadline = mapping->used_at + RELAY_SECONDS(RELAY_UDP_IDLE);

		if (deadline > relay->now)
			return deadline;
		relay_take_first(&relay->udp.mappings_by_use);
		destroy_mapping(mapping);
	}
	return COTHON_NEVER;
}

static void expiry(struct relay *relay, struct relay_timer *timer)
{
	uint64_t mappings = expire_mappings(relay);
	uint64_t peers = relay_peer_expire(relay);
	uint64_t ways = relay_way_expire(relay);
	uint64_t next = mappings < peers ? mappings : peers;

	if (ways < next)
		next = ways;
	if (next != COTHON_NEVER)
		relay_arm(relay, timer, next - relay->now);
}

void relay_udp_watch_idle(struct relay *relay)
{
	if (!cothon_timer_armed(&relay->udp.expiry.timer))
		relay_arm(relay, &relay->udp.expiry, RELAY_SECONDS(RELAY_UDP_IDLE));
}

/* A mapping for an endpoint that has none yet; NULL when the host has no socket for it. */
static struct relay_mapping *open_mapping(struct relay *relay, const struct cothon_endpoint *inside)
{
	int family = host_socket_family(&inside->addr);
	struct relay_mapping *mapping;
	int fd = host_datagram_open(family, false);

	/* Where descriptors have run out, the longest idle mapping gives its own. */
	if ((fd == -EMFILE || fd == -ENFILE) && evict_mapping(relay))
		fd = host_datagram_open(family, false);
	if (fd < 0) {
		relay->counters.no_socket++;
		return NULL;
	}
	mapping = create_mapping(relay, inside);
	if (mapping && create_socket(mapping, fd, family == AF_INET))
		return mapping;
	if (mapping)
		destroy_mapping(mapping);
	close(fd);
	relay->counters.no_socket++;
	return NULL;
}

/* From the sandbox */

uint64_t relay_udp_pieces(const struct cothon_datagram *datagram)
{
	if (!datagram->gso_size)
		return 1;
	return (datagram->len + datagram->gso_size - 1) / datagram->gso_size;
}

/* Answers a peer of a published port. Returns false when the destination is none. */
static bool answer_peer(struct relay *relay, struct relay_mapping *mapping,
			const struct cothon_datagram *datagram)
{
	struct relay_peer *peer = relay_peer_find(relay, mapping, &datagram->destination);

	if (!peer)
		return false;
	relay->counters.udp_out += relay_udp_pieces(datagram);
	mapping->bytes_out += datagram->len;
	relay_udp_send(peer->socket, &peer->addr, &peer->local, datagram);
	return true;
}

/* The mapping's first socket of a family, opened if there is none; NULL when the host has none. */
static struct relay_udp_socket *obtain_socket(struct relay_mapping *mapping, bool ipv4)
{
	struct relay_udp_socket *socket = NULL;
	int fd;

	for (struct cothon_list *node = mapping->sockets.next; node != &mapping->sockets;
	     node = node->next) {
		socket = cothon_container(node, struct relay_udp_socket, node);
		if (socket->ipv4 == ipv4)
			return socket;
	}
	fd = host_datagram_open(ipv4 ? AF_INET : AF_INET6, false);
	socket = fd < 0 ? NULL : create_socket(mapping, fd, ipv4);
	if (fd >= 0 && !socket)
		close(fd);
	if (!socket)
		mapping->relay->counters.no_socket++;
	return socket;
}

void relay_udp_send_to(struct relay_mapping *mapping, const struct cothon_endpoint *target,
		       const struct cothon_datagram *datagram)
{
	const struct cothon_addr any = {0};
	struct relay_udp_socket *socket =
		obtain_socket(mapping, cothon_addr_is_ipv4(&target->addr));
	struct host_sockaddr to = host_sockaddr_make(target, 0);

	if (!socket)
		return;
	mapping->relay->counters.udp_out += relay_udp_pieces(datagram);
	mapping->bytes_out += datagram->len;
	relay_udp_send(socket, &to, &any, datagram);
}

/*
 * Under rules the first datagram to a destination is decided about, and what was decided is kept;
 * without any there is nothing to keep.
 */
static int send_out(struct relay *relay, struct relay_mapping *mapping,
		    const struct cothon_datagram *datagram)
{
	const struct relay_attempt attempt = {COTHON_UDP, datagram->source, datagram->destination};
	struct relay_way *way = mapping ? relay_way_find(mapping, &datagram->destination) : NULL;
	struct relay_passage passage;
	int error = way ? 0 : relay_gate_pass(relay, &attempt, &passage);

	if (error)
		return error;
	if (!mapping)
		mapping = open_mapping(relay, &datagram->source);
	if (!mapping)
		return 0;
	touch(mapping);
	if (!way && (passage.name || cothon_rules_count(relay->rules) > 0))
		way = relay_way_open(mapping, &datagram->destination, &passage);
	else if (!way)
		relay_udp_send_to(mapping, &passage.target, datagram);
	if (way)
		relay_way_send(way, datagram);
	return 0;
}

int relay_udp_forward(struct relay *relay, const struct cothon_datagram *datagram)
{
	struct relay_mapping *mapping = relay_udp_find(relay, &datagram->source);

	if (mapping && mapping->published && answer_peer(relay, mapping, datagram))
		return 0;
	if (relay_network_broadcast(&relay->policy.network, &datagram->destination.addr)) {
		relay->counters.broadcast++;
		return 0;
	}
	if (relay_dns_stands_in(relay, &datagram->destination)) {
		relay_dns_take(relay, datagram);
		return 0;
	}
	return send_out(relay, mapping, datagram);
}

/* Publishing */

int relay_udp_publish(struct relay *relay, const struct cothon_endpoint *inside, int fd,
		      struct relay_udp_socket **result)
{
	struct relay_mapping *mapping = relay_udp_find(relay, inside);
	struct relay_udp_socket *socket;

	if (!mapping)
		mapping = create_mapping(relay, inside);
	if (!mapping)
		return -ENOBUFS;
	socket = create_socket(mapping, fd, cothon_addr_is_ipv4(&inside->addr));
	if (!socket) {
		if (cothon_list_empty(&mapping->sockets))
			destroy_mapping(mapping);
		return -ENOMEM;
	}
	/*
	 * The first publication is what unasked datagrams leave by, before a socket that was there
	 * already.
	 */
	if (!mapping->published) {
		cothon_list_remove(&socket->node);
		cothon_list_append(mapping->sockets.next, &socket->node);
		cothon_list_remove(&mapping->by_use);
	}
	socket->published = true;
	mapping->published = true;
	*result = socket;
	return 0;
}

/* Puts a published socket first, if there is one. Returns whether there is. */
static bool prefer_published(struct relay_mapping *mapping)
{
	struct cothon_list *node = mapping->sockets.next;

	while (node != &mapping->sockets &&
	       !cothon_container(node, struct relay_udp_socket, node)->published)
		node = node->next;
	if (node == &mapping->sockets)
		return false;
	cothon_list_remove(node);
	cothon_list_append(mapping->sockets.next, node);
	return true;
}

void relay_udp_unpublish(struct relay *relay, struct relay_udp_socket *socket)
{
	struct relay_mapping *mapping = socket->mapping;

	(void)relay;
	destroy_socket(socket);
	if (cothon_list_empty(&mapping->sockets)) {
		destroy_mapping(mapping);
		return;
	}
	mapping->published = prefer_published(mapping);
	touch(mapping);
}

/* Life */

int relay_udp_init(struct relay *relay)
{
	struct cothon_siphash_key mappings = cothon_siphash_key(relay->seed, RELAY_KEY_MAPPINGS);
	struct cothon_siphash_key peers = cothon_siphash_key(relay->seed, RELAY_KEY_PEERS);
	struct relay_udp *udp = &relay->udp;

	cothon_list_init(&udp->mappings_by_use);
	cothon_list_init(&udp->peers_by_use);
	relay_timer_init(&udp->expiry, expiry);
	udp->mappings = cothon_flow_table_create(&cothon_memory_malloc, &mappings,
						 (uint32_t)relay->limits.udp_mappings);
	udp->peers = cothon_flow_table_create(&cothon_memory_malloc, &peers,
					      (uint32_t)relay->limits.udp_peers);
	udp->batch = calloc(1, sizeof(*udp->batch));
	if (!udp->mappings || !udp->peers || !udp->batch)
		return -ENOMEM;
	return relay_udp_inbox_init(relay);
}

static void destroy_entry(struct cothon_flow_entry *entry, void *context)
{
	(void)context;
	destroy_mapping(cothon_container(entry, struct relay_mapping, entry));
}

void relay_udp_finish(struct relay *relay)
{
	struct relay_udp *udp = &relay->udp;

	if (udp->mappings && udp->peers && udp->batch) {
		relay_peer_forget(relay, NULL);
		cothon_flow_table_each(udp->mappings, destroy_entry, NULL);
	}
	if (udp->mappings)
		cothon_flow_table_destroy(udp->mappings);
	if (udp->peers)
		cothon_flow_table_destroy(udp->peers);
	free(udp->batch);
	free(udp->inbox);
}
