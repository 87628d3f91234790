/* SPDX-License-Identifier: MIT */

/* Resets, SYNs and ACKs that a stranger could have sent: RFC 5961, RFC 9293 section 3.10.7. */

#include "script.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const enum cothon_tcp_state synchronized[] = {
	COTHON_TCP_ESTABLISHED, COTHON_TCP_FIN_WAIT_1, COTHON_TCP_FIN_WAIT_2, COTHON_TCP_CLOSE_WAIT,
	COTHON_TCP_CLOSING,     COTHON_TCP_LAST_ACK,   COTHON_TCP_TIME_WAIT,
};

enum {
	STATES = sizeof(synchronized) / sizeof(synchronized[0]),
	/* The window that a server offers before anything was received. */
	WINDOW = 65535,
};

/* RFC 5961 section 3.2: exactly the next sequence number resets, one in the window is challenged, others are dropped. */
static void test_reset(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * STATES; i++) {
		struct script_setup setup = {.ipv6 = i % 2};
		enum cothon_tcp_state in = synchronized[i / 2];
		struct script_segment next;
		struct script script;
		uint32_t edge;

		script_established(&script, &setup);
		script_enter(&script, in, &next);
		edge = script.flow.edge;
		/* Out of the window: one below, one beyond, half the space away. */
		script_send(&script, .flags = RST, .seq = next.seq - 1);
		script_send(&script, .flags = RST, .seq = edge);
		script_send(&script, .flags = RST, .seq = edge + 1);
		script_send(&script, .flags = RST | ACK, .seq = next.seq + 0x80000000,
			    .ack = next.ack);
		script_quiet(&script);
		assert_int_equal(script_state(&script), in);
		/* In it. */
		script_send(&script, .flags = RST, .seq = edge - 1);
		script_expect(
			&script, .flags = ACK,
			.seq = in == COTHON_TCP_ESTABLISHED || in == COTHON_TCP_CLOSE_WAIT ? 1 : 2,
			.ack = next.seq);
		assert_int_equal(script_state(&script), in);
		script_wait(&script, SCRIPT_SECOND / 10);
		script_send(&script, .flags = RST, .seq = next.seq + 1);
		assert_int_equal(script_state(&script), in);
		script_ignore(&script);
		assert_false(script.flow.ended && in != COTHON_TCP_TIME_WAIT);
		/* The very one. */
		script_send(&script, .flags = RST, .seq = next.seq);
		script_quiet(&script);
		if (in == COTHON_TCP_TIME_WAIT) {
			/* RFC 1337: not even this cuts the wait short. */
			assert_int_equal(script_state(&script), in);
		} else {
			assert_int_equal(script_state(&script), COTHON_TCP_CLOSED);
			assert_true(script.flow.ended);
			assert_int_equal(script.flow.error,
					 in == COTHON_TCP_CLOSING || in == COTHON_TCP_LAST_ACK
						 ? 0
						 : -ECONNRESET);
		}
		script_close(&script);
	}
}

/* MUST-12: what was written and not acknowledged is lost, whoever sent the end, and the owner is told. */
static void test_reset_with_data_lost(void **state)
{
	struct script_segment next;
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_enter(&script, COTHON_TCP_CLOSE_WAIT, &next);
	assert_int_equal(script_write(&script, 100), 100);
	script_shutdown(&script);
	script_ignore(&script);
	assert_int_equal(script_state(&script), COTHON_TCP_LAST_ACK);
	script_send(&script, .flags = RST, .seq = 2);
	assert_true(script.flow.ended);
	assert_int_equal(script.flow.error, -ECONNRESET);
	assert_false(script.flow.events & COTHON_TCP_DRAINED);
	script_close(&script);
}

