/* SPDX-License-Identifier: MIT */

/* UDP of a stack, inwards: bindings, the forwarder, what is answered. */

#include "host.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/udp.h"
#include <cothon/udp.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	PORT = 53
};

static uint8_t packet[COTHON_FRAME_MAX];

static const struct cothon_forwarder forwarder = {.udp = host_forward_datagram};

static void send_to(struct host *host, const struct cothon_addr *to, uint16_t port,
		    const void *payload, size_t len)
{
	struct cothon_endpoint from = {host_peer(!cothon_addr_is_ipv4(to)), 1000};
	struct cothon_endpoint destination = {*to, port};

	len = host_udp(packet, &from, &destination, payload, len);
	host_input(host, packet, len);
}

/* Input */

static void test_delivered(void **state)
{
	struct host_inbox *inbox = host_inbox_open();

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_addr here = host_addr(ipv6), there = host_peer(ipv6);
		struct cothon_udp *udp;
		struct host host;

		host_create(&host, NULL);
		udp = host_bind(&host, ipv6 ? "2001:db8::1" : "192.0.2.1", PORT, inbox);
		send_to(&host, &here, PORT, "question", 8);
		assert_ptr_equal(inbox->udp, udp);
		assert_true(cothon_addr_equal(&inbox->last.source.addr, &there));
		assert_int_equal(inbox->last.source.port, 1000);
		assert_true(cothon_addr_equal(&inbox->last.destination.addr, &here));
		assert_int_equal(inbox->last.destination.port, PORT);
		assert_int_equal(inbox->last.len, 8);
		assert_memory_equal(inbox->payload, "question", 8);
		assert_int_equal(inbox->last.gso_size, 0);
		assert_int_equal(inbox->last.hops, 64);
		send_to(&host, &here, PORT, "", 0);
		assert_int_equal(inbox->last.len, 0);
		assert_int_equal(host.counters->udp_in, 2);
		assert_int_equal(host.waiting, 0);
		cothon_udp_close(udp);
		host_destroy(&host);
	}
	assert_int_equal(inbox->count, 4);
	free(inbox);
}

/* RFC 768: a sum of zero means that there is none, over IPv4 alone (RFC 8200 section 8.1). */
static void test_checksum(void **state)
{
	struct host_inbox *inbox = host_inbox_open();

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_endpoint from = {host_peer(ipv6), 1000}, to = {host_addr(ipv6), PORT};
		size_t header = ipv6 ? 40 : 20, len;
		struct cothon_udp *udp;
		struct host host;
		uint16_t right;

		inbox->count = 0;
		host_create(&host, NULL);
		udp = host_bind(&host, "::", PORT, inbox);
		len = host_udp(packet, &from, &to, "abc", 3);
		right = cothon_get16(packet + header + 6);
		for (unsigned i = 0; i < 16; i++) {
			cothon_put16(packet + header + 6, (uint16_t)(right ^ 1u << i));
			host_input(&host, packet, len);
		}
		assert_int_equal(inbox->count, 0);
		assert_int_equal(host.counters->udp_bad, 16);
		cothon_put16(packet + header + 6, 0);
		host_input(&host, packet, len);
		assert_int_equal(inbox->count, !ipv6);
		assert_int_equal(host.counters->udp_bad, 16 + ipv6);
		/* A link that verified it, or vouches for it, is believed. */
		host_input_offload(&host, packet, len,
				   &(struct cothon_offload){.csum_valid = true});
		assert_int_equal(inbox->count, 1 + !ipv6);
		assert_int_equal(host.waiting, 0);
		cothon_udp_close(udp);
		host_destroy(&host);
	}
	free(inbox);
}

static void test_malformed(void **state)
{
	struct host_inbox *inbox = host_inbox_open();
	struct cothon_ip ip = host_header(false, false, COTHON_IPPROTO_UDP);
	struct cothon_addr here = host_addr(false);
	uint8_t datagram[16] = {0};
	struct cothon_udp *udp;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	udp = host_bind(&host, "0.0.0.0", PORT, inbox);
	cothon_put16(datagram, 1000);
	cothon_put16(datagram + 2, PORT);
	/* Shorter than a header; a length below 8, and beyond the packet. */
	for (size_t len = 0; len < 8; len++)
		host_input(&host, packet, host_ip(packet, ip, datagram, len));
	for (uint16_t told = 0; told < 8; told++) {
		cothon_put16(datagram + 4, told);
		host_input(&host, packet, host_ip(packet, ip, datagram, 16));
	}
	cothon_put16(datagram + 4, 17);
	host_input(&host, packet, host_ip(packet, ip, datagram, 16));
	assert_int_equal(host.counters->udp_bad, 17);
	/* Shorter than the packet is allowed: the rest is not the datagram's. */
	cothon_put16(datagram + 4, 10);
	host_input(&host, packet, host_ip(packet, ip, datagram, 16));
	assert_int_equal(inbox->count, 1);
	assert_int_equal(inbox->last.len, 2);
	/* Port 0 is nobody's. */
	send_to(&host, &here, 0, "x", 1);
	assert_int_equal(host.counters->udp_bad, 18);
	assert_int_equal(host.waiting, 0);
	cothon_udp_close(udp);
	host_destroy(&host);
	free(inbox);
}

