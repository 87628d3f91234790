/* SPDX-License-Identifier: MIT */

/* ICMP errors about TCP, true and forged (RFC 9293 section 3.9.2.2, RFC 5927), and path MTU (RFC 1191, RFC 8201). */

#include "wire/icmp.h"

#include "script.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t second = 1000000;

/* Type and code of what is told here, per family. */
struct name {
	uint8_t v4[2], v6[2];
	int error; /* what it makes of an attempt to connect; 0: nothing */
	int soft;  /* what a time-out is then called */
};

static const struct name names[] = {
	{{3, 0}, {1, 0}, 0, -ENETUNREACH},
	{{3, 1}, {1, 3}, 0, -EHOSTUNREACH},
	{{3, 3}, {1, 4}, -ECONNREFUSED, -ECONNREFUSED},
	{{3, 2}, {4, 1}, -ECONNREFUSED, -ECONNREFUSED},
	{{3, 13}, {1, 1}, -EACCES, -EACCES},
	{{11, 0}, {3, 0}, 0, -EHOSTUNREACH},
};

enum {
	NAMES = sizeof(names) / sizeof(names[0])
};

/* An ICMP error quoting a segment of the host with this relative sequence number, from a router. */
static void send_error(struct script *script, const uint8_t name[2], uint32_t word, uint32_t seq,
		       uint16_t from_port, size_t quoted)
{
	struct cothon_addr router = host_parse(script->ipv6 ? "2001:db8:9::9" : "203.0.113.9");
	struct cothon_addr to = host_addr(script->ipv6);
	struct cothon_ip ip = host_header(script->ipv6, true, COTHON_IPPROTO_TCP);
	uint8_t segment[20] = {0}, quote[100], packet[200];
	size_t len;

	cothon_put16(segment, from_port);
	cothon_put16(segment + 2, script->flow.peer_port);
	cothon_put32(segment + 4, script->flow.host_iss + seq);
	segment[12] = 0x50;
	ip.dont_fragment = true;
	len = host_ip(quote, ip, segment, quoted);
	len = host_icmp(packet, &router, &to, name[0], name[1], word, quote, len);
	host_input(&script->host, packet, len);
}

static void tell(struct script *script, const struct name *name, uint32_t seq)
{
	send_error(script, script->ipv6 ? name->v6 : name->v4, 0, seq, script->flow.host_port, 20);
}

/* MUST-54, MUST-55: on a synchronized connection none is more than a hint. */
static void test_soft(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * NAMES; i++) {
		struct script_setup setup = {.ipv6 = i % 2};
		const struct name *name = &names[i / 2];
		struct script script;

		script_established(&script, &setup);
		script_write(&script, 100);
		script_ignore(&script);
		tell(&script, name, 1);
		assert_false(script.flow.ended);
		script_quiet(&script);
		/* It goes on as if nothing had been said. */
		script_send(&script, .flags = ACK, .seq = 1, .ack = 101);
		script_write(&script, 100);
		script_expect(&script, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
		/* But it names the reason when the peer is never heard again. */
		tell(&script, name, 101);
		script_wait(&script, 1100 * second);
		assert_true(script.flow.ended);
		assert_int_equal(script.flow.error, name->soft);
		host_drop_all(&script.host);
		script_close(&script);
	}
}

/* An ACK of something new takes a hint back. */
static void test_soft_is_forgotten(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_write(&script, 100);
	tell(&script, &names[1], 1);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 101);
	script_write(&script, 100);
	script_wait(&script, 1100 * second);
	assert_int_equal(script.flow.error, -ETIMEDOUT);
	host_drop_all(&script.host);
	script_close(&script);
}

/* MUST-56: a hard error ends an attempt to connect, a soft one does not (SHLD-25). */
static void test_connecting(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * NAMES; i++) {
		struct script_setup setup = {.ipv6 = i % 2};
		const struct name *name = &names[i / 2];
		struct script script;

		script_open(&script, &setup);
		script_connect(&script);
		script_expect(&script, .flags = SYN);
		tell(&script, name, 0);
		if (name->error) {
			assert_true(script.flow.ended);
			assert_int_equal(script.flow.error, name->error);
			script_quiet(&script);
		} else {
			assert_false(script.flow.ended);
			script_wait(&script, 200 * second);
			assert_int_equal(script.flow.error, name->soft);
			host_drop_all(&script.host);
		}
		script_close(&script);
	}
}