/* MUST-66: with the window closed a reset still counts. */
static void test_reset_at_zero_window(void **state)
{
	(void)state;
	for (int with_ack = 0; with_ack < 2; with_ack++) {
		struct script script;
		uint32_t at = 1;

		script_established(&script, NULL);
		while (at < script.flow.edge) {
			uint32_t len = script.flow.edge - at < 1460 ? script.flow.edge - at : 1460;

			script_send(&script, .flags = ACK, .seq = at, .ack = 1, .len = len);
			script_ignore(&script);
			at += len;
			if (at > 6 << 20)
				break;
		}
		script_send(&script, .flags = ACK, .seq = at - 1, .ack = 1);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = at, .zero_window = true);
		/* Beyond the closed window nothing is believed. */
		script_send(&script, .flags = RST, .seq = at + 1);
		script_send(&script, .flags = RST, .seq = at - 1);
		script_quiet(&script);
		assert_int_equal(script_state(&script), COTHON_TCP_ESTABLISHED);
		script_send(&script, .flags = (uint8_t)(with_ack ? RST | ACK : RST), .seq = at,
			    .ack = 1);
		assert_int_equal(script_state(&script), COTHON_TCP_CLOSED);
		assert_int_equal(script.flow.error, -ECONNRESET);
		script_close(&script);
	}
}

/* RFC 5961 section 4.2: a SYN, whatever its sequence number, is challenged and changes nothing. */
static void test_syn(void **state)
{
	static const uint32_t at[] = {0, 1, 2, 100, 65536, 0x7fffffff, 0x80000001, 0xfffffffe};

	(void)state;
	for (unsigned i = 0; i < STATES; i++) {
		/* A SYN that TIME-WAIT takes for a new connection has its own test. */
		for (unsigned k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
			for (int with_ack = 0; with_ack < 2; with_ack++) {
				struct script_segment next;
				struct script script;

				script_established(&script, NULL);
				script_enter(&script, synchronized[i], &next);
				if (synchronized[i] == COTHON_TCP_TIME_WAIT && !with_ack &&
				    (int32_t)(at[k] - next.seq) > 0) {
					script_close(&script);
					continue;
				}
				script_send(&script, .flags = (uint8_t)(SYN | (with_ack ? ACK : 0)),
					    .seq = at[k], .ack = next.ack);
				script_expect(&script, .flags = ACK, .ack = next.seq,
					      .seq = synchronized[i] == COTHON_TCP_ESTABLISHED ||
								     synchronized[i] ==
									     COTHON_TCP_CLOSE_WAIT
							     ? 1
							     : 2);
				assert_int_equal(script_state(&script), synchronized[i]);
				assert_int_equal(script.host.counters->tcp_challenge_acks, 1);
				/* RFC 5961 section 7: and one is enough for a while. */
				script_send(&script, .flags = (uint8_t)(SYN | (with_ack ? ACK : 0)),
					    .seq = at[k], .ack = next.ack);
				script_quiet(&script);
				script_close(&script);
			}
		}
	}
}

/*
 * RFC 5961 section 5.2: an ACK counts in [SND.UNA - MAX.SND.WND, SND.NXT]; and not even there when it is of bytes
 * that were never sent.
 */
static void test_ack_range(void **state)
{
	static const struct {
		uint32_t ack;
		bool good;
	} cases[] = {
		/* 3,000 bytes were sent, 2,000 of them acknowledged; the peer's window is 1,500. */
		{2001, true}, {2002, true}, {3001, true}, {3002, false}, {3001 + 0x7ffffff, false},
		{501, true},  {500, false}, {1, false},   {0, false},    {2001 + 0x80000000, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct script_setup setup = {
			.window = 1500, .options = SCRIPT_WITH_MSS, .mss = 1000};
		struct script script;

		script_established(&script, &setup);
		assert_int_equal(script_write(&script, 3000), 3000);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1001);
		script_expect(&script, .flags = ACK, .seq = 1001, .ack = 1, .len = 1000);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 2001);
		script_expect(&script, .flags = ACK, .seq = 2001, .ack = 1, .len = 1000);
		script_quiet(&script);
		/* With data, to see whether the segment was taken. */
		script_send(&script, .flags = ACK, .seq = 1, .ack = cases[i].ack, .len = 10);
		script_expect(&script, .flags = ACK, .seq = 3001, .ack = cases[i].good ? 11 : 1);
		assert_int_equal(script_read(&script, 100), cases[i].good ? 10 : -EAGAIN);
		assert_int_equal(cothon_tcp_unacknowledged(script.flow.tcp),
				 cases[i].ack == 2002   ? 999
				 : cases[i].ack == 3001 ? 0
							: 1000);
		script_close(&script);
	}
}

