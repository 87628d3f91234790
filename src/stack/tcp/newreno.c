/* SPDX-License-Identifier: MIT */
#include "stack/tcp/congestion.h"

#include <stddef.h>

/* Congestion avoidance of RFC 5681 section 3.1, counted in bytes as RFC 3465 section 2.1 does. */

static void init(struct cothon_congestion *cc)
{
	(void)cc;
}

static void acked(struct cothon_congestion *cc, uint32_t bytes, uint64_t now, uint32_t srtt)
{
	(void)now;
	(void)srtt;
	if (cc->cwnd < cc->ssthresh)
		bytes = cothon_congestion_slow_start(cc, bytes);
	cc->newreno.acked += bytes;
	if (cc->newreno.acked >= cc->cwnd) {
		cc->newreno.acked -= cc->cwnd;
		cc->cwnd += cc->mss;
	}
}

static void lost(struct cothon_congestion *cc, uint32_t in_flight, uint64_t now)
{
	uint32_t half = in_flight / 2;

	(void)now;
	/* RFC 5681 equation 4. */
	cc->ssthresh = half > 2 * cc->mss ? half : 2 * cc->mss;
	cc->newreno.acked = 0;
}

const struct cothon_congestion_ops cothon_newreno = {
	.name = "newreno",
	.init = init,
	.acked = acked,
	.lost = lost,
};
