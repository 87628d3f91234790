/* SPDX-License-Identifier: MIT */

/* Time-outs: retransmission (RFC 6298), giving up (RFC 9293 section 3.8.3), keepalive (section 3.8.4). */

#include "script.h"
#include "stack/tcp/rtt.h"
#include "wire/icmp.h"
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

/* The estimate by itself */

/* The rules of section 2, in floating point. */
struct naive {
	double srtt, rttvar, rto;
	bool any;
};

static void naive_sample(struct naive *naive, double r)
{
	if (!naive->any) {
		naive->srtt = r;
		naive->rttvar = r / 2;
		naive->any = true;
	} else {
		double error = naive->srtt > r ? naive->srtt - r : r - naive->srtt;

		naive->rttvar = 0.75 * naive->rttvar + 0.25 * error;
		naive->srtt = 0.875 * naive->srtt + 0.125 * r;
	}
	naive->rto = naive->srtt + 4 * naive->rttvar;
	if (4 * naive->rttvar < COTHON_RTO_MARGIN)
		naive->rto = naive->srtt + COTHON_RTO_MARGIN;
	if (naive->rto < COTHON_RTO_MIN)
		naive->rto = COTHON_RTO_MIN;
	if (naive->rto > COTHON_RTO_MAX)
		naive->rto = COTHON_RTO_MAX;
}

static void test_estimate(void **state)
{
	static const uint32_t ranges[][2] = {
		{50, 60}, {1, 1000},        {1000, 100000}, {100000, 3000000}, {20000000, 70000000},
		{0, 1},   {300000, 300001},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ranges) / sizeof(ranges[0]); k++) {
		struct naive naive = {0};
		struct cothon_rtt rtt;
		uint32_t x = 5;

		cothon_rtt_init(&rtt);
		/* Rule 2.1. */
		assert_int_equal(cothon_rtt_timeout(&rtt), 1000000);
		for (unsigned i = 0; i < 2000; i++) {
			uint32_t r = ranges[k][0] + x % (ranges[k][1] - ranges[k][0]);
			double shown = r < 1 ? 1 : r > COTHON_RTO_MAX ? COTHON_RTO_MAX : r;
			double slack;

			x = x * 1664525 + 1013904223;
			cothon_rtt_sample(&rtt, r);
			naive_sample(&naive, shown);
			/* What integers lose. */
			slack = 40 + naive.rto / 1000;
			assert_true(cothon_rtt_timeout(&rtt) < naive.rto + slack);
			assert_true(cothon_rtt_timeout(&rtt) > naive.rto - slack);
			assert_true(rtt.srtt > 0);
		}
	}
}

static void test_backoff(void **state)
{
	struct cothon_rtt rtt;

	(void)state;
	cothon_rtt_init(&rtt);
	cothon_rtt_sample(&rtt, 1000);
	for (uint64_t timeout = COTHON_RTO_MIN; timeout < UINT64_C(1) << 60; timeout *= 2) {
		uint64_t expected = timeout < COTHON_RTO_MAX ? timeout : COTHON_RTO_MAX;

		assert_int_equal(cothon_rtt_timeout(&rtt), expected);
		cothon_rtt_backoff(&rtt);
	}
	for (unsigned i = 0; i < 1000; i++)
		cothon_rtt_backoff(&rtt);
	assert_int_equal(cothon_rtt_timeout(&rtt), COTHON_RTO_MAX);
	/* The end of rule 5.5: a sample ends it. */
	cothon_rtt_sample(&rtt, 1000);
	assert_int_equal(cothon_rtt_timeout(&rtt), COTHON_RTO_MIN);
}

/* Retransmission */

static struct cothon_tcp_info info_of(struct script *script)
{
	struct cothon_tcp_info info;

	cothon_tcp_info(script->flow.tcp, &info);
	return info;
}

/* Waits until something is sent; returns how long that took. */
static uint64_t wait_for_segment(struct script *script)
{
	uint64_t start = script->host.now;

	while (!script->host.first) {
		assert_true(script->host.now - start < 200 * second);
		script_wait(script, 1000);
	}
	return script->host.now - start;
}

