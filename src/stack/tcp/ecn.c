/* SPDX-License-Identifier: MIT */
#include "stack/tcp/ecn.h"

#include "stack/tcp/receiver.h"
#include "stack/tcp/recovery.h"

enum {
	/* Both in a SYN ask for it, ECE alone in a SYN-ACK agrees (RFC 3168 section 6.1.1). */
	BOTH = COTHON_TCP_ECE | COTHON_TCP_CWR
};

uint8_t cothon_tcp_ecn_offer(struct cothon_tcp *tcp)
{
	if (tcp->state != COTHON_TCP_SYN_SENT)
		return tcp->ecn.echoes ? COTHON_TCP_ECE : 0;
	/* RFC 3168 section 6.1.1.1: a SYN that was not answered may have been dropped for asking. */
	if (tcp->stack->config.ecn == COTHON_ECN_REQUEST && tcp->retransmits == 0) {
		tcp->ecn.asked = true;
		return BOTH;
	}
	tcp->ecn.plain = true;
	return 0;
}

void cothon_tcp_ecn_learn(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	uint8_t needed = header->flags & COTHON_TCP_ACK ? COTHON_TCP_ECE : BOTH;
	bool ours = tcp->active ? tcp->ecn.asked : tcp->stack->config.ecn != COTHON_ECN_OFF;

	/* A peer that sends back whatever flags it got has not agreed. */
	if (!ours || (header->flags & BOTH) != needed)
		tcp->ecn.plain = true;
	tcp->ecn.echoes = ours && (header->flags & BOTH) == needed;
	/* Section 6.1.1: with any SYN among them that did not ask for it nothing is sent as able. */
	tcp->ecn.sends = tcp->ecn.echoes && !tcp->ecn.plain;
}

uint8_t cothon_tcp_ecn_mark(const struct cothon_tcp *tcp, struct cothon_tcp_header *header,
			    bool fresh)
{
	if (tcp->ecn.echo)
		header->flags |= COTHON_TCP_ECE;
	/* Sections 6.1.4 and 6.1.5: neither ACKs alone nor what is sent again. */
	if (!fresh || !tcp->ecn.sends)
		return COTHON_ECN_NOT_ECT;
	if (tcp->ecn.cwr_due)
		header->flags |= COTHON_TCP_CWR;
	return COTHON_ECN_ECT_0;
}

void cothon_tcp_ecn_sent(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	if (!(header->flags & COTHON_TCP_CWR))
		return;
	tcp->ecn.cwr_due = false;
	tcp->ecn.cwr_out = true;
	tcp->ecn.cwr_seq = header->seq;
}

void cothon_tcp_ecn_input(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			  uint8_t traffic_class)
{
	if (!tcp->ecn.echoes)
		return;
	/* Section 6.1.3: the echo ends with CWR, and begins again if that segment was marked itself. */
	if (header->flags & COTHON_TCP_CWR)
		tcp->ecn.echo = false;
	if ((traffic_class & COTHON_ECN_MASK) != COTHON_ECN_CE)
		return;
	tcp->stack->counters.tcp_ecn_marks_in++;
	tcp->ecn.echo = true;
	cothon_tcp_receiver_ack_now(tcp);
}

void cothon_tcp_ecn_reduced(struct cothon_tcp *tcp)
{
	tcp->ecn.cwr_due = tcp->ecn.sends;
	tcp->ecn.marked = false;
}

bool cothon_tcp_ecn_covers(const struct cothon_tcp *tcp, struct cothon_seq seq)
{
	/* What goes out first after the reduction says CWR. */
	return tcp->ecn.marked &&
	       (tcp->ecn.cwr_due || (tcp->ecn.cwr_out && cothon_seq_before(seq, tcp->ecn.cwr_seq)));
}

bool cothon_tcp_ecn_told(const struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	return tcp->ecn.sends && (header->flags & COTHON_TCP_ECE);
}

void cothon_tcp_ecn_ack(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack)
{
	/* Until CWR has arrived the peer says what is known: section 6.1.2, once for each window of data. */
	if (tcp->ecn.cwr_out && cothon_seq_after(tcp->snd.una, tcp->ecn.cwr_seq))
		tcp->ecn.cwr_out = false;
	if (!cothon_tcp_ecn_told(tcp, ack->header) || tcp->ecn.cwr_due || tcp->ecn.cwr_out ||
	    (tcp->recovery && tcp->recovery->state != COTHON_RECOVERY_OPEN))
		return;
	tcp->stack->counters.tcp_ecn_reductions++;
	cothon_tcp_recovery_marked(tcp, ack->acked);
	tcp->ecn.marked = true;
}
