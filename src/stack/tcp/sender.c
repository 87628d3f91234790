/* SPDX-License-Identifier: MIT */
#include "stack/tcp/sender.h"

#include "stack/tcp/handshake.h"
#include "stack/tcp/path.h"
#include "stack/tcp/receiver.h"
#include "stack/tcp/recovery.h"
#include "stack/tcp/timers.h"
#include <errno.h>
#include <string.h>

enum {
	/* Payload of the largest frame: what 65,535 bytes leave beside the longest headers. */
	MAX_GSO_PAYLOAD = 65535 - COTHON_IPV6_HEADER - COTHON_TCP_HEADER_MAX,
	/* A flow may hold twice its congestion window, but at least this. */
	MIN_SEND_BUFFER = 262144,
	/* What every flow may hold when memory is short, so that it goes on. */
	PRESSED_SEND_BUFFER = 16384,
	/* Room there must be before an owner that waits for some is told. */
	WRITABLE_ROOM = 131072,
};

/* Segments */

uint32_t cothon_tcp_timestamp(const struct cothon_tcp *tcp)
{
	return (uint32_t)(tcp->stack->now / 1000) + tcp->ts_offset;
}

static int output(struct cothon_stack *stack, const struct cothon_flow *flow,
		  struct cothon_tcp_header *header, const struct iovec *payload, unsigned count,
		  uint16_t gso_size, uint8_t ecn)
{
	uint8_t bytes[COTHON_TCP_HEADER_MAX];
	struct cothon_outgoing out = {
		.ip =
			{
				.source = flow->local,
				.destination = flow->remote,
				.version = cothon_addr_is_ipv4(&flow->remote) ? 4 : 6,
				.protocol = COTHON_TCP,
				.hops = COTHON_HOPS,
				.traffic_class = ecn,
				.dont_fragment = true,
			},
		.header = bytes,
		.checksum_at = 16,
		.payload = payload,
		.count = count,
		.gso = gso_size ? COTHON_GSO_TCP : COTHON_GSO_NONE,
		.gso_size = gso_size,
	};

	header->source_port = flow->local_port;
	header->destination_port = flow->remote_port;
	out.header_len = cothon_tcp_emit(header, bytes);
	for (unsigned i = 0; i < count; i++)
		out.payload_len += payload[i].iov_len;
	stack->counters.tcp_out++;
	return cothon_ip_output(stack, &out);
}

int cothon_tcp_transmit(struct cothon_tcp *tcp, struct cothon_tcp_header *header,
			const struct iovec *payload, unsigned count, uint16_t gso_size)
{
	bool fresh = count > 0 && cothon_seq_equal(header->seq, tcp->snd.nxt);
	uint8_t ecn = COTHON_ECN_NOT_ECT;
	int error;

	if (!(header->flags & COTHON_TCP_SYN)) {
		header->flags |= COTHON_TCP_ACK;
		ecn = cothon_tcp_ecn_mark(tcp, header, fresh);
		header->ack = tcp->rcv.nxt;
		header->window = cothon_tcp_receiver_window(tcp);
		header->has_timestamp = tcp->timestamps;
		/* RFC 6691: options are taken off the payload. SACK blocks go in segments that have none. */
		if (count == 0)
			cothon_tcp_receiver_sack(tcp, header);
	}
	if (header->has_timestamp) {
		header->ts_value = cothon_tcp_timestamp(tcp);
		header->ts_echo = header->flags & COTHON_TCP_ACK ? tcp->ts_recent : 0;
	}
	error = output(tcp->stack, &tcp->entry.flow, header, payload, count, gso_size, ecn);
	if (error == -EAGAIN)
		return error;
	if (ecn)
		cothon_tcp_ecn_sent(tcp, header);
	if (header->flags & COTHON_TCP_ACK)
		cothon_tcp_receiver_acked(tcp, count > 0);
	return error;
}

/* An ACK without data. */
static int send_ack(struct cothon_tcp *tcp)
{
	struct cothon_tcp_header header = {.seq = tcp->snd.nxt};

	return cothon_tcp_transmit(tcp, &header, NULL, 0, 0);
}

