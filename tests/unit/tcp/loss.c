/* SPDX-License-Identifier: MIT */

/*
 * Loss by time, probes for a lost tail, and losses that were none: RFC 8985 (RACK-TLP), RFC 2883 (DSACK), RFC 3522
 * (Eifel), RFC 5682 (F-RTO). Segments are of 1,000 bytes, a round trip takes 40 ms.
 */

#include "stack/tcp/connection.h"

#include "script.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
	SACK = SCRIPT_WITH_MSS | SCRIPT_WITH_SACK | SCRIPT_WITH_SCALE,
	ALL = SACK | SCRIPT_WITH_TIMESTAMPS,
};

static const uint64_t round_trip = 40000;

static uint32_t at(uint32_t number)
{
	return 1 + 1000 * number;
}

static struct cothon_tcp *tcp_of(struct script *script)
{
	return script->flow.tcp;
}

/* An established flow that has measured a round trip, and sent `count` segments (at most 10) a round trip ago. */
static void start(struct script *script, unsigned options, uint32_t count)
{
	struct script_setup setup = {.options = options,
				     .mss = options & SCRIPT_WITH_TIMESTAMPS ? 1012 : 1000,
				     .scale = 7};

	script_established(script, &setup);
	cothon_rtt_init(&tcp_of(script)->snd.rtt);
	for (unsigned i = 0; i < 4; i++)
		cothon_rtt_sample(&tcp_of(script)->snd.rtt, round_trip);
	/* Not even the first second of the virtual clock is at a loss for timestamps. */
	script_wait(script, 2);
	script_write(script, 1000 * count);
	for (uint32_t i = 0; i < count; i++)
		script_expect(script, .flags = ACK, .seq = at(i), .ack = 1, .len = 1000);
	script_quiet(script);
	script_wait(script, round_trip);
}

static void sack(struct script *script, uint32_t ack, uint32_t from, uint32_t to)
{
	script_send(script, .flags = ACK, .seq = 1, .ack = at(ack), .sacks = 1,
		    .sack = {{at(from), at(to)}});
}

/* RFC 8985 section 6.2: one SACK is enough once the reordering window, a quarter of the round trip, is over. */
static void test_reordering_timer(void **state)
{
	struct script script;

	(void)state;
	start(&script, SACK, 5);
	sack(&script, 0, 1, 2);
	script_wait(&script, round_trip / 4 - 2000);
	script_quiet(&script);
	script_wait(&script, 5000);
	script_expect(&script, .flags = ACK, .seq = at(0), .ack = 1, .len = 1000);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_fast_recoveries, 1);
	assert_int_equal(script.host.counters->tcp_timeouts, 0);
	script_close(&script);
}

/* What comes within the window was only late; and from then on two duplicates more do not make it a loss at once. */
static void test_reordering_seen(void **state)
{
	struct script script;

	(void)state;
	start(&script, SACK, 10);
	sack(&script, 0, 1, 2);
	script_wait(&script, 1000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(2));
	assert_true(tcp_of(&script)->rack.reordering_seen);
	sack(&script, 2, 3, 8);
	script_quiet(&script);
	script_wait(&script, 5000);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(8));
	assert_int_equal(script.host.counters->tcp_retransmits, 0);
	script_close(&script);
}

/* RFC 8985 section 7.3: the last segment is sent again after two round trips, long before the RTO. */
static void test_tail_probe(void **state)
{
	struct script script;

	(void)state;
	start(&script, SACK, 3);
	script_wait(&script, round_trip - 2000);
	script_quiet(&script);
	script_wait(&script, 4000);
	script_expect(&script, .flags = ACK, .seq = at(2), .ack = 1, .len = 1000);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_tail_probes, 1);
	/* Its SACK shows the two before it lost. */
	script_wait(&script, round_trip);
	sack(&script, 0, 2, 3);
	script_wait(&script, round_trip);
	script_expect(&script, .flags = ACK, .seq = at(0), .ack = 1, .len = 1000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(1), .sacks = 1,
		    .sack = {{at(2), at(3)}});
	script_expect(&script, .flags = ACK, .seq = at(1), .ack = 1, .len = 1000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(3));
	assert_int_equal(script.host.counters->tcp_timeouts, 0);
	script_close(&script);
}

/* Section 7.3: with something new to send, that is the probe, whatever the congestion window. */
static void test_new_probe(void **state)
{
	struct script script;

	(void)state;
	start(&script, SACK, 10);
	script_write(&script, 5000);
	script_quiet(&script);
	script_wait(&script, round_trip + 2000);
	script_expect(&script, .flags = ACK, .seq = at(10), .ack = 1, .len = 1000);
	script_quiet(&script);
	/* One probe, then the RTO. */
	script_wait(&script, 150000);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(11));
	assert_false(tcp_of(&script)->recovery->tlp_out);
	script_ignore(&script);
	script_close(&script);
}

