/* SPDX-License-Identifier: MIT */
#include "hub_scene.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	A,
	B,
	C, /* the one whose MTU may be another */
	MTU = 1500,
	SYN = PACKET_SYN,
	ACK = PACKET_ACK,
	FIN = PACKET_FIN,
	RST = PACKET_RST,
};

static void assert_endpoint(struct cothon_endpoint a, struct cothon_endpoint b)
{
	char x[COTHON_ENDPOINT_TEXT], y[COTHON_ENDPOINT_TEXT];

	assert_string_equal(cothon_endpoint_format(&a, x), cothon_endpoint_format(&b, y));
}

/* A to B at port 80 from 5000: the handshake, from sequence numbers 1000 and 9000. */
static void shake_hands(struct scene *scene, bool ipv6)
{
	scene_tcp(scene, A, B, ipv6, 5000, 80, 1000, 0, SYN, 0);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	scene_tcp(scene, B, A, ipv6, 80, 5000, 9000, 1001, SYN | ACK, 0);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	scene_tcp(scene, A, B, ipv6, 5000, 80, 1001, 9001, ACK, 0);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
}

/* Where frames go */

static void test_a_frame_goes_to_whom_it_is_addressed(void **state)
{
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		scene_udp(scene, A, B, ipv6, 1, 2, 100);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
		scene_udp(scene, A, C, ipv6, 1, 2, 0);
		assert_int_equal(scene_send(scene, A), SCENE_AT + C);
		scene_udp(scene, C, B, ipv6, 1, 2, 1400);
		assert_int_equal(scene_send(scene, C), SCENE_AT + B);
	}
	assert_int_equal(cothon_hub_counters(scene->members[A].port)->frames_out, 4);
	assert_int_equal(cothon_hub_counters(scene->members[A].port)->bytes_out,
			 128 + 28 + 148 + 48);
	assert_int_equal(cothon_hub_counters(scene->members[B].port)->frames_in, 4);
	assert_int_equal(cothon_hub_counters(scene->members[C].port)->flows, 2);
	scene_close(scene);
}

static void test_all_else_goes_up(void **state)
{
	static const char *const places[] = {"10.0.2.2",   "10.0.2.99", "8.8.8.8",   "224.0.0.1",
					     "10.0.2.255", "127.0.0.1", "10.0.2.100"};
	struct scene *scene = scene_open(MTU, 0);
	struct cothon_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		assert_int_equal(cothon_addr_parse(places[i], &addr), 0);
		packet_ip(&scene->packet, &scene->members[A].ipv4, &addr, PACKET_UDP);
		packet_udp(&scene->packet, 1, 2);
		packet_seal(&scene->packet);
		assert_int_equal(scene_send(scene, A), SCENE_UP);
	}
	/* What is no packet at all is the stack's to count. */
	scene->packet.len = 3;
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	scene_udp(scene, A, B, false, 1, 2, 0);
	scene->packet.data[10] ^= 1;
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	scene_udp(scene, A, B, false, 1, 2, 0);
	scene->packet.data[0] = 0x75;
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	/* Protocols of which no rule speaks. */
	scene_ip(scene, A, B, false, COTHON_SCTP);
	packet_fill(&scene->packet, 40);
	packet_seal(&scene->packet);
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	assert_int_equal(scene->members[A].asked, 0);
	scene_close(scene);
}

static void test_what_the_stack_sends_goes_to_its_own_device(void **state)
{
	struct scene *scene = scene_open(MTU, 0);
	struct cothon_frame frame = {.count = 2};

	(void)state;
	scene_udp(scene, B, A, false, 1, 2, 10);
	frame.iov[1] = (struct iovec){scene->packet.data, scene->packet.len};
	frame.len = scene->packet.len;
	assert_int_equal(cothon_link_transmit(scene->members[C].port, &frame), 0);
	assert_true(scene_arrived(scene, C));
	assert_false(scene_arrived(scene, A));
	assert_int_equal(scene->members[C].port->features, scene->members[C].kernel->features);
	assert_int_equal(scene->members[C].port->mtu, MTU);
	scene_close(scene);
}

static void test_a_large_frame_crosses_whole(void **state)
{
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		shake_hands(scene, ipv6);
		scene_tcp(scene, A, B, ipv6, 5000, 80, 1001, 9001, ACK, 65000);
		packet_offload(&scene->packet, true, 1400);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
		assert_int_equal(scene->offload.gso, COTHON_GSO_TCP);
		assert_int_equal(scene->offload.gso_size, 1400);
		assert_true(scene->offload.csum_partial);
		assert_int_equal(scene->offload.csum_start, ipv6 ? 40 : 20);
		assert_int_equal(scene->offload.csum_offset, 16);
		scene_udp(scene, B, A, ipv6, 7, 8, 60000);
		packet_offload(&scene->packet, true, 1200);
		assert_int_equal(scene_send(scene, B), SCENE_AT + A);
		assert_int_equal(scene->offload.gso, COTHON_GSO_UDP);
		assert_int_equal(scene->offload.gso_size, 1200);
	}
	scene_close(scene);
}

