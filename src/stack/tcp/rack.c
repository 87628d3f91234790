/* SPDX-License-Identifier: MIT */
#include "stack/tcp/rack.h"

enum {
	/* Section 6.2 step 1: the least round trip is that of the last five minutes. */
	MIN_RTT_WINDOW = 300000000,
	/* Step 4: recoveries after which a wider window is given up again. */
	REO_WND_PERSIST = 16,
	/* Wider than srtt, which bounds it anyway. */
	REO_WND_MULT_MAX = 255,
};

void cothon_rack_init(struct cothon_rack *rack, struct cothon_seq una)
{
	*rack = (struct cothon_rack){.end_seq = una, .fack = una, .reo_wnd_mult = 1};
}

/* RACK_sent_after: of what left together, the higher was sent later. */
static bool sent_after(uint64_t t1, struct cothon_seq seq1, uint64_t t2, struct cothon_seq seq2)
{
	return t1 > t2 || (t1 == t2 && cothon_seq_after(seq1, seq2));
}

static void learn_min_rtt(struct cothon_rack *rack, uint32_t rtt, uint64_t now)
{
	if (rack->min_rtt && rtt > rack->min_rtt && now - rack->min_rtt_at < MIN_RTT_WINDOW)
		return;
	rack->min_rtt = rtt ? rtt : 1;
	rack->min_rtt_at = now;
}

void cothon_rack_delivered(struct cothon_rack *rack, const struct cothon_rack_ack *ack,
			   const struct cothon_span *span)
{
	uint64_t age = ack->now - span->sent_at;
	uint32_t rtt = age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;

	if (cothon_seq_after(span->end, rack->fack))
		rack->fack = span->end;
	if (cothon_seq_before(span->end, ack->fack) && !span->resent)
		rack->reordering_seen = true;
	/*
	 * Step 2: which sending has arrived of what was sent more than once? Not the last one when the ACK answers an
	 * earlier one, or comes sooner than any could.
	 */
	if (!span->resent)
		learn_min_rtt(rack, rtt, ack->now);
	else if ((ack->echo != UINT32_MAX && ack->echo > age / 1000 + 1) || rtt < rack->min_rtt)
		return;
	if (!sent_after(span->sent_at, span->end, rack->xmit_ts, rack->end_seq))
		return;
	rack->rtt = rtt;
	rack->xmit_ts = span->sent_at;
	rack->end_seq = span->end;
}

void cothon_rack_dsack(struct cothon_rack *rack, struct cothon_seq una, struct cothon_seq nxt)
{
	if (rack->in_dsack_round && cothon_seq_before(una, rack->dsack_round))
		return;
	rack->in_dsack_round = true;
	rack->dsack_round = nxt;
	if (rack->reo_wnd_mult < REO_WND_MULT_MAX)
		rack->reo_wnd_mult++;
	rack->reo_wnd_persist = REO_WND_PERSIST;
}

void cothon_rack_recovered(struct cothon_rack *rack)
{
	if (rack->reo_wnd_persist > 0)
		rack->reo_wnd_persist--;
	if (rack->reo_wnd_persist == 0)
		rack->reo_wnd_mult = 1;
}

uint32_t cothon_rack_reo_wnd(const struct cothon_rack *rack, uint32_t srtt, bool hurry)
{
	uint64_t window = (uint64_t)rack->reo_wnd_mult * (rack->min_rtt / 4);

	if (!rack->reordering_seen && hurry)
		return 0;
	return window < srtt ? (uint32_t)window : srtt;
}

uint64_t cothon_rack_detect(const struct cothon_rack *rack, struct cothon_scoreboard *board,
			    uint32_t reo_wnd, uint64_t now)
{
	uint64_t wait = 0;

	for (uint32_t i = 0; i < board->count; i++) {
		const struct cothon_span *span = cothon_scoreboard_at(board, i);
		uint64_t due = span->sent_at + rack->rtt + reo_wnd;

		if (span->state != COTHON_SPAN_SENT ||
		    !sent_after(rack->xmit_ts, rack->end_seq, span->sent_at, span->end))
			continue;
		if (due <= now)
			cothon_scoreboard_lose_span(board, i);
		else if (due - now > wait)
			wait = due - now;
	}
	return wait;
}
