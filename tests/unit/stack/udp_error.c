/* SPDX-License-Identifier: MIT */

/* ICMP errors about datagrams that bindings have sent (RFC 1122 section 4.1.3.3). */

#include "host.h"
#include <cothon/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum {
	PORT = 53,
	THEIRS = 1000,
	/* IPv4 header, UDP header and what a router must quote at least. */
	QUOTE_MIN = 28,
	FRAGMENT_AT = 6,
};

struct ear {
	unsigned count;
	struct cothon_udp *udp;
	struct cothon_udp_error last;
};

static uint8_t packet[COTHON_FRAME_MAX], quote[1500];

static void hear_datagram(struct cothon_udp *udp, void *owner,
			  const struct cothon_datagram *datagram)
{
	(void)udp;
	(void)owner;
	(void)datagram;
	fail();
}

static void hear(struct cothon_udp *udp, void *owner, const struct cothon_udp_error *error)
{
	struct ear *ear = owner;

	ear->count++;
	ear->udp = udp;
	ear->last = *error;
}

static struct cothon_udp *bind_ear(struct host *host, const struct cothon_addr *addr,
				   struct ear *ear)
{
	const struct cothon_endpoint local = {*addr, PORT};
	struct cothon_udp *udp;

	memset(ear, 0, sizeof(*ear));
	assert_int_equal(cothon_udp_bind(host->stack, &local, hear_datagram, ear, &udp), 0);
	cothon_udp_on_error(udp, hear);
	return udp;
}

/* Fills `quote` with a datagram from the host to the peer. Returns its length. */
static size_t quote_datagram(const struct cothon_addr *source, uint16_t port)
{
	bool ipv6 = !cothon_addr_is_ipv4(source);
	const struct cothon_endpoint from = {*source, port}, to = {host_peer(ipv6), THEIRS};

	return host_udp(quote, &from, &to, "question", 8);
}

static void send_error(struct host *host, const struct cothon_addr *to, uint8_t type, uint8_t code,
		       uint32_t word, size_t len)
{
	struct cothon_addr router = host_peer(!cothon_addr_is_ipv4(to));

	len = host_icmp(packet, &router, to, type, code, word, quote, len);
	host_input(host, packet, len);
}

