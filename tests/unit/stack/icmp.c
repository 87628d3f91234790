/* SPDX-License-Identifier: MIT */

/* ICMP and ICMPv6 of a stack: echo, errors and when there are none. What they do to TCP is in the suites of TCP. */

#include "stack/icmp.h"

#include "host.h"
#include "wire/icmp.h"
#include "wire/udp.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	V4_ECHO = 8,
	V6_ECHO = 128,
	SECOND = 1000000
};

static uint8_t packet[COTHON_FRAME_MAX];

/* Parses what was sent; `icmp->rest` points into the frame. */
static struct host_frame *take(struct host *host, struct cothon_ip *ip, struct cothon_icmp *icmp)
{
	struct host_frame *frame = host_take(host);
	struct cothon_bytes bytes = {frame->data, frame->len};

	assert_int_equal(cothon_ip_parse(bytes, false, ip), 0);
	bytes = (struct cothon_bytes){frame->data + ip->header_len, ip->payload_len};
	assert_int_equal(cothon_icmp_parse(bytes, ip, false, icmp), 0);
	return frame;
}

static void send_echo(struct host *host, const struct cothon_addr *to, const void *data, size_t len)
{
	bool ipv6 = !cothon_addr_is_ipv4(to);
	struct cothon_addr from = host_peer(ipv6);

	len = host_icmp(packet, &from, to, ipv6 ? V6_ECHO : V4_ECHO, 0, 0x12340007, data, len);
	host_input(host, packet, len);
}

static void test_echo(void **state)
{
	static const size_t lens[] = {0, 1, 8, 56, 1452, 1453, 1472, 1473, 9000, 65507};
	uint8_t *data = malloc(65507), *whole = malloc(65536);

	(void)state;
	assert_non_null(data);
	assert_non_null(whole);
	host_fill(data, 65507, 3);
	for (size_t i = 0; i < 2 * sizeof(lens) / sizeof(lens[0]); i++) {
		bool ipv6 = i % 2;
		size_t len = lens[i / 2], have = 0;
		struct cothon_addr here = host_addr(ipv6), there = host_peer(ipv6);
		struct cothon_icmp icmp;
		struct cothon_ip ip;
		struct host host;
		bool more = true;

		host_create(&host, NULL);
		send_echo(&host, &here, data, len);
		while (more) {
			struct host_frame *frame = host_take(&host);
			struct cothon_bytes bytes = {frame->data, frame->len};

			assert_int_equal(cothon_ip_parse(bytes, false, &ip), 0);
			assert_int_equal(ip.fragment_offset, have);
			memcpy(whole + have, frame->data + ip.header_len, ip.payload_len);
			have += ip.payload_len;
			more = ip.more_fragments;
			free(frame);
		}
		assert_int_equal(host.waiting, 0);
		assert_true(cothon_addr_equal(&ip.source, &here));
		assert_true(cothon_addr_equal(&ip.destination, &there));
		assert_int_equal(cothon_icmp_parse((struct cothon_bytes){whole, have}, &ip, false,
						   &icmp),
				 0);
		assert_int_equal(icmp.kind, COTHON_ICMP_ECHO_REPLY);
		assert_int_equal(icmp.ident, 0x1234);
		assert_int_equal(icmp.sequence, 7);
		assert_int_equal(icmp.rest.len, len);
		assert_memory_equal(icmp.rest.data, data, len);
		assert_int_equal(host.counters->echo_in, 1);
		host_destroy(&host);
	}
	free(data);
	free(whole);
}

/* Each of the host's addresses answers for itself. */
static void test_echo_second_address(void **state)
{
	struct cothon_addr second = host_parse("192.0.2.10");
	struct host_frame *frame;
	struct cothon_icmp icmp;
	struct cothon_ip ip;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	assert_int_equal(cothon_stack_add_address(host.stack, &second), 0);
	send_echo(&host, &second, "x", 1);
	frame = take(&host, &ip, &icmp);
	assert_true(cothon_addr_equal(&ip.source, &second));
	free(frame);
	host_destroy(&host);
}