/* A "ghost" ACK: below what was ever sent, on a fresh connection, with data beside it. */
static void test_ghost_ack(void **state)
{
	static const uint32_t ghosts[] = {0xffffffff, 0xffffff00, 0xffff0002, 0};

	(void)state;
	for (unsigned i = 0; i < sizeof(ghosts) / sizeof(ghosts[0]); i++) {
		struct script script;

		script_established(&script, NULL);
		script_send(&script, .flags = ACK, .seq = 1, .ack = ghosts[i], .len = 4);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
		assert_int_equal(script_read(&script, 100), -EAGAIN);
		script_close(&script);
	}
}

/* A segment without ACK counts for nothing. */
static void test_no_ack(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_send(&script, .flags = 0, .seq = 1, .len = 10);
	script_send(&script, .flags = FIN, .seq = 1);
	script_send(&script, .flags = PSH | URG, .seq = 1, .len = 10);
	script_quiet(&script);
	assert_int_equal(script_read(&script, 100), -EAGAIN);
	assert_int_equal(script_state(&script), COTHON_TCP_ESTABLISHED);
	script_close(&script);
}

/* RFC 5961 section 7, CVE-2016-5696: what one flow is challenged for does not show on another. */
static void test_throttle_per_flow(void **state)
{
	struct script_flow first;
	struct script script;

	(void)state;
	script_established(&script, NULL);
	first = script_another(&script, SCRIPT_PORT, 40001);
	script_accept(&script);
	for (unsigned i = 0; i < 1000; i++)
		script_send(&script, .flags = SYN, .seq = 1000 + i);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_challenge_acks, 1);
	script_abort(&script);
	script_ignore(&script);
	script.flow = first;
	script_send(&script, .flags = SYN, .seq = 1000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
	/* After half a second there is another. */
	script_wait(&script, SCRIPT_SECOND / 2 - 1);
	script_ignore(&script);
	script_send(&script, .flags = RST, .seq = 1000);
	script_quiet(&script);
	script_wait(&script, 2);
	script_send(&script, .flags = RST, .seq = 1000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_close(&script);
}

/* What belongs to no flow is answered as RFC 9293 section 3.10.7.1 says. */
static void test_nobody(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct script_setup setup = {.ipv6 = ipv6, .iss = 1000};
		struct script script;

		script_open(&script, &setup);
		script_send(&script, .flags = SYN, .seq = 0);
		script_expect(&script, .flags = RST | ACK, .seq = 0, .ack = 1);
		script_send(&script, .flags = ACK, .seq = 5, .ack = 77);
		script_expect(&script, .flags = RST, .seq = 77);
		script_send(&script, .flags = SYN | ACK, .seq = 5, .ack = 77);
		script_expect(&script, .flags = RST, .seq = 77);
		script_send(&script, .flags = FIN, .seq = 5, .len = 10);
		script_expect(&script, .flags = RST | ACK, .seq = 0, .ack = 16);
		script_send(&script, .flags = RST, .seq = 5);
		script_send(&script, .flags = RST | ACK, .seq = 5, .ack = 77);
		script_quiet(&script);
		assert_int_equal(script.host.counters->tcp_resets_out, 4);
		script_close(&script);
	}
}

/* MUST-2, MUST-3: what was damaged on the way changes nothing. */
static void test_bad_checksum(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct script_setup setup = {.ipv6 = ipv6};
		struct script_segment next;
		struct script script;

		script_open(&script, &setup);
		script_listen(&script);
		script_send(&script, .flags = SYN, .bad_checksum = true);
		script_quiet(&script);
		script_accept(&script);
		script_enter(&script, COTHON_TCP_ESTABLISHED, &next);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 10,
			    .bad_checksum = true);
		script_send(&script, .flags = FIN | ACK, .seq = 1, .ack = 1, .bad_checksum = true);
		script_send(&script, .flags = RST, .seq = 1, .bad_checksum = true);
		script_send(&script, .flags = SYN, .seq = 1, .bad_checksum = true);
		script_quiet(&script);
		assert_int_equal(script_state(&script), COTHON_TCP_ESTABLISHED);
		assert_int_equal(script.host.counters->tcp_bad, 5);
		assert_int_equal(script_read(&script, 10), -EAGAIN);
		script_close(&script);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_with_data_lost),
		cmocka_unit_test(test_reset_at_zero_window),
		cmocka_unit_test(test_syn),
		cmocka_unit_test(test_ack_range),
		cmocka_unit_test(test_ghost_ack),
		cmocka_unit_test(test_no_ack),
		cmocka_unit_test(test_throttle_per_flow),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_bad_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
