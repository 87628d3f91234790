/* SPDX-License-Identifier: MIT */
#include "stack/tcp/recovery.h"

#include "stack/tcp/path.h"
#include "stack/tcp/probe.h"
#include "stack/tcp/sender.h"
#include "stack/tcp/spurious.h"
#include "stack/tcp/timers.h"
#include <errno.h>

static uint32_t in_flight(const struct cothon_tcp *tcp)
{
	return cothon_seq_sub(tcp->snd.nxt, tcp->snd.una);
}

int cothon_tcp_recovery_start(struct cothon_tcp *tcp)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;

	if (recovery)
		return 0;
	recovery = cothon_stack_alloc(tcp->stack, sizeof(*recovery));
	if (!recovery)
		return -ENOMEM;
	*recovery = (struct cothon_tcp_recovery){.point = tcp->snd.una};
	cothon_scoreboard_init(&recovery->board, tcp->snd.una);
	tcp->recovery = recovery;
	cothon_tcp_timers_recovery(tcp);
	return 0;
}

void cothon_tcp_recovery_rest(struct cothon_tcp *tcp)
{
	/* RFC 8985 section 7.4.2: what the probe sent again would by now be known to have arrived twice. */
	if (tcp->recovery->tlp_out)
		cothon_tcp_recovery_mended(tcp);
	cothon_tcp_recovery_end(tcp);
}

void cothon_tcp_recovery_end(struct cothon_tcp *tcp)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;

	if (!recovery)
		return;
	cothon_scoreboard_free(&recovery->board, &tcp->stack->memory);
	cothon_stack_free(tcp->stack, recovery, sizeof(*recovery));
	tcp->recovery = NULL;
}

/*
 * Bytes that have arrived above snd.una where the peer speaks no SACK: one segment per duplicate ACK (RFC 6582 section
 * 3.2, RFC 3042).
 */
static uint32_t guess_arrived(const struct cothon_tcp *tcp)
{
	uint64_t guess = (uint64_t)tcp->recovery->dup_acks * tcp->snd.mss;

	if (tcp->sack)
		return 0;
	return guess < in_flight(tcp) ? (uint32_t)guess : in_flight(tcp);
}

uint32_t cothon_tcp_recovery_pipe(const struct cothon_tcp *tcp)
{
	const struct cothon_tcp_recovery *recovery = tcp->recovery;
	uint32_t gone;

	if (!recovery)
		return 0;
	gone = recovery->board.sacked + recovery->board.lost + guess_arrived(tcp);
	return gone < in_flight(tcp) ? in_flight(tcp) - gone : 0;
}

bool cothon_tcp_recovery_next(const struct cothon_tcp *tcp, struct cothon_seq *start,
			      struct cothon_seq *end)
{
	return tcp->recovery && tcp->recovery->frto != COTHON_FRTO_NEW &&
	       cothon_scoreboard_first_lost(&tcp->recovery->board, start, end);
}

void cothon_tcp_recovery_sent(struct cothon_tcp *tcp, struct cothon_seq start,
			      struct cothon_seq end, bool again)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	uint32_t len = cothon_seq_sub(end, start);

	recovery->prr_out += len;
	if (!again) {
		/* Finer than a reordering window; few enough for any window of segments. */
		cothon_scoreboard_sent(&recovery->board, &tcp->stack->memory, end, tcp->stack->now,
				       tcp->snd.rtt.srtt / 64);
		return;
	}
	recovery->at_once = false;
	cothon_scoreboard_resent(&recovery->board, &tcp->stack->memory, start, end,
				 tcp->stack->now);
	cothon_tcp_spurious_resent(tcp, len);
}

/* Entering and leaving */

static void enter(struct cothon_tcp *tcp, enum cothon_recovery_state state)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;

	recovery->state = (uint8_t)state;
	recovery->began_at = tcp->stack->now;
	recovery->point = tcp->snd.nxt;
	recovery->at_once = true;
	recovery->tlp_out = false;
	/* Karn: what is sent again from here on cannot be timed. */
	tcp->snd.timing = false;
	cothon_tcp_timers_probe(tcp, 0);
	cothon_tcp_request(tcp);
}

/* RFC 5681 section 3.1: by what was in flight when the byte `lost` was. */
static void reduce(struct cothon_tcp *tcp, struct cothon_seq lost, uint32_t flight)
{
	bool open = !tcp->recovery || tcp->recovery->state == COTHON_RECOVERY_OPEN;

	/* RFC 3168 section 6.1.2: marks and losses of one window of data reduce it once. */
	if (open && cothon_tcp_ecn_covers(tcp, lost))
		return;
	tcp->cc.ops->lost(&tcp->cc, flight, tcp->stack->now);
	cothon_tcp_ecn_reduced(tcp);
}

