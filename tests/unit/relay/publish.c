/* SPDX-License-Identifier: MIT */
#include "house.h"

#include "host/socket.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const struct house_config closed = {.closed = true};
static const struct house_config ipv4_only = {.closed = true, .ipv4_only = true};

/* Ports that nobody has: `count` of them in a row, free for both families and transports. */
static uint16_t free_ports(unsigned count)
{
	for (;;) {
		int first = house_bind_udp(false, 0);
		uint16_t port = house_port(first);
		bool free = port + count < UINT16_MAX;

		close(first);
		for (unsigned i = 0; free && i < 2 * count; i++) {
			struct cothon_endpoint at = house_endpoint("::", (uint16_t)(port + i / 2));
			struct host_sockaddr name = host_sockaddr_make(&at, 0);
			int fd = host_socket_open(AF_INET6, i % 2 ? SOCK_DGRAM : SOCK_STREAM, 0);

			free = bind(fd, &name.any, name.len) == 0;
			close(fd);
		}
		if (free)
			return port;
	}
}

static struct relay_publication publication(uint8_t transport, uint16_t outside, uint16_t inside,
					    uint16_t count)
{
	return (struct relay_publication){
		.transport = transport, .outside = outside, .inside = inside, .count = count};
}

static void publish(struct house *house, const struct relay_publication *publication)
{
	struct relay_publish_error error;

	assert_int_equal(relay_publish(house->relay, publication, &error), 0);
}

/* A server on the sandbox's stack that keeps the last flow it got. */
struct server {
	struct cothon_listener *listener;
	struct client client;
	unsigned count;
};

static void accepted(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct server *server = owner;

	(void)events;
	if (server->count++ > 0)
		client_close(&server->client);
	client_adopt(&server->client, tcp);
}

static void serve(struct house *house, struct server *server, bool ipv6, uint16_t port)
{
	struct cothon_endpoint local = house_sandbox(house, ipv6, port);

	*server = (struct server){0};
	assert_int_equal(cothon_tcp_listen(house->sandbox, &local, 64, accepted, server,
					   &server->listener),
			 0);
}

static void stop(struct server *server)
{
	cothon_listener_close(server->listener);
	if (server->count)
		client_close(&server->client);
}

static bool has_client(void *server)
{
	return ((struct server *)server)->count > 0;
}

static bool has_bytes(void *client)
{
	return ((struct client *)client)->received_len > 0;
}

/* TCP */

static void a_client_on_the_host_comes_from_the_gateway(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		uint16_t port = free_ports(1);
		struct relay_publication one = publication(COTHON_TCP, port, 80, 1);
		struct cothon_endpoint from;
		struct server server;
		struct house house;
		char answer[8];
		int client;

		house_open(&house, &closed);
		publish(&house, &one);
		serve(&house, &server, ipv6, 80);
		client = house_connect(ipv6, port);
		house_until(&house, has_client, &server);
		from = cothon_flow_remote(cothon_tcp_flow(server.client.tcp));
		assert_endpoints_equal(from, house_gateway(&house, ipv6, from.port));
		house_write(&house, client, "ask", 3);
		house_until(&house, has_bytes, &server.client);
		assert_memory_equal(server.client.received, "ask", 3);
		client_send(&server.client, (const uint8_t *)"answer", 6, true);
		assert_int_equal(house_read(&house, client, answer, 8), 6);
		close(client);
		house_until(&house, client_has_ended, &server.client);
		assert_int_equal(cothon_tcp_error(server.client.tcp), 0);
		stop(&server);
		house_close(&house);
	}
}

static void a_refused_client_is_reset(void **state)
{
	uint16_t port = free_ports(1);
	struct relay_publication one = publication(COTHON_TCP, port, 80, 1);
	struct house house;
	int client;
	char byte;

	(void)state;
	house_open(&house, &closed);
	publish(&house, &one);
	client = house_connect(false, port);
	assert_int_equal(house_read_some(&house, client, &byte, 1), -ECONNRESET);
	assert_int_equal(relay_counters(house.relay)->tcp_failed, 1);
	close(client);
	house_close(&house);
}

