/* SPDX-License-Identifier: MIT */

/* Congestion control against its formulae: RFC 5681, RFC 6928, RFC 9438. */

#include "stack/tcp/congestion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum {
	MSS = 1448,
	SECOND = 1000000
};

static void start(struct cothon_congestion *cc, const struct cothon_congestion_ops *ops)
{
	cothon_congestion_init(cc, ops, MSS);
}

/* What the caller does when loss is found. */
static void lose(struct cothon_congestion *cc, uint64_t now)
{
	cc->ops->lost(cc, cc->cwnd, now);
	cc->cwnd = cc->ssthresh;
}

static void test_names(void **state)
{
	(void)state;
	assert_ptr_equal(cothon_congestion_find("cubic"), &cothon_cubic);
	assert_ptr_equal(cothon_congestion_find("newreno"), &cothon_newreno);
	assert_null(cothon_congestion_find("bbr"));
}

/* RFC 6928: min(10 * MSS, max(2 * MSS, 14600)). */
static void test_initial_window(void **state)
{
	(void)state;
	assert_int_equal(cothon_congestion_initial_window(36), 360);
	assert_int_equal(cothon_congestion_initial_window(536), 5360);
	assert_int_equal(cothon_congestion_initial_window(1448), 14480);
	assert_int_equal(cothon_congestion_initial_window(1460), 14600);
	assert_int_equal(cothon_congestion_initial_window(1500), 14600);
	assert_int_equal(cothon_congestion_initial_window(7300), 14600);
	assert_int_equal(cothon_congestion_initial_window(8960), 17920);
	assert_int_equal(cothon_congestion_initial_window(65483), 130966);
}

/* Slow start: what was acknowledged is added, up to ssthresh and not beyond. */
static void test_slow_start(void **state)
{
	const struct cothon_congestion_ops *const all[] = {&cothon_newreno, &cothon_cubic};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct cothon_congestion cc;

		start(&cc, all[i]);
		for (unsigned round = 0; round < 5; round++) {
			uint32_t before = cc.cwnd;

			for (uint32_t acked = 0; acked < before; acked += MSS)
				cc.ops->acked(&cc, MSS, SECOND, 10000);
			assert_int_equal(cc.cwnd, 2 * before);
		}
		cc.ssthresh = cc.cwnd + MSS / 2;
		cc.ops->acked(&cc, MSS, SECOND, 10000);
		assert_in_range(cc.cwnd, cc.ssthresh, cc.ssthresh + MSS);
		/* However much is acknowledged there is an end. */
		start(&cc, all[i]);
		for (unsigned round = 0; round < 200000; round++)
			cc.ops->acked(&cc, 65536, SECOND, 10000);
		assert_true(cc.cwnd <= (1u << 30) + 65536);
	}
}

/* Congestion avoidance: one segment per window (RFC 5681 section 3.1). */
static void test_newreno(void **state)
{
	struct cothon_congestion cc;

	(void)state;
	start(&cc, &cothon_newreno);
	cc.cwnd = 100 * MSS;
	lose(&cc, 0);
	/* Equation 4. */
	assert_int_equal(cc.ssthresh, 50 * MSS);
	for (uint32_t round = 0; round < 30; round++) {
		uint32_t window = cc.cwnd, acked = 0;

		while (acked < window) {
			cc.ops->acked(&cc, 2 * MSS, 0, 0);
			acked += 2 * MSS;
		}
		assert_in_range(cc.cwnd, window + MSS, window + 2 * MSS);
	}
	assert_in_range(cc.cwnd, 79 * MSS, 82 * MSS);
	cc.ops->lost(&cc, 3 * MSS, 0);
	assert_int_equal(cc.ssthresh, 2 * MSS);
}

static double cube_root(double x)
{
	double root = x > 1 ? x : 1;

	for (unsigned i = 0; i < 200; i++)
		root = (2 * root + x / (root * root)) / 3;
	return root;
}

/* W_cubic(t) of RFC 9438 section 4.2, in bytes. */
static double w_cubic(double t, double w_max, double cwnd_epoch)
{
	double away = t - cube_root((w_max - cwnd_epoch) / MSS / 0.4);

	return 0.4 * away * away * away * MSS + w_max;
}

/*
 * After a loss the window follows the cubic curve, and one like Reno's while that is larger. The round trip
 * is long, so that the cubic part is what counts.
 */
