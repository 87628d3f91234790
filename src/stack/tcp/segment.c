/* SPDX-License-Identifier: MIT */
#include "stack/tcp/segment.h"

#include "stack/tcp/handshake.h"
#include "stack/tcp/path.h"
#include "stack/tcp/receiver.h"
#include "stack/tcp/sender.h"
#include "stack/tcp/timers.h"
#include <errno.h>

enum {
	/* Microseconds between challenge ACKs of one flow: no counter is shared, so none can be probed (RFC 5961 section 7). */
	CHALLENGE_INTERVAL = 500000,
	/* RFC 7323 section 5.5: after 24 days without news TS.Recent is no longer compared. */
	TS_RECENT_SECONDS = 24 * 24 * 3600,
};

static void challenge(struct cothon_tcp *tcp)
{
	struct cothon_stack *stack = tcp->stack;

	if (tcp->challenge_at && stack->now - tcp->challenge_at < CHALLENGE_INTERVAL)
		return;
	tcp->challenge_at = stack->now ? stack->now : 1;
	stack->counters.tcp_challenge_acks++;
	cothon_tcp_receiver_ack_now(tcp);
}

/* RFC 7323 section 5.3 R1: a timestamp older than the last is an old duplicate's; RST is exempt. */
static bool paws_rejects(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	struct cothon_stack *stack = tcp->stack;

	if (!tcp->timestamps || !header->has_timestamp || (header->flags & COTHON_TCP_RST) ||
	    (int32_t)(header->ts_value - tcp->ts_recent) >= 0)
		return false;
	if (stack->now - tcp->ts_recent_at > TS_RECENT_SECONDS * UINT64_C(1000000))
		return false;
	stack->counters.tcp_paws_dropped++;
	return true;
}

/*
 * RFC 7323 section 3.2: once negotiated, a segment without timestamps is dropped in silence; it would pass by PAWS.
 * RST is exempt, and SYN, which is challenged.
 */
static bool lacks_timestamp(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	if (!tcp->timestamps || header->has_timestamp ||
	    (header->flags & (COTHON_TCP_SYN | COTHON_TCP_RST)))
		return false;
	tcp->stack->counters.tcp_paws_dropped++;
	return true;
}

/* RFC 7323 section 4.3 (2): remembers the timestamp of the segment that our next ACK answers. */
static void remember_timestamp(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	/* One that is older has passed for TS.Recent being too old itself: then it is the news. */
	if (!tcp->timestamps || !header->has_timestamp ||
	    cothon_seq_after(header->seq, tcp->rcv.acked))
		return;
	tcp->ts_recent = header->ts_value;
	tcp->ts_recent_at = tcp->stack->now;
}

/* The acceptability test of RFC 9293 section 3.10.7.4, first. */
static bool acceptable(const struct cothon_tcp *tcp, struct cothon_seq seq, uint32_t len)
{
	struct cothon_seq nxt = tcp->rcv.nxt;
	uint32_t window = cothon_seq_sub(tcp->rcv.adv, nxt);

	if (len == 0 && window == 0)
		return cothon_seq_equal(seq, nxt);
	if (len == 0)
		return cothon_seq_in(seq, nxt, window);
	if (window == 0)
		return false;
	return cothon_seq_in(seq, nxt, window) ||
	       cothon_seq_in(cothon_seq_add(seq, len - 1), nxt, window);
}

/* RFC 5961 section 3.2: a RST counts only with exactly the next sequence number; in the window it is challenged. */
static void reset_input(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	uint32_t window = cothon_seq_sub(tcp->rcv.adv, tcp->rcv.nxt);

	if (!cothon_seq_equal(header->seq, tcp->rcv.nxt)) {
		if (cothon_seq_in(header->seq, tcp->rcv.nxt, window))
			challenge(tcp);
		return;
	}
	tcp->stack->counters.tcp_resets_in++;
	switch (tcp->state) {
	case COTHON_TCP_TIME_WAIT:
		/* RFC 1337 section 3: a RST must not cut TIME-WAIT short. */
		return;
	case COTHON_TCP_CLOSING:
	case COTHON_TCP_LAST_ACK:
		/* In order, unless something written is lost with it. */
		cothon_tcp_end(tcp, cothon_tcp_unacknowledged(tcp) ? -ECONNRESET : 0);
		return;
	case COTHON_TCP_SYN_RECEIVED:
		cothon_tcp_end(tcp, -ECONNREFUSED);
		return;
	default:
		cothon_tcp_end(tcp, -ECONNRESET);
		return;
	}
}