static void test_malformed(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_addr from = host_peer(ipv6), to = host_addr(ipv6);
		uint8_t protocol = ipv6 ? COTHON_IPPROTO_ICMPV6 : COTHON_IPPROTO_ICMP;
		struct host host;
		size_t len;

		host_create(&host, NULL);
		for (size_t i = 0; i < 8; i++) {
			len = host_ip(packet, host_header(ipv6, false, protocol),
				      "\x08\0\0\0\0\0\0", i);
			host_input(&host, packet, len);
		}
		assert_int_equal(host.counters->icmp_bad, 8);
		len = host_icmp(packet, &from, &to, ipv6 ? V6_ECHO : V4_ECHO, 0, 1, "data", 4);
		packet[len - 1] ^= 0x20;
		host_input(&host, packet, len);
		assert_int_equal(host.counters->icmp_bad, 9);
		/* Unless the link vouches for it. */
		host_input_offload(&host, packet, len,
				   &(struct cothon_offload){.csum_valid = true});
		assert_int_equal(host.counters->icmp_bad, 9);
		assert_int_equal(host.waiting, 1);
		host_drop_all(&host);
		/* Replies, errors and all others are taken in silence. */
		for (unsigned type = 0; type < 256; type++) {
			if (type == (ipv6 ? V6_ECHO : V4_ECHO))
				continue;
			len = host_icmp(packet, &from, &to, (uint8_t)type, 0, 0, packet, 60);
			host_input(&host, packet, len);
		}
		assert_int_equal(host.waiting, 0);
		assert_int_equal(host.counters->icmp_in, 10 + 255);
		host_destroy(&host);
	}
}

/* Echo for others */

struct echoes {
	unsigned count;
	int answer;
	struct cothon_addr source, destination;
	uint16_t ident, sequence;
	uint8_t hops;
	size_t len;
	uint8_t data[64];
};

static int forward_echo(void *context, const struct cothon_echo *echo)
{
	struct echoes *echoes = context;

	echoes->count++;
	echoes->source = echo->source;
	echoes->destination = echo->destination;
	echoes->ident = echo->ident;
	echoes->sequence = echo->sequence;
	echoes->hops = echo->hops;
	echoes->len = echo->len;
	memcpy(echoes->data, echo->payload, echo->len < 64 ? echo->len : 64);
	return echoes->answer;
}

static struct cothon_addr far_addr(bool ipv6)
{
	return host_parse(ipv6 ? "2001:db8:1::7" : "198.51.100.7");
}

static void test_echo_forwarded(void **state)
{
	static const struct cothon_forwarder forwarder = {.echo = forward_echo};
	static const struct {
		int answer;
		enum cothon_unreachable reason;
	} refusals[] = {
		{-EHOSTUNREACH, COTHON_HOST_UNREACHABLE},
		{-ENETUNREACH, COTHON_NET_UNREACHABLE},
		{-EACCES, COTHON_PROHIBITED},
		{-EPERM, COTHON_PROHIBITED},
		{-EIO, COTHON_HOST_UNREACHABLE},
	};

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct echoes echoes = {0};
		struct host_setup setup = {.forwarder = &forwarder, .context = &echoes};
		struct cothon_addr far = far_addr(ipv6), here = host_addr(ipv6);
		struct cothon_addr peer = host_peer(ipv6);
		struct cothon_echo echo;
		struct host_frame *frame;
		struct cothon_icmp icmp;
		struct cothon_ip ip;
		struct host host;

		host_create(&host, &setup);
		send_echo(&host, &far, "payload", 7);
		assert_int_equal(echoes.count, 1);
		assert_true(cothon_addr_equal(&echoes.source, &peer));
		assert_true(cothon_addr_equal(&echoes.destination, &far));
		assert_int_equal(echoes.ident, 0x1234);
		assert_int_equal(echoes.sequence, 7);
		assert_int_equal(echoes.hops, 64);
		assert_int_equal(echoes.len, 7);
		assert_memory_equal(echoes.data, "payload", 7);
		assert_int_equal(host.waiting, 0);
		/* The answer goes out in the name of the far host. */
		echo = (struct cothon_echo){.source = peer,
					    .destination = far,
					    .ident = 0x1234,
					    .sequence = 7,
					    .payload = (const uint8_t *)"payload",
					    .len = 7};
		assert_int_equal(cothon_stack_send_echo_reply(host.stack, &echo), 0);
		frame = take(&host, &ip, &icmp);
		assert_int_equal(icmp.kind, COTHON_ICMP_ECHO_REPLY);
		assert_true(cothon_addr_equal(&ip.source, &far));
		assert_true(cothon_addr_equal(&ip.destination, &peer));
		assert_int_equal(icmp.ident, 0x1234);
		assert_memory_equal(icmp.rest.data, "payload", 7);
		free(frame);
		/* A time-out is silence, other errors are named. */
		echoes.answer = -ETIMEDOUT;
		send_echo(&host, &far, "payload", 7);
		assert_int_equal(host.waiting, 0);
		for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
			echoes.answer = refusals[i].answer;
			send_echo(&host, &far, "payload", 7);
			frame = take(&host, &ip, &icmp);
			assert_int_equal(icmp.kind, COTHON_ICMP_ERROR);
			assert_int_equal(icmp.reason, refusals[i].reason);
			assert_true(cothon_addr_equal(&ip.source, &here));
			free(frame);
		}
		/* The host's own address is nobody else's business. */
		echoes.count = 0;
		send_echo(&host, &here, "x", 1);
		assert_int_equal(echoes.count, 0);
		host_destroy(&host);
	}
}

