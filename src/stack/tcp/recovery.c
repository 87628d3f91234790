/* SPDX-License-Identifier: MIT */
#include "stack/tcp/recovery.h"

#include <stddef.h>

enum {
	DUP_THRESH = 3
}; /* RFC 5681 section 3.2 */

static uint32_t in_flight(const struct cothon_tcp *tcp)
{
	return cothon_seq_sub(tcp->snd.nxt, tcp->snd.una);
}

/*
 * Bytes that have arrived above snd.una: what SACK says, or one segment per duplicate ACK where the peer speaks no
 * SACK.
 */
static uint32_t arrived(const struct cothon_tcp *tcp)
{
	uint64_t guess = (uint64_t)tcp->recovery.dup_acks * tcp->snd.mss;
	uint32_t out = in_flight(tcp);

	if (tcp->sack)
		return tcp->recovery.board.bytes;
	return guess < out ? (uint32_t)guess : out;
}

uint32_t cothon_tcp_recovery_pipe(const struct cothon_tcp *tcp)
{
	const struct cothon_tcp_recovery *recovery = &tcp->recovery;
	uint32_t pipe = in_flight(tcp) - arrived(tcp);
	struct cothon_seq from = cothon_seq_max(recovery->high_rxt, tcp->snd.una);
	uint32_t lost;

	if (recovery->state == COTHON_RECOVERY_OPEN || !cothon_seq_before(from, recovery->lost))
		return pipe;
	/* Lost and not yet sent again: no longer in the network. */
	lost = cothon_seq_sub(recovery->lost, from) -
	       cothon_scoreboard_held(&recovery->board, from, recovery->lost);
	return lost < pipe ? pipe - lost : 0;
}

bool cothon_tcp_recovery_next(const struct cothon_tcp *tcp, struct cothon_seq *start,
			      struct cothon_seq *end)
{
	const struct cothon_tcp_recovery *recovery = &tcp->recovery;
	struct cothon_seq from = cothon_seq_max(recovery->high_rxt, tcp->snd.una);

	if (recovery->state == COTHON_RECOVERY_OPEN || !cothon_seq_before(from, recovery->lost))
		return false;
	return cothon_scoreboard_hole(&recovery->board, from, recovery->lost, start, end);
}

void cothon_tcp_recovery_resent(struct cothon_tcp *tcp, struct cothon_seq end)
{
	tcp->recovery.high_rxt = end;
	tcp->recovery.at_once = false;
}

static void enter(struct cothon_tcp *tcp, enum cothon_recovery_state state, struct cothon_seq lost)
{
	tcp->recovery.state = (uint8_t)state;
	tcp->recovery.began_at = tcp->stack->now;
	tcp->recovery.point = tcp->snd.nxt;
	tcp->recovery.high_rxt = tcp->snd.una;
	tcp->recovery.lost = lost;
	tcp->recovery.at_once = true;
	/* Karn: what is sent again from here on cannot be timed. */
	tcp->snd.timing = false;
	cothon_tcp_request(tcp);
}

/* All that is in flight is lost. */
static void enter_loss(struct cothon_tcp *tcp)
{
	tcp->recovery.dup_acks = 0;
	enter(tcp, COTHON_RECOVERY_LOSS, tcp->snd.nxt);
}

static struct cothon_seq first_segment(const struct cothon_tcp *tcp)
{
	uint32_t out = in_flight(tcp);

	return cothon_seq_add(tcp->snd.una, out < tcp->snd.mss ? out : tcp->snd.mss);
}

static void enter_fast(struct cothon_tcp *tcp, struct cothon_seq lost)
{
	/* RFC 6675 section 5 (4.2): the reduction is taken from what was in flight. */
	tcp->cc.ops->lost(&tcp->cc, in_flight(tcp), tcp->stack->now);
	tcp->cc.cwnd = tcp->cc.ssthresh;
	tcp->stack->counters.tcp_fast_recoveries++;
	/* RFC 6675 section 5 (4.3): the first segment is sent again whatever is known. */
	enter(tcp, COTHON_RECOVERY_FAST, cothon_seq_max(lost, first_segment(tcp)));
}