static void test_no_port(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_addr here = host_addr(ipv6);
		struct host_frame *frame;
		struct cothon_icmp icmp;
		struct cothon_ip ip;
		struct host host;
		size_t len;

		host_create(&host, NULL);
		send_to(&host, &here, 9, "nobody", 6);
		len = (ipv6 ? 40 : 20) + 14;
		assert_int_equal(host.counters->udp_no_port, 1);
		frame = host_take(&host);
		assert_int_equal(cothon_ip_parse((struct cothon_bytes){frame->data, frame->len},
						 false, &ip),
				 0);
		assert_int_equal(
			cothon_icmp_parse((struct cothon_bytes){frame->data + ip.header_len,
								ip.payload_len},
					  &ip, false, &icmp),
			0);
		assert_int_equal(icmp.reason, COTHON_PORT_UNREACHABLE);
		assert_true(cothon_addr_equal(&ip.source, &here));
		/* All of it is quoted, byte for byte. */
		assert_int_equal(icmp.rest.len, len);
		assert_memory_equal(icmp.rest.data, packet, len);
		free(frame);
		host_destroy(&host);
	}
}

/* Bindings */

static void test_bind(void **state)
{
	struct host_inbox *inbox = host_inbox_open();
	struct cothon_endpoint local;
	struct cothon_udp *first, *second, *third;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	first = host_bind(&host, "192.0.2.1", PORT, inbox);
	local = host_endpoint("192.0.2.1", PORT);
	assert_int_equal(cothon_udp_bind(host.stack, &local, host_take_datagram, inbox, &second),
			 -EADDRINUSE);
	local = host_endpoint("0.0.0.0", PORT);
	assert_int_equal(cothon_udp_bind(host.stack, &local, host_take_datagram, inbox, &second),
			 -EADDRINUSE);
	local = host_endpoint("::", PORT);
	assert_int_equal(cothon_udp_bind(host.stack, &local, host_take_datagram, inbox, &second),
			 -EADDRINUSE);
	local = host_endpoint("192.0.2.77", PORT);
	assert_int_equal(cothon_udp_bind(host.stack, &local, host_take_datagram, inbox, &second),
			 -EADDRNOTAVAIL);
	/* Another address, another port. */
	second = host_bind(&host, "2001:db8::1", PORT, inbox);
	third = host_bind(&host, "192.0.2.1", PORT + 1, inbox);
	/* After closing it is free. */
	cothon_udp_close(first);
	first = host_bind(&host, "192.0.2.1", PORT, inbox);
	cothon_udp_close(first);
	cothon_udp_close(second);
	cothon_udp_close(third);
	host_destroy(&host);
	free(inbox);
}

static void test_wildcard(void **state)
{
	struct host_inbox *any = host_inbox_open(), *exact = host_inbox_open();
	struct cothon_addr second = host_parse("192.0.2.10");
	struct cothon_udp *udp, *other;
	struct cothon_endpoint local;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	assert_int_equal(cothon_stack_add_address(host.stack, &second), 0);
	udp = host_bind(&host, "::", PORT, any);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_addr here = host_addr(ipv6);

		send_to(&host, &here, PORT, "x", 1);
		assert_true(cothon_addr_equal(&any->last.destination.addr, &here));
	}
	send_to(&host, &second, PORT, "x", 1);
	assert_int_equal(any->count, 3);
	assert_true(cothon_addr_equal(&any->last.destination.addr, &second));
	cothon_udp_close(udp);
	/* IPv4's wildcard takes IPv4 alone. */
	udp = host_bind(&host, "0.0.0.0", PORT, any);
	local = host_endpoint("2001:db8::1", PORT);
	assert_int_equal(cothon_udp_bind(host.stack, &local, host_take_datagram, exact, &other), 0);
	local.addr = host_addr(true);
	send_to(&host, &local.addr, PORT, "x", 1);
	send_to(&host, &second, PORT, "x", 1);
	assert_int_equal(exact->count, 1);
	assert_int_equal(any->count, 4);
	cothon_udp_close(udp);
	cothon_udp_close(other);
	host_destroy(&host);
	free(any);
	free(exact);
}

static void two_ports(struct cothon_stack_config *config)
{
	config->ephemeral_first = 50000;
	config->ephemeral_last = 50001;
}

