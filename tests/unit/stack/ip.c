/* SPDX-License-Identifier: MIT */

/* IP input and output of a stack: what is taken, what is dropped and counted, what is answered. */

#include "host.h"
#include "stack/stack.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/udp.h"
#include <cothon/udp.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	PORT = 53,
	AT_TTL = 8,
	AT_HOP_LIMIT = 7
};

struct scene {
	struct host host;
	struct host_inbox inbox;
	struct cothon_udp *udp;
	uint8_t packet[COTHON_FRAME_MAX];
	size_t len;
};

/* A host with a UDP binding, and a packet to it. */
static struct scene *scene_open(bool ipv6, const struct host_setup *setup)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct cothon_endpoint from = {host_peer(ipv6), 1000}, to = {.port = PORT};

	assert_non_null(scene);
	host_create(&scene->host, setup);
	assert_int_equal(cothon_udp_bind(scene->host.stack, &to, host_take_datagram, &scene->inbox,
					 &scene->udp),
			 0);
	to.addr = host_addr(ipv6);
	scene->len = host_udp(scene->packet, &from, &to, "hello", 5);
	return scene;
}

static void scene_close(struct scene *scene)
{
	cothon_udp_close(scene->udp);
	host_destroy(&scene->host);
	free(scene);
}

static uint64_t dropped(const struct scene *scene)
{
	const struct cothon_counters *counters = scene->host.counters;

	return counters->ip_bad_header + counters->ip_bad_checksum + counters->ip_bad_address +
	       counters->ip_not_ours + counters->ip_unknown_protocol;
}

/* The ICMP error that was sent last, whose rest points into the frame. */
static struct host_frame *take_error(struct scene *scene, struct cothon_ip *ip,
				     struct cothon_icmp *icmp)
{
	struct host_frame *frame = host_take(&scene->host);

	assert_int_equal(cothon_ip_parse((struct cothon_bytes){frame->data, frame->len}, false, ip),
			 0);
	assert_int_equal(cothon_icmp_parse((struct cothon_bytes){frame->data + ip->header_len,
								 ip->payload_len},
					   ip, false, icmp),
			 0);
	assert_int_equal(icmp->kind, COTHON_ICMP_ERROR);
	assert_int_equal(scene->host.waiting, 0);
	return frame;
}

static void fix_ipv4(uint8_t *packet)
{
	cothon_put16(packet + 10, 0);
	cothon_put16(packet + 10, cothon_checksum_finish(cothon_checksum_add(
					  0, packet, (size_t)(packet[0] & 15) * 4)));
}

/* Input */

static void test_delivered(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene *scene = scene_open(ipv6, NULL);

		host_input(&scene->host, scene->packet, scene->len);
		assert_int_equal(scene->inbox.count, 1);
		assert_int_equal(scene->inbox.last.len, 5);
		/* RFC 1122 section 3.2.1: bytes behind the length that the header tells are ignored. */
		host_input(&scene->host, scene->packet, scene->len + 40);
		assert_int_equal(scene->inbox.count, 2);
		assert_int_equal(scene->inbox.last.len, 5);
		assert_int_equal(scene->host.counters->frames_in, 2);
		assert_int_equal(scene->host.counters->bytes_in, 2 * scene->len + 40);
		assert_int_equal(dropped(scene), 0);
		scene_close(scene);
	}
}

static void test_truncated(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene *scene = scene_open(ipv6, NULL);

		for (size_t len = 0; len < scene->len; len++)
			host_input(&scene->host, scene->packet, len);
		assert_int_equal(scene->host.counters->ip_bad_header, scene->len);
		assert_int_equal(scene->inbox.count, 0);
		assert_int_equal(scene->host.waiting, 0);
		scene_close(scene);
	}
}

