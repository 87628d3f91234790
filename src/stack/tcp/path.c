/* SPDX-License-Identifier: MIT */
#include "stack/tcp/path.h"

#include "stack/tcp/recovery.h"

enum {
	/* MTU below which a report is not believed: RFC 791 lets IPv4 go to 68, but no link in use does. */
	FLOOR_IPV4 = 552,
	FLOOR_IPV6 = 1280,
	/* RFC 4821 section 7.7: what is sent into a black hole: what IPv6 guarantees, then what IPv4 does. */
	BLACK_HOLE_MTU = 1280,
	LEAST_MTU_IPV4 = 576,
	/* RFC 8201 section 4: not sooner is a path tried with more than it took; each time later, up to so often. */
	RAISE_MINUTES = 10,
	MAX_SHRINKS = 4,
};

static bool is_ipv4(const struct cothon_tcp *tcp)
{
	return cothon_addr_is_ipv4(&tcp->entry.flow.remote);
}

/* The payload of a segment that makes a packet of `mtu` bytes. */
static uint32_t payload_of(const struct cothon_tcp *tcp, uint32_t mtu)
{
	uint32_t ip = is_ipv4(tcp) ? COTHON_IPV4_HEADER : COTHON_IPV6_HEADER;

	return mtu - ip - COTHON_TCP_HEADER - (tcp->timestamps ? 12 : 0);
}

static void try_later(struct cothon_tcp *tcp)
{
	struct cothon_tcp_sender *snd = &tcp->snd;

	if (snd->shrinks < MAX_SHRINKS)
		snd->shrinks++;
	snd->raise_at =
		tcp->stack->now + ((RAISE_MINUTES * UINT64_C(60000000)) << snd->shrinks) / 2;
}

static void shrink(struct cothon_tcp *tcp, uint32_t mss)
{
	struct cothon_tcp_sender *snd = &tcp->snd;

	if (!snd->raise_at)
		snd->full_mss = snd->mss;
	try_later(tcp);
	snd->mss = tcp->cc.mss = mss;
	tcp->recovery->trying = COTHON_PATH_QUIET;
}

void cothon_tcp_path_told(struct cothon_tcp *tcp, uint32_t mtu)
{
	uint32_t floor = is_ipv4(tcp) ? FLOOR_IPV4 : FLOOR_IPV6;
	uint32_t mss = payload_of(tcp, mtu < floor ? floor : mtu);

	/* A SYN is smaller than any floor, and its options settle what follows. */
	if (!cothon_tcp_synchronized(tcp) || mss >= tcp->snd.mss)
		return;
	shrink(tcp, mss);
	cothon_tcp_recovery_resend(tcp);
}

void cothon_tcp_path_suspect(struct cothon_tcp *tcp)
{
	uint32_t mss = tcp->snd.mss;

	if (cothon_seq_sub(tcp->snd.nxt, tcp->snd.una) < mss)
		return;
	if (mss > payload_of(tcp, BLACK_HOLE_MTU))
		shrink(tcp, payload_of(tcp, BLACK_HOLE_MTU));
	else if (is_ipv4(tcp) && mss > payload_of(tcp, LEAST_MTU_IPV4))
		shrink(tcp, payload_of(tcp, LEAST_MTU_IPV4));
	else
		return;
	tcp->stack->counters.tcp_black_holes++;
}

/* Trying more */

static struct cothon_seq try_start(const struct cothon_tcp *tcp)
{
	return cothon_seq_add(tcp->recovery->try_end, 0u - tcp->snd.full_mss);
}

uint32_t cothon_tcp_path_try(const struct cothon_tcp *tcp, uint32_t may)
{
	const struct cothon_tcp_sender *snd = &tcp->snd;

	if (!snd->raise_at || tcp->stack->now < snd->raise_at ||
	    (tcp->recovery && tcp->recovery->trying))
		return 0;
	/* RFC 4821 section 7.4: so much has to follow it that its loss is found without a time-out. */
	return may < snd->full_mss + COTHON_DUP_THRESH * snd->mss ? 0 : snd->full_mss;
}

void cothon_tcp_path_tried(struct cothon_tcp *tcp, struct cothon_seq start)
{
	/* What did not fit a frame's vector tells nothing. */
	if (cothon_seq_sub(tcp->snd.nxt, start) < tcp->snd.full_mss)
		return;
	tcp->recovery->trying = COTHON_PATH_TRYING;
	tcp->recovery->try_end = tcp->snd.nxt;
}

void cothon_tcp_path_resent(struct cothon_tcp *tcp, struct cothon_seq start, struct cothon_seq end)
{
	if (tcp->recovery->trying != COTHON_PATH_TRYING ||
	    !cothon_seq_before(start, tcp->recovery->try_end) ||
	    !cothon_seq_after(end, try_start(tcp)))
		return;
	tcp->recovery->trying = COTHON_PATH_FAILED;
	try_later(tcp);
}

void cothon_tcp_path_acked(struct cothon_tcp *tcp)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	struct cothon_tcp_sender *snd = &tcp->snd;

	if (!recovery->trying || cothon_seq_before(snd->una, recovery->try_end))
		return;
	if (recovery->trying == COTHON_PATH_TRYING) {
		snd->raise_at = 0;
		snd->mss = tcp->cc.mss = snd->full_mss;
	}
	recovery->trying = COTHON_PATH_QUIET;
}

uint32_t cothon_tcp_path_lost(const struct cothon_tcp *tcp)
{
	const struct cothon_scoreboard *board = &tcp->recovery->board;
	uint32_t lost = 0;

	for (uint32_t i = 0; tcp->recovery->trying && i < board->count; i++) {
		const struct cothon_span *span = cothon_scoreboard_at(board, i);
		struct cothon_seq start = cothon_scoreboard_start(board, i);

		start = cothon_seq_max(start, try_start(tcp));
		if (!cothon_seq_before(start, tcp->recovery->try_end))
			break;
		if (span->state == COTHON_SPAN_LOST && !span->resent &&
		    cothon_seq_before(start, span->end))
			lost += cothon_seq_sub(cothon_seq_min(span->end, tcp->recovery->try_end),
					       start);
	}
	return lost;
}

bool cothon_tcp_path_blamed(struct cothon_tcp *tcp)
{
	if (!tcp->recovery->trying ||
	    !cothon_seq_in(tcp->snd.una, try_start(tcp), tcp->snd.full_mss))
		return false;
	if (tcp->recovery->trying == COTHON_PATH_TRYING)
		cothon_scoreboard_lose(&tcp->recovery->board, &tcp->stack->memory, tcp->snd.una,
				       tcp->recovery->try_end);
	return true;
}