void cothon_tcp_send_probe(struct cothon_tcp *tcp)
{
	struct cothon_tcp_header header = {.seq = cothon_seq_add(tcp->snd.una, UINT32_MAX)};

	cothon_tcp_transmit(tcp, &header, NULL, 0, 0);
}

static int output_reset(struct cothon_stack *stack, const struct cothon_flow *flow,
			struct cothon_seq seq, struct cothon_seq ack, bool with_ack)
{
	struct cothon_tcp_header header = {
		.seq = seq,
		.ack = with_ack ? ack : (struct cothon_seq){0},
		.flags = COTHON_TCP_RST | (with_ack ? COTHON_TCP_ACK : 0),
	};

	return output(stack, flow, &header, NULL, 0, 0, COTHON_ECN_NOT_ECT);
}

void cothon_tcp_send_reset_for(struct cothon_stack *stack, const struct cothon_flow *flow,
			       struct cothon_seq seq, struct cothon_seq ack, bool with_ack)
{
	stack->counters.tcp_resets_out++;
	/* Where the link takes nothing it is lost: what it answers comes again. */
	output_reset(stack, flow, seq, ack, with_ack);
}

void cothon_tcp_send_reset(struct cothon_tcp *tcp)
{
	bool held = tcp->state == COTHON_TCP_LISTEN;
	struct cothon_seq seq = held ? (struct cothon_seq){0} : tcp->snd.nxt;
	struct cothon_stack *stack = tcp->stack;

	if (tcp->state == COTHON_TCP_SYN_SENT || tcp->state == COTHON_TCP_TIME_WAIT)
		return;
	stack->counters.tcp_resets_out++;
	if (output_reset(stack, &tcp->entry.flow, seq, tcp->rcv.nxt, true) != -EAGAIN ||
	    stack->late_reset_count == COTHON_LATE_RESETS)
		return;
	/* Nothing would bring it about again: the connection will be no more. */
	stack->late_resets[stack->late_reset_count++] =
		(struct cothon_late_reset){tcp->entry.flow, seq.v, tcp->rcv.nxt.v};
}

bool cothon_tcp_send_late_resets(struct cothon_stack *stack)
{
	unsigned sent = 0;

	while (sent < stack->late_reset_count) {
		const struct cothon_late_reset *late = &stack->late_resets[sent];

		if (output_reset(stack, &late->flow, (struct cothon_seq){late->seq},
				 (struct cothon_seq){late->ack}, true) == -EAGAIN)
			break;
		sent++;
	}
	stack->late_reset_count -= sent;
	memmove(stack->late_resets, stack->late_resets + sent,
		stack->late_reset_count * sizeof(stack->late_resets[0]));
	return stack->late_reset_count == 0;
}

/* The queue of chunks */

static struct cothon_seq chunk_start(const struct cothon_buf *chunk)
{
	return (struct cothon_seq){chunk->mark};
}

static struct cothon_seq chunk_end(const struct cothon_buf *chunk)
{
	return (struct cothon_seq){chunk->mark + chunk->len};
}

/* The chunk that holds the byte `seq`; NULL behind the last. */
static struct cothon_buf *find_chunk(struct cothon_tcp *tcp, struct cothon_seq seq)
{
	struct cothon_buf *chunk = tcp->snd.cursor;

	if (!chunk || cothon_seq_before(seq, chunk_start(chunk)))
		chunk = tcp->snd.head;
	while (chunk && !cothon_seq_before(seq, chunk_end(chunk)))
		chunk = chunk->next;
	tcp->snd.cursor = chunk;
	return chunk;
}

/* Points `iov` at the bytes from `seq` on. Returns how many of `len` the vector has room for. */
static uint32_t gather(struct cothon_tcp *tcp, struct cothon_seq seq, uint32_t len,
		       struct iovec *iov, unsigned *count)
{
	struct cothon_buf *chunk = find_chunk(tcp, seq);
	uint32_t done = 0;

	for (*count = 0; done < len && chunk && *count < COTHON_FRAME_IOV - 2; (*count)++) {
		uint32_t skip = cothon_seq_sub(cothon_seq_add(seq, done), chunk_start(chunk));
		uint32_t take = chunk->len - skip < len - done ? chunk->len - skip : len - done;

		iov[*count] = (struct iovec){chunk->data + skip, take};
		done += take;
		chunk = chunk->next;
	}
	return done;
}