/*
 * "localhost" may be ::1 to a client and the server inside may know IPv4 alone, or the other way
 * round.
 */
static void a_client_on_the_host_reaches_either_family(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		uint16_t port = free_ports(1);
		struct relay_publication one = publication(COTHON_TCP, port, 80, 1);
		struct server server;
		struct house house;
		int client;

		house_open(&house, &closed);
		publish(&house, &one);
		serve(&house, &server, !ipv6, 80);
		client = house_connect(ipv6, port);
		house_write(&house, client, "x", 1);
		house_until(&house, has_client, &server);
		house_until(&house, has_bytes, &server.client);
		close(client);
		stop(&server);
		house_close(&house);
	}
}

static void without_ipv6_inside_only_ipv4_is_published(void **state)
{
	uint16_t port = free_ports(1);
	struct relay_publication one = publication(COTHON_TCP, port, 80, 1);
	struct cothon_endpoint at = house_endpoint("::", port);
	struct host_sockaddr name = host_sockaddr_make(&at, 0);
	int fd = host_socket_open(AF_INET6, SOCK_STREAM, 0);
	struct relay_publish_error error;
	struct house house;

	(void)state;
	house_open(&house, &ipv4_only);
	publish(&house, &one);
	host_socket_set(fd, SOL_IPV6, IPV6_V6ONLY, 1);
	assert_int_equal(bind(fd, &name.any, name.len), 0);
	close(fd);
	one.has_addr = true;
	one.addr = house_endpoint("::1", 0).addr;
	assert_int_equal(relay_publish(house.relay, &one, &error), -EAFNOSUPPORT);
	house_close(&house);
}

static void a_range_leads_port_to_port(void **state)
{
	enum {
		COUNT = 5
	};
	uint16_t port = free_ports(COUNT);
	struct relay_publication range = publication(COTHON_TCP, port, 7000, COUNT);
	struct house house;

	(void)state;
	house_open(&house, &closed);
	publish(&house, &range);
	for (unsigned i = 0; i < COUNT; i++) {
		struct server server;
		int client;

		serve(&house, &server, false, (uint16_t)(7000 + i));
		client = house_connect(false, (uint16_t)(port + i));
		house_until(&house, has_client, &server);
		close(client);
		stop(&server);
	}
	house_close(&house);
}

/* The port in the middle is taken: none is published, and the error says which. */
static void a_range_is_published_whole_or_not_at_all(void **state)
{
	const uint8_t transports[] = {COTHON_TCP, COTHON_UDP};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint16_t port = free_ports(5);
		struct relay_publication range = publication(transports[i], port, 7000, 5);
		uint16_t middle = (uint16_t)(port + 2);
		int taken = i ? house_bind_udp(false, middle) : house_listen(false, middle), first;
		struct relay_publish_error error;
		struct house house;

		house_open(&house, &closed);
		assert_int_equal(relay_publish(house.relay, &range, &error), -EADDRINUSE);
		assert_int_equal(error.error, -EADDRINUSE);
		assert_int_equal(error.port, middle);
		/* The others are free again. */
		first = i ? house_bind_udp(false, port) : house_listen(false, port);
		close(first);
		close(taken);
		publish(&house, &range);
		house_close(&house);
	}
}

static void an_address_is_published_alone(void **state)
{
	uint16_t port = free_ports(1);
	struct relay_publication one = publication(COTHON_TCP, port, 80, 1), bad;
	struct relay_publish_error error;
	struct house house;
	int other;

	(void)state;
	one.has_addr = true;
	one.addr = house_endpoint("127.0.0.1", 0).addr;
	house_open(&house, &closed);
	publish(&house, &one);
	other = house_listen(true, port);
	close(other);
	assert_int_equal(relay_publish(house.relay, &one, &error), -EADDRINUSE);
	assert_true(cothon_addr_equal(&error.addr, &one.addr));
	/* Not an address of this host (RFC 5737). */
	bad = one;
	bad.addr = house_endpoint("192.0.2.77", 0).addr;
	assert_int_equal(relay_publish(house.relay, &bad, &error), -EADDRNOTAVAIL);
	house_close(&house);
}

