/* SPDX-License-Identifier: MIT */

/* How connections end: in order from either side, half-closed, given up, aborted; and TIME-WAIT. */

#include "script.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	ALL = SCRIPT_WITH_MSS | SCRIPT_WITH_SCALE | SCRIPT_WITH_TIMESTAMPS | SCRIPT_WITH_SACK,
};

static const uint64_t second = 1000000;

/* In order */

static void test_host_first(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct script_setup setup = {.ipv6 = ipv6, .iss = 0xfffffff0};
		struct script script;

		script_established(&script, &setup);
		script_write(&script, 100);
		script_shutdown(&script);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
		script_expect(&script, .flags = FIN | ACK, .seq = 101, .ack = 1);
		assert_int_equal(script_state(&script), COTHON_TCP_FIN_WAIT_1);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 101);
		assert_false(script.flow.events & COTHON_TCP_DRAINED);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 102);
		assert_int_equal(script_state(&script), COTHON_TCP_FIN_WAIT_2);
		assert_true(script.flow.events & COTHON_TCP_DRAINED);
		/* The other way is open for as long as the peer likes. */
		script_wait(&script, 3600 * second);
		script_quiet(&script);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 102, .len = 50);
		script_expect(&script, .flags = ACK, .seq = 102, .ack = 51);
		assert_int_equal(script_read(&script, 100), 50);
		script_ignore(&script);
		assert_int_equal(cothon_tcp_write(script.flow.tcp, "x", 1), -EPIPE);
		script_send(&script, .flags = FIN | ACK, .seq = 51, .ack = 102, .len = 10);
		script_expect(&script, .flags = ACK, .seq = 102, .ack = 62);
		assert_int_equal(script_state(&script), COTHON_TCP_TIME_WAIT);
		assert_true(script.flow.ended);
		assert_int_equal(script.flow.error, 0);
		/* What came with the end can still be read. */
		assert_false(cothon_tcp_at_end(script.flow.tcp));
		assert_int_equal(script_read(&script, 100), 10);
		assert_true(cothon_tcp_at_end(script.flow.tcp));
		assert_int_equal(script_read(&script, 100), 0);
		script_close(&script);
	}
}

static void test_peer_first(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_send(&script, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 20);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 22);
	assert_int_equal(script_state(&script), COTHON_TCP_CLOSE_WAIT);
	assert_true(script.flow.events & COTHON_TCP_READABLE);
	assert_int_equal(script_read(&script, 100), 20);
	assert_true(cothon_tcp_at_end(script.flow.tcp));
	/* The host goes on sending. */
	script_wait(&script, 3600 * second);
	assert_int_equal(script_write(&script, 100), 100);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 22, .len = 100);
	script_send(&script, .flags = ACK, .seq = 22, .ack = 101);
	script_shutdown(&script);
	script_expect(&script, .flags = FIN | ACK, .seq = 101, .ack = 22);
	assert_int_equal(script_state(&script), COTHON_TCP_LAST_ACK);
	script_send(&script, .flags = ACK, .seq = 22, .ack = 102);
	assert_int_equal(script_state(&script), COTHON_TCP_CLOSED);
	assert_true(script.flow.ended);
	assert_int_equal(script.flow.error, 0);
	assert_true(script.flow.events & COTHON_TCP_DRAINED);
	/* Nothing is left of it. */
	script_send(&script, .flags = ACK, .seq = 22, .ack = 102);
	script_expect(&script, .flags = RST, .seq = 102);
	script_close(&script);
}

/* Both at the same time: the FINs cross, with and without an ACK between them. */
static void test_together(void **state)
{
	(void)state;
	for (int acked = 0; acked < 2; acked++) {
		struct script script;

		script_established(&script, NULL);
		script_shutdown(&script);
		script_expect(&script, .flags = FIN | ACK, .seq = 1, .ack = 1);
		script_send(&script, .flags = FIN | ACK, .seq = 1, .ack = 1 + (uint32_t)acked);
		script_expect(&script, .flags = ACK, .seq = 2, .ack = 2);
		assert_int_equal(script_state(&script),
				 acked ? COTHON_TCP_TIME_WAIT : COTHON_TCP_CLOSING);
		script_send(&script, .flags = ACK, .seq = 2, .ack = 2);
		assert_int_equal(script_state(&script), COTHON_TCP_TIME_WAIT);
		assert_true(script.flow.ended);
		script_quiet(&script);
		script_close(&script);
	}
}