/* The window is reduced without a recovery, for good. */
static void reduce_at_once(struct cothon_tcp *tcp, struct cothon_seq lost, uint32_t flight)
{
	reduce(tcp, lost, flight);
	if (tcp->recovery)
		tcp->recovery->undo = false;
	tcp->cc.cwnd = tcp->cc.ssthresh;
}

/* `ack` is NULL when it is the timer that has found the loss. */
static void enter_fast(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	struct cothon_seq lost = tcp->snd.una, end;

	cothon_scoreboard_first_lost(&recovery->board, &lost, &end);
	cothon_tcp_spurious_reduce(tcp);
	reduce(tcp, lost, in_flight(tcp));
	recovery->prr_delivered = recovery->prr_out = 0;
	/* RFC 9937 section 6: what had arrived before is not delivered in the recovery; what this ACK tells of is. */
	recovery->recover_fs = in_flight(tcp) - recovery->board.sacked + (ack ? ack->delivered : 0);
	tcp->stack->counters.tcp_fast_recoveries++;
	enter(tcp, COTHON_RECOVERY_FAST);
}

static void leave(struct cothon_tcp *tcp)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;

	/* RFC 9937 section 6: in the end the window is what congestion control has said. */
	if (recovery->state == COTHON_RECOVERY_FAST)
		tcp->cc.cwnd = tcp->cc.ssthresh;
	recovery->state = COTHON_RECOVERY_OPEN;
	recovery->frto = COTHON_FRTO_OFF;
	recovery->at_once = false;
	recovery->dup_acks = 0;
	cothon_rack_recovered(&tcp->rack);
}

void cothon_tcp_recovery_mended(struct cothon_tcp *tcp)
{
	if (tcp->recovery->state != COTHON_RECOVERY_OPEN)
		return;
	/* What was in flight then has been acknowledged meanwhile: at most it was the window. */
	reduce_at_once(tcp, cothon_seq_add(tcp->recovery->tlp_end_seq, UINT32_MAX), tcp->cc.cwnd);
}

void cothon_tcp_recovery_marked(struct cothon_tcp *tcp, uint32_t acked)
{
	reduce_at_once(tcp, tcp->snd.una, in_flight(tcp) + acked);
}

/* Proportional rate reduction: how much may go out for what has arrived (RFC 9937 section 6). */
static void reduce_rate(struct cothon_tcp *tcp, uint32_t delivered, bool safe)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	uint32_t pipe = cothon_tcp_recovery_pipe(tcp);
	uint32_t ssthresh = tcp->cc.ssthresh, out = recovery->prr_out, count;

	recovery->prr_delivered += delivered;
	if (pipe > ssthresh) {
		uint64_t share = (uint64_t)recovery->prr_delivered * ssthresh;
		uint32_t fs = recovery->recover_fs ? recovery->recover_fs : 1;

		share = (share + fs - 1) / fs;
		count = share > out ? (uint32_t)(share - out) : 0;
	} else {
		count = recovery->prr_delivered > out ? recovery->prr_delivered - out : 0;
		if (count < delivered)
			count = delivered;
		/* Slow start's pace while nothing more is found lost. */
		if (safe)
			count += tcp->snd.mss;
		if (count > ssthresh - pipe)
			count = ssthresh - pipe;
	}
	if (out == 0 && count == 0)
		count = tcp->snd.mss;
	tcp->cc.cwnd = pipe + count > tcp->snd.mss ? pipe + count : tcp->snd.mss;
}

/* What an ACK says */

void cothon_tcp_recovery_begin(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			       struct cothon_tcp_ack *ack)
{
	bool echo = tcp->timestamps && header->has_timestamp && header->ts_echo;

	*ack = (struct cothon_tcp_ack){
		.header = header,
		.rack =
			{
				.now = tcp->stack->now,
				.echo = echo ? cothon_tcp_timestamp(tcp) - header->ts_echo
					     : UINT32_MAX,
				.fack = tcp->rack.fack,
			},
	};
}

struct arrival {
	struct cothon_tcp *tcp;
	struct cothon_tcp_ack *ack;
};

static void delivered(void *context, struct cothon_seq start, const struct cothon_span *span)
{
	struct arrival *arrival = context;
	struct cothon_tcp_recovery *recovery = arrival->tcp->recovery;
	uint64_t age = arrival->ack->rack.now - span->sent_at;

	if (!span->resent)
		arrival->ack->rtt = age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
	arrival->ack->delivered += cothon_seq_sub(span->end, start);
	if (span->resent)
		arrival->ack->resent = true;
	else if (!cothon_seq_after(span->end, recovery->point))
		arrival->ack->original = true;
	cothon_rack_delivered(&arrival->tcp->rack, &arrival->ack->rack, span);
}