static void test_nobody_sends_in_the_name_of_another(void **state)
{
	struct scene *scene = scene_open(MTU, 0);
	struct cothon_addr stranger;

	(void)state;
	scene_udp(scene, C, B, false, 1, 2, 10);
	assert_int_equal(scene_send(scene, A), SCENE_LOST);
	assert_int_equal(cothon_addr_parse("192.0.2.1", &stranger), 0);
	packet_ip(&scene->packet, &stranger, &scene->members[B].ipv4, PACKET_UDP);
	packet_udp(&scene->packet, 1, 2);
	packet_seal(&scene->packet);
	assert_int_equal(scene_send(scene, A), SCENE_LOST);
	assert_int_equal(cothon_hub_counters(scene->members[A].port)->spoofed, 2);
	assert_int_equal(scene->members[A].asked, 0);
	scene_close(scene);
}

/* Who may open what */

static void test_a_flow_is_asked_about_once(void **state)
{
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	shake_hands(scene, false);
	assert_int_equal(scene->members[A].asked, 1);
	assert_int_equal(scene->members[B].asked, 0);
	assert_int_equal(scene->members[A].transport, COTHON_TCP);
	assert_endpoint(scene->members[A].source, scene_at(scene, A, false, 5000));
	assert_endpoint(scene->members[A].destination, scene_at(scene, B, false, 80));
	/* B answers although it could open nothing itself. */
	scene->members[B].denies = true;
	scene_tcp(scene, B, A, false, 80, 5000, 9001, 1001, ACK, 500);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	scene_tcp(scene, B, A, false, 80, 5001, 9001, 0, SYN, 0);
	assert_int_equal(scene_send(scene, B), SCENE_UP);
	assert_int_equal(scene->members[B].asked, 1);
	scene_udp(scene, A, B, true, 5, 53, 1);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	assert_int_equal(scene->members[A].transport, COTHON_UDP);
	scene_udp(scene, B, A, true, 53, 5, 1);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	scene_udp(scene, B, A, true, 53, 6, 1);
	assert_int_equal(scene_send(scene, B), SCENE_UP);
	assert_int_equal(cothon_hub_counters(scene->members[B].port)->refused, 2);
	scene_close(scene);
}

static void test_what_is_denied_goes_up_each_time(void **state)
{
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	scene->members[A].denies = true;
	for (unsigned i = 1; i <= 3; i++) {
		scene_tcp(scene, A, B, false, 5000, 80, 1000, 0, SYN, 0);
		assert_int_equal(scene_send(scene, A), SCENE_UP);
		assert_int_equal(scene->members[A].asked, i);
	}
	scene->members[A].denies = false;
	shake_hands(scene, false);
	scene_close(scene);
}

static void test_a_segment_of_no_flow_goes_up(void **state)
{
	static const uint8_t flags[] = {ACK,       SYN | ACK, FIN | ACK, RST,
					RST | ACK, 0,         SYN | FIN, SYN | RST};
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	for (size_t i = 0; i < sizeof(flags); i++) {
		scene_tcp(scene, A, B, false, 5000, 80, 1000, 1, flags[i], 5);
		assert_int_equal(scene_send(scene, A), SCENE_UP);
	}
	assert_int_equal(scene->members[A].asked, 0);
	/* Headers that are cut, or lie. */
	scene_ip(scene, A, B, false, PACKET_TCP);
	packet_fill(&scene->packet, 19);
	packet_seal(&scene->packet);
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	scene_tcp(scene, A, B, false, 5000, 80, 1000, 0, SYN, 0);
	scene->packet.data[20 + 12] = 0x60;
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	scene_ip(scene, A, B, false, PACKET_UDP);
	packet_fill(&scene->packet, 7);
	packet_seal(&scene->packet);
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	assert_int_equal(scene->members[A].asked, 0);
	scene_close(scene);
}

static void test_echo_requests_and_their_replies(void **state)
{
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		for (uint16_t ident = 0; ident < 3; ident++) {
			scene->members[B].denies = false;
			scene_echo(scene, A, B, ipv6, false, ident);
			assert_int_equal(scene_send(scene, A), SCENE_AT + B);
			assert_int_equal(scene->members[A].transport, 0);
			assert_endpoint(scene->members[A].destination, scene_at(scene, B, ipv6, 0));
			scene_echo(scene, B, A, ipv6, true, ident);
			assert_int_equal(scene_send(scene, B), SCENE_AT + A);
			/* To be asked is no leave to ask. */
			scene->members[B].denies = true;
			scene_echo(scene, B, A, ipv6, false, ident);
			assert_int_equal(scene_send(scene, B), SCENE_UP);
			/* Nor to answer what was not asked. */
			scene_echo(scene, B, A, ipv6, true, (uint16_t)(ident + 1));
			assert_int_equal(scene_send(scene, B), SCENE_UP);
			scene_echo(scene, A, B, ipv6, true, ident);
			assert_int_equal(scene_send(scene, A), SCENE_UP);
		}
	}
	scene_close(scene);
}