/* The end is sent again until it is acknowledged, in every state in which it may be missing. */
static void test_fin_lost(void **state)
{
	static const enum cothon_tcp_state states[] = {COTHON_TCP_FIN_WAIT_1, COTHON_TCP_CLOSING,
						       COTHON_TCP_LAST_ACK};

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct script_segment next;
		struct script script;

		script_established(&script, NULL);
		script_enter(&script, states[i / 2], &next);
		/* With and without an owner. */
		if (i % 2)
			script_close_flow(&script);
		for (unsigned again = 0; again < 4; again++) {
			script_wait(&script, (second / 5 << again) + 3000);
			script_expect(&script, .flags = FIN | ACK, .seq = 1, .ack = next.seq);
			script_quiet(&script);
		}
		script_send(&script, .flags = ACK, .seq = next.seq, .ack = 2);
		script_wait(&script, 10 * second);
		script_quiet(&script);
		script_close(&script);
	}
}

/* Given up by the owner */

/* The last ACK of an orphan, which frees it. */
static void test_orphan_ends(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_write(&script, 10);
	script_send(&script, .flags = FIN | ACK, .seq = 1, .ack = 1);
	script_close_flow(&script);
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 2, .ack = 11);
	script_send(&script, .flags = ACK, .seq = 2, .ack = 12);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_closed, 1);
	assert_int_equal(script.host.deadline, COTHON_NEVER);
	script_close(&script);
	/* From the other side: what was written is delivered first. */
	script_established(&script, NULL);
	script_write(&script, 10);
	script_close_flow(&script);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	script_expect(&script, .flags = FIN | ACK, .seq = 11, .ack = 1);
	script_send(&script, .flags = FIN | ACK, .seq = 1, .ack = 12);
	script_expect(&script, .flags = ACK, .seq = 12, .ack = 2);
	script_wait(&script, 61 * second);
	assert_int_equal(script.host.counters->tcp_closed, 1);
	assert_int_equal(script.host.deadline, COTHON_NEVER);
	script_close(&script);
}

/* RFC 1122 section 4.2.2.13: what was received and not read is lost, and the peer is told. */
static void test_close_with_unread(void **state)
{
	static const enum cothon_tcp_state states[] = {COTHON_TCP_ESTABLISHED,
						       COTHON_TCP_FIN_WAIT_1, COTHON_TCP_FIN_WAIT_2,
						       COTHON_TCP_CLOSE_WAIT};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct script_segment next = {.seq = 1, .ack = 1};
		struct script script;
		uint32_t at = 1;

		script_established(&script, NULL);
		if (states[i] == COTHON_TCP_CLOSE_WAIT) {
			script_send(&script, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 5);
			at = 7;
		} else {
			script_enter(&script, states[i], &next);
			script_send(&script, .flags = ACK, .seq = 1, .ack = next.ack, .len = 5);
			at = 6;
		}
		script_ignore(&script);
		script_close_flow(&script);
		script_expect(&script, .flags = RST | ACK, .ack = at,
			      .seq = states[i] == COTHON_TCP_FIN_WAIT_1 ||
						     states[i] == COTHON_TCP_FIN_WAIT_2
					     ? 2
					     : 1);
		script_quiet(&script);
		assert_int_equal(script.host.deadline, COTHON_NEVER);
		script_close(&script);
	}
}

/* The same, when data comes after the close. Old data is no news, and the end is welcome. */
static void test_data_after_close(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct script script;

		script_established(&script, NULL);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 5);
		assert_int_equal(script_read(&script, 10), 5);
		script_close_flow(&script);
		script_ignore(&script);
		/* In FIN-WAIT-1 and in FIN-WAIT-2. */
		if (i % 2)
			script_send(&script, .flags = ACK, .seq = 6, .ack = 2);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 5);
		script_expect(&script, .flags = ACK, .seq = 2, .ack = 6);
		if (i / 2 == 0) {
			script_send(&script, .flags = ACK, .seq = 6, .ack = 2, .len = 1);
			script_expect(&script, .flags = RST | ACK, .seq = 2, .ack = 6);
		} else if (i / 2 == 1) {
			script_send(&script, .flags = FIN | ACK, .seq = 6, .ack = 2, .len = 1);
			script_expect(&script, .flags = RST | ACK, .seq = 2, .ack = 6);
		} else {
			script_send(&script, .flags = FIN | ACK, .seq = 6, .ack = 2);
			script_expect(&script, .flags = ACK, .seq = 2, .ack = 7);
			script_wait(&script, 61 * second);
		}
		script_quiet(&script);
		assert_int_equal(script.host.counters->tcp_closed, 1);
		script_close(&script);
	}
}

