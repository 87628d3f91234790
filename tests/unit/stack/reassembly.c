/* SPDX-License-Identifier: MIT */

/* Fragments in the stack: what is put together is delivered, what never comes is answered, a flood is borne. */

#include "host.h"
#include "wire/icmp.h"
#include "wire/udp.h"
#include <cothon/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	IDENT = 7,
	SECOND = 1000000
};

struct scene {
	struct host host;
	struct cothon_udp *udp;
	struct host_inbox inbox;
	/* A whole UDP packet between the peer and the host, to be cut. */
	uint8_t packet[COTHON_FRAME_MAX];
	size_t len, header;
};

static struct scene *scene_open(bool ipv6, size_t len)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct cothon_endpoint from = {host_peer(ipv6), 1000}, to = {host_addr(ipv6), 53};
	uint8_t *payload = malloc(len + 1);

	assert_non_null(scene);
	assert_non_null(payload);
	host_create(&scene->host, NULL);
	assert_int_equal(cothon_udp_bind(scene->host.stack, &to, host_take_datagram, &scene->inbox,
					 &scene->udp),
			 0);
	host_fill(payload, len, 2);
	scene->len = host_udp(scene->packet, &from, &to, payload, len);
	scene->header = ipv6 ? COTHON_IPV6_HEADER : COTHON_IPV4_HEADER;
	free(payload);
	return scene;
}

static void scene_close(struct scene *scene)
{
	cothon_udp_close(scene->udp);
	host_destroy(&scene->host);
	free(scene);
}

/* Sends bytes [offset, offset + len) of the packet's payload as a fragment, as much of it as there is. */
static void send_fragment(struct scene *scene, uint32_t ident, size_t offset, size_t len)
{
	bool ipv6 = scene->header == COTHON_IPV6_HEADER;
	struct cothon_ip ip = host_header(ipv6, false, COTHON_IPPROTO_UDP);
	uint8_t *fragment = malloc(COTHON_FRAME_MAX);
	size_t total = scene->len - scene->header;

	assert_non_null(fragment);
	ip.fragment = true;
	ip.ident = ident;
	ip.fragment_offset = (uint16_t)offset;
	ip.more_fragments = offset + len < total;
	if (offset + len > total)
		len = total - offset;
	len = host_ip(fragment, ip, scene->packet + scene->header + offset, len);
	host_input(&scene->host, fragment, len);
	free(fragment);
}

static void test_delivered(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		/* The largest datagram of IPv4; IPv6 has room for 20 bytes more. */
		struct scene *scene = scene_open(ipv6, 65507);
		size_t total = scene->len - scene->header, room = ipv6 ? 1448 : 1480;
		unsigned sent = 0;

		for (size_t at = (total - 1) / room * room + room; at > 0; at -= room, sent++)
			send_fragment(scene, IDENT, at - room, room);
		assert_int_equal(scene->inbox.count, 1);
		assert_int_equal(scene->inbox.last.len, 65507);
		assert_memory_equal(scene->inbox.payload,
				    scene->packet + scene->header + COTHON_UDP_HEADER, 65507);
		assert_int_equal(scene->host.counters->fragments_in, sent);
		assert_int_equal(scene->host.counters->reassembled, 1);
		assert_int_equal(scene->host.counters->reassembly_failed, 0);
		scene_close(scene);
	}
}

/* The transport's checksum is verified over what was put together. */
static void test_checksum_of_whole(void **state)
{
	struct scene *scene = scene_open(true, 3000);

	(void)state;
	scene->packet[scene->len - 1] ^= 1;
	send_fragment(scene, IDENT, 0, 1448);
	send_fragment(scene, IDENT, 1448, 1600);
	assert_int_equal(scene->host.counters->reassembled, 1);
	assert_int_equal(scene->host.counters->udp_bad, 1);
	assert_int_equal(scene->inbox.count, 0);
	scene_close(scene);
}

/* RFC 6946: an atomic fragment is whole by itself, whatever waits under its identification. */
static void test_atomic(void **state)
{
	struct scene *scene = scene_open(true, 100);
	struct cothon_ip ip = host_header(true, false, COTHON_IPPROTO_UDP);
	uint8_t atomic[400];
	size_t len = scene->len - scene->header;

	(void)state;
	ip.fragment = true;
	ip.ident = IDENT;
	len = host_ip(atomic, ip, scene->packet + scene->header, len);
	assert_int_equal(atomic[6], 44);
	host_input(&scene->host, atomic, len);
	assert_int_equal(scene->inbox.count, 1);
	send_fragment(scene, IDENT, 0, 48);
	host_input(&scene->host, atomic, len);
	assert_int_equal(scene->inbox.count, 2);
	send_fragment(scene, IDENT, 48, 200);
	assert_int_equal(scene->inbox.count, 3);
	assert_int_equal(scene->host.counters->fragments_in, 2);
	scene_close(scene);
}