/* Rules 5.1, 5.4, 5.5: the first segment again, after times that double up to a minute; MUST-20, MUST-21: R2. */
static void test_retransmission(void **state)
{
	struct script script;
	uint64_t expected = COTHON_RTO_MIN, start;
	unsigned times = 0;

	(void)state;
	script_established(&script, NULL);
	script_write(&script, 1000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 536);
	start = script.host.now;
	while (!script.flow.ended) {
		uint64_t took = wait_for_segment(&script);

		if (script.flow.ended)
			break;
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 536);
		script_quiet(&script);
		assert_in_range(took, expected, expected + 3000);
		expected = expected * 2 < COTHON_RTO_MAX ? expected * 2 : COTHON_RTO_MAX;
		times++;
	}
	assert_int_equal(script.flow.error, -ETIMEDOUT);
	script_expect(&script, .flags = RST | ACK, .seq = 537, .ack = 1);
	/* MUST-22: R2 is at least 100 seconds. */
	assert_in_range(script.host.now - start, 924 * second, 985 * second);
	assert_int_equal(script.host.counters->tcp_timeouts, times);
	assert_int_equal(info_of(&script).retransmits, times);
	script_close(&script);
}

/* The owner's own limit. */
static void test_user_timeout(void **state)
{
	struct cothon_tcp_options options = {.user_timeout = 5};
	struct script script;

	(void)state;
	script_established(&script, NULL);
	cothon_tcp_set_options(script.flow.tcp, &options);
	script_wait(&script, 100 * second);
	/* It counts from what is unacknowledged, not from silence. */
	assert_false(script.flow.ended);
	script_write(&script, 10);
	script_wait(&script, 4900000);
	assert_false(script.flow.ended);
	script_wait(&script, 10 * second);
	assert_true(script.flow.ended);
	assert_int_equal(script.flow.error, -ETIMEDOUT);
	host_drop_all(&script.host);
	script_close(&script);
}

/* Rules 5.2, 5.3: the time counts from the last news. */
static void test_restart(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_MSS, .mss = 1000};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_write(&script, 5000);
	script_ignore(&script);
	for (uint32_t acked = 1001; acked < 5001; acked += 1000) {
		script_wait(&script, 150000);
		script_quiet(&script);
		script_send(&script, .flags = ACK, .seq = 1, .ack = acked);
	}
	script_wait(&script, 150000);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 5001);
	script_wait(&script, 100 * second);
	script_quiet(&script);
	assert_int_equal(script.host.deadline, COTHON_NEVER);
	script_close(&script);
}

/* One segment is timed at a time, and only its own ACK tells. */
static void test_one_is_timed(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_MSS, .mss = 1000};
	struct script script;
	uint32_t srtt;

	(void)state;
	script_established(&script, &setup);
	script_write(&script, 2000);
	script_ignore(&script);
	script_wait(&script, 100000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1001);
	srtt = info_of(&script).srtt;
	script_write(&script, 1000);
	script_expect(&script, .flags = ACK, .seq = 2001, .ack = 1, .len = 1000);
	/* The second was on its way for long, the third for no time. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 2001);
	assert_int_equal(info_of(&script).srtt, srtt);
	script_wait(&script, 100000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 3001);
	assert_int_equal(info_of(&script).srtt, srtt - srtt / 8 + 100000 / 8);
	script_close(&script);
}

/*
 * Karn: what was sent twice is not timed, and the longer time-out stays until something that was sent once is acknowledged.
 */
static void test_karn(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_MSS, .mss = 1000};
	struct script script;
	uint32_t rto;

	(void)state;
	script_established(&script, &setup);
	script_write(&script, 100);
	script_ignore(&script);
	script_wait(&script, 30000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 101);
	rto = info_of(&script).rto;
	script_write(&script, 100);
	script_expect(&script, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
	for (unsigned i = 0; i < 3; i++) {
		wait_for_segment(&script);
		script_expect(&script, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
	}
	assert_int_equal(info_of(&script).rto, 8 * rto);
	script_wait(&script, 1000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 201);
	assert_int_equal(info_of(&script).rto, 8 * rto);
	/* The next one is late by the old time-out, but not by this one: nothing is sent twice. */
	script_write(&script, 100);
	script_expect(&script, .flags = ACK, .seq = 201, .ack = 1, .len = 100);
	script_wait(&script, 2 * rto);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 301);
	assert_true(info_of(&script).srtt > rto / 4);
	assert_true(info_of(&script).rto < 8 * rto);
	script_close(&script);
}

/* RFC 7323 section 4: with timestamps every ACK of something new tells the round trip, of what was sent twice too. */
static void test_timestamps_time(void **state)
{
	struct script_setup setup = {.options = ALL, .scale = 3};
	struct script_segment second_copy;
	struct script script;
	uint32_t rto;

	(void)state;
	script_established(&script, &setup);
	script_write(&script, 100);
	script_ignore(&script);
	script_wait(&script, 20000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 101);
	rto = info_of(&script).rto;
	script_write(&script, 100);
	script_take(&script);
	wait_for_segment(&script);
	second_copy = script_take(&script);
	assert_int_equal(info_of(&script).rto, 2 * rto);
	script_wait(&script, 15000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 201, .ts_echo = second_copy.ts_value);
	assert_in_range(info_of(&script).srtt, 2000, 20000);
	assert_int_equal(info_of(&script).rto, COTHON_RTO_MIN);
	/* An echo from the future or from days ago is none. */
	script_write(&script, 100);
	script_take(&script);
	wait_for_segment(&script);
	second_copy = script_take(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 301,
		    .ts_echo = second_copy.ts_value + 100000);
	assert_in_range(info_of(&script).srtt, 2000, 20000);
	script_close(&script);
}