/* An orphan in FIN-WAIT-2 is not kept for ever; one that has an owner is. */
static void test_orphan_in_fin_wait_2(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct script_segment next;
		struct script script;

		script_established(&script, NULL);
		script_enter(&script, i ? COTHON_TCP_FIN_WAIT_2 : COTHON_TCP_FIN_WAIT_1, &next);
		if (i) {
			script_wait(&script, 1000 * second);
			assert_int_equal(script_state(&script), COTHON_TCP_FIN_WAIT_2);
		}
		/* A clock that has gone on unseen does not shorten it. */
		if (i == 2)
			script.host.now += 500 * second;
		script_close_flow(&script);
		if (!i)
			script_send(&script, .flags = ACK, .seq = 1, .ack = 2);
		script_wait(&script, 59 * second);
		assert_int_equal(script.host.counters->tcp_closed, 0);
		script_wait(&script, 2 * second);
		assert_int_equal(script.host.counters->tcp_closed, 1);
		script_quiet(&script);
		script_close(&script);
	}
}

static void test_abort(void **state)
{
	static const struct {
		enum cothon_tcp_state state;
		uint32_t seq;
	} cases[] = {
		{COTHON_TCP_ESTABLISHED, 1}, {COTHON_TCP_FIN_WAIT_1, 2}, {COTHON_TCP_FIN_WAIT_2, 2},
		{COTHON_TCP_CLOSE_WAIT, 1},  {COTHON_TCP_CLOSING, 2},    {COTHON_TCP_LAST_ACK, 2},
		{COTHON_TCP_TIME_WAIT, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct script_segment next;
		struct script script;

		script_established(&script, NULL);
		script_enter(&script, cases[i].state, &next);
		script_abort(&script);
		if (cases[i].seq)
			script_expect(&script, .flags = RST | ACK, .seq = cases[i].seq,
				      .ack = next.seq);
		script_quiet(&script);
		assert_int_equal(script.host.counters->tcp_closed, cases[i].seq != 0);
		script_close(&script);
	}
}

/* TIME-WAIT */

static void enter_time_wait(struct script *script, unsigned options)
{
	struct script_setup setup = {.options = options, .iss = 77777};
	struct script_segment next;

	script_established(script, &setup);
	script_enter(script, COTHON_TCP_TIME_WAIT, &next);
	assert_true(script->flow.ended);
}

static void test_time_wait(void **state)
{
	struct script script;

	(void)state;
	for (int owned = 0; owned < 2; owned++) {
		enter_time_wait(&script, 0);
		if (!owned)
			script_close_flow(&script);
		script_wait(&script, 59 * second);
		assert_int_equal(script.host.counters->tcp_closed, 0);
		/* An old segment is answered and does not prolong it. */
		script_send(&script, .flags = ACK, .seq = 1, .ack = 2);
		script_expect(&script, .flags = ACK, .seq = 2, .ack = 2);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 2, .len = 1);
		script_expect(&script, .flags = ACK, .seq = 2, .ack = 2);
		script_wait(&script, 2 * second);
		assert_int_equal(script.host.counters->tcp_closed, 1);
		script_quiet(&script);
		script_close(&script);
	}
}

/* RFC 9293 section 3.10.7.4: a FIN that is sent again is acknowledged, and the 2 MSL begin anew. */
static void test_time_wait_fin(void **state)
{
	struct script script;

	(void)state;
	enter_time_wait(&script, 0);
	for (unsigned i = 0; i < 5; i++) {
		script_wait(&script, 50 * second);
		script_send(&script, .flags = FIN | ACK, .seq = 1, .ack = 2);
		script_expect(&script, .flags = ACK, .seq = 2, .ack = 2);
		assert_int_equal(script_state(&script), COTHON_TCP_TIME_WAIT);
	}
	/* Not by just any FIN. */
	script_wait(&script, 50 * second);
	script_send(&script, .flags = FIN | ACK, .seq = 0, .ack = 2);
	script_ignore(&script);
	script_wait(&script, 11 * second);
	assert_int_equal(script_state(&script), COTHON_TCP_CLOSED);
	script_close(&script);
}

/* RFC 1337: a reset does not end it. */
static void test_time_wait_reset(void **state)
{
	struct script script;

	(void)state;
	enter_time_wait(&script, 0);
	for (uint32_t seq = 0; seq < 5; seq++)
		script_send(&script, .flags = RST, .seq = seq);
	script_send(&script, .flags = RST | ACK, .seq = 2, .ack = 2);
	script_ignore(&script);
	assert_int_equal(script_state(&script), COTHON_TCP_TIME_WAIT);
	script_wait(&script, 61 * second);
	assert_int_equal(script_state(&script), COTHON_TCP_CLOSED);
	script_close(&script);
}

/*
 * RFC 1122 section 4.2.2.13, RFC 6191: a SYN that is later than all that was makes a new connection, whose
 * initial sequence number is beyond the old one's.
 */