static void test_bad_header(void **state)
{
	struct scene *scene = scene_open(false, NULL);
	const struct cothon_counters *counters = scene->host.counters;
	uint8_t *packet = scene->packet;

	(void)state;
	packet[0] = 0x55;
	host_input(&scene->host, packet, scene->len);
	packet[0] = 0x44; /* a header of 16 bytes */
	fix_ipv4(packet);
	host_input(&scene->host, packet, scene->len);
	packet[0] = 0x45;
	cothon_put16(packet + 2, 19); /* shorter than its own header */
	fix_ipv4(packet);
	host_input(&scene->host, packet, scene->len);
	cothon_put16(packet + 2, (uint16_t)(scene->len + 1));
	fix_ipv4(packet);
	host_input(&scene->host, packet, scene->len);
	assert_int_equal(counters->ip_bad_header, 4);
	cothon_put16(packet + 2, (uint16_t)scene->len);
	fix_ipv4(packet);
	packet[10] ^= 1;
	host_input(&scene->host, packet, scene->len);
	assert_int_equal(counters->ip_bad_checksum, 1);
	assert_int_equal(scene->inbox.count, 0);
	packet[10] ^= 1;
	host_input(&scene->host, packet, scene->len);
	assert_int_equal(scene->inbox.count, 1);
	assert_int_equal(scene->host.waiting, 0);
	scene_close(scene);
}

/* From or to addresses that no packet on a link has (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5). */
static void test_martians(void **state)
{
	static const char *const sources[2][8] = {
		{"0.0.0.0", "127.0.0.1", "127.255.0.9", "224.0.0.1", "255.255.255.255", "240.0.0.1",
		 "0.1.2.3", "192.0.2.1"},
		{"::", "::1", "ff02::1", "ff0e::5", "2001:db8::1", NULL},
	};
	static const char *const destinations[2][6] = {
		{"0.0.0.0", "127.0.0.1", "224.0.0.251", "255.255.255.255", "240.0.0.1",
		 "192.0.2.9"},
		{"::", "::1", "ff02::fb", "2001:db8::9", NULL},
	};

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene *scene = scene_open(ipv6, NULL);
		unsigned sent = 0;

		for (size_t i = 0; i < 8 && sources[ipv6][i]; i++) {
			struct cothon_endpoint from = host_endpoint(sources[ipv6][i], 1000);
			struct cothon_endpoint to = {host_addr(ipv6), PORT};

			scene->len = host_udp(scene->packet, &from, &to, "x", 1);
			host_input(&scene->host, scene->packet, scene->len);
			assert_int_equal(scene->host.counters->ip_bad_address, ++sent);
		}
		for (size_t i = 0; i < 6 && destinations[ipv6][i]; i++) {
			struct cothon_endpoint from = {host_peer(ipv6), 1000};
			struct cothon_endpoint to = host_endpoint(destinations[ipv6][i], PORT);

			scene->len = host_udp(scene->packet, &from, &to, "x", 1);
			host_input(&scene->host, scene->packet, scene->len);
			assert_int_equal(dropped(scene), ++sent);
		}
		assert_int_equal(scene->inbox.count, 0);
		assert_int_equal(scene->host.waiting, 0);
		scene_close(scene);
	}
}

/* A mapped address on the wire would be an IPv4 host that speaks IPv6. */
static void test_mapped(void **state)
{
	struct scene *scene = scene_open(true, NULL);

	(void)state;
	memset(scene->packet + 8, 0, 16);
	scene->packet[18] = scene->packet[19] = 0xff;
	scene->packet[20] = 10;
	host_input(&scene->host, scene->packet, scene->len);
	assert_int_equal(dropped(scene), 1);
	assert_int_equal(scene->inbox.count, 0);
	scene_close(scene);
}

