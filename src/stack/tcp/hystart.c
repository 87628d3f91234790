/* SPDX-License-Identifier: MIT */
#include "stack/tcp/congestion.h"

/* HyStart++ (RFC 9406): slow start ends when round trips grow, before the queue that makes them grow overflows. */

enum {
	/* The constants of section 4.3. */
	MIN_RTT_THRESH = 4000,
	MAX_RTT_THRESH = 16000,
	MIN_RTT_DIVISOR = 8,
	N_RTT_SAMPLE = 8,
	CSS_ROUNDS = 5,
};

void cothon_hystart_init(struct cothon_hystart *hystart)
{
	*hystart = (struct cothon_hystart){
		.last_round_min_rtt = UINT32_MAX,
		.current_round_min_rtt = UINT32_MAX,
	};
}

/* A round ends when what was in flight at its beginning is acknowledged. Returns true when it is over. */
static bool round_over(struct cothon_hystart *hystart, uint32_t acked, uint32_t flight)
{
	if (acked < hystart->round_left) {
		hystart->round_left -= acked;
		return false;
	}
	hystart->round_left = flight;
	hystart->last_round_min_rtt = hystart->current_round_min_rtt;
	hystart->current_round_min_rtt = UINT32_MAX;
	hystart->rtt_sample_count = 0;
	return true;
}

static uint32_t threshold(uint32_t last)
{
	uint32_t part = last / MIN_RTT_DIVISOR;

	return part < MIN_RTT_THRESH   ? MIN_RTT_THRESH
	       : part > MAX_RTT_THRESH ? MAX_RTT_THRESH
				       : part;
}

void cothon_hystart_acked(struct cothon_congestion *cc, uint32_t acked, uint32_t flight,
			  uint32_t rtt)
{
	struct cothon_hystart *hystart = &cc->hystart;

	/* Section 4.3: only in the first slow start, before anything was lost. */
	if (!cc->ops->hystart || cc->ssthresh != UINT32_MAX)
		return;
	if (round_over(hystart, acked, flight) && hystart->css &&
	    ++hystart->css_rounds >= CSS_ROUNDS) {
		cc->ssthresh = cc->cwnd;
		return;
	}
	if (rtt) {
		if (rtt < hystart->current_round_min_rtt)
			hystart->current_round_min_rtt = rtt;
		if (hystart->rtt_sample_count < N_RTT_SAMPLE)
			hystart->rtt_sample_count++;
	}
	if (hystart->rtt_sample_count < N_RTT_SAMPLE || hystart->last_round_min_rtt == UINT32_MAX)
		return;
	if (!hystart->css) {
		uint32_t last = hystart->last_round_min_rtt;

		if (hystart->current_round_min_rtt < last ||
		    hystart->current_round_min_rtt - last < threshold(last))
			return;
		hystart->css = true;
		hystart->css_rounds = 0;
		hystart->css_baseline_min_rtt = hystart->current_round_min_rtt;
	} else if (hystart->current_round_min_rtt < hystart->css_baseline_min_rtt) {
		/* It was jitter: slow start goes on. */
		hystart->css = false;
	}
}