/*
 * An ACK that was lost is no long round trip: the retransmission is answered by what the first copy left behind
 * (RFC 7323 section 5.3 takes no timestamp from a duplicate), and its echo measures only our own waiting.
 */
static void test_lost_ack_is_not_timed(void **state)
{
	struct script_setup setup = {.options = ALL, .scale = 3};
	struct script script;
	uint32_t at = 1;

	(void)state;
	script_established(&script, &setup);
	for (unsigned i = 0; i < 20; i++) {
		struct script_segment first;
		uint32_t srtt, rto;

		script_write(&script, 100);
		script_take(&script);
		script_wait(&script, 20000);
		at += 100;
		script_send(&script, .flags = ACK, .seq = 1, .ack = at);
		srtt = info_of(&script).srtt;
		rto = info_of(&script).rto;
		script_write(&script, 100);
		first = script_take(&script);
		wait_for_segment(&script);
		script_take(&script);
		script_wait(&script, 20000);
		at += 100;
		script_send(&script, .flags = ACK, .seq = 1, .ack = at, .ts_echo = first.ts_value);
		assert_int_equal(info_of(&script).srtt, srtt);
		/* It says that the first copy had arrived, so the time-out was for nothing and does not count (RFC 3522). */
		assert_int_equal(info_of(&script).rto, rto);
		assert_int_equal(rto, COTHON_RTO_MIN);
	}
	script_close(&script);
}

/* After a time-out all that is in flight is sent again, in order, as the window grows from one segment. */
static void test_go_back(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_MSS, .mss = 1000};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_write(&script, 8000);
	for (uint32_t at = 1; at < 8001; at += 1000)
		script_expect(&script, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
	wait_for_segment(&script);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	script_quiet(&script);
	assert_int_equal(info_of(&script).cwnd, 1000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1001);
	script_expect(&script, .flags = ACK, .seq = 1001, .ack = 1, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = 2001, .ack = 1, .len = 1000);
	script_quiet(&script);
	/* What had arrived is not sent a third time. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 6001);
	script_expect(&script, .flags = ACK, .seq = 6001, .ack = 1, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = 7001, .ack = 1, .len = 1000);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 8001);
	script_wait(&script, 100 * second);
	script_quiet(&script);
	script_close(&script);
}

/* A link that takes nothing for a while holds things up and loses nothing. */
static void test_busy_link(void **state)
{
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_listen(&script);
	script.host.refuse = -EAGAIN;
	script_send(&script, .flags = SYN);
	script_wait(&script, second / 10);
	script_quiet(&script);
	script.host.refuse = 0;
	script_wait(&script, 2000);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	script.host.refuse = -EAGAIN;
	assert_int_equal(script_write(&script, 536), 536);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	script_shutdown(&script);
	script_wait(&script, second / 10);
	script.host.refuse = 0;
	script_wait(&script, 2000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 11, .len = 536);
	script_expect(&script, .flags = FIN | ACK, .seq = 537, .ack = 11);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_retransmits, 0);
	script_close(&script);
}

/* One that loses what it is given is like any path that does. */
static void test_lossy_link(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script.host.refuse = -ENOBUFS;
	script_write(&script, 536);
	script_wait(&script, second / 10);
	script.host.refuse = 0;
	assert_in_range(wait_for_segment(&script), 90000, 110000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 536);
	assert_int_equal(script.host.counters->link_lost, 1);
	script_close(&script);
}

/* Keepalive */

