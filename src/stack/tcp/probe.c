/* SPDX-License-Identifier: MIT */
#include "stack/tcp/probe.h"

#include "stack/tcp/sender.h"

enum {
	/* Section 7.2: with one segment in flight its ACK may be delayed: by so much at the worst. */
	MAX_ACK_DELAY = 200000,
	/* Below this it is the peer's process that was not running, not a loss. */
	MIN_PROBE_TIME = 5000,
	/* Section 7.2: before the first sample. */
	FIRST_PROBE_TIME = 1000000,
};

uint64_t cothon_tcp_probe_time(const struct cothon_tcp *tcp)
{
	const struct cothon_tcp_recovery *recovery = tcp->recovery;
	uint32_t out = cothon_seq_sub(tcp->snd.nxt, tcp->snd.una);
	uint64_t time = 2 * (uint64_t)tcp->snd.rtt.srtt;

	if (!tcp->sack || out == 0 || recovery->tlp_out || recovery->board.sacked > 0 ||
	    recovery->state != COTHON_RECOVERY_OPEN)
		return 0;
	if (time == 0)
		return FIRST_PROBE_TIME;
	/* What is less than two segments may be acknowledged late as well (SHLD-18). */
	if (out < 2 * tcp->snd.mss)
		time += MAX_ACK_DELAY;
	return time > MIN_PROBE_TIME ? time : MIN_PROBE_TIME;
}

void cothon_tcp_probe_send(struct cothon_tcp *tcp)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	uint32_t out = cothon_seq_sub(tcp->snd.nxt, tcp->snd.una);
	uint32_t len = out < tcp->snd.mss ? out : tcp->snd.mss;

	if (out == 0 || recovery->state != COTHON_RECOVERY_OPEN)
		return;
	/* Before it goes out, lest another be thought due after it. */
	recovery->tlp_out = true;
	/* Section 7.3: new data if there is some, else the last segment once more. */
	recovery->tlp_is_retrans = !cothon_tcp_sender_override(tcp);
	if (recovery->tlp_is_retrans &&
	    cothon_tcp_sender_emit(tcp, cothon_seq_add(tcp->snd.nxt, 0u - len), len)) {
		recovery->tlp_out = false;
		return;
	}
	tcp->stack->counters.tcp_tail_probes++;
	recovery->tlp_end_seq = tcp->snd.nxt;
}

void cothon_tcp_probe_ack(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack)
{
	struct cothon_tcp_recovery *recovery = tcp->recovery;
	struct cothon_seq end = recovery->tlp_end_seq;

	if (!recovery->tlp_out || cothon_seq_before(ack->header->ack, end))
		return;
	if (recovery->tlp_is_retrans && !(ack->dsack && cothon_seq_equal(ack->twice.end, end))) {
		/* It arrived once: which of the two sendings is only known when something later has arrived as well. */
		if (cothon_seq_equal(ack->header->ack, end) &&
		    !(ack->duplicate && ack->header->sack_count == 0))
			return;
		if (cothon_seq_after(ack->header->ack, end))
			cothon_tcp_recovery_mended(tcp);
	}
	recovery->tlp_out = false;
}