/* An ICMP error from one to the other about the packet that is in the scene. */
static void make_error(struct scene *scene, unsigned from, unsigned to, bool ipv6, size_t quote_len)
{
	uint8_t quote[128];

	memcpy(quote, scene->packet.data, quote_len);
	scene_ip(scene, from, to, ipv6, ipv6 ? PACKET_ICMPV6 : PACKET_ICMP);
	packet_icmp(&scene->packet, ipv6 ? 1 : 3, ipv6 ? 4 : 3, 0);
	packet_put(&scene->packet, quote, quote_len);
	packet_seal(&scene->packet);
}

static void test_errors_pass_about_what_passed(void **state)
{
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		size_t quote = ipv6 ? 48 : 28;

		scene->members[B].denies = false;
		scene_udp(scene, A, B, ipv6, 5, 6, 20);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
		scene->members[B].denies = true;
		make_error(scene, B, A, ipv6, quote);
		assert_int_equal(scene_send(scene, B), SCENE_AT + A);
		/* TCP, of which no more than the ports is quoted. */
		shake_hands(scene, ipv6);
		make_error(scene, B, A, ipv6, quote);
		assert_int_equal(scene_send(scene, B), SCENE_AT + A);
		scene_echo(scene, A, B, ipv6, false, 9);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
		make_error(scene, B, A, ipv6, quote);
		assert_int_equal(scene_send(scene, B), SCENE_AT + A);
		/* About what was never sent, what others sent, and what says too little. */
		scene_udp(scene, A, B, ipv6, 5, 7, 20);
		make_error(scene, B, A, ipv6, quote);
		assert_int_equal(scene_send(scene, B), SCENE_UP);
		scene_udp(scene, A, B, ipv6, 5, 6, 20);
		make_error(scene, C, A, ipv6, quote);
		assert_int_equal(scene_send(scene, C), SCENE_UP);
		scene_udp(scene, A, B, ipv6, 5, 6, 20);
		make_error(scene, B, C, ipv6, quote);
		assert_int_equal(scene_send(scene, B), SCENE_UP);
		scene_udp(scene, A, B, ipv6, 5, 6, 20);
		make_error(scene, B, A, ipv6, quote - 1);
		assert_int_equal(scene_send(scene, B), SCENE_UP);
		scene_udp(scene, A, B, ipv6, 5, 6, 20);
		make_error(scene, B, A, ipv6, 10);
		assert_int_equal(scene_send(scene, B), SCENE_UP);
	}
	scene_close(scene);
}

/* Fragments */

/* A fragment of a UDP datagram from A to B; the first one has the ports. */
static void make_fragment(struct scene *scene, bool ipv6, uint8_t protocol, unsigned offset,
			  bool more, uint32_t ident)
{
	scene_ip(scene, A, B, ipv6, ipv6 ? PACKET_FRAGMENT : protocol);
	if (ipv6)
		packet_fragment_header(&scene->packet, protocol, offset, more, ident);
	if (offset == 0 && protocol == PACKET_UDP)
		packet_udp(&scene->packet, 5, 6);
	else if (offset == 0)
		packet_tcp(&scene->packet, 5, 6, 1, 0, SYN);
	/* All but the last are of a multiple of eight bytes. */
	packet_fill(&scene->packet, offset == 0 && protocol == PACKET_TCP ? 68 : 64);
	packet_set_lengths(&scene->packet);
	if (!ipv6) {
		packet_set16(scene->packet.data + 4, ident);
		packet_set16(scene->packet.data + 6, offset / 8 | (more ? 0x2000U : 0));
		packet_sum_header(&scene->packet);
	}
}

static void test_fragments_follow_their_first(void **state)
{
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		make_fragment(scene, ipv6, PACKET_UDP, 72, false, 77);
		assert_int_equal(scene_send(scene, A), SCENE_UP);
		make_fragment(scene, ipv6, PACKET_UDP, 0, true, 77);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
		make_fragment(scene, ipv6, PACKET_UDP, 72, false, 77);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
		make_fragment(scene, ipv6, PACKET_UDP, 72, false, 78);
		assert_int_equal(scene_send(scene, A), SCENE_UP);
		make_fragment(scene, ipv6, PACKET_TCP, 72, false, 77);
		assert_int_equal(scene_send(scene, A), SCENE_UP);
		/* Over the flags of a TCP header. */
		make_fragment(scene, ipv6, PACKET_TCP, 0, true, 79);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
		make_fragment(scene, ipv6, PACKET_TCP, 8, false, 79);
		assert_int_equal(scene_send(scene, A), SCENE_UP);
		/* Not for ever. */
		scene_wait(scene, COTHON_HUB_DATAGRAM_IDLE);
		make_fragment(scene, ipv6, PACKET_UDP, 72, false, 77);
		assert_int_equal(scene_send(scene, A), SCENE_UP);
	}
	/* Nor when the flow may no longer be. */
	make_fragment(scene, false, PACKET_UDP, 0, true, 80);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	scene->members[A].denies = true;
	cothon_hub_recheck(scene->members[A].port);
	make_fragment(scene, false, PACKET_UDP, 72, false, 80);
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	scene_close(scene);
}

