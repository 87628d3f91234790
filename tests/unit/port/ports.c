/* SPDX-License-Identifier: MIT */

/* The ports of a stack, through its public API: chosen, reserved, privileged, used up, free again. */

#include "../stack/host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum {
	FIRST = 50000,
	LAST = 50031,
	RANGE = LAST - FIRST + 1,
	RESERVED = 3,
	OPEN = RANGE - RESERVED,
};

/* Thirty-two ports, three of them reserved, by a list that is gone when the stack has been made. */
static void configure(struct cothon_stack_config *config)
{
	static struct cothon_port_range reserved[2];

	reserved[0] = (struct cothon_port_range){FIRST, FIRST};
	reserved[1] = (struct cothon_port_range){FIRST + 10, FIRST + 11};
	config->ephemeral_first = FIRST;
	config->ephemeral_last = LAST;
	config->reserved_ports = reserved;
	config->reserved_count = 2;
}

static bool is_reserved(uint16_t port)
{
	return port == FIRST || port == FIRST + 10 || port == FIRST + 11;
}

static void ignore_events(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	(void)tcp;
	(void)owner;
	(void)events;
}

static void ignore_datagram(struct cothon_udp *udp, void *owner,
			    const struct cothon_datagram *datagram)
{
	(void)udp;
	(void)owner;
	(void)datagram;
}

static const struct cothon_endpoint nowhere;

static int connect_to(struct host *host, uint16_t port, struct cothon_tcp **tcp)
{
	struct cothon_endpoint remote = {host_peer(false), port};
	int error = cothon_tcp_connect(host->stack, &nowhere, &remote, ignore_events, NULL, tcp);

	host_poll(host);
	host_drop_all(host);
	return error;
}

static uint16_t local_port(const struct cothon_tcp *tcp)
{
	return cothon_tcp_flow(tcp)->local_port;
}

/* Fills what is to be had to one destination; each port is another, and none is reserved. */
static void use_up(struct host *host, uint16_t to, struct cothon_tcp *flows[static OPEN])
{
	bool seen[RANGE] = {0};
	struct cothon_tcp *more;

	for (unsigned i = 0; i < OPEN; i++) {
		uint16_t port;

		assert_int_equal(connect_to(host, to, &flows[i]), 0);
		port = local_port(flows[i]);
		assert_in_range(port, FIRST, LAST);
		assert_false(is_reserved(port));
		assert_false(seen[port - FIRST]);
		seen[port - FIRST] = true;
	}
	assert_int_equal(connect_to(host, to, &more), -EADDRNOTAVAIL);
}

static void host_start(struct host *host)
{
	const struct host_setup setup = {.configure = configure};

	host_create(host, &setup);
}

/* A destination uses up its ports and no other's, and whatever ends gives one back, at once. */
static void flows(void **state)
{
	(void)state;
	struct cothon_tcp *first[OPEN], *second[OPEN];
	struct host host;

	host_start(&host);
	use_up(&host, 80, first);
	use_up(&host, 443, second);
	for (unsigned i = 0; i < OPEN; i++) {
		uint16_t port = local_port(first[i]);
		struct cothon_tcp *more;

		cothon_tcp_abort(first[i]);
		assert_int_equal(connect_to(&host, 443, &more), -EADDRNOTAVAIL);
		assert_int_equal(connect_to(&host, 80, &first[i]), 0);
		assert_int_equal(local_port(first[i]), port);
		assert_int_equal(connect_to(&host, 80, &more), -EADDRNOTAVAIL);
	}
	/* A reserved port is for those who ask for it. */
	struct cothon_endpoint local = {host_addr(false), FIRST}, remote = {host_peer(false), 80};
	struct cothon_tcp *asked;
	assert_int_equal(
		cothon_tcp_connect(host.stack, &local, &remote, ignore_events, NULL, &asked), 0);
	cothon_tcp_abort(asked);
	host_destroy(&host);
}

/* What listens takes a port from all destinations, and gives it back to all. */
static void listeners(void **state)
{
	(void)state;
	struct cothon_endpoint local = {.port = FIRST + 5};
	struct cothon_tcp *flow, *all[OPEN];
	struct cothon_listener *listener;
	struct host host;

	host_start(&host);
	assert_int_equal(cothon_tcp_listen(host.stack, &local, 4, ignore_events, NULL, &listener),
			 0);
	for (uint16_t to = 80; to < 84; to++) {
		for (unsigned i = 0; i < OPEN - 1; i++) {
			assert_int_equal(connect_to(&host, to, &flow), 0);
			assert_int_not_equal(local_port(flow), FIRST + 5);
		}
		assert_int_equal(connect_to(&host, to, &flow), -EADDRNOTAVAIL);
	}
	cothon_listener_close(listener);
	for (uint16_t to = 80; to < 84; to++) {
		assert_int_equal(connect_to(&host, to, &flow), 0);
		assert_int_equal(local_port(flow), FIRST + 5);
		assert_int_equal(connect_to(&host, to, &flow), -EADDRNOTAVAIL);
	}
	use_up(&host, 84, all);
	host_destroy(&host);
}

