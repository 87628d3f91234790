/* SPDX-License-Identifier: MIT */
#include "stack/tcp/spurious.h"

#include "stack/tcp/sender.h"

void cothon_tcp_spurious_reduce(struct cothon_tcp *tcp)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;

	recovery->undo = true;
	recovery->undo_resent = false;
	recovery->undo_retrans = 0;
	recovery->undo_from = tcp->snd.una;
	recovery->before = tcp->cc;
}

void cothon_tcp_spurious_resent(struct cothon_tcp *tcp, uint32_t len)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;

	if (!recovery->undo || recovery->state == COTHON_RECOVERY_OPEN)
		return;
	if (!recovery->undo_resent)
		recovery->undo_stamp = cothon_tcp_timestamp(tcp);
	recovery->undo_resent = true;
	recovery->undo_retrans += len;
}

/* The reduction is taken back (RFC 9438 section 4.9): all was as if nothing had been found. */
static void undo(struct cothon_tcp *tcp)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	struct cothon_congestion now = tcp->cc;

	tcp->cc = recovery->before;
	tcp->cc.mss = now.mss;
	if (tcp->cc.cwnd < now.cwnd)
		tcp->cc.cwnd = now.cwnd;
	recovery->undo = false;
	if (recovery->state == COTHON_RECOVERY_LOSS)
		tcp->snd.rtt.backoff = 0;
	recovery->state = COTHON_RECOVERY_OPEN;
	recovery->frto = COTHON_FRTO_OFF;
	recovery->at_once = false;
	recovery->dup_acks = 0;
	cothon_scoreboard_find(&recovery->board);
	tcp->stack->counters.tcp_undone++;
	cothon_tcp_request(tcp);
}

/* RFC 2883 section 4: the first block lies below the ACK, or inside the second. */
static bool reports_duplicate(const struct cothon_tcp_header *header)
{
	const struct cothon_tcp_sack *sack = header->sack;

	if (!cothon_seq_before(sack[0].start, sack[0].end))
		return false;
	if (!cothon_seq_after(sack[0].end, header->ack))
		return true;
	return header->sack_count > 1 && !cothon_seq_before(sack[0].start, sack[1].start) &&
	       !cothon_seq_after(sack[0].end, sack[1].end);
}

bool cothon_tcp_spurious_dsack(struct cothon_tcp *tcp, struct cothon_tcp_ack *ack)
{
	const struct cothon_tcp_sack *block = &ack->header->sack[0];
	struct cothon_seq oldest = cothon_seq_add(tcp->snd.una, 0u - tcp->snd.max_wnd);

	if (ack->header->sack_count == 0 || !reports_duplicate(ack->header))
		return false;
	/* What was never sent again was doubled by the network, or is a lie; neither counts. */
	if (tcp->snd.dsacks >= tcp->retransmits || cothon_seq_before(block->start, oldest) ||
	    cothon_seq_after(block->end, tcp->snd.nxt))
		return true;
	tcp->snd.dsacks++;
	tcp->stack->counters.tcp_dsacks_in++;
	ack->dsack = true;
	ack->twice = *block;
	cothon_rack_dsack(&tcp->rack, tcp->snd.una, tcp->snd.nxt);
	return true;
}

/* RFC 3522 section 3.2: what has arrived was sent before the first that was sent again. */
static bool answers_original(const struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack)
{
	const struct cothon_tcp_header *header = ack->header;

	return ack->acked > 0 && tcp->timestamps && header->has_timestamp && header->ts_echo &&
	       tcp->recovery->undo_resent &&
	       (int32_t)(header->ts_echo - tcp->recovery->undo_stamp) < 0;
}

/* True when all that was sent again is reported to have arrived twice. */
static bool all_twice(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	uint32_t len = cothon_seq_sub(ack->twice.end, ack->twice.start);

	if (!ack->dsack || cothon_seq_before(ack->twice.start, recovery->undo_from) ||
	    cothon_seq_after(ack->twice.end, recovery->point) || recovery->undo_retrans == 0)
		return false;
	recovery->undo_retrans = len < recovery->undo_retrans ? recovery->undo_retrans - len : 0;
	return recovery->undo_retrans == 0;
}

/*
 * F-RTO (RFC 5682 section 3.1): after a time-out and the ACK of what was sent again, up to two new segments go out. If
 * then something arrives that was sent only before the time-out, that was for nothing; if only what is new does, or
 * nothing, it was not.
 */
static bool timeout_was_for_nothing(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	uint32_t out = cothon_seq_sub(tcp->snd.nxt, tcp->snd.una);

	if (recovery->frto == COTHON_FRTO_OFF || recovery->state != COTHON_RECOVERY_LOSS)
		return false;
	/* Without SACK it may have arrived long ago, and waited for what was sent again. */
	if (ack->original && (tcp->sack || !ack->resent))
		return true;
	if (recovery->frto == COTHON_FRTO_NEW) {
		if (ack->duplicate || ack->sacked > 0 ||
		    cothon_seq_after(tcp->snd.una, recovery->point))
			recovery->frto = COTHON_FRTO_OFF;
	} else if (ack->acked > 0) {
		/* Step 2b; or the common way where nothing new may go out. */
		bool can = cothon_tcp_sender_unsent(tcp) >= tcp->snd.mss && tcp->snd.wnd >= out &&
			   tcp->snd.wnd - out >= tcp->snd.mss;

		recovery->frto = can ? COTHON_FRTO_NEW : COTHON_FRTO_OFF;
	}
	return false;
}

void cothon_tcp_spurious_ack(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	bool over = recovery->state == COTHON_RECOVERY_OPEN;

	if (!recovery->undo)
		return;
	/* Afterwards only reports of duplicates still count. */
	if (all_twice(tcp, ack) ||
	    (!over && (answers_original(tcp, ack) || timeout_was_for_nothing(tcp, ack))))
		undo(tcp);
}