/* MTU */

static void test_what_does_not_fit_is_told(void **state)
{
	struct scene *scene = scene_open(1280, 0);

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		size_t header = ipv6 ? 40 : 20;
		const uint8_t *icmp = scene->data + header;

		scene_udp(scene, A, C, ipv6, 5, 6, 1280 - header - 8);
		assert_int_equal(scene_send(scene, A), SCENE_AT + C);
		scene_udp(scene, A, C, ipv6, 5, 6, 1280 - header - 8 + 1);
		assert_int_equal(scene_send(scene, A), SCENE_SAID);
		assert_int_equal(icmp[0], ipv6 ? 2 : 3);
		assert_int_equal(icmp[1], ipv6 ? 0 : 4);
		assert_int_equal(ipv6 ? packet_get32(icmp + 4) : packet_get16(icmp + 6), 1280);
		/* It quotes the packet as far as may be, and its checksum is right. */
		assert_int_equal(scene->len, ipv6 ? 1280 : 576);
		assert_memory_equal(icmp + 8 + header, scene->packet.data + header, 100);
		assert_int_equal(packet_sum(ipv6 ? packet_sum_pseudo(scene->data, PACKET_ICMPV6,
								     scene->len - header)
						 : 0,
					    icmp, scene->len - header),
				 0xffff);
		/* Cut into pieces of which each fits, or does not. */
		scene_tcp(scene, A, C, ipv6, 5, 6, 1, 0, SYN, 0);
		assert_int_equal(scene_send(scene, A), SCENE_AT + C);
		scene_tcp(scene, A, C, ipv6, 5, 6, 2, 1, ACK, 20000);
		packet_offload(&scene->packet, true, (uint16_t)(1280 - header - 20));
		assert_int_equal(scene_send(scene, A), SCENE_AT + C);
		scene_tcp(scene, A, C, ipv6, 5, 6, 2, 1, ACK, 20000);
		packet_offload(&scene->packet, true, (uint16_t)(1280 - header - 20 + 1));
		assert_int_equal(scene_send(scene, A), SCENE_SAID);
		/* Of an error nobody is told. */
		scene_udp(scene, C, A, ipv6, 6, 5, 20);
		assert_int_equal(scene_send(scene, C), SCENE_AT + A);
		make_error(scene, A, C, ipv6, header + 8);
		packet_fill(&scene->packet, 1300);
		packet_seal(&scene->packet);
		assert_int_equal(scene_send(scene, A), SCENE_LOST);
	}
	assert_int_equal(cothon_hub_counters(scene->members[A].port)->too_big, 6);
	scene_close(scene);
}

/* Time */

static void test_silent_flows_are_forgotten(void **state)
{
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	assert_int_equal(cothon_hub_run(scene->hub, scene->now), UINT64_MAX);
	scene_udp(scene, A, B, false, 5, 6, 1);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	assert_int_equal(cothon_hub_run(scene->hub, scene->now),
			 scene->now + COTHON_HUB_DATAGRAM_IDLE * UINT64_C(1000000));
	scene_wait(scene, COTHON_HUB_DATAGRAM_IDLE - 1);
	scene->members[B].denies = true;
	scene_udp(scene, B, A, false, 6, 5, 1);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	/* What B sends does not hold its way in open. */
	scene_wait(scene, 1);
	assert_int_equal(scene_send(scene, B), SCENE_UP);

	/* TCP: what opens, what is open, what closes. */
	shake_hands(scene, false);
	scene_wait(scene, COTHON_HUB_OPEN_IDLE - 1);
	scene_tcp(scene, B, A, false, 80, 5000, 9001, 1001, ACK, 5);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	scene_wait(scene, COTHON_HUB_OPEN_IDLE);
	assert_int_equal(scene_send(scene, B), SCENE_UP);
	scene_tcp(scene, A, B, false, 5001, 80, 1000, 0, SYN, 0);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	scene_wait(scene, COTHON_HUB_TRANSITORY_IDLE);
	scene_tcp(scene, B, A, false, 80, 5001, 9000, 1001, SYN | ACK, 0);
	assert_int_equal(scene_send(scene, B), SCENE_UP);
	shake_hands(scene, false);
	scene_tcp(scene, A, B, false, 5000, 80, 1001, 9001, FIN | ACK, 0);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	scene_wait(scene, COTHON_HUB_TRANSITORY_IDLE);
	scene_tcp(scene, B, A, false, 80, 5000, 9001, 1002, FIN | ACK, 0);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	scene_wait(scene, COTHON_HUB_TRANSITORY_IDLE);
	scene_tcp(scene, A, B, false, 5000, 80, 1002, 9002, ACK, 0);
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	assert_int_equal(cothon_hub_run(scene->hub, scene->now), UINT64_MAX);
	scene_close(scene);
}