/* The ACK field is there and acceptable. False: the segment goes no further. */
static bool check_ack(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	/* What lies before our first byte was never sent, so nobody can acknowledge it. */
	struct cothon_seq lowest = tcp->bytes_out < tcp->snd.max_wnd
					   ? cothon_seq_add(tcp->snd.iss, 1)
					   : cothon_seq_add(tcp->snd.una, 0u - tcp->snd.max_wnd);

	if (!(header->flags & COTHON_TCP_ACK))
		return false;
	if (tcp->state == COTHON_TCP_SYN_RECEIVED) {
		/* Only our SYN can be acknowledged, and only once it has gone out. */
		if (cothon_seq_after(header->ack, tcp->snd.una) &&
		    cothon_seq_equal(header->ack, tcp->snd.nxt))
			return true;
		cothon_tcp_send_reset_for(tcp->stack, &tcp->entry.flow, header->ack, header->ack,
					  false);
		return false;
	}
	/* RFC 5961 section 5.2: acceptable in [SND.UNA - MAX.SND.WND, SND.NXT], else dropped and answered. */
	if (cothon_seq_before(header->ack, lowest) || cothon_seq_after(header->ack, tcp->snd.nxt)) {
		challenge(tcp);
		return false;
	}
	return true;
}

/* What our FIN's acknowledgment brings about. Returns false when that is the end, of an orphan its memory's too. */
static bool fin_acked(struct cothon_tcp *tcp)
{
	cothon_tcp_notify(tcp, COTHON_TCP_DRAINED);
	switch (tcp->state) {
	case COTHON_TCP_FIN_WAIT_1:
		tcp->state = COTHON_TCP_FIN_WAIT_2;
		if (!tcp->owned)
			cothon_tcp_timers_orphaned(tcp);
		break;
	case COTHON_TCP_CLOSING:
		cothon_tcp_enter_time_wait(tcp);
		break;
	case COTHON_TCP_LAST_ACK:
		cothon_tcp_end(tcp, 0);
		return false;
	default:
		break;
	}
	return true;
}

/* What the peer's FIN, in order, brings about. */
static void fin_received(struct cothon_tcp *tcp)
{
	cothon_tcp_receiver_ack_now(tcp);
	cothon_tcp_notify(tcp, COTHON_TCP_READABLE);
	switch (tcp->state) {
	case COTHON_TCP_ESTABLISHED:
		tcp->state = COTHON_TCP_CLOSE_WAIT;
		break;
	case COTHON_TCP_FIN_WAIT_1:
		tcp->state = COTHON_TCP_CLOSING;
		break;
	case COTHON_TCP_FIN_WAIT_2:
		cothon_tcp_enter_time_wait(tcp);
		break;
	default:
		break;
	}
}

/* Text and FIN, in the states that take them. */
static void text_input(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
		       struct cothon_packet *packet)
{
	bool had_fin = tcp->rcv.fin;

	if (tcp->state != COTHON_TCP_ESTABLISHED && tcp->state != COTHON_TCP_FIN_WAIT_1 &&
	    tcp->state != COTHON_TCP_FIN_WAIT_2) {
		/* The peer's end has been seen: it sends it again because it missed our ACK. */
		if (packet->buf->len || (header->flags & COTHON_TCP_FIN))
			cothon_tcp_receiver_ack_now(tcp);
		return;
	}
	if (cothon_tcp_orphaned(tcp) && packet->buf->len &&
	    cothon_seq_after(cothon_seq_add(header->seq, packet->buf->len), tcp->rcv.nxt)) {
		/* RFC 1122 section 4.2.2.13: nobody is left to read it. */
		cothon_tcp_reset(tcp, 0);
		return;
	}
	if (packet->buf->len)
		cothon_tcp_ecn_input(tcp, header, packet->ip.traffic_class);
	cothon_tcp_receiver_input(tcp, header, packet);
	if (tcp->rcv.fin && !had_fin)
		fin_received(tcp);
}

/* Bytes of sequence space that a segment takes. */
static uint32_t segment_length(const struct cothon_tcp_header *header, uint32_t payload)
{
	return payload + !!(header->flags & COTHON_TCP_SYN) + !!(header->flags & COTHON_TCP_FIN);
}

/* The peer is there: said by what it has sent, not by what anybody may send. */
static void heard(struct cothon_tcp *tcp)
{
	tcp->heard_at = tcp->stack->now;
	tcp->probes = 0;
}

/* True when it acknowledges what nobody but the peer knows: something of what is in flight, or just all. */
static bool acknowledges_now(const struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	uint32_t in_flight = cothon_seq_sub(tcp->snd.nxt, tcp->snd.una);

	return (header->flags & COTHON_TCP_ACK) &&
	       cothon_seq_in(header->ack, tcp->snd.una, in_flight + 1);
}