/* Section 7.2: the ACK of one segment may be delayed. */
static void test_probe_waits_for_delayed_ack(void **state)
{
	struct script script;

	(void)state;
	start(&script, SACK, 1);
	script_wait(&script, 100000);
	assert_int_equal(script.host.counters->tcp_tail_probes, 0);
	script_ignore(&script);
	script_close(&script);
}

/* Section 7.4.2: what the probe mended was a loss all the same, unless its duplicate is reported. */
static void test_probe_outcome(void **state)
{
	(void)state;
	for (unsigned twice = 0; twice < 2; twice++) {
		struct script script;
		uint32_t before;

		start(&script, SACK, 3);
		script_wait(&script, round_trip + 2000);
		script_expect(&script, .flags = ACK, .seq = at(2), .ack = 1, .len = 1000);
		before = tcp_of(&script)->cc.cwnd;
		script_send(&script, .flags = ACK, .seq = 1, .ack = at(3));
		if (twice)
			sack(&script, 3, 2, 3);
		script_write(&script, 1000);
		script_ignore(&script);
		script_send(&script, .flags = ACK, .seq = 1, .ack = at(4));
		assert_false(tcp_of(&script)->recovery->tlp_out);
		if (twice)
			assert_true(tcp_of(&script)->cc.cwnd >= before);
		else
			assert_true(tcp_of(&script)->cc.cwnd < before);
		script_close(&script);
	}
}

/* RFC 2883 section 4: what arrives twice is reported first: below the ACK, in part, and inside what is out of order. */
static void test_reports_duplicates(void **state)
{
	struct script_setup setup = {.options = SACK, .scale = 7};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1001, .sacks = 1,
		      .sack = {{1, 1001}});
	/* Once each. */
	script_send(&script, .flags = ACK, .seq = 3001, .ack = 1, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1001, .sacks = 1,
		      .sack = {{3001, 4001}});
	script_send(&script, .flags = ACK, .seq = 3001, .ack = 1, .len = 500);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1001, .sacks = 2,
		      .sack = {{3001, 3501}, {3001, 4001}});
	script_send(&script, .flags = ACK, .seq = 501, .ack = 1, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1501, .sacks = 2,
		      .sack = {{501, 1001}, {3001, 4001}});
	script_close(&script);
}

/* Without SACK nothing is reported. */
static void test_reports_nothing(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_MSS};
	struct script script;
	struct script_segment got;

	(void)state;
	script_established(&script, &setup);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	got = script_take(&script);
	assert_int_equal(got.ack, 1001);
	assert_int_equal(got.sacks, 0);
	script_close(&script);
}

/* RFC 8985 section 6.2 step 4: a retransmission that was for nothing widens the window, and is taken back. */
static void test_duplicate_undoes(void **state)
{
	struct script script;
	uint32_t before;

	(void)state;
	start(&script, SACK, 10);
	before = tcp_of(&script)->cc.cwnd;
	sack(&script, 0, 1, 5);
	script_expect(&script, .flags = ACK, .seq = at(0), .ack = 1, .len = 1000);
	assert_true(tcp_of(&script)->cc.ssthresh < before);
	script_wait(&script, 1000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(5));
	assert_int_equal(script.host.counters->tcp_undone, 0);
	sack(&script, 5, 0, 1);
	assert_int_equal(script.host.counters->tcp_dsacks_in, 1);
	assert_int_equal(script.host.counters->tcp_undone, 1);
	assert_int_equal(tcp_of(&script)->recovery->state, COTHON_RECOVERY_OPEN);
	assert_true(tcp_of(&script)->cc.cwnd >= before);
	assert_int_equal(tcp_of(&script)->cc.ssthresh, UINT32_MAX);
	assert_int_equal(tcp_of(&script)->rack.reo_wnd_mult, 2);
	/* More reports than there were retransmissions are lies. */
	for (unsigned i = 0; i < 10; i++)
		sack(&script, 5, 0, 1);
	assert_int_equal(script.host.counters->tcp_dsacks_in, 1);
	script_ignore(&script);
	script_close(&script);
}