static void test_endpoints_may_be_used_again(void **state)
{
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	shake_hands(scene, false);
	scene_tcp(scene, A, B, false, 5000, 80, 1001, 9001, FIN | ACK, 0);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	scene_tcp(scene, B, A, false, 80, 5000, 9001, 1002, FIN | ACK, 0);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	/* By the same side, which is asked anew, or by the other. */
	shake_hands(scene, false);
	assert_int_equal(scene->members[A].asked, 2);
	scene_tcp(scene, B, A, false, 80, 5000, 9001, 0, RST, 0);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	scene->members[B].denies = true;
	scene_tcp(scene, B, A, false, 80, 5000, 20000, 0, SYN, 0);
	assert_int_equal(scene_send(scene, B), SCENE_UP);
	assert_int_equal(scene->members[B].asked, 1);
	scene->members[B].denies = false;
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	assert_int_equal(cothon_hub_counters(scene->members[B].port)->flows, 1);
	/* A SYN that is sent again asks nobody. */
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	assert_int_equal(scene->members[B].asked, 2);
	scene_close(scene);
}

/* Bounds */

static void test_a_member_has_so_many_flows(void **state)
{
	struct scene *scene = scene_open(MTU, 4);

	(void)state;
	scene->members[B].denies = true;
	shake_hands(scene, false);
	scene_udp(scene, C, B, false, 9, 9, 1);
	assert_int_equal(scene_send(scene, C), SCENE_AT + B);
	/* One that floods harms its own newest flows first, and nobody else's. */
	for (uint16_t port = 1; port <= 1000; port++) {
		scene_tcp(scene, A, B, false, port, 80, 1, 0, SYN, 0);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	}
	assert_int_equal(cothon_hub_counters(scene->members[A].port)->forgotten, 997);
	scene_tcp(scene, B, A, false, 80, 1, 1, 2, SYN | ACK, 0);
	assert_int_equal(scene_send(scene, B), SCENE_UP);
	scene_tcp(scene, B, A, false, 80, 1000, 1, 2, SYN | ACK, 0);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	scene_tcp(scene, B, A, false, 80, 5000, 9001, 1001, ACK, 5);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	scene_udp(scene, B, C, false, 9, 9, 1);
	assert_int_equal(scene_send(scene, B), SCENE_AT + C);
	scene_close(scene);
}

static void test_a_device_that_takes_nothing(void **state)
{
	struct scene *scene = scene_open(MTU, 0);
	struct cothon_frame frame;
	struct cothon_buf *buf;

	(void)state;
	scene_udp(scene, A, B, false, 5, 6, 100);
	for (unsigned i = 0; i < SCENE_QUEUE + 5; i++) {
		frame = (struct cothon_frame){.iov[1] = {scene->packet.data, scene->packet.len},
					      .count = 2,
					      .len = scene->packet.len};
		assert_int_equal(cothon_link_transmit(scene->members[A].kernel, &frame), 0);
		/* Each call sees to one frame, whatever waits behind it. */
		assert_int_equal(cothon_link_receive(scene->members[A].port, scene->pool, &buf),
				 -EALREADY);
	}
	assert_int_equal(cothon_link_receive(scene->members[A].port, scene->pool, &buf), -EAGAIN);
	assert_int_equal(cothon_hub_counters(scene->members[A].port)->lost, 5);
	assert_int_equal(cothon_hub_counters(scene->members[B].port)->frames_in, SCENE_QUEUE);
	/* Others are not held up by it. */
	scene_udp(scene, A, C, false, 5, 6, 100);
	frame.iov[1] = (struct iovec){scene->packet.data, scene->packet.len};
	assert_int_equal(cothon_link_transmit(scene->members[A].kernel, &frame), 0);
	assert_int_equal(cothon_link_receive(scene->members[A].port, scene->pool, &buf), -EALREADY);
	assert_true(scene_arrived(scene, C));
	scene_close(scene);
}

static void test_without_memory_nothing_new_passes(void **state)
{
	struct scene *scene = scene_open(MTU, 0);
	struct cothon_link *port;
	struct cothon_hub_member member = {.device = scene->members[A].kernel, .addr_count = 1};
	struct cothon_addr addr;

	(void)state;
	assert_int_equal(cothon_addr_parse("10.0.2.200", &addr), 0);
	member.addrs = &addr;
	shake_hands(scene, false);
	scene->ledger.empty = true;
	scene_udp(scene, A, B, false, 5, 6, 1);
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	assert_int_equal(cothon_hub_join(scene->hub, &member, &port), -ENOMEM);
	scene_tcp(scene, A, B, false, 5000, 80, 1001, 9001, ACK, 10);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	scene->ledger.empty = false;
	scene_close(scene);
}

/* Ends */

static void assert_reset(struct scene *scene, unsigned member, uint32_t seq, uint32_t ack)
{
	size_t header;

	assert_true(scene_arrived(scene, member));
	header = scene->len - 20;
	assert_true(header == 20 || header == 40);
	assert_int_equal(scene_flags(scene), RST | ACK);
	assert_int_equal(scene_seq(scene), seq);
	assert_int_equal(scene_ack(scene), ack);
	assert_int_equal(packet_sum(packet_sum_pseudo(scene->data, PACKET_TCP, 20),
				    scene->data + header, 20),
			 0xffff);
	if (header == 20)
		assert_int_equal(packet_sum(0, scene->data, 20), 0xffff);
}