/* What the scoreboard says is lost by now. */
static struct cothon_seq lost_edge(const struct cothon_tcp *tcp)
{
	return cothon_scoreboard_lost_edge(&tcp->recovery.board, tcp->snd.una, tcp->snd.mss);
}

uint32_t cothon_tcp_recovery_sack(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	uint32_t news = 0;

	for (unsigned i = 0; tcp->sack && i < header->sack_count; i++) {
		struct cothon_tcp_sack block = header->sack[i];

		uint32_t start = cothon_seq_sub(block.start, tcp->snd.una);
		uint32_t end = cothon_seq_sub(block.end, tcp->snd.una);

		/*
		 * A block counts only inside what is in flight; others are duplicates (RFC 2883) or lies. Seen as
		 * distances from snd.una, for half the sequence space is both before and after the other half.
		 */
		if (start == 0 || start >= end || end > in_flight(tcp) ||
		    cothon_seq_before(block.start, header->ack))
			continue;
		news += cothon_scoreboard_add(&tcp->recovery.board, &tcp->stack->memory,
					      block.start, block.end);
	}
	return news;
}

void cothon_tcp_recovery_acked(struct cothon_tcp *tcp, uint32_t acked)
{
	struct cothon_tcp_recovery *recovery = &tcp->recovery;

	cothon_scoreboard_ack(&recovery->board, tcp->snd.una);
	if (recovery->state != COTHON_RECOVERY_OPEN &&
	    !cothon_seq_before(tcp->snd.una, recovery->point))
		recovery->state = COTHON_RECOVERY_OPEN;
	switch (recovery->state) {
	case COTHON_RECOVERY_OPEN:
		recovery->dup_acks = 0;
		return;
	case COTHON_RECOVERY_FAST:
		if (tcp->sack) {
			recovery->lost = cothon_seq_max(recovery->lost, lost_edge(tcp));
		} else {
			/* RFC 6582 section 3.2 step 3: a partial ACK shows the next segment lost. */
			uint32_t segments = acked / tcp->snd.mss;

			recovery->dup_acks = recovery->dup_acks > segments
						     ? (uint16_t)(recovery->dup_acks - segments)
						     : 0;
			recovery->lost = first_segment(tcp);
			recovery->high_rxt = tcp->snd.una;
			recovery->at_once = true;
		}
		break;
	default:
		break;
	}
	cothon_tcp_request(tcp);
}

void cothon_tcp_recovery_duplicate(struct cothon_tcp *tcp)
{
	struct cothon_tcp_recovery *recovery = &tcp->recovery;
	struct cothon_seq edge;

	if (recovery->dup_acks < UINT16_MAX)
		recovery->dup_acks++;
	edge = tcp->sack ? lost_edge(tcp) : tcp->snd.una;
	if (recovery->state == COTHON_RECOVERY_OPEN &&
	    (cothon_seq_after(edge, tcp->snd.una) || recovery->dup_acks >= DUP_THRESH))
		enter_fast(tcp, edge);
	else if (recovery->state == COTHON_RECOVERY_FAST && tcp->sack)
		recovery->lost = cothon_seq_max(recovery->lost, edge);
	/* What has arrived makes room for more (RFC 3042 before recovery, RFC 6675 in it). */
	cothon_tcp_request(tcp);
}

void cothon_tcp_recovery_timeout(struct cothon_tcp *tcp)
{
	/* RFC 5681 section 3.1: the reduction is taken once for each loss, the first time the timer expires. */
	if (tcp->recovery.state != COTHON_RECOVERY_LOSS)
		tcp->cc.ops->lost(&tcp->cc, in_flight(tcp), tcp->stack->now);
	tcp->cc.cwnd = tcp->cc.mss;
	/* RFC 2018 section 8: the peer may have dropped what it said it holds. */
	cothon_scoreboard_clear(&tcp->recovery.board);
	enter_loss(tcp);
}

void cothon_tcp_recovery_resend(struct cothon_tcp *tcp)
{
	if (cothon_seq_equal(tcp->snd.una, tcp->snd.nxt))
		return;
	cothon_scoreboard_clear(&tcp->recovery.board);
	enter_loss(tcp);
}