/* RFC 5927 section 4.1: what quotes nothing that is in flight is forged or late, and changes nothing. */
static void test_forged(void **state)
{
	static const uint32_t seqs[] = {0, 1, 100, 301, 302, 0x80000000, 0xffffffff};

	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct script_setup setup = {.ipv6 = ipv6, .options = SCRIPT_WITH_MSS};
		const uint8_t too_big[2][2] = {{3, 4}, {2, 0}};
		const uint8_t *refused = ipv6 ? names[2].v6 : names[2].v4;
		struct cothon_tcp_info info;
		struct script script;

		script_established(&script, &setup);
		script_write(&script, 100);
		script_ignore(&script);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 101);
		script_write(&script, 200);
		script_ignore(&script);
		/* [101, 301) is in flight. */
		for (size_t i = 0; i < sizeof(seqs) / sizeof(seqs[0]); i++) {
			send_error(&script, too_big[ipv6], 1280, seqs[i], script.flow.host_port,
				   20);
			send_error(&script, refused, 0, seqs[i], script.flow.host_port, 20);
		}
		/* The right number of another flow; a quote that is cut short. */
		send_error(&script, too_big[ipv6], 1280, 101, script.flow.host_port + 1, 20);
		for (size_t len = 0; len < 8; len++)
			send_error(&script, too_big[ipv6], 1280, 101, script.flow.host_port, len);
		script_quiet(&script);
		cothon_tcp_info(script.flow.tcp, &info);
		assert_int_equal(info.mss, ipv6 ? 1440 : 1460);
		script_wait(&script, 1100 * second);
		assert_int_equal(script.flow.error, -ETIMEDOUT);
		host_drop_all(&script.host);
		script_close(&script);
		/* A SYN that was not ours. */
		script_open(&script, &setup);
		script_connect(&script);
		script_expect(&script, .flags = SYN);
		send_error(&script, refused, 0, 1, script.flow.host_port, 20);
		send_error(&script, refused, 0, 0xffffffff, script.flow.host_port, 20);
		assert_false(script.flow.ended);
		script_close(&script);
	}
}

/* RFC 1191, RFC 8201: what is in flight is sent again in smaller segments, which is no sign of congestion. */
static void test_path_mtu(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		bool ipv6 = i & 1, timestamps = i & 2;
		struct script_setup setup = {.ipv6 = ipv6,
					     .options = SCRIPT_WITH_MSS |
							(timestamps ? SCRIPT_WITH_TIMESTAMPS : 0u)};
		const uint8_t too_big[2][2] = {{3, 4}, {2, 0}};
		uint32_t before = 1460u - (ipv6 ? 20 : 0) - (timestamps ? 12 : 0);
		uint32_t after = before - 100, cwnd;
		struct cothon_tcp_info info;
		struct script script;

		script_established(&script, &setup);
		script_write(&script, 3 * before);
		for (uint32_t k = 0; k < 3; k++)
			script_expect(&script, .flags = ACK, .seq = 1 + k * before, .ack = 1,
				      .len = before);
		cothon_tcp_info(script.flow.tcp, &info);
		cwnd = info.cwnd;
		send_error(&script, too_big[ipv6], 1400, 1, script.flow.host_port, 20);
		for (uint32_t k = 0; k < 3; k++)
			script_expect(&script, .flags = ACK, .seq = 1 + k * after, .ack = 1,
				      .len = after);
		script_expect(&script, .flags = ACK, .seq = 1 + 3 * after, .ack = 1, .len = 300);
		cothon_tcp_info(script.flow.tcp, &info);
		assert_int_equal(info.mss, after);
		assert_int_equal(info.cwnd, cwnd);
		/* A larger one later, and the same again, change nothing. */
		send_error(&script, too_big[ipv6], 1490, 1, script.flow.host_port, 20);
		send_error(&script, too_big[ipv6], 1400, 1, script.flow.host_port, 20);
		script_quiet(&script);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1 + 3 * before);
		script_wait(&script, second * 100);
		script_quiet(&script);
		script_close(&script);
	}
}

/* However small a path is said to be, there is a floor. */
static void test_path_mtu_floor(void **state)
{
	static const uint32_t mtus[] = {0, 1, 67, 68, 296, 551, 552};

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(mtus) / sizeof(mtus[0]); i++) {
		bool ipv6 = i % 2;
		struct script_setup setup = {.ipv6 = ipv6, .options = SCRIPT_WITH_MSS};
		const uint8_t too_big[2][2] = {{3, 4}, {2, 0}};
		struct cothon_tcp_info info;
		struct script script;

		script_established(&script, &setup);
		script_write(&script, 3000);
		script_ignore(&script);
		send_error(&script, too_big[ipv6], mtus[i / 2], 1, script.flow.host_port, 20);
		cothon_tcp_info(script.flow.tcp, &info);
		assert_int_equal(info.mss, ipv6 ? 1220 : 512);
		script_ignore(&script);
		script_close(&script);
	}
}