static void test_unknown_protocol(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene *scene = scene_open(ipv6, NULL);
		struct cothon_addr here = host_addr(ipv6);
		struct host_frame *frame;
		struct cothon_icmp icmp;
		struct cothon_ip ip;

		scene->len =
			host_ip(scene->packet, host_header(ipv6, false, 132), "SCTP header!", 12);
		host_input(&scene->host, scene->packet, scene->len);
		assert_int_equal(scene->host.counters->ip_unknown_protocol, 1);
		frame = take_error(scene, &ip, &icmp);
		assert_int_equal(icmp.reason, COTHON_PROTOCOL_UNREACHABLE);
		/* It comes from where the packet went, to its sender, and quotes it. */
		assert_true(cothon_addr_equal(&ip.source, &here));
		assert_int_equal(icmp.rest.len, scene->len);
		assert_memory_equal(icmp.rest.data, scene->packet, scene->len);
		/* RFC 4443 section 3.4: the pointer names the next-header field. */
		if (ipv6)
			assert_int_equal(cothon_get32(frame->data + ip.header_len + 4), 6);
		free(frame);
		/* The other family's ICMP is as unknown as any. */
		scene->len = host_ip(scene->packet, host_header(ipv6, false, ipv6 ? 1 : 58),
				     "\x80\0\0\0\0\0\0\0", 8);
		host_input(&scene->host, scene->packet, scene->len);
		assert_int_equal(scene->host.counters->ip_unknown_protocol, 2);
		scene_close(scene);
	}
}

/* IPv6's "no next header" says that there is nothing to answer. */
static void test_no_next_header(void **state)
{
	struct scene *scene = scene_open(true, NULL);

	(void)state;
	scene->len = host_ip(scene->packet, host_header(true, false, 59), "x", 1);
	host_input(&scene->host, scene->packet, scene->len);
	assert_int_equal(scene->host.waiting, 0);
	assert_int_equal(dropped(scene), 0);
	scene_close(scene);
}

/* A plain host does not forward, and does not say so. */
static void test_not_ours(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene *scene = scene_open(ipv6, NULL);
		struct cothon_endpoint from = {host_peer(ipv6), 1000};
		struct cothon_endpoint to =
			host_endpoint(ipv6 ? "2001:db8::77" : "198.51.100.7", PORT);

		scene->len = host_udp(scene->packet, &from, &to, "x", 1);
		host_input(&scene->host, scene->packet, scene->len);
		assert_int_equal(scene->host.counters->ip_not_ours, 1);
		/* Neither does it count hops. */
		scene->packet[ipv6 ? AT_HOP_LIMIT : AT_TTL] = 1;
		if (!ipv6)
			fix_ipv4(scene->packet);
		host_input(&scene->host, scene->packet, scene->len);
		assert_int_equal(scene->host.counters->ip_not_ours, 2);
		assert_int_equal(scene->host.waiting, 0);
		scene_close(scene);
	}
}

static int forward_udp(void *context, const struct cothon_datagram *datagram)
{
	unsigned *count = context;

	(void)datagram;
	(*count)++;
	return 0;
}

static const struct cothon_forwarder forwarder = {.udp = forward_udp};

