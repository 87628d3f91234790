/* SPDX-License-Identifier: MIT */
#include "relay/publish.h"

#include "relay/state.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	BACKLOG = 4096,
	/*
	 * Connections accepted from one socket in one round; the event comes again for the others.
	 */
	ACCEPT_MAX = 64,
	/*
	 * Milliseconds for which accepting rests when the host has no descriptor: the client waits
	 * in its queue.
	 */
	ACCEPT_PAUSE = 100,
};

/* Clients */

static const struct relay_family *family_of(const struct relay *relay,
					    const struct cothon_addr *addr)
{
	return relay_network_family(&relay->policy.network, addr);
}

/*
 * Whether the sandbox can be shown this address: one that means something else inside, or nothing,
 * cannot be answered.
 */
static bool can_be_shown(const struct relay *relay, const struct cothon_addr *addr)
{
	return !cothon_addr_is_loopback(addr) && !cothon_addr_is_link_local(addr) &&
	       !relay_network_inside(&relay->policy.network, addr);
}

/* Announces a client by the gateway's address and a port of its choice. */
static int open_as_gateway(struct relay_tcp *flow, const struct relay_family *family,
			   uint16_t inside)
{
	const struct cothon_endpoint local = {family->gateway, 0};
	const struct cothon_endpoint remote = {family->sandbox, inside};

	return relay_tcp_open(flow, &local, &remote);
}

/*
 * A client on the host that was refused tries the other family: it has no say in which one
 * "localhost" is, and the server inside may know only the other.
 */
static int retry_other_family(struct relay_tcp *flow, int error)
{
	const struct relay_network *network = &flow->relay->policy.network;
	const struct relay_family *other;

	if (error != -ECONNREFUSED || flow->attempt > 0)
		return error;
	flow->attempt++;
	other = cothon_addr_is_ipv4(&flow->tried.addr) ? &network->ipv6 : &network->ipv4;
	return other->enabled ? open_as_gateway(flow, other, flow->tried.port) : error;
}

/* Opens the way to the sandbox for a client: under its own endpoint where that is possible. */
static int open_inside(struct relay_tcp *flow, const struct cothon_endpoint *client,
		       uint16_t inside)
{
	const struct relay_family *family = family_of(flow->relay, &client->addr);
	const struct cothon_endpoint remote = {family->sandbox, inside};
	int error = -EADDRINUSE;

	if (!family->enabled)
		return -EAFNOSUPPORT;
	flow->tried = remote;
	if (cothon_addr_is_loopback(&client->addr))
		flow->retry = retry_other_family;
	if (can_be_shown(flow->relay, &client->addr))
		error = relay_tcp_open(flow, client, &remote);
	/* The same client came through another published port already. */
	if (error == -EADDRINUSE)
		error = open_as_gateway(flow, family, inside);
	return error;
}

void relay_publisher_take_client(struct relay *relay, int fd, const struct cothon_endpoint *client,
				 uint16_t inside)
{
	struct relay_tcp *flow = relay->draining ? NULL : relay_tcp_create(relay);

	if (!flow) {
		host_socket_reset(fd);
		return;
	}
	if (relay_tcp_take_outside(flow, fd) || open_inside(flow, client, inside)) {
		relay->counters.tcp_failed++;
		relay_tcp_drop(flow);
	}
}

static void accepted(struct relay_port *port, int fd, const struct host_sockaddr *from)
{
	const struct cothon_endpoint client = host_sockaddr_endpoint(from);

	port->relay->counters.tcp_in++;
	port->accepted++;
	if (!relay_lane_give_client(port->relay, fd, &client, port->inside))
		relay_publisher_take_client(port->relay, fd, &client, port->inside);
}

/* Accepting */

static void pause_accepting(struct relay_port *port)
{
	struct relay *relay = port->relay;

	relay->counters.accept_paused++;
	host_loop_change(relay->loop, &port->watch, 0);
	relay_arm(relay, &port->pause, RELAY_MILLISECONDS(ACCEPT_PAUSE));
}