static void release_acked(struct cothon_tcp *tcp)
{
	struct cothon_tcp_sender *snd = &tcp->snd;

	while (snd->head && !cothon_seq_after(chunk_end(snd->head), snd->una)) {
		struct cothon_buf *chunk = snd->head;

		snd->head = chunk->next;
		if (snd->cursor == chunk)
			snd->cursor = NULL;
		if (!snd->head)
			snd->tail = NULL;
		cothon_buf_put(chunk);
	}
}

void cothon_tcp_sender_clear(struct cothon_tcp *tcp)
{
	cothon_buf_put_list(tcp->snd.head);
	cothon_buf_put_list(tcp->snd.reserve);
	tcp->snd.head = tcp->snd.tail = tcp->snd.cursor = tcp->snd.reserve = NULL;
}

static uint32_t in_flight(const struct cothon_tcp *tcp)
{
	return cothon_seq_sub(tcp->snd.nxt, tcp->snd.una);
}

uint32_t cothon_tcp_sender_unsent(const struct cothon_tcp *tcp)
{
	return cothon_seq_sub(cothon_seq_add(tcp->snd.written, tcp->snd.fin_queued), tcp->snd.nxt);
}

uint32_t cothon_tcp_sender_room(const struct cothon_tcp *tcp)
{
	uint32_t max = tcp->stack->config.max_send;
	uint32_t limit = tcp->cc.cwnd < max / 2 ? 2 * tcp->cc.cwnd : max;
	uint32_t floor = MIN_SEND_BUFFER < max ? MIN_SEND_BUFFER : max;
	uint32_t queued = (uint32_t)cothon_tcp_unacknowledged(tcp);

	if (limit < floor)
		limit = floor;
	if (cothon_pool_pressed(tcp->stack->pool) && limit > PRESSED_SEND_BUFFER)
		limit = PRESSED_SEND_BUFFER;
	return queued < limit ? limit - queued : 0;
}

/* Sending */

/* As cothon_tcp_sender_emit(), in segments of at most `mss` bytes. */
static int emit(struct cothon_tcp *tcp, struct cothon_seq seq, uint32_t len, uint32_t mss)
{
	struct iovec iov[COTHON_FRAME_IOV];
	struct cothon_seq end = cothon_seq_add(seq, len);
	bool fin = cothon_seq_after(end, tcp->snd.written);
	bool retransmission = cothon_seq_before(seq, tcp->snd.nxt);
	struct cothon_tcp_header header = {.seq = seq};
	uint32_t payload = len - fin, got;
	unsigned count;
	int error = cothon_tcp_recovery_start(tcp);

	if (error)
		return error;
	got = gather(tcp, seq, payload, iov, &count);
	if (got < payload) {
		fin = false;
		end = cothon_seq_add(seq, got);
	}
	/* MUST-60: the last of what there is to send is pushed. */
	if (!cothon_seq_before(end, tcp->snd.written))
		header.flags |= COTHON_TCP_PSH;
	if (fin)
		header.flags |= COTHON_TCP_FIN;
	error = cothon_tcp_transmit(tcp, &header, iov, count, got > mss ? (uint16_t)mss : 0);
	if (error == -EAGAIN)
		return error;
	tcp->snd.last_sent = tcp->stack->now;
	if (retransmission) {
		tcp->retransmits++;
		tcp->stack->counters.tcp_retransmits++;
		tcp->snd.timing = false;
		cothon_tcp_path_resent(tcp, seq, end);
	} else {
		if (in_flight(tcp) == 0)
			cothon_tcp_timers_first_sent(tcp);
		cothon_tcp_sender_time(tcp, seq);
		tcp->snd.nxt = end;
	}
	cothon_tcp_recovery_sent(tcp, seq, end, retransmission);
	cothon_tcp_timers_sent(tcp);
	return 0;
}

int cothon_tcp_sender_emit(struct cothon_tcp *tcp, struct cothon_seq seq, uint32_t len)
{
	return emit(tcp, seq, len, tcp->snd.mss);
}