/* MUST-24 to MUST-29: off unless asked for, only on silence, one probe unanswered means nothing. */
static void test_keepalive(void **state)
{
	struct cothon_tcp_options options = {
		.keepalive_idle = 100, .keepalive_interval = 10, .keepalive_count = 3};
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_wait(&script, 100000 * second);
	script_quiet(&script);
	cothon_tcp_set_options(script.flow.tcp, &options);
	host_poll(&script.host);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1);
	script_ignore(&script);
	/* What is heard puts it off. */
	for (unsigned i = 0; i < 5; i++) {
		script_wait(&script, 99 * second);
		script_quiet(&script);
		script_send(&script, .flags = ACK, .seq = 2 + i, .ack = 1, .len = 1);
		script_ignore(&script);
	}
	script_wait(&script, 101 * second);
	script_expect(&script, .flags = ACK, .seq = 0, .ack = 7);
	script_wait(&script, 10 * second);
	script_expect(&script, .flags = ACK, .seq = 0, .ack = 7);
	/* An answer begins it anew. */
	script_send(&script, .flags = ACK, .seq = 7, .ack = 1);
	script_wait(&script, 98 * second);
	script_quiet(&script);
	for (unsigned i = 0; i < 3; i++) {
		script_wait(&script, i ? 10 * second : 3 * second);
		script_expect(&script, .flags = ACK, .seq = 0, .ack = 7);
	}
	assert_false(script.flow.ended);
	script_wait(&script, 11 * second);
	assert_true(script.flow.ended);
	assert_int_equal(script.flow.error, -ETIMEDOUT);
	script_expect(&script, .flags = RST | ACK, .seq = 1, .ack = 7);
	script_quiet(&script);
	script_close(&script);
}

/* A peer that has forgotten the connection answers a probe by RST. */
static void test_keepalive_reset(void **state)
{
	struct cothon_tcp_options options = {.keepalive_idle = 100};
	struct script script;

	(void)state;
	script_established(&script, NULL);
	cothon_tcp_set_options(script.flow.tcp, &options);
	script_wait(&script, 101 * second);
	script_expect(&script, .flags = ACK, .seq = 0, .ack = 1);
	/* Left out: every 75 seconds, nine times. */
	for (unsigned i = 1; i < 9; i++) {
		script_wait(&script, 75 * second);
		script_expect(&script, .flags = ACK, .seq = 0, .ack = 1);
	}
	script_quiet(&script);
	script_send(&script, .flags = RST, .seq = 1);
	assert_int_equal(script.flow.error, -ECONNRESET);
	script_close(&script);
}

/* Turned off, it is off; given up by its owner, nobody needs to know. */
static void test_keepalive_off(void **state)
{
	struct cothon_tcp_options options = {.keepalive_idle = 100};

	(void)state;
	for (int close = 0; close < 2; close++) {
		struct script script;

		script_established(&script, NULL);
		cothon_tcp_set_options(script.flow.tcp, &options);
		script_wait(&script, 50 * second);
		if (close) {
			script_close_flow(&script);
			script_send(&script, .flags = ACK, .seq = 1, .ack = 2);
			script_ignore(&script);
			script_wait(&script, 59 * second);
		} else {
			cothon_tcp_set_options(script.flow.tcp, &(struct cothon_tcp_options){0});
			script_wait(&script, 1000 * second);
		}
		script_quiet(&script);
		script_close(&script);
	}
}

/* Options that are set before the handshake hold after it. */
static void test_keepalive_from_the_start(void **state)
{
	struct cothon_tcp_options options = {.keepalive_idle = 100};
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_connect(&script);
	cothon_tcp_set_options(script.flow.tcp, &options);
	script_expect(&script, .flags = SYN);
	script_send(&script, .flags = SYN | ACK, .ack = 1);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_wait(&script, 99 * second);
	script_quiet(&script);
	script_wait(&script, 2 * second);
	script_expect(&script, .flags = ACK, .seq = 0, .ack = 1);
	script_close(&script);
}

/* A connection that is aborted while the link takes nothing: its peer is told when it does. */
static void test_late_resets(void **state)
{
	struct script_setup setup = {0};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script.host.refuse = -EAGAIN;
	script_abort(&script);
	script_quiet(&script);
	/* It is tried again, but not all the time. */
	assert_true(script.host.deadline > script.host.now &&
		    script.host.deadline <= script.host.now + 1000);
	script.host.refuse = 0;
	script_wait(&script, 2000);
	script_expect(&script, .flags = RST | ACK, .seq = 1, .ack = 1);
	script_quiet(&script);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_estimate),
		cmocka_unit_test(test_backoff),
		cmocka_unit_test(test_retransmission),
		cmocka_unit_test(test_user_timeout),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_one_is_timed),
		cmocka_unit_test(test_karn),
		cmocka_unit_test(test_timestamps_time),
		cmocka_unit_test(test_lost_ack_is_not_timed),
		cmocka_unit_test(test_go_back),
		cmocka_unit_test(test_busy_link),
		cmocka_unit_test(test_late_resets),
		cmocka_unit_test(test_lossy_link),
		cmocka_unit_test(test_keepalive),
		cmocka_unit_test(test_keepalive_reset),
		cmocka_unit_test(test_keepalive_off),
		cmocka_unit_test(test_keepalive_from_the_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