static void check_cubic(uint32_t w_max_segments, double rtt, double seconds)
{
	struct cothon_congestion cc;
	double w_max = w_max_segments * (double)MSS, cwnd_epoch, w_est;
	uint64_t now = 5 * SECOND;

	start(&cc, &cothon_cubic);
	cc.cwnd = w_max_segments * MSS;
	lose(&cc, now);
	assert_in_range(cc.cwnd, (uint32_t)(0.7 * w_max) - 1, (uint32_t)(0.7 * w_max) + 1);
	cwnd_epoch = w_est = cc.cwnd;
	for (int round = 0; round * rtt < seconds; round++) {
		double t = round * rtt;
		double goal = w_cubic(t + rtt, w_max, cwnd_epoch), window = cc.cwnd;

		/* Section 4.2: what one round trip adds is bounded. */
		if (goal > 1.5 * window)
			goal = 1.5 * window;
		/* Section 4.3: 9/17 of a segment per window acknowledged, then a whole one. */
		w_est += (w_est < w_max ? 9.0 / 17 : 1) * MSS;
		if (goal < w_est)
			goal = w_est;
		for (uint32_t acked = 0; acked + MSS <= (uint32_t)window; acked += MSS)
			cc.ops->acked(&cc, MSS, now, (uint32_t)(rtt * SECOND));
		assert_true(cc.cwnd <= goal * 1.02 + 3 * MSS);
		assert_true(cc.cwnd >= goal * 0.96 - 3 * MSS);
		now += (uint64_t)(rtt * SECOND);
	}
	/* In the end it is beyond where it was. */
	assert_true(cc.cwnd > w_max);
}

static void test_cubic(void **state)
{
	(void)state;
	check_cubic(1000, 0.1, 25);
	check_cubic(200, 0.1, 20);
	check_cubic(5000, 0.05, 25);
	check_cubic(60, 0.02, 8);
}

/* Section 4.8: after a time-out slow start leads to ssthresh, and from there the curve rises at once. */
static void test_cubic_after_timeout(void **state)
{
	struct cothon_congestion cc;
	uint64_t now = SECOND;

	(void)state;
	start(&cc, &cothon_cubic);
	cc.cwnd = 1000 * MSS;
	cc.ops->lost(&cc, cc.cwnd, now);
	cc.cwnd = MSS;
	while (cc.cwnd < cc.ssthresh)
		cc.ops->acked(&cc, MSS, now, 100000);
	assert_in_range(cc.cwnd, 700 * MSS, 701 * MSS);
	cc.ops->acked(&cc, MSS, now, 100000);
	assert_int_equal(cc.cubic.k, 0);
	assert_in_range(cc.cubic.w_max, 700 * MSS, 701 * MSS);
	/* After ten seconds: 0.4 * 10^3 segments more. */
	for (unsigned round = 0; round < 100; round++, now += 100000) {
		for (uint32_t acked = 0, window = cc.cwnd; acked < window; acked += MSS)
			cc.ops->acked(&cc, MSS, now, 100000);
	}
	assert_in_range(cc.cwnd, 1060 * MSS, 1140 * MSS);
}

/* Section 4.7: a flow that loses before it is back where it was leaves more room. */
static void test_fast_convergence(void **state)
{
	struct cothon_congestion cc;

	(void)state;
	start(&cc, &cothon_cubic);
	cc.cwnd = 1000 * MSS;
	lose(&cc, SECOND);
	assert_int_equal(cc.cubic.w_max, 1000 * MSS);
	lose(&cc, 2 * SECOND);
	assert_int_equal(cc.cubic.w_max, 700 * MSS * 17 / 20);
	cc.ops->lost(&cc, MSS, 0);
	assert_int_equal(cc.ssthresh, 2 * MSS);
}

/* RFC 5681 section 4.1; and for cubic a pause is no time in which it could have grown. */
static void test_restart(void **state)
{
	const struct cothon_congestion_ops *const all[] = {&cothon_newreno, &cothon_cubic};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct cothon_congestion cc;

		start(&cc, all[i]);
		cc.cwnd = 500 * MSS;
		lose(&cc, SECOND);
		cothon_congestion_restart(&cc, 3600 * (uint64_t)SECOND);
		assert_int_equal(cc.cwnd, cothon_congestion_initial_window(MSS));
		assert_int_equal(cc.ssthresh, (i ? 350 : 250) * MSS);
		/* A window that is smaller stays. */
		cc.cwnd = MSS;
		cothon_congestion_restart(&cc, SECOND);
		assert_int_equal(cc.cwnd, MSS);
	}
}