static void test_every_reason(void **state)
{
	static const struct {
		bool ipv6;
		uint8_t type, code;
		uint32_t word;
		enum cothon_unreachable reason;
		uint32_t mtu;
	} cases[] = {
		{false, 3, 0, 0, COTHON_NET_UNREACHABLE, 0},
		{false, 3, 1, 0, COTHON_HOST_UNREACHABLE, 0},
		{false, 3, 2, 0, COTHON_PROTOCOL_UNREACHABLE, 0},
		{false, 3, 3, 0, COTHON_PORT_UNREACHABLE, 0},
		{false, 3, 4, 1280, COTHON_TOO_BIG, 1280},
		{false, 3, 13, 0, COTHON_PROHIBITED, 0},
		{false, 11, 0, 0, COTHON_HOPS_EXCEEDED, 0},
		{true, 1, 0, 0, COTHON_NET_UNREACHABLE, 0},
		{true, 1, 1, 0, COTHON_PROHIBITED, 0},
		{true, 1, 3, 0, COTHON_HOST_UNREACHABLE, 0},
		{true, 1, 4, 0, COTHON_PORT_UNREACHABLE, 0},
		{true, 2, 0, 1280, COTHON_TOO_BIG, 1280},
		{true, 3, 0, 0, COTHON_HOPS_EXCEEDED, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cothon_addr here = host_addr(cases[i].ipv6),
				   there = host_peer(cases[i].ipv6);
		const struct cothon_addr any = {0};
		struct cothon_udp *udp;
		struct host host;
		struct ear ear;

		host_create(&host, NULL);
		udp = bind_ear(&host, i % 2 ? &any : &here, &ear);
		send_error(&host, &here, cases[i].type, cases[i].code, cases[i].word,
			   quote_datagram(&here, PORT));
		assert_int_equal(ear.count, 1);
		assert_ptr_equal(ear.udp, udp);
		assert_true(cothon_addr_equal(&ear.last.local.addr, &here));
		assert_int_equal(ear.last.local.port, PORT);
		assert_true(cothon_addr_equal(&ear.last.remote.addr, &there));
		assert_int_equal(ear.last.remote.port, THEIRS);
		assert_int_equal(ear.last.reason, cases[i].reason);
		assert_int_equal(ear.last.mtu, cases[i].mtu);
		assert_int_equal(host.waiting, 0);
		cothon_udp_close(udp);
		host_destroy(&host);
	}
}

/* The router need not quote more than the first eight bytes behind the header. */
static void test_shortest_quote(void **state)
{
	struct cothon_addr here = host_addr(false);
	struct cothon_udp *udp;
	struct host host;
	struct ear ear;

	(void)state;
	host_create(&host, NULL);
	udp = bind_ear(&host, &here, &ear);
	quote_datagram(&here, PORT);
	send_error(&host, &here, 3, 3, 0, QUOTE_MIN);
	assert_int_equal(ear.count, 1);
	send_error(&host, &here, 3, 3, 0, QUOTE_MIN - 1);
	assert_int_equal(ear.count, 1);
	cothon_udp_close(udp);
	host_destroy(&host);
}

/* Nobody is told of what is not about a datagram of his, or quotes what the host has not sent. */
static void test_not_told(void **state)
{
	struct cothon_addr here = host_addr(false), other, foreign;
	struct cothon_udp *udp;
	struct host host;
	struct ear ear;
	size_t len;

	(void)state;
	host_create(&host, NULL);
	assert_int_equal(cothon_addr_parse("192.0.2.77", &other), 0);
	assert_int_equal(cothon_stack_add_address(host.stack, &other), 0);
	assert_int_equal(cothon_addr_parse("198.51.100.9", &foreign), 0);
	udp = bind_ear(&host, &(struct cothon_addr){0}, &ear);

	send_error(&host, &here, 3, 3, 0, quote_datagram(&here, PORT + 1));
	send_error(&host, &here, 3, 3, 0, quote_datagram(&foreign, PORT));
	send_error(&host, &other, 3, 3, 0, quote_datagram(&here, PORT));
	/* A fragment but the first has no ports. */
	len = quote_datagram(&here, PORT);
	quote[FRAGMENT_AT + 1] = 1;
	send_error(&host, &here, 3, 3, 0, len);
	assert_int_equal(ear.count, 0);
	assert_int_equal(host.counters->icmp_in, 4);

	cothon_udp_on_error(udp, NULL);
	send_error(&host, &here, 3, 3, 0, quote_datagram(&here, PORT));
	assert_int_equal(ear.count, 0);
	cothon_udp_on_error(udp, hear);
	send_error(&host, &here, 3, 3, 0, quote_datagram(&here, PORT));
	assert_int_equal(ear.count, 1);
	cothon_udp_close(udp);
	send_error(&host, &here, 3, 3, 0, quote_datagram(&here, PORT));
	assert_int_equal(ear.count, 1);
	assert_int_equal(host.waiting, 0);
	host_destroy(&host);
}

static void close_it(struct cothon_udp *udp, void *owner, const struct cothon_udp_error *error)
{
	struct ear *ear = owner;

	(void)error;
	ear->count++;
	cothon_udp_close(udp);
}

static void test_close_in_handler(void **state)
{
	struct cothon_addr here = host_addr(false);
	struct host host;
	struct ear ear;

	(void)state;
	host_create(&host, NULL);
	cothon_udp_on_error(bind_ear(&host, &here, &ear), close_it);
	send_error(&host, &here, 3, 3, 0, quote_datagram(&here, PORT));
	send_error(&host, &here, 3, 3, 0, quote_datagram(&here, PORT));
	assert_int_equal(ear.count, 1);
	host_destroy(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_reason),
		cmocka_unit_test(test_shortest_quote),
		cmocka_unit_test(test_not_told),
		cmocka_unit_test(test_close_in_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