static void test_what_may_no_longer_be_is_reset(void **state)
{
	struct scene *scene = scene_open(MTU, 0);

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		scene->members[A].denies = false;
		shake_hands(scene, ipv6);
		scene_tcp(scene, A, B, ipv6, 5000, 80, 1001, 9001, ACK, 100);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
		scene_tcp(scene, B, A, ipv6, 80, 5000, 9001, 1101, ACK, 7);
		assert_int_equal(scene_send(scene, B), SCENE_AT + A);
		/* Sent again: nothing new. */
		scene_tcp(scene, A, B, ipv6, 5000, 80, 1001, 9008, ACK, 50);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
		cothon_hub_recheck(scene->members[A].port);
		assert_false(scene_arrived(scene, A));
		/* Another member's rules are not asked. */
		scene->members[A].denies = true;
		cothon_hub_recheck(scene->members[B].port);
		assert_false(scene_arrived(scene, A));
		cothon_hub_recheck(scene->members[A].port);
		assert_reset(scene, A, 9008, 1101);
		assert_reset(scene, B, 1101, 9008);
		scene_tcp(scene, B, A, ipv6, 80, 5000, 9008, 1101, ACK, 5);
		assert_int_equal(scene_send(scene, B), SCENE_UP);
		/* One that waits for an answer believes a reset that acknowledges its SYN. */
		scene->members[A].denies = false;
		scene_tcp(scene, A, B, ipv6, 5001, 80, 1000, 0, SYN, 0);
		assert_int_equal(scene_send(scene, A), SCENE_AT + B);
		scene->members[A].denies = true;
		cothon_hub_recheck(scene->members[A].port);
		assert_reset(scene, A, 0, 1001);
		assert_true(scene_arrived(scene, B));
		assert_int_equal(scene_flags(scene), RST);
		assert_int_equal(scene_seq(scene), 1001);
	}
	assert_int_equal(cothon_hub_counters(scene->members[A].port)->ended, 4);
	scene_close(scene);
}

static void test_a_flow_is_ended(void **state)
{
	struct scene *scene = scene_open(MTU, 0);
	struct cothon_endpoint a = scene_at(scene, A, false, 5000);
	struct cothon_endpoint b = scene_at(scene, B, false, 80);
	struct cothon_hub_flow flow;

	(void)state;
	shake_hands(scene, false);
	assert_int_equal(cothon_hub_end(scene->members[A].port, COTHON_UDP, &a, &b), -ENOENT);
	assert_int_equal(cothon_hub_end(scene->members[A].port, COTHON_TCP, &b, &a), -ENOENT);
	assert_int_equal(cothon_hub_end(scene->members[C].port, COTHON_TCP, &a, &b), -ENOENT);
	assert_true(cothon_hub_find(scene->members[B].port, COTHON_TCP, &b, &a, &flow));
	assert_int_equal(cothon_hub_end(scene->members[B].port, COTHON_TCP, &b, &a), 0);
	assert_reset(scene, A, 9001, 1001);
	assert_reset(scene, B, 1001, 9001);
	assert_false(cothon_hub_find(scene->members[A].port, COTHON_TCP, &a, &b, &flow));
	/* Datagrams end without a word. */
	scene_udp(scene, A, B, false, 5000, 80, 5);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	assert_int_equal(cothon_hub_end(scene->members[A].port, COTHON_UDP, &a, &b), 0);
	assert_false(scene_arrived(scene, A));
	scene_echo(scene, A, B, false, false, 5000);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	b.port = 0;
	assert_true(cothon_hub_find(scene->members[B].port, 0, &b, &a, &flow));
	assert_false(flow.opened);
	assert_int_equal(cothon_hub_end(scene->members[A].port, 0, &a, &b), 0);
	assert_int_equal(cothon_hub_end(scene->members[A].port, 0, &a, &b), -ENOENT);
	scene_close(scene);
}

/* Whoever tries again does so with other sequence numbers, perhaps smaller ones. */
static void test_resets_are_of_the_last_attempt(void **state)
{
	struct scene *scene = scene_open(MTU, 0);
	struct cothon_endpoint a = scene_at(scene, A, false, 5000);
	struct cothon_endpoint b = scene_at(scene, B, false, 80);
	struct cothon_hub_flow flow;

	(void)state;
	scene_tcp(scene, A, B, false, 5000, 80, 0x70000000, 0, SYN, 0);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	scene_tcp(scene, A, B, false, 5000, 80, 0x70000001, 0, FIN | ACK, 0);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	shake_hands(scene, false);
	assert_true(cothon_hub_find(scene->members[A].port, COTHON_TCP, &a, &b, &flow));
	assert_int_equal(flow.state, COTHON_TCP_ESTABLISHED);
	assert_int_equal(cothon_hub_end(scene->members[A].port, COTHON_TCP, &a, &b), 0);
	assert_reset(scene, A, 9001, 1001);
	assert_reset(scene, B, 1001, 9001);
	scene_close(scene);
}