static void test_echo_without_forwarder(void **state)
{
	static const struct cothon_forwarder forwarder = {0};
	struct host_setup setup = {.forwarder = &forwarder};
	struct cothon_addr far = far_addr(false);
	struct host_frame *frame;
	struct cothon_icmp icmp;
	struct cothon_ip ip;
	struct host host;

	(void)state;
	host_create(&host, &setup);
	send_echo(&host, &far, "x", 1);
	frame = take(&host, &ip, &icmp);
	assert_int_equal(icmp.reason, COTHON_HOST_UNREACHABLE);
	free(frame);
	host_destroy(&host);
	host_create(&host, NULL);
	send_echo(&host, &far, "x", 1);
	assert_int_equal(host.counters->ip_not_ours, 1);
	assert_int_equal(host.waiting, 0);
	host_destroy(&host);
}

/* Errors */

/* Types that a reason has on the wire: type and code. */
static const struct {
	enum cothon_unreachable reason;
	uint8_t v4[2], v6[2];
} names[] = {
	{COTHON_NET_UNREACHABLE, {3, 0}, {1, 0}},  {COTHON_HOST_UNREACHABLE, {3, 1}, {1, 3}},
	{COTHON_PORT_UNREACHABLE, {3, 3}, {1, 4}}, {COTHON_PROTOCOL_UNREACHABLE, {3, 2}, {4, 1}},
	{COTHON_PROHIBITED, {3, 13}, {1, 1}},      {COTHON_TOO_BIG, {3, 4}, {2, 0}},
	{COTHON_HOPS_EXCEEDED, {11, 0}, {3, 0}},   {COTHON_REASSEMBLY_EXCEEDED, {11, 1}, {3, 1}},
};

static void test_unreachable(void **state)
{
	uint8_t payload[2000];

	(void)state;
	host_fill(payload, sizeof(payload), 9);
	for (size_t i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
		bool ipv6 = i % 2;
		struct cothon_endpoint source = {host_peer(ipv6), 4000};
		struct cothon_datagram about = {
			.source = source,
			.destination = {far_addr(ipv6), 53},
			.payload = payload,
			.len = 12,
		};
		const uint8_t *name = ipv6 ? names[i / 2].v6 : names[i / 2].v4;
		struct cothon_addr far = far_addr(ipv6);
		struct cothon_bytes quoted;
		struct cothon_ip ip, about_ip;
		struct host_frame *frame;
		struct cothon_icmp icmp;
		struct host host;

		host_create(&host, NULL);
		assert_int_equal(cothon_stack_send_unreachable(host.stack, &far,
							       names[i / 2].reason, 1400, &about),
				 0);
		frame = take(&host, &ip, &icmp);
		assert_true(cothon_addr_equal(&ip.source, &far));
		assert_true(cothon_addr_equal(&ip.destination, &source.addr));
		assert_memory_equal(frame->data + ip.header_len, name, 2);
		assert_int_equal(icmp.reason, names[i / 2].reason);
		if (icmp.reason == COTHON_TOO_BIG)
			assert_int_equal(icmp.mtu, 1400);
		assert_int_equal(cothon_ip_parse_quote(icmp.rest, &about_ip), 0);
		assert_int_equal(about_ip.protocol, COTHON_UDP);
		quoted = (struct cothon_bytes){icmp.rest.data + about_ip.header_len,
					       icmp.rest.len - about_ip.header_len};
		assert_int_equal(quoted.len, 20);
		assert_int_equal(cothon_get16(quoted.data), 4000);
		assert_int_equal(cothon_get16(quoted.data + 2), 53);
		assert_int_equal(cothon_get16(quoted.data + 4), 20);
		assert_memory_equal(quoted.data + 8, payload, 12);
		free(frame);
		host_destroy(&host);
	}
}