static void test_cubic_pause(void **state)
{
	struct cothon_congestion cc, paused;
	uint64_t now = SECOND;

	(void)state;
	start(&cc, &cothon_cubic);
	cc.cwnd = 500 * MSS;
	lose(&cc, now);
	paused = cc;
	for (unsigned i = 0; i < 3000; i++, now += 1000) {
		uint64_t pause = i > 1000 ? 3600 * (uint64_t)SECOND : 0;

		if (i == 1001)
			paused.ops->idle(&paused, 3600 * (uint64_t)SECOND);
		cc.ops->acked(&cc, 4 * MSS, now, 100000);
		paused.ops->acked(&paused, 4 * MSS, now + pause, 100000);
		assert_int_equal(cc.cwnd, paused.cwnd);
	}
}

/* A pause is counted from what was sent last, which may be before the curve began: time does not go back by it. */
static void test_cubic_pause_before_its_epoch(void **state)
{
	struct cothon_congestion cc, paused;
	uint64_t now = SECOND;

	(void)state;
	start(&cc, &cothon_cubic);
	cc.cwnd = 500 * MSS;
	lose(&cc, now);
	cc.ops->acked(&cc, 4 * MSS, now, 100000);
	paused = cc;
	paused.ops->idle(&paused, 9 * (uint64_t)SECOND);
	for (unsigned i = 0; i < 100; i++) {
		cc.ops->acked(&cc, 4 * MSS, now, 100000);
		paused.ops->acked(&paused, 4 * MSS, now + 8 * (uint64_t)SECOND, 100000);
		assert_int_equal(cc.cwnd, paused.cwnd);
	}
}

/* One round of RFC 9406: ten ACKs, whose round trips are `rtt`. Returns by how much the window has grown. */
static uint32_t round_of(struct cothon_congestion *cc, uint32_t rtt)
{
	uint32_t before = cc->cwnd, part = before / 10;

	for (unsigned i = 0; i < 10; i++) {
		uint32_t bytes = i < 9 ? part : before - 9 * part;

		cothon_hystart_acked(cc, bytes, cc->cwnd, rtt);
		cc->ops->acked(cc, bytes, SECOND, rtt);
	}
	return cc->cwnd - before;
}

/* RFC 9406: longer round trips make slow start careful for five rounds, then end it; shorter ones take that back. */
static void test_hystart(void **state)
{
	struct cothon_congestion cc;
	uint32_t window;

	(void)state;
	start(&cc, &cothon_cubic);
	for (unsigned i = 0; i < 3; i++) {
		window = cc.cwnd;
		assert_int_equal(round_of(&cc, 40000), window);
	}
	/* An eighth of 40 ms more. */
	round_of(&cc, 44000);
	assert_false(cc.hystart.css);
	round_of(&cc, 40000);
	round_of(&cc, 46000);
	assert_true(cc.hystart.css);
	window = cc.cwnd;
	assert_in_range(round_of(&cc, 46000), window / 4 - 10, window / 4 + 10);
	/* Jitter. */
	round_of(&cc, 40000);
	assert_false(cc.hystart.css);
	round_of(&cc, 40000);
	for (unsigned i = 0; i < 5; i++) {
		round_of(&cc, 50000);
		assert_true(cc.hystart.css);
		assert_int_equal(cc.ssthresh, UINT32_MAX);
	}
	round_of(&cc, 50000);
	assert_true(cc.ssthresh <= cc.cwnd);
	/* Never again; and not for newreno, nor for less than 4 ms. */
	start(&cc, &cothon_newreno);
	round_of(&cc, 40000);
	round_of(&cc, 90000);
	assert_false(cc.hystart.css);
	start(&cc, &cothon_cubic);
	round_of(&cc, 100);
	round_of(&cc, 4000);
	assert_false(cc.hystart.css);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_initial_window),
		cmocka_unit_test(test_slow_start),
		cmocka_unit_test(test_newreno),
		cmocka_unit_test(test_cubic),
		cmocka_unit_test(test_cubic_after_timeout),
		cmocka_unit_test(test_fast_convergence),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_cubic_pause),
		cmocka_unit_test(test_cubic_pause_before_its_epoch),
		cmocka_unit_test(test_hystart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
