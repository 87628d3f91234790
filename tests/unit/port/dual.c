/* SPDX-License-Identifier: MIT */

/*
 * Bindings compared with Linux: each case is played on Linux sockets, in a network namespace of its
 * own, and on a stack through the public API, and the answers have to be the same: who may bind
 * what, and who then gets a datagram or a connection.
 */

#include "dual.h"

#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/* What a server may bind: :: stands for both families, and for IPv6 alone. */
static const struct dual_place places[] = {
	{"192.0.2.2", false},   {"192.0.2.3", false}, {"0.0.0.0", false}, {"2001:db8::2", false},
	{"2001:db8::3", false}, {"::", false},        {"::", true},
};

enum {
	PLACES = sizeof(places) / sizeof(places[0]),
	FLAGS = 4, /* reuse_address and reuse_port, each or not */
};

static struct cothon_bind_options flags_of(unsigned flags)
{
	return (struct cothon_bind_options){.reuse_address = flags & 1, .reuse_port = flags & 2};
}

static const char *describe(char text[static 200], const struct dual_spec *spec)
{
	snprintf(text, 200, "%s [%s]:%u%s%s%s%s", spec->transport == COTHON_TCP ? "tcp" : "udp",
		 spec->place.addr, spec->port, spec->place.v6_only ? " v6only" : "",
		 spec->options.reuse_address ? " reuseaddr" : "",
		 spec->options.reuse_port ? " reuseport" : "",
		 spec->options.privileged ? " privileged" : "");
	return text;
}

/* Opens a server on both sides; the answers must be the same. Returns what they were. */
static int open_both(struct dual *dual, const struct dual_spec *spec, struct dual_server *server)
{
	int linux_says = dual_linux_open(spec, server), ours = dual_stack_open(dual, spec, server);
	char text[200];

	if (linux_says != ours)
		fail_msg("%s: Linux says %s, the stack %s", describe(text, spec),
			 strerror(-linux_says), strerror(-ours));
	return ours;
}

static void close_both(struct dual_server *server)
{
	dual_linux_close(server);
	dual_stack_close(server);
}

/* Sends to every address; of those that serve, the same one must get it on both sides. */
static void deliver_both(struct dual *dual, const struct dual_spec specs[static 2],
			 struct dual_server servers[static 2])
{
	/* Whoever shares an address by SO_REUSEPORT gets what a hash says: either may. */
	bool either = specs[0].options.reuse_port && specs[1].options.reuse_port &&
		      specs[0].place.v6_only == specs[1].place.v6_only &&
		      !strcmp(specs[0].place.addr, specs[1].place.addr);

	for (size_t i = 0; i < PLACES; i++) {
		struct cothon_addr to;
		int expected, ours;
		char first[200], second[200];

		assert_int_equal(cothon_addr_parse(places[i].addr, &to), 0);
		if (cothon_addr_is_any(&to))
			continue;
		expected = dual_linux_deliver(specs[0].transport, &to, specs[0].port, servers, 2);
		ours = dual_stack_deliver(dual, specs[0].transport, &to, specs[0].port, servers, 2);
		if (either ? (expected < 0) != (ours < 0) : expected != ours)
			fail_msg("%s and %s: to %s goes to %d in Linux, %d in the stack",
				 describe(first, &specs[0]), describe(second, &specs[1]),
				 places[i].addr, expected, ours);
	}
}

/* Every pair of addresses with all flags: may the second be bound, and who gets what? */
static void pairs(uint8_t transport)
{
	struct dual *dual = dual_create();
	unsigned together = 0, refused = 0;

	for (unsigned i = 0; i < PLACES * PLACES * FLAGS * FLAGS; i++) {
		struct dual_server servers[2];
		uint16_t port = (uint16_t)(20000 + i);
		struct dual_spec specs[2] = {
			{transport, places[i % PLACES], port, flags_of(i / PLACES / PLACES)},
			{transport, places[i / PLACES % PLACES], port,
			 flags_of(i / PLACES / PLACES / FLAGS)},
		};

		assert_int_equal(open_both(dual, &specs[0], &servers[0]), 0);
		if (open_both(dual, &specs[1], &servers[1]) == 0) {
			deliver_both(dual, specs, servers);
			close_both(&servers[1]);
			together++;
		} else {
			refused++;
		}
		close_both(&servers[0]);
	}
	/* The table is not empty of either. */
	assert_true(together > 200 && refused > 200);
	dual_destroy(dual);
}

static void pairs_of_tcp(void **state)
{
	(void)state;
	pairs(COTHON_TCP);
}

static void pairs_of_udp(void **state)
{
	(void)state;
	pairs(COTHON_UDP);
}

/* TCP and UDP have their own ports. */
static void transports_apart(void **state)
{
	(void)state;
	struct dual *dual = dual_create();
	struct dual_server tcp, udp;
	struct dual_spec spec = {COTHON_TCP, {"::", false}, 19000, {0}};

	assert_int_equal(open_both(dual, &spec, &tcp), 0);
	spec.transport = COTHON_UDP;
	assert_int_equal(open_both(dual, &spec, &udp), 0);
	close_both(&udp);
	close_both(&tcp);
	dual_destroy(dual);
}