/* RFC 1812 section 4.3.2.3: within 576 bytes; RFC 4443 section 2.4 (c): within 1280. */
static void test_quote_length(void **state)
{
	static uint8_t payload[65507];

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_datagram about = {
			.source = {host_peer(ipv6), 4000},
			.destination = {far_addr(ipv6), 53},
			.payload = payload,
		};
		size_t most = ipv6 ? 1280 : 576, header = ipv6 ? 40 : 20;
		struct host host;

		host_create(&host, NULL);
		for (about.len = 0; about.len < 1600; about.len++) {
			size_t whole = header + 8 + header + 8 + about.len;
			struct host_frame *frame;

			assert_int_equal(cothon_stack_send_unreachable(host.stack, NULL,
								       COTHON_PORT_UNREACHABLE, 0,
								       &about),
					 0);
			frame = host_take(&host);
			assert_int_equal(frame->len, whole < most ? whole : most);
			free(frame);
			host.now += SECOND;
			host_poll(&host);
		}
		about.len = sizeof(payload);
		assert_int_equal(cothon_stack_send_unreachable(host.stack, NULL,
							       COTHON_PORT_UNREACHABLE, 0, &about),
				 0);
		host_destroy(&host);
	}
}

static void test_echo_unreachable(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_echo about = {
			.source = host_peer(ipv6),
			.destination = far_addr(ipv6),
			.ident = 77,
			.sequence = 3,
			.payload = (const uint8_t *)"ping",
			.len = 4,
		};
		struct cothon_addr router = host_parse(ipv6 ? "2001:db8:9::1" : "203.0.113.1");
		struct cothon_icmp icmp, quoted;
		struct cothon_ip ip, about_ip;
		struct host_frame *frame;
		struct host host;

		host_create(&host, NULL);
		assert_int_equal(cothon_stack_send_echo_unreachable(
					 host.stack, &router, COTHON_HOPS_EXCEEDED, 0, &about),
				 0);
		frame = take(&host, &ip, &icmp);
		assert_true(cothon_addr_equal(&ip.source, &router));
		assert_int_equal(icmp.reason, COTHON_HOPS_EXCEEDED);
		assert_int_equal(cothon_ip_parse_quote(icmp.rest, &about_ip), 0);
		assert_int_equal(cothon_icmp_parse(
					 (struct cothon_bytes){icmp.rest.data + about_ip.header_len,
							       icmp.rest.len - about_ip.header_len},
					 &about_ip, false, &quoted),
				 0);
		assert_int_equal(quoted.kind, COTHON_ICMP_ECHO_REQUEST);
		assert_int_equal(quoted.ident, 77);
		assert_int_equal(quoted.sequence, 3);
		assert_memory_equal(quoted.rest.data, "ping", 4);
		free(frame);
		host_destroy(&host);
	}
}

/* An error that reaches a port nobody holds, a hop limit or an unknown address is never answered by another. */
static void test_no_error_about_error(void **state)
{
	static const uint8_t v4_errors[] = {3, 4, 5, 11, 12};

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		static const struct cothon_forwarder forwarder = {0};
		struct host_setup setup = {.forwarder = &forwarder};
		struct cothon_addr from = host_peer(ipv6), far = far_addr(ipv6);
		struct host host;
		size_t len;

		host_create(&host, &setup);
		for (unsigned type = 0; type < (ipv6 ? 128u : sizeof(v4_errors)); type++) {
			uint8_t error = ipv6 ? (uint8_t)type : v4_errors[type];

			len = host_icmp(packet, &from, &far, error, 0, 0, "quoted packet", 13);
			packet[ipv6 ? 7 : 8] = 1;
			if (!ipv6) {
				/* One hop less, and the header's checksum that goes with it. */
				struct cothon_ip ip =
					host_header(false, false, COTHON_IPPROTO_ICMP);

				ip.destination = far;
				ip.hops = 1;
				ip.payload_len = (uint32_t)len - 20;
				cothon_ip_emit(&ip, packet);
			}
			host_input(&host, packet, len);
		}
		assert_int_equal(host.counters->ip_hops_exceeded, ipv6 ? 128 : sizeof(v4_errors));
		assert_int_equal(host.waiting, 0);
		assert_int_equal(host.counters->icmp_errors_out, 0);
		host_destroy(&host);
	}
}