/* The largest part of `len` bytes that one frame takes. */
static uint32_t frame_length(const struct cothon_tcp *tcp, uint32_t len)
{
	uint32_t mss = tcp->snd.mss;
	uint32_t max = MAX_GSO_PAYLOAD;
	unsigned needed = COTHON_LINK_TSO | COTHON_LINK_CSUM;

	if (len <= mss)
		return len;
	/* CWR goes in one segment, not in all that a frame is cut into (RFC 3168 section 6.1.2). */
	if ((tcp->stack->link->features & needed) != needed || max < 2 * mss || tcp->ecn.cwr_due)
		return mss;
	return len <= max ? len : max - max % mss;
}

/*
 * How many new bytes may go out now: within the peer's window and the congestion window, and not in crumbs (silly
 * window avoidance, RFC 9293 section 3.8.6.2.1; Nagle, section 3.7.4).
 */
static uint32_t sendable(const struct cothon_tcp *tcp)
{
	uint32_t unsent = cothon_tcp_sender_unsent(tcp);
	uint32_t out = in_flight(tcp);
	uint32_t pipe = cothon_tcp_recovery_pipe(tcp);
	uint32_t room = tcp->snd.wnd > out ? tcp->snd.wnd - out : 0;
	uint32_t mss = tcp->snd.mss;
	uint32_t len;

	if (unsent == 0 || pipe >= tcp->cc.cwnd)
		return 0;
	if (room > tcp->cc.cwnd - pipe)
		room = tcp->cc.cwnd - pipe;
	len = unsent < room ? unsent : room;
	if (len == unsent && (tcp->options.no_delay || out == 0 || tcp->snd.fin_queued))
		return len;
	/* No MSS is 0 (handshake.c): said for those who cannot know. */
	if (mss > 0 && len >= mss)
		return len - len % mss;
	return len > 0 && len >= tcp->snd.max_wnd / 2 ? len : 0;
}

/* Sends what comes next in one segment, larger than others. Returns as send_next(). */
static int64_t send_large(struct cothon_tcp *tcp, uint32_t len)
{
	struct cothon_seq start = tcp->snd.nxt;
	int error = emit(tcp, start, len, len);

	if (error)
		return error;
	cothon_tcp_path_tried(tcp, start);
	return len;
}

/* Sends one frame. Returns its length in sequence space, 0 when nothing may go out, -EAGAIN, or -ENOMEM. */
static int64_t send_next(struct cothon_tcp *tcp)
{
	struct cothon_seq start = tcp->snd.nxt, end;
	uint32_t len, large;
	int error;

	if (cothon_tcp_recovery_next(tcp, &start, &end)) {
		uint32_t pipe = cothon_tcp_recovery_pipe(tcp);
		uint32_t room = pipe < tcp->cc.cwnd ? tcp->cc.cwnd - pipe : 0;

		/* RFC 6675 section 5 (C): a segment goes out when there is room for a whole one. */
		if (room < tcp->snd.mss) {
			if (!tcp->recovery->at_once)
				return 0;
			room = tcp->snd.mss;
		}
		len = cothon_seq_sub(end, start);
		len = len < room ? len : room;
	} else {
		start = tcp->snd.nxt;
		len = sendable(tcp);
		large = cothon_tcp_path_try(tcp, len);
		if (large)
			return send_large(tcp, large);
	}
	if (len == 0)
		return 0;
	len = frame_length(tcp, len);
	error = cothon_tcp_sender_emit(tcp, start, len);
	return error ? error : (int64_t)len;
}

/* RFC 5681 section 4.1: after a pause the window starts anew. */
static void check_idle(struct cothon_tcp *tcp)
{
	uint64_t idle = tcp->stack->now - tcp->snd.last_sent;

	if (!tcp->snd.last_sent || in_flight(tcp) > 0 || idle <= cothon_rtt_timeout(&tcp->snd.rtt))
		return;
	cothon_congestion_restart(&tcp->cc, idle);
	/* This pause is dealt with, though nothing may be sent yet. */
	tcp->snd.last_sent = tcp->stack->now;
}