static void test_ephemeral(void **state)
{
	struct host_setup setup = {.configure = two_ports};
	struct host_inbox *inbox = host_inbox_open();
	struct cothon_udp *first, *second, *third;
	struct cothon_endpoint local = host_endpoint("192.0.2.1", 0);
	struct host host;
	uint16_t port;

	(void)state;
	host_create(&host, &setup);
	first = host_bind(&host, "192.0.2.1", 0, inbox);
	second = host_bind(&host, "192.0.2.1", 0, inbox);
	port = cothon_udp_local(first).port;
	assert_in_range(port, 50000, 50001);
	assert_int_equal(cothon_udp_local(second).port, 50000 + 50001 - port);
	assert_int_equal(cothon_udp_bind(host.stack, &local, host_take_datagram, inbox, &third),
			 -EADDRNOTAVAIL);
	cothon_udp_close(first);
	third = host_bind(&host, "192.0.2.1", 0, inbox);
	assert_int_equal(cothon_udp_local(third).port, port);
	cothon_udp_close(second);
	cothon_udp_close(third);
	host_destroy(&host);
	free(inbox);
}

/* A handler may close what it is called for. */
static void close_it(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	unsigned *count = owner;

	(void)datagram;
	(*count)++;
	cothon_udp_close(udp);
}

static void test_close_in_handler(void **state)
{
	struct cothon_endpoint local = host_endpoint("::", PORT);
	struct cothon_addr here = host_addr(false);
	struct cothon_udp *udp;
	unsigned count = 0;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	assert_int_equal(cothon_udp_bind(host.stack, &local, close_it, &count, &udp), 0);
	send_to(&host, &here, PORT, "x", 1);
	send_to(&host, &here, PORT, "x", 1);
	assert_int_equal(count, 1);
	assert_int_equal(host.counters->udp_no_port, 1);
	host_destroy(&host);
}

/* The forwarder */

static void test_forwarder(void **state)
{
	static const struct {
		int answer;
		int reason; /* -1: silence */
	} answers[] = {
		{0, -1},
		{-ETIMEDOUT, -1},
		{-ECONNREFUSED, COTHON_PORT_UNREACHABLE},
		{-ENETUNREACH, COTHON_NET_UNREACHABLE},
		{-EHOSTUNREACH, COTHON_HOST_UNREACHABLE},
		{-EACCES, COTHON_PROHIBITED},
		{-EPERM, COTHON_PROHIBITED},
		{-ENOMEM, COTHON_HOST_UNREACHABLE},
	};
	struct host_inbox *inbox = host_inbox_open();

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(answers) / sizeof(answers[0]); i++) {
		bool ipv6 = i % 2;
		struct host_setup setup = {.forwarder = &forwarder, .context = inbox};
		struct cothon_addr far = host_parse(ipv6 ? "2001:db8:1::7" : "198.51.100.7");
		struct cothon_addr here = host_addr(ipv6);
		struct host host;

		host_create(&host, &setup);
		inbox->count = 0;
		inbox->answer = answers[i / 2].answer;
		send_to(&host, &far, 9, "far", 3);
		assert_int_equal(inbox->count, 1);
		assert_true(cothon_addr_equal(&inbox->last.destination.addr, &far));
		assert_memory_equal(inbox->payload, "far", 3);
		if (answers[i / 2].reason < 0) {
			assert_int_equal(host.waiting, 0);
		} else {
			struct host_frame *frame = host_take(&host);
			struct cothon_icmp icmp;
			struct cothon_ip ip;

			assert_int_equal(
				cothon_ip_parse((struct cothon_bytes){frame->data, frame->len},
						false, &ip),
				0);
			assert_int_equal(
				cothon_icmp_parse((struct cothon_bytes){frame->data + ip.header_len,
									ip.payload_len},
						  &ip, false, &icmp),
				0);
			assert_int_equal(icmp.reason, answers[i / 2].reason);
			assert_true(cothon_addr_equal(&ip.source, &here));
			free(frame);
		}
		host_destroy(&host);
	}
	free(inbox);
}

/* A port of the router's own that an application holds is not the forwarder's; one that nobody holds is. */
static void test_forwarder_and_binding(void **state)
{
	struct host_inbox *forwarded = host_inbox_open(), *bound = host_inbox_open();
	struct host_setup setup = {.forwarder = &forwarder, .context = forwarded};
	struct cothon_addr here = host_addr(false), far = host_parse("198.51.100.7");
	struct cothon_udp *udp;
	struct host host;

	(void)state;
	host_create(&host, &setup);
	udp = host_bind(&host, "::", PORT, bound);
	send_to(&host, &here, PORT, "x", 1);
	assert_int_equal(bound->count, 1);
	send_to(&host, &here, PORT + 1, "x", 1);
	assert_int_equal(forwarded->count, 1);
	/* The wildcard means the host's addresses, not everybody's. */
	send_to(&host, &far, PORT, "x", 1);
	assert_int_equal(forwarded->count, 2);
	assert_int_equal(bound->count, 1);
	cothon_udp_close(udp);
	host_destroy(&host);
	free(forwarded);
	free(bound);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivered), cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_no_port),
		cmocka_unit_test(test_bind),      cmocka_unit_test(test_wildcard),
		cmocka_unit_test(test_ephemeral), cmocka_unit_test(test_close_in_handler),
		cmocka_unit_test(test_forwarder), cmocka_unit_test(test_forwarder_and_binding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