static void test_hops_exceeded(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		unsigned forwarded = 0;
		struct host_setup setup = {.forwarder = &forwarder, .context = &forwarded};
		struct scene *scene = scene_open(ipv6, &setup);
		struct cothon_endpoint from = {host_peer(ipv6), 1000};
		struct cothon_endpoint to =
			host_endpoint(ipv6 ? "2001:db8:1::7" : "198.51.100.7", 9);
		struct cothon_addr gateway = host_addr(ipv6);
		uint8_t *packet = scene->packet;

		scene->len = host_udp(packet, &from, &to, "x", 1);
		for (uint8_t hops = 0; hops < 4; hops++) {
			packet[ipv6 ? AT_HOP_LIMIT : AT_TTL] = hops;
			if (!ipv6)
				fix_ipv4(packet);
			host_input(&scene->host, packet, scene->len);
			if (hops <= 1) {
				struct cothon_icmp icmp;
				struct cothon_ip ip;
				struct host_frame *frame = take_error(scene, &ip, &icmp);

				assert_int_equal(icmp.reason, COTHON_HOPS_EXCEEDED);
				assert_true(cothon_addr_equal(&ip.source, &gateway));
				assert_true(cothon_addr_equal(&ip.destination, &from.addr));
				assert_memory_equal(icmp.rest.data, packet, scene->len);
				free(frame);
			}
		}
		assert_int_equal(scene->host.counters->ip_hops_exceeded, 2);
		assert_int_equal(forwarded, 2);
		/* What is for the router itself needs no hop more. */
		to = (struct cothon_endpoint){gateway, PORT};
		scene->len = host_udp(packet, &from, &to, "x", 1);
		packet[ipv6 ? AT_HOP_LIMIT : AT_TTL] = 1;
		if (!ipv6)
			fix_ipv4(packet);
		host_input(&scene->host, packet, scene->len);
		assert_int_equal(scene->inbox.count, 1);
		/* RFC 1122 section 3.2.2: of a datagram in fragments only the first is answered. */
		struct cothon_ip fragment = host_header(ipv6, false, COTHON_IPPROTO_UDP);

		fragment.destination = host_parse(ipv6 ? "2001:db8:1::7" : "198.51.100.7");
		fragment.hops = 1;
		fragment.fragment = true;
		fragment.fragment_offset = 800;
		scene->len = host_ip(packet, fragment, "12345678", 8);
		host_input(&scene->host, packet, scene->len);
		assert_int_equal(scene->host.counters->ip_hops_exceeded, 3);
		assert_int_equal(scene->host.waiting, 0);
		scene_close(scene);
	}
}

/* Multicast is nobody's, with a forwarder too. */
static void test_multicast(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		unsigned forwarded = 0;
		struct host_setup setup = {.forwarder = &forwarder, .context = &forwarded};
		struct scene *scene = scene_open(ipv6, &setup);
		struct cothon_endpoint from = {host_peer(ipv6), 5353};
		struct cothon_endpoint to = host_endpoint(ipv6 ? "ff02::fb" : "224.0.0.251", 5353);

		scene->len = host_udp(scene->packet, &from, &to, "x", 1);
		scene->packet[ipv6 ? AT_HOP_LIMIT : AT_TTL] = 1;
		if (!ipv6)
			fix_ipv4(scene->packet);
		host_input(&scene->host, scene->packet, scene->len);
		assert_int_equal(scene->host.counters->ip_not_ours, 1);
		assert_int_equal(forwarded, 0);
		assert_int_equal(scene->host.waiting, 0);
		scene_close(scene);
	}
}

/* A frame that stands for several datagrams may be longer than its header can say. */
static void test_gso(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene *scene = scene_open(ipv6, NULL);
		struct cothon_offload offload = {
			.gso = COTHON_GSO_UDP, .csum_valid = true, .gso_size = 1000};
		struct cothon_endpoint from = {host_peer(ipv6), 1000}, to = {host_addr(ipv6), PORT};
		uint8_t *payload = calloc(1, 65000);
		struct cothon_ip ip = host_header(ipv6, false, COTHON_IPPROTO_UDP);

		assert_non_null(payload);
		scene->len = host_udp(scene->packet, &from, &to, payload, 65000);
		host_input_offload(&scene->host, scene->packet, scene->len, &offload);
		assert_int_equal(scene->inbox.count, 1);
		assert_int_equal(scene->inbox.last.len, 65000);
		assert_int_equal(scene->inbox.last.gso_size, 1000);
		/* The kind of GSO is that of the protocol. */
		offload.gso = COTHON_GSO_TCP;
		host_input_offload(&scene->host, scene->packet, scene->len, &offload);
		assert_int_equal(scene->host.counters->udp_bad, 1);
		/* Never a fragment, never ICMP. */
		offload.gso = COTHON_GSO_UDP;
		ip.fragment = ip.more_fragments = true;
		scene->len = host_ip(scene->packet, ip, payload, 4000);
		host_input_offload(&scene->host, scene->packet, scene->len, &offload);
		assert_int_equal(scene->host.counters->ip_bad_header, 1);
		assert_int_equal(scene->host.counters->fragments_in, 0);
		scene->len = host_icmp(scene->packet, &from.addr, &to.addr, ipv6 ? 128 : 8, 0, 0,
				       payload, 4000);
		host_input_offload(&scene->host, scene->packet, scene->len, &offload);
		assert_int_equal(scene->host.counters->icmp_bad, 1);
		assert_int_equal(scene->inbox.count, 1);
		assert_int_equal(scene->host.waiting, 0);
		free(payload);
		scene_close(scene);
	}
}