/* RFC 3522: the ACK of the original says by its timestamp that it was only late. */
static void test_timestamp_undoes(void **state)
{
	(void)state;
	for (unsigned timer = 0; timer < 2; timer++) {
		struct script script;
		uint32_t before, original;

		start(&script, ALL, 10);
		original = script.flow.host_ts;
		before = tcp_of(&script)->cc.cwnd;
		if (timer) {
			script_wait(&script, 400000);
			assert_int_equal(script.host.counters->tcp_timeouts, 1);
			assert_int_equal(tcp_of(&script)->recovery->state, COTHON_RECOVERY_LOSS);
		} else {
			sack(&script, 0, 1, 5);
			assert_int_equal(tcp_of(&script)->recovery->state, COTHON_RECOVERY_FAST);
		}
		script_ignore(&script);
		script_wait(&script, 2000);
		script_send(&script, .flags = ACK, .seq = 1, .ack = at(5), .ts_echo = original);
		assert_int_equal(script.host.counters->tcp_undone, 1);
		assert_int_equal(tcp_of(&script)->recovery->state, COTHON_RECOVERY_OPEN);
		assert_int_equal(tcp_of(&script)->recovery->board.lost, 0);
		assert_true(tcp_of(&script)->cc.cwnd >= before);
		script_ignore(&script);
		script_close(&script);
	}
}

/* RFC 5682 section 3.1: the time-out was for nothing, for what was sent before it goes on arriving. */
static void test_frto_spurious(void **state)
{
	struct script script;
	uint32_t before;

	(void)state;
	start(&script, SACK, 10);
	before = tcp_of(&script)->cc.cwnd;
	script_wait(&script, 120000);
	script_ignore(&script);
	script_wait(&script, 400000);
	assert_int_equal(script.host.counters->tcp_timeouts, 1);
	script_expect(&script, .flags = ACK, .seq = at(0), .ack = 1, .len = 1000);
	script_quiet(&script);
	script_write(&script, 10000);
	script_quiet(&script);
	/* Step 2b: two new segments, and nothing again. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(1));
	script_expect(&script, .flags = ACK, .seq = at(10), .ack = 1, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = at(11), .ack = 1, .len = 1000);
	script_quiet(&script);
	/* Step 3b. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(2));
	assert_int_equal(script.host.counters->tcp_undone, 1);
	assert_true(tcp_of(&script)->cc.cwnd >= before);
	assert_int_equal(tcp_of(&script)->recovery->board.lost, 0);
	script_ignore(&script);
	script_close(&script);
}

/* The same, and it was not for nothing: only what is new arrives. */
static void test_frto_real(void **state)
{
	struct script script;

	(void)state;
	start(&script, SACK, 10);
	script_wait(&script, 120000);
	script_ignore(&script);
	script_wait(&script, 400000);
	script_expect(&script, .flags = ACK, .seq = at(0), .ack = 1, .len = 1000);
	script_write(&script, 10000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(1));
	script_expect(&script, .flags = ACK, .seq = at(10), .ack = 1, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = at(11), .ack = 1, .len = 1000);
	script_wait(&script, 1000);
	sack(&script, 1, 10, 11);
	script_expect(&script, .flags = ACK, .seq = at(1), .ack = 1, .len = 1000);
	script_ignore(&script);
	assert_int_equal(script.host.counters->tcp_undone, 0);
	assert_int_equal(tcp_of(&script)->recovery->state, COTHON_RECOVERY_LOSS);
	script_close(&script);
}

/* RFC 9937 section 6: the window comes down in proportion to what arrives, not at once. */
static void test_rate_reduction(void **state)
{
	struct script script;
	unsigned sent = 0;

	(void)state;
	start(&script, SACK, 10);
	script_write(&script, 50000);
	sack(&script, 0, 1, 4);
	script_expect(&script, .flags = ACK, .seq = at(0), .ack = 1, .len = 1000);
	for (uint32_t i = 4; i < 10; i++) {
		script_wait(&script, 100);
		sack(&script, 0, 1, i + 1);
		while (script.host.first) {
			script_take(&script);
			sent++;
		}
		/* Never a burst. */
		assert_true(sent <= i - 3);
	}
	/* Of cubic's seven tenths, all but what was sent at first. */
	assert_in_range(sent, 4, 6);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reordering_timer),
		cmocka_unit_test(test_reordering_seen),
		cmocka_unit_test(test_tail_probe),
		cmocka_unit_test(test_new_probe),
		cmocka_unit_test(test_probe_waits_for_delayed_ack),
		cmocka_unit_test(test_probe_outcome),
		cmocka_unit_test(test_reports_duplicates),
		cmocka_unit_test(test_reports_nothing),
		cmocka_unit_test(test_duplicate_undoes),
		cmocka_unit_test(test_timestamp_undoes),
		cmocka_unit_test(test_frto_spurious),
		cmocka_unit_test(test_frto_real),
		cmocka_unit_test(test_rate_reduction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