static void resume_accepting(struct relay *relay, struct relay_timer *timer)
{
	struct relay_port *port = cothon_container(timer, struct relay_port, pause);

	host_loop_change(relay->loop, &port->watch, EPOLLIN);
}

/* A client waits in the host's queue, and the socket would say so again and again. */
static void hold_client(struct relay_port *port)
{
	const struct relay_publisher *publisher = &port->relay->publisher;

	host_loop_change(port->relay->loop, &port->watch, 0);
	publisher->wanted(publisher->wanted_context, port->inside);
}

static void listener_ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct relay_port *port = cothon_container(watch, struct relay_port, watch);

	(void)events;
	port->relay->now = now;
	cothon_stack_tell_time(port->relay->stack, now);
	if (port->relay->publisher.wanted) {
		hold_client(port);
		return;
	}
	for (unsigned i = 0; i < ACCEPT_MAX; i++) {
		struct host_sockaddr from = {.len = sizeof(from.in6)};
		int fd = accept4(watch->fd, &from.any, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			accepted(port, fd, &from);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			pause_accepting(port);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
		/* Other errors are those of one connection, which is gone (accept(2)). */
	}
}

/* Ports */

static void close_port(struct relay_port *port)
{
	struct relay *relay = port->relay;

	if (port->udp) {
		relay_udp_unpublish(relay, port->udp);
	} else {
		host_loop_remove(relay->loop, &port->watch);
		close(port->watch.fd);
	}
	relay->publisher.port_count--;
	relay_disarm(relay, &port->pause);
	cothon_list_remove(&port->node);
	free(port);
}

static int start_udp(struct relay_port *port, const struct cothon_addr *outside, int fd)
{
	const struct cothon_endpoint inside = {family_of(port->relay, outside)->sandbox,
					       port->inside};

	return relay_udp_publish(port->relay, &inside, fd, &port->udp);
}

/* Makes a bound socket a port of the relay. On error it stays the caller's. */
static int open_port(struct relay *relay, const struct relay_publication *publication,
		     const struct cothon_endpoint *outside, int fd, struct cothon_list *opened)
{
	struct relay_port *port;
	int error;

	if (relay->publisher.port_count >= relay->limits.published_ports) {
		relay->met.published_ports++;
		return -ENOBUFS;
	}
	port = calloc(1, sizeof(*port));
	if (!port)
		return -ENOMEM;
	port->relay = relay;
	port->inside = (uint16_t)(publication->inside + (outside->port - publication->outside));
	port->watch = (struct host_watch){.fd = fd, .ready = listener_ready};
	relay_timer_init(&port->pause, resume_accepting);
	if (publication->transport == COTHON_TCP)
		error = host_loop_add(relay->loop, &port->watch, EPOLLIN);
	else
		error = start_udp(port, &outside->addr, fd);
	if (error) {
		free(port);
		return error;
	}
	cothon_list_append(opened, &port->node);
	relay->publisher.port_count++;
	return 0;
}

/* Sockets */

/* A port that this process may not bind the steward may. */
static int bind_to(const struct relay *relay, int fd, const struct host_sockaddr *at)
{
	int error = bind(fd, &at->any, at->len) < 0 ? -errno : 0;

	if (error == -EACCES && relay->steward)
		return host_steward_bind(relay->steward, fd, at);
	return error;
}

/* A listening socket. `both` lets one of IPv6 take IPv4 connections too. */
static int listen_tcp(const struct relay *relay, const struct host_sockaddr *at, bool both)
{
	int fd = host_socket_open(at->any.sa_family, SOCK_STREAM, IPPROTO_TCP);
	int error;

	if (fd < 0)
		return fd;
	/* Connections of an earlier run that are in TIME-WAIT do not keep the port. */
	error = host_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!error && at->any.sa_family == AF_INET6)
		error = host_socket_set(fd, SOL_IPV6, IPV6_V6ONLY, !both);
	if (!error)
		error = bind_to(relay, fd, at);
	if (!error && listen(fd, BACKLOG) < 0)
		error = -errno;
	if (error)
		close(fd);
	return error ? error : fd;
}