/* Output */

static struct cothon_ip header_of(const struct host_frame *frame)
{
	struct cothon_ip ip;

	assert_int_equal(
		cothon_ip_parse((struct cothon_bytes){frame->data, frame->len}, false, &ip), 0);
	return ip;
}

/* A datagram of `len` bytes leaves in fragments that make it whole again, none larger than the MTU. */
static void check_fragmented(uint32_t mtu, bool ipv6, size_t len)
{
	struct host_setup setup = {.mtu = mtu};
	struct scene *scene = scene_open(ipv6, &setup);
	struct cothon_endpoint to = {host_peer(ipv6), 9};
	uint8_t *payload = malloc(len), *whole = calloc(1, 65536);
	size_t have = 0;
	uint32_t ident = 0;
	bool more = true;

	assert_non_null(payload);
	assert_non_null(whole);
	host_fill(payload, len, 5);
	assert_int_equal(cothon_udp_send(scene->udp, NULL, &to, payload, len), 0);
	while (more) {
		struct host_frame *frame = host_take(&scene->host);
		struct cothon_ip ip = header_of(frame);

		assert_true(frame->len <= mtu);
		assert_int_equal(ip.fragment_offset, have);
		if (have > 0)
			assert_int_equal(ip.ident, ident);
		ident = ip.ident;
		more = ip.more_fragments;
		assert_true(ip.fragment || (!more && have == 0));
		assert_false(ip.fragment && ip.dont_fragment && !ipv6);
		assert_true(have + ip.payload_len <= 65535);
		memcpy(whole + have, frame->data + ip.header_len, ip.payload_len);
		have += ip.payload_len;
		free(frame);
	}
	assert_int_equal(scene->host.waiting, 0);
	assert_int_equal(have, len + COTHON_UDP_HEADER);
	assert_memory_equal(whole + COTHON_UDP_HEADER, payload, len);
	free(payload);
	free(whole);
	scene_close(scene);
}

static void test_fragmented_output(void **state)
{
	static const uint32_t mtus[] = {1280, 1281, 1287, 1500, 9000, 65535};
	static const size_t lens[] = {1,    1231, 1232, 1233, 1252, 1253, 1452,
				      1453, 1472, 1473, 2952, 2953, 9000, 65507};

	(void)state;
	for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
		for (size_t k = 0; k < sizeof(lens) / sizeof(lens[0]); k++) {
			check_fragmented(mtus[i], false, lens[k]);
			check_fragmented(mtus[i], true, lens[k]);
		}
	}
}

static void test_too_large(void **state)
{
	uint8_t *payload = calloc(1, 65536);

	(void)state;
	assert_non_null(payload);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene *scene = scene_open(ipv6, NULL);
		struct cothon_datagram datagram = {
			.source = {host_addr(ipv6), PORT},
			.destination = {host_peer(ipv6), 9},
			.payload = payload,
			.len = ipv6 ? 65528 : 65508,
		};
		size_t fits = ipv6 ? 1452 : 1472;

		assert_int_equal(cothon_stack_send_datagram(scene->host.stack, &datagram),
				 -EMSGSIZE);
		datagram.dont_fragment = true;
		datagram.len = fits + 1;
		assert_int_equal(cothon_stack_send_datagram(scene->host.stack, &datagram),
				 -EMSGSIZE);
		assert_int_equal(scene->host.waiting, 0);
		datagram.len = fits;
		assert_int_equal(cothon_stack_send_datagram(scene->host.stack, &datagram), 0);
		assert_int_equal(scene->host.waiting, 1);
		scene_close(scene);
	}
	free(payload);
}