static void test_time_wait_syn(void **state)
{
	static const struct {
		unsigned options;
		uint32_t seq;
		int32_t ts; /* from the last timestamp of the old connection */
		bool opens;
	} cases[] = {
		{0, 3, 0, true},
		{0, 1000000, 0, true},
		{0, 2, 0, false},
		{0, 1, 0, false},
		{0, 0x80000003, 0, false},
		{ALL, 3, 0, true},
		{ALL, 0x90000000, 1, true},
		{ALL, 0x90000000, 0, false},
		{ALL, 0x90000000, -5, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct script_flow old;
		struct script script;
		uint32_t ts;

		enter_time_wait(&script, cases[i].options);
		script_close_flow(&script);
		ts = script.flow.ts_base + (uint32_t)(script.host.now / 1000);
		script_wait(&script, second);
		old = script_another(&script, SCRIPT_PORT, script.flow.peer_port);
		script.flow.iss = old.iss + cases[i].seq;
		script_send(&script, .flags = SYN, .options = cases[i].options, .mss = 1460,
			    .ts_value = ts + (uint32_t)cases[i].ts);
		if (cases[i].opens) {
			struct script_segment got =
				script_expect(&script, .flags = SYN | ACK, .ack = 1);

			assert_int_equal(got.seq, 0);
			assert_true((int32_t)(script.flow.host_iss - (old.host_iss + 2)) > 0);
			script_send(&script, .flags = ACK, .seq = 1, .ack = 1,
				    .ts_value = ts + (uint32_t)cases[i].ts);
			assert_true(script.flow.opened);
			assert_int_equal(script_state(&script), COTHON_TCP_ESTABLISHED);
		} else {
			script.flow = old;
			script_expect(&script, .flags = ACK, .seq = 2, .ack = 2);
			script.flow.tcp = NULL;
		}
		script_close(&script);
	}
}

/* Also when the old one had sent faster than the clock of initial sequence numbers runs. */
static void test_time_wait_syn_after_bulk(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_MSS | SCRIPT_WITH_SCALE, .scale = 7};
	struct script_flow old;
	struct script script;

	(void)state;
	script_established(&script, &setup);
	while (script.flow.written < 2000000) {
		script_write(&script, 100000);
		while (script.host.first) {
			struct script_segment got = script_take(&script);

			script_send(&script, .flags = ACK, .seq = 1, .ack = got.seq + got.len);
		}
	}
	script_shutdown(&script);
	script_expect(&script, .flags = FIN | ACK, .seq = (uint32_t)script.flow.written, .ack = 1);
	script_send(&script, .flags = FIN | ACK, .seq = 1,
		    .ack = (uint32_t)script.flow.written + 1);
	assert_int_equal(script_state(&script), COTHON_TCP_TIME_WAIT);
	script_close_flow(&script);
	script_ignore(&script);
	old = script_another(&script, SCRIPT_PORT, script.flow.peer_port);
	script.flow.iss = old.iss + 1000;
	script_accept(&script);
	assert_true((int32_t)(script.flow.host_iss - (old.host_iss + (uint32_t)old.written + 1)) >
		    0);
	/* It works as any other. */
	script_write(&script, 100);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 101);
	assert_int_equal(cothon_tcp_unacknowledged(script.flow.tcp), 0);
	script_close(&script);
}

/* Handlers that give up what they are told of */

static unsigned told;

static void give_up(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	(void)owner;
	if (!(events & (COTHON_TCP_READABLE | COTHON_TCP_ENDED)))
		return;
	told++;
	if (events & COTHON_TCP_ENDED)
		cothon_tcp_abort(tcp);
	else
		cothon_tcp_close(tcp);
}

static void test_close_in_handler(void **state)
{
	static const struct script_segment last[] = {
		{.flags = ACK, .seq = 1, .ack = 1, .len = 10},
		{.flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10},
		{.flags = FIN | ACK, .seq = 1, .ack = 1},
		{.flags = RST, .seq = 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
		struct script script;

		script_established(&script, NULL);
		cothon_tcp_own(script.flow.tcp, give_up, NULL);
		script.flow.tcp = NULL;
		told = 0;
		script_send_segment(&script, &last[i]);
		assert_int_equal(told, 1);
		host_drop_all(&script.host);
		script_close(&script);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_first),
		cmocka_unit_test(test_peer_first),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_fin_lost),
		cmocka_unit_test(test_orphan_ends),
		cmocka_unit_test(test_close_with_unread),
		cmocka_unit_test(test_data_after_close),
		cmocka_unit_test(test_orphan_in_fin_wait_2),
		cmocka_unit_test(test_abort),
		cmocka_unit_test(test_time_wait),
		cmocka_unit_test(test_time_wait_fin),
		cmocka_unit_test(test_time_wait_reset),
		cmocka_unit_test(test_time_wait_syn),
		cmocka_unit_test(test_time_wait_syn_after_bulk),
		cmocka_unit_test(test_close_in_handler),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