static void nonsense_is_invalid(void **state)
{
	const struct relay_publication cases[] = {
		publication(COTHON_TCP, 0, 80, 1),     publication(COTHON_TCP, 80, 0, 1),
		publication(COTHON_TCP, 8080, 80, 0),  publication(COTHON_SCTP, 8080, 80, 1),
		publication(COTHON_TCP, 65535, 80, 2), publication(COTHON_UDP, 8080, 65530, 7),
	};
	struct relay_publish_error error;
	struct house house;

	(void)state;
	house_open(&house, &closed);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(relay_publish(house.relay, &cases[i], &error), -EINVAL);
	house_close(&house);
}

static bool has_paused(void *house)
{
	return relay_counters(((struct house *)house)->relay)->accept_paused > 0;
}

/* Without a descriptor the client waits, the processor does not, and then it is served. */
static void accepting_rests_without_descriptors(void **state)
{
	uint16_t port = free_ports(1);
	struct relay_publication one = publication(COTHON_TCP, port, 80, 1);
	struct rlimit before, tight;
	struct server server;
	struct house house;
	int client, spare;

	(void)state;
	house_open(&house, &closed);
	publish(&house, &one);
	serve(&house, &server, false, 80);
	client = house_connect(false, port);
	spare = dup(client);
	close(spare);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	tight = before;
	tight.rlim_cur = (rlim_t)spare;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	house_until(&house, has_paused, &house);
	house_run(&house, 350);
	/* One attempt in 100 milliseconds. */
	assert_in_range(relay_counters(house.relay)->accept_paused, 2, 5);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	house_until(&house, has_client, &server);
	close(client);
	stop(&server);
	house_close(&house);
}

static bool is_refused(void *port)
{
	int fd = house_connect(false, *(uint16_t *)port);
	bool refused = host_socket_error(fd) == -ECONNREFUSED;

	close(fd);
	return refused;
}

static void draining_closes_published_ports(void **state)
{
	uint16_t port = free_ports(1);
	struct relay_publication tcp = publication(COTHON_TCP, port, 80, 1);
	struct relay_publication udp = publication(COTHON_UDP, port, 80, 1);
	struct house house;
	int fd;

	(void)state;
	house_open(&house, &closed);
	publish(&house, &tcp);
	publish(&house, &udp);
	relay_drain(house.relay);
	house_until(&house, is_refused, &port);
	fd = house_bind_udp(false, port);
	close(fd);
	assert_int_equal(relay_undelivered(house.relay), 0);
	house_close(&house);
}

/* UDP */

struct inside {
	struct cothon_udp *udp;
	unsigned count;
	struct cothon_endpoint from;
	uint8_t last;
};

static void told(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	struct inside *inside = owner;

	(void)udp;
	inside->count++;
	inside->from = datagram->source;
	inside->last = datagram->payload[0];
}

static bool has_count(void *context)
{
	const struct inside *inside = context;

	return inside->count > 0;
}

static void await_one(struct house *house, struct inside *inside)
{
	house_until(house, has_count, inside);
	assert_int_equal(inside->count, 1);
	inside->count = 0;
}

static void bind_inside(struct house *house, struct inside *inside, bool ipv6, uint16_t port)
{
	struct cothon_endpoint local = house_sandbox(house, ipv6, port);

	*inside = (struct inside){0};
	assert_int_equal(cothon_udp_bind(house->sandbox, &local, told, inside, &inside->udp), 0);
}

static void give(int fd, struct cothon_endpoint to, uint8_t byte)
{
	struct host_sockaddr name = host_sockaddr_make(&to, 0);

	assert_int_equal(sendto(fd, &byte, 1, 0, &name.any, name.len), 1);
}