static uint32_t ident_to(struct scene *scene, const char *to)
{
	struct cothon_endpoint endpoint = host_endpoint(to, 9);
	static const uint8_t payload[2000];
	struct host_frame *frame;
	uint32_t ident;

	assert_int_equal(cothon_udp_send(scene->udp, NULL, &endpoint, payload, sizeof(payload)), 0);
	frame = host_take(&scene->host);
	ident = header_of(frame).ident;
	free(frame);
	host_drop_all(&scene->host);
	return ident;
}

/*
 * RFC 6864: an identification does not repeat soon between the same two. RFC 7739: nor does it say how much goes
 * to others.
 */
static void test_identification(void **state)
{
	struct scene *scene = scene_open(false, NULL);
	uint8_t *seen = calloc(1, 65536);
	uint32_t first, second;
	unsigned steps_told = 0;

	(void)state;
	assert_non_null(seen);
	for (unsigned i = 0; i < 30000; i++) {
		uint32_t ident = ident_to(scene, "192.0.2.2");

		assert_int_equal(seen[ident], 0);
		seen[ident] = 1;
	}
	/* What goes to twenty others shows at most now and then in what the first one sees. */
	for (unsigned other = 1; other <= 20; other++) {
		char text[32];

		snprintf(text, sizeof(text), "198.51.100.%u", other);
		first = ident_to(scene, "192.0.2.2");
		for (unsigned i = 0; i < 50; i++)
			ident_to(scene, text);
		second = ident_to(scene, "192.0.2.2");
		steps_told += (uint16_t)(second - first) != 1;
	}
	assert_true(steps_told <= 2);
	/* Those to IPv6 are 32 random bits. */
	first = ident_to(scene, "2001:db8::2");
	for (unsigned i = 0; i < 100; i++) {
		second = ident_to(scene, "2001:db8::2");
		assert_true(second - first > 1000 && first - second > 1000);
		first = second;
	}
	free(seen);
	scene_close(scene);
}

static void test_link_errors(void **state)
{
	struct scene *scene = scene_open(false, NULL);
	struct cothon_endpoint to = {host_peer(false), 9};

	(void)state;
	scene->host.refuse = -EAGAIN;
	assert_int_equal(cothon_udp_send(scene->udp, NULL, &to, "x", 1), -EAGAIN);
	assert_int_equal(scene->host.counters->link_busy, 1);
	scene->host.refuse = -ENETDOWN;
	assert_int_equal(cothon_udp_send(scene->udp, NULL, &to, "x", 1), -ENETDOWN);
	assert_int_equal(scene->host.counters->link_lost, 1);
	assert_int_equal(scene->host.counters->frames_out, 0);
	scene->host.refuse = 0;
	assert_int_equal(cothon_udp_send(scene->udp, NULL, &to, "x", 1), 0);
	assert_int_equal(scene->host.counters->frames_out, 1);
	assert_int_equal(scene->host.counters->bytes_out, 29);
	scene_close(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivered),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_bad_header),
		cmocka_unit_test(test_martians),
		cmocka_unit_test(test_mapped),
		cmocka_unit_test(test_unknown_protocol),
		cmocka_unit_test(test_no_next_header),
		cmocka_unit_test(test_not_ours),
		cmocka_unit_test(test_hops_exceeded),
		cmocka_unit_test(test_multicast),
		cmocka_unit_test(test_gso),
		cmocka_unit_test(test_fragmented_output),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_identification),
		cmocka_unit_test(test_link_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