/* A segment outside the window, or older than what came before: it is answered, no more. */
static void unacceptable_input(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			       uint32_t len)
{
	struct cothon_seq end = cothon_seq_add(header->seq, len);

	tcp->stack->counters.tcp_duplicates++;
	if (header->flags & COTHON_TCP_RST)
		return;
	if (header->flags & COTHON_TCP_SYN) {
		challenge(tcp);
		return;
	}
	/* RFC 9293 section 3.10.7.4, eighth: the peer missed our last ACK, so the 2 MSL begin anew. */
	if (tcp->state == COTHON_TCP_TIME_WAIT && (header->flags & COTHON_TCP_FIN) &&
	    cothon_seq_equal(end, tcp->rcv.nxt))
		cothon_tcp_enter_time_wait(tcp);
	if (tcp->state > COTHON_TCP_SYN_RECEIVED)
		cothon_tcp_receiver_twice(tcp, header->seq, cothon_seq_min(end, tcp->rcv.nxt));
	cothon_tcp_receiver_ack_now(tcp);
}

/*
 * A segment for a connection in SYN-RECEIVED or a synchronized state: the steps of RFC 9293 section 3.10.7.4 in
 * their order.
 */
static void synchronized_input(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			       struct cothon_packet *packet)
{
	uint32_t len = segment_length(header, packet->buf->len);
	bool stale = paws_rejects(tcp, header);
	bool at_zero_window = cothon_seq_equal(tcp->rcv.adv, tcp->rcv.nxt) &&
			      cothon_seq_equal(header->seq, tcp->rcv.nxt);

	if (lacks_timestamp(tcp, header))
		return;
	if (stale || (!acceptable(tcp, header->seq, len) && !at_zero_window)) {
		/* What a peer says whose and our window are both closed may lie outside of ours. */
		if (!stale && acknowledges_now(tcp, header))
			heard(tcp);
		unacceptable_input(tcp, header, len);
		return;
	}
	if (header->flags & COTHON_TCP_RST) {
		reset_input(tcp, header);
		return;
	}
	if (header->flags & COTHON_TCP_SYN) {
		/* RFC 5961 section 4.2: whatever its sequence number. */
		challenge(tcp);
		return;
	}
	if (!check_ack(tcp, header))
		return;
	heard(tcp);
	remember_timestamp(tcp, header);
	if (tcp->state == COTHON_TCP_SYN_RECEIVED) {
		cothon_tcp_sender_sample(tcp, header);
		tcp->snd.una = header->ack;
		cothon_tcp_sender_window(tcp, header, true);
		cothon_tcp_handshake_done(tcp);
	}
	if (cothon_tcp_sender_ack(tcp, header, packet->buf->len) && !fin_acked(tcp))
		return;
	/* With the window closed ACK, RST and URG still count, text does not (MUST-66). */
	if (at_zero_window && len > 0) {
		cothon_tcp_receiver_ack_now(tcp);
		return;
	}
	text_input(tcp, header, packet);
}

/*
 * A SYN that a new connection may be made of in TIME-WAIT: with a later timestamp or sequence number than any of the
 * old one (RFC 6191 section 2, RFC 1122 section 4.2.2.13).
 */
static bool reopens(const struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	if (tcp->state != COTHON_TCP_TIME_WAIT ||
	    (header->flags & (COTHON_TCP_SYN | COTHON_TCP_ACK | COTHON_TCP_RST)) != COTHON_TCP_SYN)
		return false;
	/* With an earlier one it is an old duplicate, whatever its number. */
	if (tcp->timestamps && header->has_timestamp && header->ts_value != tcp->ts_recent)
		return (int32_t)(header->ts_value - tcp->ts_recent) > 0;
	return cothon_seq_after(header->seq, tcp->rcv.nxt);
}

/* RFC 9293 section 3.6.1: the new connection's sequence numbers begin beyond the old one's. */
static void reopen(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
		   const struct cothon_packet *packet)
{
	struct cothon_stack *stack = tcp->stack;
	struct cothon_flow flow = tcp->entry.flow;
	struct cothon_seq used = tcp->snd.nxt;

	cothon_tcp_end(tcp, 0);
	cothon_tcp_handshake_new(stack, packet, &flow, header,
				 segment_length(header, packet->buf->len));
	tcp = cothon_tcp_find(stack, &flow);
	if (tcp)
		cothon_tcp_handshake_beyond(tcp, used);
}