static uint8_t take(struct house *house, int fd, struct cothon_endpoint *from)
{
	struct host_sockaddr name = {.len = sizeof(name.in6)};
	uint8_t byte = 0;

	house_until(house, house_readable, &fd);
	assert_int_equal(recvfrom(fd, &byte, 1, MSG_DONTWAIT, &name.any, &name.len), 1);
	*from = host_sockaddr_endpoint(&name);
	return byte;
}

/*
 * Clients on the host are the gateway with their own port, and are answered from the published
 * endpoint.
 */
static void udp_clients_on_the_host_are_the_gateway(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		uint16_t port = free_ports(1);
		struct relay_publication one = publication(COTHON_UDP, port, 53, 1);
		int a = house_bind_udp(ipv6, 0), b = house_bind_udp(ipv6, 0);
		struct cothon_endpoint from, first;
		struct inside inside;
		struct house house;

		house_open(&house, &closed);
		publish(&house, &one);
		bind_inside(&house, &inside, ipv6, 53);
		give(a, house_loopback(ipv6, port), 1);
		await_one(&house, &inside);
		first = inside.from;
		assert_endpoints_equal(first, house_gateway(&house, ipv6, house_port(a)));
		give(b, house_loopback(ipv6, port), 2);
		await_one(&house, &inside);
		assert_endpoints_equal(inside.from, house_gateway(&house, ipv6, house_port(b)));
		/* Each gets its own answer. */
		cothon_udp_send(inside.udp, NULL, &first, "\3", 1);
		cothon_udp_send(inside.udp, NULL, &inside.from, "\4", 1);
		assert_int_equal(take(&house, a, &from), 3);
		assert_endpoints_equal(from, house_loopback(ipv6, port));
		assert_int_equal(take(&house, b, &from), 4);
		close(a);
		close(b);
		cothon_udp_close(inside.udp);
		house_close(&house);
	}
}

/* Two clients of one port and different addresses of the loopback are two clients inside. */
static void clients_with_the_same_port_are_told_apart(void **state)
{
	uint16_t port = free_ports(1);
	struct relay_publication one = publication(COTHON_UDP, port, 53, 1);
	int a = house_bind_udp(false, 0), b = host_socket_open(AF_INET, SOCK_DGRAM, 0);
	struct cothon_endpoint at = house_endpoint("127.0.0.2", house_port(a)), first, second, from;
	struct host_sockaddr name = host_sockaddr_make(&at, 0);
	struct inside inside;
	struct house house;

	(void)state;
	assert_int_equal(bind(b, &name.any, name.len), 0);
	house_open(&house, &closed);
	publish(&house, &one);
	bind_inside(&house, &inside, false, 53);
	give(a, house_loopback(false, port), 1);
	await_one(&house, &inside);
	first = inside.from;
	give(b, house_loopback(false, port), 2);
	await_one(&house, &inside);
	second = inside.from;
	assert_int_not_equal(first.port, second.port);
	cothon_udp_send(inside.udp, NULL, &second, "\5", 1);
	assert_int_equal(take(&house, b, &from), 5);
	cothon_udp_send(inside.udp, NULL, &first, "\6", 1);
	assert_int_equal(take(&house, a, &from), 6);
	/* Spoken to again, each is who it was. */
	give(b, house_loopback(false, port), 7);
	await_one(&house, &inside);
	assert_endpoints_equal(inside.from, second);
	close(a);
	close(b);
	cothon_udp_close(inside.udp);
	house_close(&house);
}