bool cothon_tcp_sender_override(struct cothon_tcp *tcp)
{
	uint32_t unsent = cothon_tcp_sender_unsent(tcp);
	uint32_t len = unsent < tcp->snd.wnd ? unsent : tcp->snd.wnd;

	if (len > tcp->snd.mss)
		len = tcp->snd.mss;
	return len > 0 && cothon_tcp_sender_emit(tcp, tcp->snd.nxt, len) == 0;
}

bool cothon_tcp_output(struct cothon_tcp *tcp, uint32_t budget)
{
	uint32_t sent = 0;

	if (tcp->state == COTHON_TCP_SYN_SENT || tcp->state == COTHON_TCP_SYN_RECEIVED) {
		cothon_tcp_handshake_output(tcp);
		/* What SYN-RECEIVED takes for wrong is answered by an ACK, unless the SYN-ACK did. */
		return tcp->snd.syn_due || (tcp->ack_due && send_ack(tcp) == -EAGAIN);
	}
	if (tcp->state == COTHON_TCP_LISTEN || tcp->state == COTHON_TCP_CLOSED)
		return false;
	if (tcp->state != COTHON_TCP_TIME_WAIT && cothon_tcp_sender_unsent(tcp))
		check_idle(tcp);
	/* No frame is cut for the budget: what the last one takes beyond it is owed to the others. */
	while (tcp->state != COTHON_TCP_TIME_WAIT && sent < budget) {
		int64_t len = send_next(tcp);

		if (len == -ENOMEM) {
			cothon_tcp_timers_no_memory(tcp);
			break;
		}
		if (len < 0)
			return true;
		if (len == 0)
			break;
		sent += (uint32_t)len;
	}
	if (tcp->ack_due && send_ack(tcp) == -EAGAIN)
		return true;
	if (in_flight(tcp) == 0 && tcp->state != COTHON_TCP_TIME_WAIT &&
	    cothon_tcp_sender_unsent(tcp))
		cothon_tcp_timers_blocked(tcp);
	/* Its owner may have gone between two polls, when the time was not known. */
	if (tcp->state == COTHON_TCP_FIN_WAIT_2 && !tcp->owned)
		cothon_tcp_timers_orphaned(tcp);
	return sent >= budget;
}

/* What ACKs say */

void cothon_tcp_sender_time(struct cothon_tcp *tcp, struct cothon_seq seq)
{
	if (tcp->snd.timing)
		return;
	tcp->snd.timing = true;
	tcp->snd.timed_seq = seq;
	tcp->snd.timed_at = tcp->stack->now;
}

void cothon_tcp_sender_sample(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	struct cothon_tcp_sender *snd = &tcp->snd;
	uint64_t lost_at = tcp->recovery ? tcp->recovery->began_at : 0;
	uint32_t echo;

	if (snd->timing) {
		if (!cothon_seq_after(header->ack, snd->timed_seq))
			return;
		snd->timing = false;
		cothon_rtt_sample(&snd->rtt, tcp->stack->now - snd->timed_at);
		return;
	}
	if (!tcp->timestamps || !header->has_timestamp || header->ts_echo == 0)
		return;
	/*
	 * RFC 7323 section 4: the echo tells, in milliseconds, which of several sendings was acknowledged. One from before
	 * what was lost was sent again is of a sending whose ACK may have been what was lost: its time is mostly that
	 * of our own waiting, and each such sample would make the next wait longer.
	 */
	echo = cothon_tcp_timestamp(tcp) - header->ts_echo;
	if (echo < COTHON_RTO_MAX / 1000 && echo <= tcp->stack->now / 1000 - lost_at / 1000)
		cothon_rtt_sample(&snd->rtt, echo * UINT64_C(1000));
}