/* Nor about what nobody in particular sent, or what went to nobody in particular. */
static void test_no_error_to_nobody(void **state)
{
	static const char *const sources[] = {"0.0.0.0", "224.0.0.1", "255.255.255.255",
					      "::", "ff02::1"};
	struct cothon_bytes quote = {(const uint8_t *)"12345678", 8};
	struct cothon_ip about;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		about = host_header(i > 2, false, COTHON_IPPROTO_UDP);
		about.source = host_parse(sources[i]);
		assert_int_equal(cothon_icmp_error(host.stack, NULL, COTHON_PORT_UNREACHABLE, 0,
						   &about, quote),
				 -EINVAL);
	}
	about = host_header(false, false, COTHON_IPPROTO_UDP);
	about.destination = host_parse("224.0.0.251");
	assert_int_equal(cothon_icmp_error(host.stack, NULL, COTHON_PORT_UNREACHABLE, 0, &about,
					   quote),
			 -EINVAL);
	about = host_header(false, false, COTHON_IPPROTO_UDP);
	about.fragment = true;
	about.fragment_offset = 8;
	assert_int_equal(cothon_icmp_error(host.stack, NULL, COTHON_PORT_UNREACHABLE, 0, &about,
					   quote),
			 -EINVAL);
	assert_int_equal(host.waiting, 0);
	host_destroy(&host);
}

static void limit_rate(struct cothon_stack_config *config)
{
	config->icmp_rate = 10;
}

static void test_rate_limit(void **state)
{
	struct host_setup setup = {.configure = limit_rate};
	struct cothon_endpoint from = {host_peer(false), 1000}, to = {host_addr(false), 9};
	struct cothon_addr here = host_addr(false);
	struct cothon_datagram about = {.source = from, .destination = to};
	struct host host;
	size_t len;

	(void)state;
	host_create(&host, &setup);
	len = host_udp(packet, &from, &to, "x", 1);
	for (unsigned i = 0; i < 100; i++)
		host_input(&host, packet, len);
	assert_int_equal(host.counters->icmp_errors_out, 10);
	assert_int_equal(host.counters->icmp_errors_limited, 90);
	assert_int_equal(host.waiting, 10);
	assert_int_equal(cothon_stack_send_unreachable(host.stack, NULL, COTHON_HOST_UNREACHABLE, 0,
						       &about),
			 -EBUSY);
	/* Echo is no error. */
	for (unsigned i = 0; i < 20; i++)
		send_echo(&host, &here, "x", 1);
	assert_int_equal(host.waiting, 30);
	/* A tenth of a second earns one, an hour no more than a second's. */
	host.now += 99999;
	len = host_udp(packet, &from, &to, "x", 1);
	host_input(&host, packet, len);
	assert_int_equal(host.counters->icmp_errors_out, 10);
	host.now += 1;
	host_input(&host, packet, len);
	assert_int_equal(host.counters->icmp_errors_out, 11);
	host.now += 3600 * (uint64_t)SECOND;
	for (unsigned i = 0; i < 100; i++)
		host_input(&host, packet, len);
	assert_int_equal(host.counters->icmp_errors_out, 21);
	/* Over ten seconds of flood it is ten a second. */
	for (unsigned i = 0; i < 10000; i++) {
		host.now += 1000;
		host_input(&host, packet, len);
	}
	assert_in_range(host.counters->icmp_errors_out, 120, 122);
	host_destroy(&host);
}

/* A host without an address of the family has nothing to say it from. */
static void test_no_source(void **state)
{
	struct host_memory memory = {0};
	struct cothon_pool_config pool_config = {.memory = host_memory_of(&memory),
						 .limit = SIZE_MAX};
	struct cothon_datagram about = {
		.source = {host_peer(true), 4000},
		.destination = {far_addr(true), 53},
	};
	struct cothon_stack_config config = {.memory = pool_config.memory};
	struct cothon_addr only = host_addr(false);
	struct cothon_stack *stack;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	config.link = &host.link;
	config.pool = host.pool;
	assert_int_equal(cothon_stack_create(&config, &stack), 0);
	assert_int_equal(cothon_stack_add_address(stack, &only), 0);
	assert_int_equal(cothon_stack_send_unreachable(stack, NULL, COTHON_HOST_UNREACHABLE, 0,
						       &about),
			 -EINVAL);
	cothon_stack_destroy(stack);
	host_destroy(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_echo_second_address),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_echo_forwarded),
		cmocka_unit_test(test_echo_without_forwarder),
		cmocka_unit_test(test_unreachable),
		cmocka_unit_test(test_quote_length),
		cmocka_unit_test(test_echo_unreachable),
		cmocka_unit_test(test_no_error_about_error),
		cmocka_unit_test(test_no_error_to_nobody),
		cmocka_unit_test(test_rate_limit),
		cmocka_unit_test(test_no_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