struct onlooker {
	struct cothon_tap tap;
	unsigned received, transmitted;
};

static void look_on(struct cothon_tap *tap, bool received, const struct iovec *iov, unsigned count,
		    size_t len, const struct cothon_offload *offload)
{
	struct onlooker *onlooker = (struct onlooker *)tap;

	(void)offload;
	assert_int_equal(count, 1);
	assert_int_equal(iov->iov_len, len);
	*(received ? &onlooker->received : &onlooker->transmitted) += 1;
}

/* All that leaves a member or comes to it is seen on its port, whoever says it and whatever becomes of it. */
static void test_who_looks_on_sees_all(void **state)
{
	struct scene *scene = scene_open(1280, 0);
	struct onlooker a = {.tap.seen = look_on}, b = {.tap.seen = look_on};
	struct cothon_endpoint from = scene_at(scene, A, false, 5000);
	struct cothon_endpoint to = scene_at(scene, B, false, 80);

	(void)state;
	scene->members[A].port->tap = &a.tap;
	scene->members[B].port->tap = &b.tap;
	shake_hands(scene, false);
	assert_int_equal(a.received, 2);
	assert_int_equal(a.transmitted, 1);
	assert_int_equal(b.received, 1);
	assert_int_equal(b.transmitted, 2);
	/* Resets of the hub. */
	assert_int_equal(cothon_hub_end(scene->members[A].port, COTHON_TCP, &from, &to), 0);
	assert_int_equal(a.transmitted, 2);
	assert_int_equal(b.transmitted, 3);
	assert_true(scene_arrived(scene, A));
	assert_true(scene_arrived(scene, B));
	/* What does not fit, and what is said of it. */
	scene_udp(scene, A, C, false, 5, 6, 1400);
	assert_int_equal(scene_send(scene, A), SCENE_SAID);
	assert_int_equal(a.received, 3);
	assert_int_equal(a.transmitted, 3);
	/* What is sent in the name of another. */
	scene_udp(scene, C, B, false, 5, 6, 100);
	assert_int_equal(scene_send(scene, A), SCENE_LOST);
	assert_int_equal(a.received, 4);
	scene->members[A].port->tap = scene->members[B].port->tap = NULL;
	scene_close(scene);
}

static void test_who_leaves_is_gone(void **state)
{
	struct scene *scene = scene_open(MTU, 0);
	struct cothon_link *device;

	(void)state;
	shake_hands(scene, false);
	scene_udp(scene, C, B, false, 5, 6, 1);
	assert_int_equal(scene_send(scene, C), SCENE_AT + B);
	device = cothon_hub_leave(scene->members[B].port);
	scene->members[B].port = NULL;
	assert_reset(scene, A, 9001, 1001);
	assert_reset(scene, B, 1001, 9001);
	scene_tcp(scene, A, B, false, 5000, 80, 1001, 9001, ACK, 5);
	assert_int_equal(scene_send(scene, A), SCENE_UP);
	scene_udp(scene, C, B, false, 5, 6, 1);
	assert_int_equal(scene_send(scene, C), SCENE_UP);
	/* Its address may be another's. */
	assert_int_equal(cothon_hub_join(scene->hub,
					 &(struct cothon_hub_member){
						 .device = device,
						 .addrs = &scene->members[B].ipv4,
						 .addr_count = 1,
					 },
					 &scene->members[B].port),
			 0);
	assert_int_equal(scene_send(scene, C), SCENE_AT + B);
	scene_udp(scene, B, C, false, 50, 60, 1);
	assert_int_equal(scene_send(scene, B), SCENE_AT + C);
	scene_close(scene);
}

static void test_who_may_not_join(void **state)
{
	struct scene *scene = scene_open(MTU, 0);
	struct cothon_addr addrs[COTHON_HUB_ADDRESSES + 1];
	struct cothon_link *device = scene->members[A].kernel, *port;
	struct cothon_hub_member member = {.device = device, .addrs = addrs};
	unsigned features = device->features;

	(void)state;
	memset(addrs, 0, sizeof(addrs));
	assert_int_equal(cothon_hub_join(scene->hub, &member, &port), -EINVAL);
	member.addr_count = 1;
	assert_int_equal(cothon_hub_join(scene->hub, &member, &port), -EINVAL);
	member.addr_count = COTHON_HUB_ADDRESSES + 1;
	assert_int_equal(cothon_hub_join(scene->hub, &member, &port), -EINVAL);
	member.addr_count = 1;
	addrs[0] = scene->members[C].ipv6;
	assert_int_equal(cothon_hub_join(scene->hub, &member, &port), -EADDRINUSE);
	assert_int_equal(cothon_addr_parse("10.0.2.7", &addrs[0]), 0);
	device->features = COTHON_LINK_CSUM;
	assert_int_equal(cothon_hub_join(scene->hub, &member, &port), -EINVAL);
	device->features = features;
	/* An address that is told twice is one. */
	addrs[1] = addrs[0];
	member.addr_count = 2;
	assert_int_equal(cothon_hub_join(scene->hub, &member, &port), 0);
	assert_ptr_equal(cothon_hub_leave(port), device);
	scene_close(scene);
}