/* The host's loopback is closed but for those who spoke first. */
static void nobody_else_on_the_host_is_reached(void **state)
{
	uint16_t port = free_ports(1);
	struct relay_publication one = publication(COTHON_UDP, port, 53, 1);
	int client = house_bind_udp(false, 0), other = house_bind_udp(false, 0);
	struct cothon_endpoint to;
	struct inside inside;
	struct house house;

	(void)state;
	house_open(&house, &closed);
	publish(&house, &one);
	bind_inside(&house, &inside, false, 53);
	give(client, house_loopback(false, port), 1);
	await_one(&house, &inside);
	to = house_gateway(&house, false, house_port(other));
	cothon_udp_send(inside.udp, NULL, &to, "x", 1);
	house_run(&house, 30);
	assert_false(house_readable(&other));
	assert_int_equal(relay_counters(house.relay)->prohibited, 1);
	close(client);
	close(other);
	cothon_udp_close(inside.udp);
	house_close(&house);
}

/* Two ports outside may lead to one inside: each client is answered by the port it spoke to. */
static void two_ports_may_lead_to_one(void **state)
{
	uint16_t port = free_ports(2);
	struct relay_publication one = publication(COTHON_UDP, port, 53, 1);
	struct relay_publication two = publication(COTHON_UDP, (uint16_t)(port + 1), 53, 1);
	int a = house_bind_udp(false, 0), b = house_bind_udp(false, 0);
	struct cothon_endpoint first, from;
	struct inside inside;
	struct house house;

	(void)state;
	house_open(&house, &closed);
	publish(&house, &one);
	publish(&house, &two);
	bind_inside(&house, &inside, false, 53);
	give(a, house_loopback(false, port), 1);
	await_one(&house, &inside);
	first = inside.from;
	give(b, house_loopback(false, (uint16_t)(port + 1)), 2);
	await_one(&house, &inside);
	cothon_udp_send(inside.udp, NULL, &first, "\1", 1);
	cothon_udp_send(inside.udp, NULL, &inside.from, "\2", 1);
	take(&house, a, &from);
	assert_endpoints_equal(from, house_loopback(false, port));
	take(&house, b, &from);
	assert_endpoints_equal(from, house_loopback(false, (uint16_t)(port + 1)));
	/* Who speaks to both is answered by the one it spoke to last. */
	give(a, house_loopback(false, (uint16_t)(port + 1)), 3);
	await_one(&house, &inside);
	assert_endpoints_equal(inside.from, first);
	cothon_udp_send(inside.udp, NULL, &first, "\3", 1);
	take(&house, a, &from);
	assert_endpoints_equal(from, house_loopback(false, (uint16_t)(port + 1)));
	close(a);
	close(b);
	cothon_udp_close(inside.udp);
	house_close(&house);
}

/* What the published endpoint sends unasked leaves from the published port. */
static void the_published_port_is_the_mapping(void **state)
{
	const struct house_config open = {0};
	uint16_t port = free_ports(1);
	struct relay_publication one = publication(COTHON_UDP, port, 53, 1);
	int server = house_bind_udp(false, 0);
	struct cothon_endpoint to, from;
	struct inside inside;
	struct house house;

	(void)state;
	house_open(&house, &open);
	bind_inside(&house, &inside, false, 53);
	to = house_gateway(&house, false, house_port(server));
	/* Also when a mapping was there before. */
	cothon_udp_send(inside.udp, NULL, &to, "\1", 1);
	assert_int_equal(take(&house, server, &from), 1);
	publish(&house, &one);
	cothon_udp_send(inside.udp, NULL, &to, "\2", 1);
	assert_int_equal(take(&house, server, &from), 2);
	assert_endpoints_equal(from, house_loopback(false, port));
	close(server);
	cothon_udp_close(inside.udp);
	house_close(&house);
}

/* Removing */

struct list {
	unsigned count;
	struct relay_publication all[8];
};

static void note(const struct relay_publication *one, void *context)
{
	struct list *list = context;

	assert_true(list->count < 8);
	list->all[list->count++] = *one;
}

static void assert_listed(const struct house *house, const struct relay_publication *expected,
			  unsigned count)
{
	struct list list = {0};

	relay_publications(house->relay, note, &list);
	assert_int_equal(list.count, count);
	for (unsigned i = 0; i < count; i++)
		assert_true(relay_publication_equal(&list.all[i], &expected[i]));
}