/* Bindings to port 0, of either transport, on one address or all. */
static void bindings(void **state)
{
	(void)state;
	struct cothon_endpoint local = {.addr = host_addr(false)};
	struct cothon_listener *listener[OPEN + 1];
	struct cothon_udp *udp[OPEN + 1];
	struct host host;

	host_start(&host);
	for (unsigned i = 0; i < OPEN; i++) {
		const struct cothon_endpoint *at = i % 2 ? &local : &nowhere;

		assert_int_equal(cothon_udp_bind(host.stack, at, ignore_datagram, NULL, &udp[i]),
				 0);
		assert_false(is_reserved(cothon_udp_local(udp[i]).port));
		assert_int_equal(
			cothon_tcp_listen(host.stack, at, 4, ignore_events, NULL, &listener[i]), 0);
		assert_false(is_reserved(cothon_listener_local(listener[i]).port));
	}
	assert_int_equal(cothon_udp_bind(host.stack, &local, ignore_datagram, NULL, &udp[OPEN]),
			 -EADDRNOTAVAIL);
	assert_int_equal(cothon_tcp_listen(host.stack, &local, 4, ignore_events, NULL,
					   &listener[OPEN]),
			 -EADDRNOTAVAIL);
	for (unsigned i = 0; i < OPEN; i++) {
		uint16_t port = cothon_udp_local(udp[i]).port;

		cothon_udp_close(udp[i]);
		assert_int_equal(cothon_tcp_listen(host.stack, &local, 4, ignore_events, NULL,
						   &listener[OPEN]),
				 -EADDRNOTAVAIL);
		assert_int_equal(
			cothon_udp_bind(host.stack, &local, ignore_datagram, NULL, &udp[i]), 0);
		assert_int_equal(cothon_udp_local(udp[i]).port, port);
	}
	for (unsigned i = 0; i < OPEN; i++) {
		cothon_udp_close(udp[i]);
		cothon_listener_close(listener[i]);
	}
	host_destroy(&host);
}

/* Without a first port that anybody may bind, anybody may bind all. */
static void system_ports(void **state)
{
	(void)state;
	struct cothon_endpoint local = {.port = 1};
	struct cothon_listener *listener;
	struct cothon_udp *udp;
	struct host host;

	host_start(&host);
	assert_int_equal(cothon_tcp_listen(host.stack, &local, 4, ignore_events, NULL, &listener),
			 0);
	assert_int_equal(cothon_udp_bind(host.stack, &local, ignore_datagram, NULL, &udp), 0);
	cothon_listener_close(listener);
	cothon_udp_close(udp);
	host_destroy(&host);
}

/* Whatever memory is refused, nothing is left, and the port is free again. */
static void without_memory(void **state)
{
	(void)state;
	struct cothon_endpoint local = {.port = 8080};
	struct cothon_listener *listener;
	struct cothon_udp *udp;
	struct host host;

	host_start(&host);
	for (uint64_t after = 1; after <= 3; after++) {
		/* The binding, then the page of its port, then nothing more. */
		int expected = after < 3 ? -ENOMEM : 0;

		host.memory.fail_from = host.memory.allocations + after;
		assert_int_equal(cothon_tcp_listen_as(host.stack, &local, NULL, 4, ignore_events,
						      NULL, &listener),
				 expected);
	}
	cothon_listener_close(listener);
	host.memory.fail_from = 0;
	assert_int_equal(cothon_udp_bind_as(host.stack, &local, NULL, ignore_datagram, NULL, &udp),
			 0);
	cothon_udp_close(udp);
	host_destroy(&host);
}

/* Ranges that no stack is made with. */
static void bad_ranges(void **state)
{
	(void)state;
	static const struct cothon_port_range backward = {8081, 8080};
	struct host_memory memory = {0};
	struct cothon_stack_config config = {.memory = host_memory_of(&memory)};
	struct cothon_stack *stack;

	config.reserved_ports = &backward;
	config.reserved_count = 1;
	assert_int_equal(cothon_stack_create(&config, &stack), -EINVAL);
	config.reserved_count = 0;
	config.ephemeral_first = 1023;
	assert_int_equal(cothon_stack_create(&config, &stack), -EINVAL);
	assert_int_equal(memory.live, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows),          cmocka_unit_test(listeners),
		cmocka_unit_test(bindings),       cmocka_unit_test(system_ports),
		cmocka_unit_test(without_memory), cmocka_unit_test(bad_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
