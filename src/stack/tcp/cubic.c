/* SPDX-License-Identifier: MIT */
#include "stack/tcp/congestion.h"

#include <stddef.h>

/*
 * CUBIC (RFC 9438) in integers: windows in bytes, time in milliseconds.
 *
 * W_cubic(t) = C (t - K)^3 + W_max with C = 0.4 segments per second cubed; beta = 0.7. With windows in
 * segments and time in milliseconds, C t^3 = 0.4 t^3 / 10^9 = t^3 / (2.5 * 10^9).
 */

enum {
	BETA_NUM = 7,
	BETA_DEN = 10
};
static const int64_t inverse_c = 2500000000; /* milliseconds cubed per segment */

static uint32_t cube_root(uint64_t x)
{
	uint32_t root = 0;

	/* Digit by digit in base two: 21 rounds reach 2^63. */
	for (int shift = 20; shift >= 0; shift--) {
		uint64_t candidate = (uint64_t)root | UINT64_C(1) << shift;

		if (candidate * candidate * candidate <= x)
			root = (uint32_t)candidate;
	}
	return root;
}

static void init(struct cothon_congestion *cc)
{
	(void)cc;
}

/* Starts a stage of congestion avoidance (section 4.2): the curve from where the window is now. */
static void start_epoch(struct cothon_congestion *cc, uint64_t now)
{
	cc->cubic.epoch = now;
	cc->cubic.cwnd_epoch = cc->cwnd;
	cc->cubic.w_est = cc->cwnd;
	cc->cubic.est_acked = 0;
	cc->cubic.acked = 0;
	if (cc->cubic.w_max <= cc->cwnd) {
		cc->cubic.w_max = cc->cwnd;
		cc->cubic.k = 0;
	} else {
		uint64_t below = (cc->cubic.w_max - cc->cwnd) * (uint64_t)inverse_c / cc->mss;

		cc->cubic.k = cube_root(below);
	}
}

/* W_cubic at `t` milliseconds of the epoch, in bytes, bounded to what one round trip may add. */
static uint32_t target(const struct cothon_congestion *cc, uint64_t t)
{
	int64_t away = (int64_t)t - (int64_t)cc->cubic.k;
	int64_t window;

	/* Beyond this the cube no longer fits, and the bound below holds anyway. */
	if (away > 1000000)
		away = 1000000;
	/* mss / inverse_c before the last product would be 0, and the cube times mss fits below 2^63 up to here. */
	window =
		away * away / 1000 * away / (inverse_c / 1000) * (int64_t)cc->mss + cc->cubic.w_max;
	/* Section 4.2: never below cwnd, nor above one and a half of it. */
	if (window < (int64_t)cc->cwnd)
		return cc->cwnd;
	if (window > (int64_t)cc->cwnd + cc->cwnd / 2)
		return cc->cwnd + cc->cwnd / 2;
	return (uint32_t)window;
}

/* Section 4.3: what Reno with the same average would have; alpha = 3 (1 - beta) / (1 + beta) = 9/17. */
static void grow_estimate(struct cothon_congestion *cc, uint32_t bytes)
{
	uint64_t num = cc->cubic.w_est >= cc->cubic.w_max ? 17 : 9;

	cc->cubic.est_acked += bytes;
	if ((uint64_t)cc->cubic.est_acked * num / 17 >= cc->cwnd) {
		cc->cubic.est_acked = 0;
		cc->cubic.w_est += cc->mss;
	}
}

static void acked(struct cothon_congestion *cc, uint32_t bytes, uint64_t now, uint32_t srtt)
{
	uint64_t age;
	uint32_t goal;

	if (cc->cwnd < cc->ssthresh) {
		/* Section 4.8: after a time-out the curve begins where slow start ends, with K = 0. */
		if (cc->cubic.epoch == 0)
			cc->cubic.w_max = 0;
		bytes = cothon_congestion_slow_start(cc, bytes);
		if (bytes == 0)
			return;
	}
	if (cc->cubic.epoch == 0)
		start_epoch(cc, now);
	grow_estimate(cc, bytes);
	/* A pause counts from what was sent last, and may have moved the beginning ahead. */
	age = now > cc->cubic.epoch ? now - cc->cubic.epoch : 0;
	goal = target(cc, (age + srtt) / 1000);
	if (goal < cc->cubic.w_est)
		goal = cc->cubic.w_est;
	if (goal <= cc->cwnd)
		return;
	/* (goal - cwnd) / cwnd segments per segment acknowledged, carried over until it makes one. */
	cc->cubic.acked += bytes;
	if ((uint64_t)cc->cubic.acked * (goal - cc->cwnd) >= (uint64_t)cc->cwnd * cc->mss) {
		uint64_t grow = (uint64_t)cc->cubic.acked * (goal - cc->cwnd) / cc->cwnd;

		cc->cwnd += (uint32_t)(grow < goal - cc->cwnd ? grow : goal - cc->cwnd);
		cc->cubic.acked = 0;
	}
}

static void lost(struct cothon_congestion *cc, uint32_t in_flight, uint64_t now)
{
	uint32_t reduced = (uint32_t)((uint64_t)in_flight * BETA_NUM / BETA_DEN);

	(void)now;
	/* Section 4.7, fast convergence: a flow that lost sooner than last time leaves room to others. */
	if (cc->cwnd < cc->cubic.w_max)
		cc->cubic.w_max =
			(uint32_t)((uint64_t)cc->cwnd * (BETA_DEN + BETA_NUM) / (2 * BETA_DEN));
	else
		cc->cubic.w_max = cc->cwnd;
	cc->ssthresh = reduced > 2 * cc->mss ? reduced : 2 * cc->mss;
	cc->cubic.epoch = 0;
}

/* Section 4.2: time in which nothing was sent does not count. */
static void idle(struct cothon_congestion *cc, uint64_t length)
{
	if (cc->cubic.epoch)
		cc->cubic.epoch += length;
}

const struct cothon_congestion_ops cothon_cubic = {
	.name = "cubic",
	.hystart = true,
	.init = init,
	.acked = acked,
	.lost = lost,
	.idle = idle,
};