static int bind_udp(const struct relay *relay, const struct host_sockaddr *at)
{
	int fd = host_datagram_open(at->any.sa_family, true);
	int error = fd < 0 ? fd : bind_to(relay, fd, at);

	if (fd >= 0 && error)
		close(fd);
	return error ? error : fd;
}

/* Opens one port on one address. */
static int publish_at(struct relay *relay, const struct relay_publication *publication,
		      const struct cothon_endpoint *outside, bool both, struct cothon_list *opened)
{
	struct host_sockaddr at = host_sockaddr_make(outside, 0);
	int fd = publication->transport == COTHON_TCP ? listen_tcp(relay, &at, both)
						      : bind_udp(relay, &at);
	int error;

	if (fd < 0)
		return fd;
	error = open_port(relay, publication, outside, fd, opened);
	if (error)
		close(fd);
	return error;
}

/* What a host without IPv6, or with IPv6 turned off, says. */
static bool is_no_ipv6(int error)
{
	return error == -EAFNOSUPPORT || error == -EADDRNOTAVAIL;
}

/*
 * Opens one port on all addresses of the host: for TCP by one socket for both families, for UDP by
 * one for each, because the two endpoints inside have a mapping each. A host without IPv6 has one
 * less.
 */
static int publish_everywhere(struct relay *relay, const struct relay_publication *publication,
			      struct cothon_endpoint *outside, struct cothon_list *opened)
{
	const struct relay_network *network = &relay->policy.network;
	bool tcp = publication->transport == COTHON_TCP;
	const struct cothon_addr any6 = {0};
	const struct cothon_addr any4 = cothon_addr_ipv4((const uint8_t[4]){0, 0, 0, 0});
	int error;

	if (network->ipv6.enabled) {
		outside->addr = any6;
		error = publish_at(relay, publication, outside, network->ipv4.enabled, opened);
		if (error && !(is_no_ipv6(error) && network->ipv4.enabled))
			return error;
		if (!error && (tcp || !network->ipv4.enabled))
			return 0;
	}
	outside->addr = any4;
	return publish_at(relay, publication, outside, false, opened);
}

/* Publication */

static int publish_one(struct relay *relay, const struct relay_publication *publication,
		       unsigned index, struct relay_publish_error *error,
		       struct cothon_list *opened)
{
	struct cothon_endpoint outside = {publication->addr,
					  (uint16_t)(publication->outside + index)};
	int result;

	if (!publication->has_addr)
		result = publish_everywhere(relay, publication, &outside, opened);
	else if (!family_of(relay, &publication->addr)->enabled)
		result = -EAFNOSUPPORT;
	else
		result = publish_at(relay, publication, &outside, false, opened);
	if (result)
		*error = (struct relay_publish_error){result, outside.port, outside.addr};
	return result;
}

static bool is_valid(const struct relay_publication *publication)
{
	return (publication->transport == COTHON_TCP || publication->transport == COTHON_UDP) &&
	       publication->count > 0 && publication->outside > 0 && publication->inside > 0 &&
	       publication->outside + publication->count - 1 <= UINT16_MAX &&
	       publication->inside + publication->count - 1 <= UINT16_MAX;
}

static void remove_published(struct relay_published *published)
{
	while (!cothon_list_empty(&published->ports))
		close_port(cothon_container(relay_take_first(&published->ports), struct relay_port,
					    node));
	cothon_list_remove(&published->node);
	free(published);
}

static struct relay_published *create_published(const struct relay_publication *publication)
{
	struct relay_published *published = calloc(1, sizeof(*published));

	if (!published)
		return NULL;
	published->publication = *publication;
	cothon_list_init(&published->ports);
	cothon_list_init(&published->node);
	return published;
}