bool cothon_tcp_sender_window(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			      bool force)
{
	struct cothon_tcp_sender *snd = &tcp->snd;
	uint32_t window = (uint32_t)header->window << snd->wscale;
	bool changed = window != snd->wnd;

	/* SND.WL1 and SND.WL2 keep old segments from changing it (RFC 9293 section 3.10.7.4). */
	if (!force &&
	    (cothon_seq_before(header->ack, snd->una) || cothon_seq_before(header->seq, snd->wl1) ||
	     (cothon_seq_equal(header->seq, snd->wl1) && cothon_seq_before(header->ack, snd->wl2))))
		return false;
	snd->wnd = window;
	snd->wl1 = header->seq;
	snd->wl2 = header->ack;
	if (window > snd->max_wnd)
		snd->max_wnd = window;
	if (changed && cothon_tcp_sender_unsent(tcp))
		cothon_tcp_request(tcp);
	return changed;
}

static void tell_room(struct cothon_tcp *tcp)
{
	uint32_t enough = tcp->stack->config.max_send / 2;

	if (!tcp->snd.blocked || tcp->snd.fin_queued)
		return;
	if (enough > WRITABLE_ROOM)
		enough = WRITABLE_ROOM;
	/* With nothing under way no ACK will come by which it could be told later. */
	if (cothon_tcp_sender_room(tcp) < enough && cothon_tcp_unacknowledged(tcp) > 0)
		return;
	tcp->snd.blocked = false;
	cothon_tcp_notify(tcp, COTHON_TCP_WRITABLE);
}

/* The window grows only when it was what limited sending (RFC 9438 section 5.8, RFC 7661). */
static void grow_window(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack, uint32_t out)
{
	struct cothon_congestion *cc = &tcp->cc;
	bool limited = cc->cwnd < cc->ssthresh ? out >= cc->cwnd / 2 : out + cc->mss >= cc->cwnd;
	/* After a time-out, what had arrived before makes no room now. */
	uint8_t state = tcp->recovery->state;
	uint32_t bytes = state == COTHON_RECOVERY_OPEN ? ack->acked : ack->delivered;

	cothon_hystart_acked(cc, ack->acked, in_flight(tcp), ack->rtt);
	if (limited && state != COTHON_RECOVERY_FAST && !cothon_tcp_ecn_told(tcp, ack->header))
		cc->ops->acked(cc, bytes, tcp->stack->now, tcp->snd.rtt.srtt);
}

/* snd.una moves to the segment's ACK. */
static bool advance(struct cothon_tcp *tcp, struct cothon_tcp_ack *ack)
{
	struct cothon_tcp_sender *snd = &tcp->snd;
	uint32_t out = in_flight(tcp);
	bool fin = cothon_seq_after(ack->header->ack, snd->written);

	cothon_tcp_sender_sample(tcp, ack->header);
	ack->acked = cothon_seq_sub(ack->header->ack, snd->una);
	snd->una = ack->header->ack;
	tcp->soft_error = 0;
	tcp->bytes_out += ack->acked - fin;
	release_acked(tcp);
	cothon_tcp_path_acked(tcp);
	cothon_tcp_recovery_acked(tcp, ack);
	grow_window(tcp, ack, out);
	return fin;
}

/* A duplicate (RFC 5681 section 2; with SACK: RFC 6675 section 2). */
static bool is_duplicate(const struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack,
			 uint32_t payload, bool window_changed)
{
	if (ack->acked > 0 || in_flight(tcp) == 0 ||
	    !cothon_seq_equal(ack->header->ack, tcp->snd.una))
		return false;
	if (tcp->sack)
		return ack->sacked > 0;
	return payload == 0 && !window_changed && !(ack->header->flags & COTHON_TCP_FIN);
}

bool cothon_tcp_sender_ack(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			   uint32_t payload)
{
	struct cothon_tcp_ack ack;
	bool fin = false, window_changed;

	cothon_tcp_recovery_begin(tcp, header, &ack);
	window_changed = cothon_tcp_sender_window(tcp, header, false);
	if (cothon_seq_after(header->ack, tcp->snd.una))
		fin = advance(tcp, &ack);
	cothon_tcp_recovery_sack(tcp, &ack);
	ack.duplicate = is_duplicate(tcp, &ack, payload, window_changed);
	cothon_tcp_recovery_ack(tcp, &ack);
	if (ack.acked == 0)
		return false;
	cothon_tcp_timers_acked(tcp);
	tell_room(tcp);
	if (cothon_tcp_sender_unsent(tcp))
		cothon_tcp_request(tcp);
	return fin;
}