static void connection_input(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			     struct cothon_packet *packet)
{
	switch (tcp->state) {
	case COTHON_TCP_LISTEN:
		/* Held for the forwarder's answer: a repeated SYN changes nothing but ECN, a RST takes it back. */
		if ((header->flags & COTHON_TCP_SYN) && cothon_seq_equal(header->seq, tcp->rcv.irs))
			cothon_tcp_ecn_learn(tcp, header);
		if ((header->flags & COTHON_TCP_RST) && cothon_seq_equal(header->seq, tcp->rcv.nxt))
			cothon_tcp_end(tcp, -ECONNRESET);
		return;
	case COTHON_TCP_SYN_SENT:
		cothon_tcp_handshake_syn_sent(tcp, header);
		return;
	case COTHON_TCP_SYN_RECEIVED:
		if ((header->flags & (COTHON_TCP_SYN | COTHON_TCP_RST)) == COTHON_TCP_SYN &&
		    cothon_seq_equal(header->seq, tcp->rcv.irs)) {
			/* Crossed SYNs, or our answer was lost. A SYN-ACK of crossed SYNs goes on below. */
			if (!(header->flags & COTHON_TCP_ACK)) {
				cothon_tcp_ecn_learn(tcp, header);
				cothon_tcp_handshake_repeat(tcp);
				return;
			}
			struct cothon_tcp_header rest = *header;

			/* Beside a SYN, ECE agrees and is no mark (RFC 3168 section 6.1.1). */
			rest.flags &= (uint8_t) ~(COTHON_TCP_SYN | COTHON_TCP_ECE | COTHON_TCP_CWR);
			rest.seq = cothon_seq_add(rest.seq, 1);
			/* RFC 7323 section 2.2: the window beside a SYN is not scaled. */
			rest.window = (uint16_t)(rest.window >> tcp->snd.wscale);
			synchronized_input(tcp, &rest, packet);
			return;
		}
		synchronized_input(tcp, header, packet);
		return;
	default:
		synchronized_input(tcp, header, packet);
		return;
	}
}

void cothon_tcp_input(struct cothon_stack *stack, struct cothon_packet *packet)
{
	struct cothon_buf *buf = packet->buf;
	struct cothon_endpoint local = {packet->ip.destination, 0};
	struct cothon_endpoint remote = {packet->ip.source, 0};
	struct cothon_tcp_header header;
	struct cothon_flow flow;
	struct cothon_tcp *tcp;

	stack->counters.tcp_in++;
	if ((buf->offload.gso && buf->offload.gso != COTHON_GSO_TCP) ||
	    cothon_tcp_parse(cothon_packet_bytes(packet), &packet->ip, buf->offload.csum_valid,
			     &header)) {
		stack->counters.tcp_bad++;
		return;
	}
	buf->data += header.header_len;
	buf->len -= header.header_len;
	local.port = header.destination_port;
	remote.port = header.source_port;
	flow = cothon_flow_make(COTHON_TCP, &local, &remote);
	tcp = cothon_tcp_find(stack, &flow);
	if (!tcp)
		cothon_tcp_handshake_new(stack, packet, &flow, &header,
					 segment_length(&header, buf->len));
	else if (reopens(tcp, &header))
		reopen(tcp, &header, packet);
	else
		connection_input(tcp, &header, packet);
}

/* ICMP */

static int error_of(enum cothon_unreachable reason)
{
	switch (reason) {
	case COTHON_NET_UNREACHABLE:
		return -ENETUNREACH;
	case COTHON_PORT_UNREACHABLE:
	case COTHON_PROTOCOL_UNREACHABLE:
		return -ECONNREFUSED;
	case COTHON_PROHIBITED:
		return -EACCES;
	default:
		return -EHOSTUNREACH;
	}
}

void cothon_tcp_icmp(struct cothon_stack *stack, const struct cothon_flow *flow,
		     struct cothon_seq seq, enum cothon_unreachable reason, uint32_t mtu)
{
	struct cothon_tcp *tcp = cothon_tcp_find(stack, flow);

	if (!tcp || tcp->state == COTHON_TCP_LISTEN || tcp->state == COTHON_TCP_TIME_WAIT ||
	    !cothon_seq_in(seq, tcp->snd.una, cothon_seq_sub(tcp->snd.nxt, tcp->snd.una)))
		return;
	if (reason == COTHON_TOO_BIG) {
		cothon_tcp_path_told(tcp, mtu);
		return;
	}
	tcp->soft_error = error_of(reason);
	/* MUST-56: before the connection is synchronized a hard error ends the attempt. */
	if (tcp->state == COTHON_TCP_SYN_SENT &&
	    (reason == COTHON_PORT_UNREACHABLE || reason == COTHON_PROTOCOL_UNREACHABLE ||
	     reason == COTHON_PROHIBITED))
		cothon_tcp_end(tcp, tcp->soft_error);
}