/* What keeps a publication from being made before any socket is. */
static int refusal(const struct relay *relay, const struct relay_publication *publication)
{
	if (!is_valid(publication))
		return -EINVAL;
	return relay->draining ? -ESHUTDOWN : 0;
}

int relay_publish(struct relay *relay, const struct relay_publication *publication,
		  struct relay_publish_error *error)
{
	struct relay_published *published = create_published(publication);
	int result = published ? refusal(relay, publication) : -ENOMEM;

	if (result)
		*error = (struct relay_publish_error){result, publication->outside,
						      publication->addr};
	for (unsigned i = 0; !result && i < publication->count; i++)
		result = publish_one(relay, publication, i, error, &published->ports);
	if (!result)
		cothon_list_append(&relay->publisher.publications, &published->node);
	else if (published)
		remove_published(published);
	return result;
}

bool relay_publication_equal(const struct relay_publication *a, const struct relay_publication *b)
{
	return a->transport == b->transport && a->has_addr == b->has_addr &&
	       (!a->has_addr || cothon_addr_equal(&a->addr, &b->addr)) &&
	       a->outside == b->outside && a->inside == b->inside && a->count == b->count;
}

static struct relay_published *published_of(struct cothon_list *node)
{
	return cothon_container(node, struct relay_published, node);
}

int relay_unpublish(struct relay *relay, const struct relay_publication *publication)
{
	struct cothon_list *publications = &relay->publisher.publications;

	for (struct cothon_list *node = publications->next; node != publications;
	     node = node->next) {
		if (!relay_publication_equal(&published_of(node)->publication, publication))
			continue;
		relay->now = host_now();
		remove_published(published_of(node));
		return 0;
	}
	return -ENOENT;
}

void relay_publications_accepted(const struct relay *relay,
				 void (*each)(const struct relay_publication *publication,
					      uint64_t accepted, void *context),
				 void *context)
{
	const struct cothon_list *publications = &relay->publisher.publications;

	for (struct cothon_list *node = publications->next; node != publications;
	     node = node->next) {
		const struct relay_published *published = published_of(node);
		uint64_t accepted = 0;

		for (struct cothon_list *port = published->ports.next; port != &published->ports;
		     port = port->next)
			accepted += cothon_container(port, struct relay_port, node)->accepted;
		each(&published->publication, accepted, context);
	}
}

void relay_publications(const struct relay *relay,
			void (*each)(const struct relay_publication *publication, void *context),
			void *context)
{
	const struct cothon_list *publications = &relay->publisher.publications;

	for (struct cothon_list *node = publications->next; node != publications; node = node->next)
		each(&published_of(node)->publication, context);
}

/* Watches all listening sockets anew. */
static void watch_listeners(struct relay *relay)
{
	struct cothon_list *publications = &relay->publisher.publications;

	for (struct cothon_list *node = publications->next; node != publications;
	     node = node->next) {
		struct cothon_list *ports = &published_of(node)->ports;

		for (struct cothon_list *at = ports->next; at != ports; at = at->next) {
			struct relay_port *port = cothon_container(at, struct relay_port, node);

			if (!port->udp)
				host_loop_change(relay->loop, &port->watch, EPOLLIN);
		}
	}
}

void relay_hold(struct relay *relay, void (*wanted)(void *context, uint16_t inside), void *context)
{
	relay->publisher.wanted = wanted;
	relay->publisher.wanted_context = context;
	watch_listeners(relay);
}

void relay_admit(struct relay *relay)
{
	relay->publisher.wanted = NULL;
	watch_listeners(relay);
}

void relay_publisher_init(struct relay *relay)
{
	cothon_list_init(&relay->publisher.publications);
}

void relay_publisher_finish(struct relay *relay)
{
	while (!cothon_list_empty(&relay->publisher.publications))
		remove_published(published_of(relay_take_first(&relay->publisher.publications)));
}