/* One server by itself: ports and addresses that may be bound. */
static void single(void **state)
{
	(void)state;
	static const struct {
		struct dual_place place;
		uint16_t port;
		bool privileged;
		int result;
	} cases[] = {
		{{"192.0.2.2", false}, 1, false, -EACCES},
		{{"192.0.2.2", false}, 1, true, 0},
		{{"0.0.0.0", false}, 80, false, -EACCES},
		{{"0.0.0.0", false}, 80, true, 0},
		{{"0.0.0.0", false}, 1023, false, -EACCES},
		{{"0.0.0.0", false}, 1023, true, 0},
		{{"0.0.0.0", false}, 1024, false, 0},
		{{"2001:db8::2", false}, 443, false, -EACCES},
		{{"2001:db8::2", false}, 443, true, 0},
		{{"::", false}, 443, false, -EACCES},
		{{"::", true}, 443, false, -EACCES},
		{{"::", true}, 443, true, 0},
		{{"::", true}, 1024, false, 0},
		{{"0.0.0.0", false}, 65535, false, 0},
		/* Port 0 is a question, and never one for the privilege. */
		{{"0.0.0.0", false}, 0, false, 0},
		{{"192.0.2.2", false}, 0, false, 0},
		{{"::", false}, 0, false, 0},
		{{"::", true}, 0, false, 0},
		/* Addresses that are not the host's. */
		{{"198.51.100.1", false}, 8080, false, -EADDRNOTAVAIL},
		{{"2001:db8:1::1", false}, 8080, false, -EADDRNOTAVAIL},
		{{"198.51.100.1", false}, 0, false, -EADDRNOTAVAIL},
		{{"198.51.100.1", false}, 80, false, -EADDRNOTAVAIL},
		/* IPV6_V6ONLY and an IPv4 address, in its mapped form. */
		{{"192.0.2.2", true}, 8080, false, -EINVAL},
		{{"0.0.0.0", true}, 8080, false, -EINVAL},
		{{"198.51.100.1", true}, 8080, false, -EINVAL},
	};
	struct dual *dual = dual_create();

	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct dual_spec spec = {
			.transport = i % 2 ? COTHON_TCP : COTHON_UDP,
			.place = cases[i / 2].place,
			.port = cases[i / 2].port,
			.options.privileged = cases[i / 2].privileged,
		};
		struct dual_server server;

		assert_int_equal(open_both(dual, &spec, &server), cases[i / 2].result);
		if (cases[i / 2].result == 0) {
			assert_true(server.linux_port >= (spec.port ? spec.port : 1024));
			assert_true(server.stack_port >= (spec.port ? spec.port : 49152));
			close_both(&server);
		}
	}
	dual_destroy(dual);
}

/* Servers come and go at random at a few ports: every answer is the same, and nothing is left. */
static void histories(void **state)
{
	(void)state;
	enum {
		SERVERS = 8,
		STEPS = 6000
	};
	struct dual *dual = dual_create();
	struct dual_server servers[SERVERS];
	bool open[SERVERS] = {0};
	struct cothon_random random;
	unsigned opened = 0, refused = 0;

	cothon_random_init(&random, (const uint8_t[32]){3}, 0);
	for (unsigned i = 0; i < STEPS; i++) {
		uint32_t n = cothon_random_below(&random, SERVERS);
		struct dual_spec spec = {
			.transport = cothon_random_below(&random, 2) ? COTHON_TCP : COTHON_UDP,
			.place = places[cothon_random_below(&random, PLACES)],
			.port = (uint16_t)(18000 + cothon_random_below(&random, 2)),
		};

		/*
		 * At a port where all or none have SO_REUSEPORT: where some have, Linux takes a new one that has it as
		 * soon as it meets one of them, whatever else is there, and the stack takes it if it may stand beside all.
		 */
		spec.options =
			flags_of(cothon_random_below(&random, 2) | (spec.port == 18000 ? 0U : 2U));
		if (open[n]) {
			close_both(&servers[n]);
			open[n] = false;
		} else if (open_both(dual, &spec, &servers[n]) == 0) {
			open[n] = true;
			opened++;
		} else {
			refused++;
		}
	}
	for (unsigned n = 0; n < SERVERS; n++)
		if (open[n])
			close_both(&servers[n]);
	assert_true(opened > STEPS / 20 && refused > STEPS / 20);
	dual_destroy(dual);
}

/* A server comes back to its port while a connection of the earlier one is still there. */
static void coming_back(void **state)
{
	(void)state;
	struct dual *dual = dual_create();
	unsigned allowed = 0, refused = 0;

	for (unsigned i = 0; i < 3 * FLAGS * FLAGS * PLACES; i++) {
		enum dual_left left = (enum dual_left)(i % 3);
		struct dual_spec first = {
			COTHON_TCP, {"0.0.0.0", false}, (uint16_t)(30000 + i), flags_of(i / 3)};
		struct dual_spec second = {COTHON_TCP, places[i / 3 / FLAGS / FLAGS], first.port,
					   flags_of(i / 3 / FLAGS)};
		struct cothon_addr to;
		struct dual_server server;

		assert_int_equal(cothon_addr_parse("192.0.2.2", &to), 0);
		assert_int_equal(open_both(dual, &first, &server), 0);
		dual_linux_leave(&server, &to, first.port, left);
		dual_stack_leave(dual, &server, &to, first.port, left);
		if (open_both(dual, &second, &server) == 0) {
			close_both(&server);
			allowed++;
		} else {
			refused++;
		}
		dual_linux_forget();
		dual_stack_forget(dual);
	}
	assert_true(allowed > 50 && refused > 50);
	dual_destroy(dual);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_of_tcp),     cmocka_unit_test(pairs_of_udp),
		cmocka_unit_test(transports_apart), cmocka_unit_test(single),
		cmocka_unit_test(histories),        cmocka_unit_test(coming_back),
	};

	return cmocka_run_group_tests(tests, dual_linux_enter, NULL);
}
