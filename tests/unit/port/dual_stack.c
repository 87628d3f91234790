/* SPDX-License-Identifier: MIT */

/* The side of the stack: a pair, of which the right one serves. */

#include "dual.h"

#include "../tcp/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct dual {
	struct pair pair;
	/* The client, and the server's end of its connection. */
	struct cothon_tcp *client, *accepted;
	bool over; /* the client's connection */
};

static const uint64_t second = 1000000;

/* Nobody but root binds system ports, and TIME-WAIT lasts. */
static void configure(void *context, int side, struct cothon_stack_config *config)
{
	(void)context;
	if (side == PAIR_RIGHT)
		config->unprivileged_first = 1024;
}

struct dual *dual_create(void)
{
	const struct pair_setup setup = {.seed = 1, .configure = configure};
	static const char *const more[] = {"192.0.2.3", "2001:db8::3"};
	struct dual *dual = calloc(1, sizeof(*dual));

	assert_non_null(dual);
	pair_create(&dual->pair, &setup);
	for (size_t i = 0; i < 2; i++) {
		struct cothon_addr addr = host_parse(more[i]);
		assert_int_equal(cothon_stack_add_address(dual->pair.stacks[PAIR_RIGHT], &addr), 0);
	}
	return dual;
}

void dual_destroy(struct dual *dual)
{
	pair_destroy(&dual->pair);
	free(dual);
}

static void told_datagram(struct cothon_udp *udp, void *owner,
			  const struct cothon_datagram *datagram)
{
	struct dual_server *server = owner;

	(void)udp;
	(void)datagram;
	server->told++;
}

/* An end that is kept. */
static void keep(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	(void)tcp;
	(void)owner;
	(void)events;
}

static void told_connection(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct dual_server *server = owner;

	assert_true(events & COTHON_TCP_OPENED);
	server->told++;
	if (server->keep) {
		server->accepted = tcp;
		cothon_tcp_own(tcp, keep, NULL);
	} else {
		cothon_tcp_abort(tcp);
	}
}

int dual_stack_open(struct dual *dual, const struct dual_spec *spec, struct dual_server *server)
{
	struct cothon_stack *stack = dual->pair.stacks[PAIR_RIGHT];
	struct cothon_endpoint local = {host_parse(spec->place.addr), spec->port};
	struct cothon_bind_options options = spec->options;
	int error;

	options.v6_only = spec->place.v6_only;
	if (spec->transport == COTHON_UDP)
		error = cothon_udp_bind_as(stack, &local, &options, told_datagram, server,
					   &server->udp);
	else
		error = cothon_tcp_listen_as(stack, &local, &options, 8, told_connection, server,
					     &server->listener);
	if (!error)
		server->stack_port = server->udp ? cothon_udp_local(server->udp).port
						 : cothon_listener_local(server->listener).port;
	return error;
}

void dual_stack_close(struct dual_server *server)
{
	if (server->udp)
		cothon_udp_close(server->udp);
	if (server->listener)
		cothon_listener_close(server->listener);
	server->udp = NULL;
	server->listener = NULL;
}

static void run(struct dual *dual, uint64_t microseconds)
{
	uint64_t end = dual->pair.now + microseconds;

	pair_kick(&dual->pair);
	while (pair_step(&dual->pair, end))
		;
}

static void told_client(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct dual *dual = owner;

	if (!(events & COTHON_TCP_ENDED))
		return;
	dual->over = true;
	cothon_tcp_close(tcp);
	dual->client = NULL;
}

static void connect_to(struct dual *dual, const struct cothon_addr *to, uint16_t port)
{
	struct cothon_endpoint any = {0}, remote = {*to, port};

	dual->over = false;
	assert_int_equal(cothon_tcp_connect(dual->pair.stacks[PAIR_LEFT], &any, &remote,
					    told_client, dual, &dual->client),
			 0);
	run(dual, second / 10);
}

static void send_to(struct dual *dual, const struct cothon_addr *to, uint16_t port)
{
	struct cothon_endpoint any = {0}, remote = {*to, port};
	struct cothon_udp *client;

	assert_int_equal(cothon_udp_bind(dual->pair.stacks[PAIR_LEFT], &any, told_datagram, NULL,
					 &client),
			 0);
	assert_int_equal(cothon_udp_send(client, NULL, &remote, "x", 1), 0);
	run(dual, second / 10);
	cothon_udp_close(client);
}

int dual_stack_deliver(struct dual *dual, uint8_t transport, const struct cothon_addr *to,
		       uint16_t port, struct dual_server *servers, int count)
{
	int taker = -1;

	for (int i = 0; i < count; i++)
		servers[i].told = 0;
	if (transport == COTHON_UDP) {
		send_to(dual, to, port);
	} else {
		connect_to(dual, to, port);
		/* Refused, or reset by the server. */
		assert_true(dual->over);
	}
	for (int i = 0; i < count; i++) {
		if (servers[i].told) {
			assert_int_equal(servers[i].told, 1);
			assert_int_equal(taker, -1);
			taker = i;
		}
	}
	return taker;
}

void dual_stack_leave(struct dual *dual, struct dual_server *server, const struct cothon_addr *to,
		      uint16_t port, enum dual_left left)
{
	struct cothon_tcp_info info;

	server->keep = true;
	connect_to(dual, to, port);
	assert_non_null(server->accepted);
	dual->accepted = server->accepted;
	dual_stack_close(server);
	if (left == DUAL_ESTABLISHED)
		return;
	cothon_tcp_shutdown(left == DUAL_TIME_WAIT ? dual->accepted : dual->client);
	run(dual, second / 10);
	cothon_tcp_shutdown(left == DUAL_TIME_WAIT ? dual->client : dual->accepted);
	run(dual, second / 10);
	cothon_tcp_info(dual->accepted, &info);
	assert_int_equal(info.state,
			 left == DUAL_TIME_WAIT ? COTHON_TCP_TIME_WAIT : COTHON_TCP_CLOSED);
}

void dual_stack_forget(struct dual *dual)
{
	if (dual->accepted)
		cothon_tcp_abort(dual->accepted);
	if (dual->client)
		cothon_tcp_abort(dual->client);
	dual->accepted = dual->client = NULL;
	run(dual, second / 10);
}