/* What is seen */

struct seen {
	unsigned count;
	struct cothon_hub_flow flows[4];
};

static void see(const struct cothon_hub_flow *flow, void *context)
{
	struct seen *seen = context;

	assert_true(seen->count < 4);
	seen->flows[seen->count++] = *flow;
}

static struct seen look(struct scene *scene, unsigned member)
{
	struct seen seen = {0};

	cothon_hub_flows(scene->members[member].port, see, &seen);
	return seen;
}

static void test_flows_are_seen_from_both_sides(void **state)
{
	struct scene *scene = scene_open(MTU, 0);
	struct seen a, b;

	(void)state;
	scene_tcp(scene, A, B, false, 5000, 80, 1000, 0, SYN, 0);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	assert_int_equal(look(scene, A).flows[0].state, COTHON_TCP_SYN_SENT);
	assert_int_equal(look(scene, B).flows[0].state, COTHON_TCP_SYN_RECEIVED);
	shake_hands(scene, false);
	scene_wait(scene, 5);
	scene_tcp(scene, A, B, false, 5000, 80, 1001, 9001, ACK, 100);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	scene_tcp(scene, B, A, false, 80, 5000, 9001, 1101, FIN | ACK, 7);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	a = look(scene, A);
	b = look(scene, B);
	assert_int_equal(a.count, 1);
	assert_int_equal(b.count, 1);
	assert_true(a.flows[0].opened);
	assert_false(b.flows[0].opened);
	assert_endpoint(a.flows[0].local, scene_at(scene, A, false, 5000));
	assert_endpoint(a.flows[0].remote, scene_at(scene, B, false, 80));
	assert_endpoint(b.flows[0].local, scene_at(scene, B, false, 80));
	assert_endpoint(b.flows[0].remote, scene_at(scene, A, false, 5000));
	assert_int_equal(a.flows[0].bytes_out, 100);
	assert_int_equal(a.flows[0].bytes_in, 7);
	assert_int_equal(b.flows[0].bytes_out, 7);
	assert_int_equal(b.flows[0].bytes_in, 100);
	assert_int_equal(a.flows[0].state, COTHON_TCP_CLOSE_WAIT);
	assert_int_equal(b.flows[0].state, COTHON_TCP_FIN_WAIT_1);
	assert_int_equal(a.flows[0].used_at - a.flows[0].opened_at, 5 * SCENE_SECOND);
	assert_int_equal(look(scene, C).count, 0);
	scene_tcp(scene, A, B, false, 5000, 80, 1101, 9009, FIN | ACK, 0);
	assert_int_equal(scene_send(scene, A), SCENE_AT + B);
	assert_int_equal(look(scene, A).flows[0].state, COTHON_TCP_TIME_WAIT);
	scene_echo(scene, B, A, true, false, 44);
	assert_int_equal(scene_send(scene, B), SCENE_AT + A);
	b = look(scene, B);
	assert_int_equal(b.count, 2);
	/* Those that it opened come first. */
	assert_int_equal(b.flows[0].transport, 0);
	assert_endpoint(b.flows[0].local, scene_at(scene, B, true, 44));
	assert_int_equal(b.flows[0].bytes_out, 56);
	scene_close(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_frame_goes_to_whom_it_is_addressed),
		cmocka_unit_test(test_all_else_goes_up),
		cmocka_unit_test(test_what_the_stack_sends_goes_to_its_own_device),
		cmocka_unit_test(test_a_large_frame_crosses_whole),
		cmocka_unit_test(test_nobody_sends_in_the_name_of_another),
		cmocka_unit_test(test_a_flow_is_asked_about_once),
		cmocka_unit_test(test_what_is_denied_goes_up_each_time),
		cmocka_unit_test(test_a_segment_of_no_flow_goes_up),
		cmocka_unit_test(test_echo_requests_and_their_replies),
		cmocka_unit_test(test_errors_pass_about_what_passed),
		cmocka_unit_test(test_fragments_follow_their_first),
		cmocka_unit_test(test_what_does_not_fit_is_told),
		cmocka_unit_test(test_silent_flows_are_forgotten),
		cmocka_unit_test(test_endpoints_may_be_used_again),
		cmocka_unit_test(test_a_member_has_so_many_flows),
		cmocka_unit_test(test_a_device_that_takes_nothing),
		cmocka_unit_test(test_without_memory_nothing_new_passes),
		cmocka_unit_test(test_what_may_no_longer_be_is_reset),
		cmocka_unit_test(test_a_flow_is_ended),
		cmocka_unit_test(test_resets_are_of_the_last_attempt),
		cmocka_unit_test(test_who_looks_on_sees_all),
		cmocka_unit_test(test_who_leaves_is_gone),
		cmocka_unit_test(test_who_may_not_join),
		cmocka_unit_test(test_flows_are_seen_from_both_sides),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