/* RFC 8200 section 4.5: whoever sent the first fragment is told when the others do not come. */
static void test_time_exceeded(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene *scene = scene_open(ipv6, 3000);
		struct cothon_bytes bytes;
		struct host_frame *frame;
		struct cothon_icmp icmp;
		struct cothon_ip ip;

		send_fragment(scene, 1, 0, 1448);
		send_fragment(scene, 2, 1448, 1448);
		host_advance(&scene->host, 59 * SECOND);
		assert_int_equal(scene->host.waiting, 0);
		host_advance(&scene->host, 2 * SECOND);
		assert_int_equal(scene->host.counters->reassembly_failed, 2);
		assert_int_equal(scene->host.waiting, 1);
		frame = host_take(&scene->host);
		bytes = (struct cothon_bytes){frame->data, frame->len};
		assert_int_equal(cothon_ip_parse(bytes, false, &ip), 0);
		bytes = (struct cothon_bytes){frame->data + ip.header_len, ip.payload_len};
		assert_int_equal(cothon_icmp_parse(bytes, &ip, false, &icmp), 0);
		assert_int_equal(icmp.kind, COTHON_ICMP_ERROR);
		assert_int_equal(icmp.reason, COTHON_REASSEMBLY_EXCEEDED);
		/* It quotes the fragment as it was. */
		assert_int_equal(cothon_ip_parse_quote(icmp.rest, &ip), 0);
		assert_true(ip.fragment && ip.more_fragments);
		assert_int_equal(ip.ident, 1);
		assert_memory_equal(icmp.rest.data + ip.header_len, scene->packet + scene->header,
				    8);
		free(frame);
		scene_close(scene);
	}
}

/* RFC 1122 section 3.2.2: nor is there an error about an error that came in fragments. */
static void test_no_error_about_error(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct cothon_addr from = host_peer(ipv6), to = host_addr(ipv6);
		struct cothon_ip ip = host_header(
			ipv6, false, ipv6 ? COTHON_IPPROTO_ICMPV6 : COTHON_IPPROTO_ICMP);
		size_t header = ipv6 ? COTHON_IPV6_HEADER : COTHON_IPV4_HEADER;
		uint8_t rest[200] = {0}, whole[400], fragment[400];
		struct host host;
		size_t len;

		host_create(&host, NULL);
		host_icmp(whole, &from, &to, ipv6 ? 1 : 3, 3, 0, rest, sizeof(rest));
		ip.fragment = ip.more_fragments = true;
		ip.ident = IDENT;
		len = host_ip(fragment, ip, whole + header, 104);
		host_input(&host, fragment, len);
		host_advance(&host, 61 * SECOND);
		assert_int_equal(host.counters->reassembly_failed, 1);
		assert_int_equal(host.waiting, 0);
		/* About an echo request there is one. */
		host_icmp(whole, &from, &to, ipv6 ? 128 : 8, 0, 0, rest, sizeof(rest));
		len = host_ip(fragment, ip, whole + header, 104);
		host_input(&host, fragment, len);
		host_advance(&host, 61 * SECOND);
		assert_int_equal(host.waiting, 1);
		host_destroy(&host);
	}
}

/* What is held for datagrams that never become whole is bounded, and the stack goes on. */
static void test_flood(void **state)
{
	struct scene *scene = scene_open(false, 3000);

	(void)state;
	for (uint32_t ident = 0; ident < 20000; ident++)
		send_fragment(scene, ident, 0, 1480);
	assert_true(scene->host.memory.live < 5 << 20);
	assert_true(scene->host.counters->reassembly_failed >= 20000 - 4096);
	/* The newest can still be completed. */
	send_fragment(scene, 19999, 1480, 1600);
	assert_int_equal(scene->inbox.count, 1);
	host_advance(&scene->host, 61 * SECOND);
	assert_int_equal(scene->host.stack != NULL, 1);
	/* No more errors than the rate of a second. */
	assert_true(scene->host.counters->icmp_errors_out <= 1000);
	scene_close(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delivered),
		cmocka_unit_test(test_checksum_of_whole),
		cmocka_unit_test(test_atomic),
		cmocka_unit_test(test_time_exceeded),
		cmocka_unit_test(test_no_error_about_error),
		cmocka_unit_test(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