/* Nobody has the port, for the transport, in either family. */
static bool is_free(uint8_t transport, uint16_t port)
{
	struct cothon_endpoint at = house_endpoint("::", port);
	struct host_sockaddr name = host_sockaddr_make(&at, 0);
	int fd = host_socket_open(AF_INET6, transport == COTHON_TCP ? SOCK_STREAM : SOCK_DGRAM, 0);
	bool free = bind(fd, &name.any, name.len) == 0;

	close(fd);
	return free;
}

static void publications_are_listed_in_their_order(void **state)
{
	uint16_t port = free_ports(3);
	const struct relay_publication all[] = {
		publication(COTHON_UDP, (uint16_t)(port + 2), 53, 1),
		publication(COTHON_TCP, port, 80, 2),
		publication(COTHON_UDP, port, 80, 2),
	};
	struct house house;

	(void)state;
	house_open(&house, &closed);
	for (unsigned i = 0; i < 3; i++)
		publish(&house, &all[i]);
	assert_listed(&house, all, 3);
	assert_int_equal(relay_unpublish(house.relay, &all[0]), 0);
	assert_listed(&house, &all[1], 2);
	relay_drain(house.relay);
	assert_listed(&house, NULL, 0);
	house_close(&house);
}

/* A server can have the port, as servers open one: beside connections that came by it. */
static void assert_opens(uint16_t port)
{
	struct cothon_endpoint at = house_endpoint("::", port);
	struct host_sockaddr name = host_sockaddr_make(&at, 0);
	int fd = host_socket_open(AF_INET6, SOCK_STREAM, 0);

	assert_int_equal(host_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
	assert_int_equal(bind(fd, &name.any, name.len), 0);
	assert_int_equal(listen(fd, 1), 0);
	close(fd);
}

/* The host's port is free when the call returns; a connection that came by it goes on. */
static void a_removed_port_is_free_at_once(void **state)
{
	uint16_t port = free_ports(1);
	struct relay_publication one = publication(COTHON_TCP, port, 80, 1);
	struct server server;
	struct house house;
	char answer[8];
	int client, waiting;

	(void)state;
	house_open(&house, &closed);
	publish(&house, &one);
	serve(&house, &server, false, 80);
	client = house_connect(false, port);
	house_until(&house, has_client, &server);
	/* One that the host has accepted and the relay has not. */
	waiting = house_connect(false, port);
	assert_false(is_free(COTHON_TCP, port));
	assert_int_equal(relay_unpublish(house.relay, &one), 0);
	assert_opens(port);
	assert_int_equal(relay_unpublish(house.relay, &one), -ENOENT);
	house_write(&house, client, "ask", 3);
	house_until(&house, has_bytes, &server.client);
	client_send(&server.client, (const uint8_t *)"word", 4, true);
	assert_int_equal(house_read(&house, client, answer, sizeof(answer)), 4);
	close(client);
	close(waiting);
	/* And it can be published again. */
	publish(&house, &one);
	stop(&server);
	house_close(&house);
}

static void a_range_is_removed_as_it_was_made(void **state)
{
	const uint8_t transports[] = {COTHON_TCP, COTHON_UDP};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		uint16_t port = free_ports(3);
		struct relay_publication range = publication(transports[i], port, 7000, 3);
		struct relay_publication part = publication(transports[i], port, 7000, 1);
		struct relay_publication other = publication(transports[i], port, 7001, 3);
		struct relay_publication here = range;
		struct house house;

		here.has_addr = true;
		here.addr = house_endpoint("127.0.0.1", 0).addr;
		house_open(&house, &closed);
		publish(&house, &range);
		assert_int_equal(relay_unpublish(house.relay, &part), -ENOENT);
		assert_int_equal(relay_unpublish(house.relay, &other), -ENOENT);
		assert_int_equal(relay_unpublish(house.relay, &here), -ENOENT);
		for (unsigned at = 0; at < 3; at++)
			assert_false(is_free(transports[i], (uint16_t)(port + at)));
		assert_int_equal(relay_unpublish(house.relay, &range), 0);
		for (unsigned at = 0; at < 3; at++)
			assert_true(is_free(transports[i], (uint16_t)(port + at)));
		house_close(&house);
	}
}