void cothon_tcp_recovery_acked(struct cothon_tcp *tcp, struct cothon_tcp_ack *ack)
{
	struct arrival arrival = {tcp, ack};

	cothon_scoreboard_ack(&tcp->recovery->board, tcp->snd.una, delivered, &arrival);
}

void cothon_tcp_recovery_sack(struct cothon_tcp *tcp, struct cothon_tcp_ack *ack)
{
	const struct cothon_tcp_header *header = ack->header;
	struct arrival arrival = {tcp, ack};
	unsigned i = 0;

	if (!tcp->sack)
		return;
	if (cothon_tcp_spurious_dsack(tcp, ack))
		i++;
	for (; i < header->sack_count; i++) {
		struct cothon_tcp_sack block = header->sack[i];
		uint32_t start = cothon_seq_sub(block.start, tcp->snd.una);
		uint32_t end = cothon_seq_sub(block.end, tcp->snd.una);

		/*
		 * A block counts only inside what is in flight; others are old or lies. Seen as distances from
		 * snd.una, for half the sequence space is both before and after the other half.
		 */
		if (start == 0 || start >= end || end > in_flight(tcp) ||
		    cothon_seq_before(block.start, header->ack))
			continue;
		ack->sacked += cothon_scoreboard_sack(&tcp->recovery->board, &tcp->stack->memory,
						      block.start, block.end, delivered, &arrival);
	}
}

/* True when DupThresh segments have arrived above something that has not: so many bytes, ranges or duplicate ACKs. */
static bool many_sacked(const struct cothon_tcp *tcp)
{
	const struct cothon_scoreboard *board = &tcp->recovery->board;
	unsigned ranges = 0;

	if (board->sacked > (COTHON_DUP_THRESH - 1) * tcp->snd.mss ||
	    tcp->recovery->dup_acks >= COTHON_DUP_THRESH)
		return true;
	for (uint32_t i = 0; i < board->count && ranges < COTHON_DUP_THRESH; i++)
		ranges += cothon_scoreboard_at(board, i)->state == COTHON_SPAN_SACKED;
	return ranges >= COTHON_DUP_THRESH;
}

/* Finds what is lost by time. */
static void detect(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	struct cothon_scoreboard *board = &recovery->board;
	bool open = recovery->state == COTHON_RECOVERY_OPEN;
	uint32_t reo_wnd;

	if (open && board->sacked == 0 && board->lost == 0) {
		/* All that was sent before what has arrived has arrived; nothing sent in a recovery was lost in it. */
		cothon_tcp_timers_reorder(tcp, 0);
		return;
	}
	reo_wnd = cothon_rack_reo_wnd(&tcp->rack, tcp->snd.rtt.srtt, !open || many_sacked(tcp));
	cothon_tcp_timers_reorder(tcp,
				  cothon_rack_detect(&tcp->rack, board, reo_wnd, tcp->stack->now));
	/* RFC 8899 section 3: that a segment which tried the path is lost does not say that there is congestion. */
	if (open && board->lost > 0 && board->lost > cothon_tcp_path_lost(tcp))
		enter_fast(tcp, ack);
}

static void lose_first(struct cothon_tcp *tcp)
{
	uint32_t out = in_flight(tcp);
	uint32_t len = out < tcp->snd.mss ? out : tcp->snd.mss;

	cothon_scoreboard_lose(&tcp->recovery->board, &tcp->stack->memory, tcp->snd.una,
			       cothon_seq_add(tcp->snd.una, len));
}

/* Without SACK: the first is lost after three duplicates, and after each partial ACK (RFC 6582 section 3.2). */
static void guess(struct cothon_tcp *tcp, struct cothon_tcp_ack *ack)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	uint32_t segments = ack->acked / tcp->snd.mss;
	uint32_t known = recovery->dup_acks < segments ? recovery->dup_acks : segments;

	/* What duplicates have told of is not delivered once more. */
	recovery->dup_acks = (uint16_t)(recovery->dup_acks - known);
	ack->delivered -= known * tcp->snd.mss;
	if (ack->duplicate)
		ack->delivered += tcp->snd.mss;
	if (recovery->state == COTHON_RECOVERY_OPEN) {
		if (ack->acked > 0)
			recovery->dup_acks = 0;
		if (recovery->dup_acks < COTHON_DUP_THRESH || cothon_tcp_path_blamed(tcp))
			return;
		enter_fast(tcp, ack);
		lose_first(tcp);
	} else if (recovery->state == COTHON_RECOVERY_FAST && ack->acked > 0) {
		lose_first(tcp);
		recovery->at_once = true;
	}
}