/* What is told while a connection opens does not change how it starts. */
static void test_path_mtu_while_opening(void **state)
{
	static const uint8_t too_big[2] = {3, 4};
	struct script_setup setup = {.options = SCRIPT_WITH_MSS};
	struct cothon_tcp_info info;
	struct script script;

	(void)state;
	script_open(&script, &setup);
	script_connect(&script);
	script_expect(&script, .flags = SYN);
	send_error(&script, too_big, 68, 0, script.flow.host_port, 20);
	script_quiet(&script);
	script_send(&script, .flags = SYN | ACK, .ack = 1, .options = SCRIPT_WITH_MSS, .mss = 1460);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
	cothon_tcp_info(script.flow.tcp, &info);
	assert_int_equal(info.mss, 1460);
	script_write(&script, 1000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	script_quiet(&script);
	script_close(&script);
}

/* Nothing is said to a connection that only waits, or is not answered yet. */
static void test_where_it_does_not_matter(void **state)
{
	struct script_segment next;
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_enter(&script, COTHON_TCP_TIME_WAIT, &next);
	tell(&script, &names[2], 1);
	tell(&script, &names[2], 2);
	assert_int_equal(script_state(&script), COTHON_TCP_TIME_WAIT);
	script_close(&script);
	script_open(&script, NULL);
	script_listen(&script);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	/* SYN-RECEIVED: the SYN-ACK may be told unreachable, which is a hint. */
	tell(&script, &names[2], 0);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	assert_true(script.flow.opened);
	script_close(&script);
}

/* The peer acknowledges all that leaves, until nothing more does. Returns the sequence number behind it. */
static uint32_t take_all(struct script *script, uint32_t at)
{
	while (script->host.first) {
		while (script->host.first) {
			struct script_segment got = script_take(script);

			if (got.seq + got.len > at)
				at = got.seq + got.len;
		}
		script_wait(script, 1000);
		script_send(script, .flags = ACK, .seq = 1, .ack = at);
	}
	return at;
}

/*
 * RFC 4821 section 7.7: a path that swallows large segments without a word is given smaller ones, and large ones again
 * after a while, once for each of ever longer times.
 */
static void test_black_hole(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct script_setup setup = {.options = SCRIPT_WITH_MSS | SCRIPT_WITH_SACK,
					     .ipv6 = ipv6,
					     .mss = ipv6 ? 1440 : 1460};
		uint32_t full = setup.mss, small = ipv6 ? 1220 : 1240;
		struct script_segment got = {0};
		struct cothon_tcp_info info;
		struct script script;
		uint32_t at = 1;

		script_established(&script, &setup);
		cothon_tcp_set_options(script.flow.tcp,
				       &(struct cothon_tcp_options){.no_delay = true});
		for (unsigned round = 0; round < 2; round++) {
			script_write(&script, 3000);
			assert_int_equal(script_take(&script).len, full);
			script_ignore(&script);
			do {
				script_wait(&script, 100000);
				if (!script.host.first)
					continue;
				got = script_take(&script);
				script_ignore(&script);
			} while (got.seq != at || got.len == full);
			assert_int_equal(got.len, small);
			assert_int_equal(script.host.counters->tcp_black_holes, round + 1);
			at += 3000;
			script_send(&script, .flags = ACK, .seq = 1, .ack = at);
			script_ignore(&script);
			/* Not before its time. */
			script_wait(&script, (round + 1) * UINT64_C(590000000));
			script_write(&script, 3000);
			assert_int_equal(script_take(&script).len, small);
			script_ignore(&script);
			at += 3000;
			script_send(&script, .flags = ACK, .seq = 1, .ack = at);
			script_ignore(&script);
			script_wait(&script, (round + 1) * UINT64_C(20000000));
			for (unsigned i = 0; i < 10; i++) {
				script_write(&script, 6000);
				at = take_all(&script, at);
			}
			cothon_tcp_info(script.flow.tcp, &info);
			assert_int_equal(info.mss, full);
		}
		/* Whoever does not answer at all is not made to wait by smaller and smaller segments for ever. */
		script_write(&script, 3000);
		script_wait(&script, 600000000);
		script_ignore(&script);
		cothon_tcp_info(script.flow.tcp, &info);
		assert_int_equal(info.mss, ipv6 ? small : 536);
		script_close(&script);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_soft),
		cmocka_unit_test(test_soft_is_forgotten),
		cmocka_unit_test(test_connecting),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_path_mtu),
		cmocka_unit_test(test_path_mtu_floor),
		cmocka_unit_test(test_path_mtu_while_opening),
		cmocka_unit_test(test_where_it_does_not_matter),
		cmocka_unit_test(test_black_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