/* A mapping that was there before has a socket between those of two publications. */
static void of_two_ports_that_lead_to_one_the_other_stays(void **state)
{
	const struct house_config open = {0};
	uint16_t port = free_ports(2);
	struct relay_publication first = publication(COTHON_UDP, port, 53, 1);
	struct relay_publication second = publication(COTHON_UDP, (uint16_t)(port + 1), 53, 1);
	int server = house_bind_udp(false, 0), client = house_bind_udp(false, 0);
	struct cothon_endpoint to, from;
	struct inside inside;
	struct house house;

	(void)state;
	house_open(&house, &open);
	bind_inside(&house, &inside, false, 53);
	to = house_gateway(&house, false, house_port(server));
	cothon_udp_send(inside.udp, NULL, &to, "\1", 1);
	assert_int_equal(take(&house, server, &from), 1);
	publish(&house, &first);
	publish(&house, &second);
	assert_int_equal(relay_unpublish(house.relay, &first), 0);
	assert_true(is_free(COTHON_UDP, port));
	give(client, house_loopback(false, (uint16_t)(port + 1)), 2);
	await_one(&house, &inside);
	assert_int_equal(inside.last, 2);
	/* What is sent unasked leaves by the one that is left. */
	cothon_udp_send(inside.udp, NULL, &to, "\3", 1);
	assert_int_equal(take(&house, server, &from), 3);
	assert_endpoints_equal(from, house_loopback(false, (uint16_t)(port + 1)));
	assert_int_equal(relay_unpublish(house.relay, &second), 0);
	assert_true(is_free(COTHON_UDP, (uint16_t)(port + 1)));
	close(server);
	close(client);
	cothon_udp_close(inside.udp);
	house_close(&house);
}

static void nothing_is_published_at_the_end(void **state)
{
	uint16_t port = free_ports(1);
	struct relay_publication one = publication(COTHON_TCP, port, 80, 1);
	struct relay_publish_error error;
	struct house house;

	(void)state;
	house_open(&house, &closed);
	relay_drain(house.relay);
	assert_int_equal(relay_publish(house.relay, &one, &error), -ESHUTDOWN);
	assert_int_equal(error.error, -ESHUTDOWN);
	house_close(&house);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_on_the_host_comes_from_the_gateway),
		cmocka_unit_test(a_refused_client_is_reset),
		cmocka_unit_test(a_client_on_the_host_reaches_either_family),
		cmocka_unit_test(without_ipv6_inside_only_ipv4_is_published),
		cmocka_unit_test(a_range_leads_port_to_port),
		cmocka_unit_test(a_range_is_published_whole_or_not_at_all),
		cmocka_unit_test(an_address_is_published_alone),
		cmocka_unit_test(nonsense_is_invalid),
		cmocka_unit_test(accepting_rests_without_descriptors),
		cmocka_unit_test(draining_closes_published_ports),
		cmocka_unit_test(udp_clients_on_the_host_are_the_gateway),
		cmocka_unit_test(clients_with_the_same_port_are_told_apart),
		cmocka_unit_test(nobody_else_on_the_host_is_reached),
		cmocka_unit_test(two_ports_may_lead_to_one),
		cmocka_unit_test(the_published_port_is_the_mapping),
		cmocka_unit_test(publications_are_listed_in_their_order),
		cmocka_unit_test(a_removed_port_is_free_at_once),
		cmocka_unit_test(a_range_is_removed_as_it_was_made),
		cmocka_unit_test(of_two_ports_that_lead_to_one_the_other_stays),
		cmocka_unit_test(nothing_is_published_at_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