void cothon_tcp_recovery_ack(struct cothon_tcp *tcp, struct cothon_tcp_ack *ack)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	uint32_t lost;

	/* At rest there is nothing that it could tell of but marks. */
	if (!recovery) {
		cothon_tcp_ecn_ack(tcp, ack);
		return;
	}
	lost = recovery->board.lost;
	if (ack->duplicate && recovery->dup_acks < UINT16_MAX)
		recovery->dup_acks++;
	cothon_tcp_probe_ack(tcp, ack);
	cothon_tcp_spurious_ack(tcp, ack);
	if (recovery->state != COTHON_RECOVERY_OPEN &&
	    !cothon_seq_before(tcp->snd.una, recovery->point))
		leave(tcp);
	if (tcp->sack) {
		if (recovery->state == COTHON_RECOVERY_OPEN && ack->acked > 0)
			recovery->dup_acks = 0;
		detect(tcp, ack);
	} else {
		guess(tcp, ack);
	}
	if (recovery->state == COTHON_RECOVERY_FAST && ack->delivered > 0)
		reduce_rate(tcp, ack->delivered, ack->acked > 0 && recovery->board.lost <= lost);
	cothon_tcp_ecn_ack(tcp, ack);
	/* What has arrived makes room for more (RFC 3042 before recovery). */
	if (ack->delivered > 0 || ack->duplicate || recovery->state != COTHON_RECOVERY_OPEN)
		cothon_tcp_request(tcp);
}

/* What timers say */

void cothon_tcp_recovery_reorder(struct cothon_tcp *tcp)
{
	bool open = tcp->recovery->state == COTHON_RECOVERY_OPEN;

	detect(tcp, NULL);
	/* In recovery, what is lost makes room for being sent again. */
	if (open && tcp->recovery->state == COTHON_RECOVERY_FAST)
		reduce_rate(tcp, 0, false);
	cothon_tcp_request(tcp);
}

/*
 * RFC 8985 section 6.3: the first that is not acknowledged is lost, and all that was sent so long ago that its ACK is
 * overdue. A peer that holds what it does not acknowledge has thrown away what it held (RFC 2018 section 8).
 */
static void lose_overdue(struct cothon_tcp *tcp)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	struct cothon_scoreboard *board = &recovery->board;
	uint32_t reo_wnd = cothon_rack_reo_wnd(&tcp->rack, tcp->snd.rtt.srtt, true);

	if (board->count > 0 && cothon_scoreboard_at(board, 0)->state == COTHON_SPAN_SACKED)
		cothon_scoreboard_forget(board);
	for (uint32_t i = 0; i < board->count; i++) {
		uint64_t sent_at = cothon_scoreboard_at(board, i)->sent_at;

		if (i == 0 || !tcp->sack || sent_at + tcp->rack.rtt + reo_wnd <= tcp->stack->now)
			cothon_scoreboard_lose_span(board, i);
	}
}

void cothon_tcp_recovery_timeout(struct cothon_tcp *tcp)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	/* RFC 5682 section 3.1 step 1: not where something else is being mended, and the last attempt was no good. */
	bool frto = recovery->state == COTHON_RECOVERY_OPEN ||
		    (recovery->state == COTHON_RECOVERY_LOSS &&
		     cothon_seq_equal(recovery->undo_from, tcp->snd.una));

	/* RFC 5681 section 3.1: the reduction is taken once for each loss, the first time the timer expires. */
	if (recovery->state != COTHON_RECOVERY_LOSS) {
		cothon_tcp_spurious_reduce(tcp);
		reduce(tcp, tcp->snd.una, in_flight(tcp));
	}
	recovery->dup_acks = 0;
	lose_overdue(tcp);
	tcp->cc.cwnd = cothon_tcp_recovery_pipe(tcp) + tcp->cc.mss;
	enter(tcp, COTHON_RECOVERY_LOSS);
	recovery->frto = frto ? COTHON_FRTO_FIRST : COTHON_FRTO_OFF;
	cothon_tcp_timers_reorder(tcp, 0);
}

void cothon_tcp_recovery_resend(struct cothon_tcp *tcp)
{
	struct cothon_scoreboard *board;

	if (cothon_seq_equal(tcp->snd.una, tcp->snd.nxt))
		return;
	board = &tcp->recovery->board;
	cothon_scoreboard_forget(board);
	for (uint32_t i = 0; i < board->count; i++)
		cothon_scoreboard_lose_span(board, i);
	tcp->recovery->dup_acks = 0;
	enter(tcp, COTHON_RECOVERY_LOSS);
	tcp->recovery->undo = false;
	tcp->recovery->frto = COTHON_FRTO_OFF;
}
