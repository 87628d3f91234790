/* SPDX-License-Identifier: MIT */
#include "stack/tcp/receiver.h"

#include "stack/tcp/timers.h"
#include <errno.h>
#include <string.h>

enum {
	/* Bytes of memory that a few small segments out of order may take whatever the window is (SHLD-31). */
	LEAST_HELD = 4096,
	/* Segments up to this size are appended to the buffer before them instead of keeping one each. */
	COALESCE = 1024,
	/*
	 * What every flow may hold when memory is short, so that it goes on: those that hold the memory may be
	 * waiting for it.
	 */
	PRESSED_RECEIVE_BUFFER = 16384,
	/* What every flow may hold from its start: what the window of a SYN can promise. */
	FIRST_RECEIVE_BUFFER = 65536,
	/* Microseconds without a segment after which a flow does not need more than that. */
	SILENCE = 1000000,
	/* ACKs sent at once at the start of a flow, when the peer's window is still small. */
	QUICK_ACKS = 16,
};

/* The buffer is as it began; what the window has promised stays promised. */
static void take_back(struct cothon_tcp *tcp)
{
	if (tcp->rcv.size <= FIRST_RECEIVE_BUFFER)
		return;
	tcp->stack->receive_granted -= tcp->rcv.size - FIRST_RECEIVE_BUFFER;
	tcp->rcv.size = FIRST_RECEIVE_BUFFER;
	cothon_list_remove(&tcp->rcv.grown);
}

void cothon_tcp_receiver_start(struct cothon_tcp *tcp, struct cothon_seq irs)
{
	tcp->rcv.irs = irs;
	tcp->rcv.nxt = tcp->rcv.acked = tcp->rcv.adv = cothon_seq_add(irs, 1);
	tcp->rcv.mss = 536;
	tcp->rcv.quick = QUICK_ACKS;
	tcp->rcv.size = tcp->stack->config.max_receive;
	if (tcp->rcv.size > FIRST_RECEIVE_BUFFER)
		tcp->rcv.size = FIRST_RECEIVE_BUFFER;
}

static void drop_gaps(struct cothon_tcp *tcp)
{
	struct cothon_tcp_gaps *gaps = tcp->rcv.gaps;

	if (!gaps)
		return;
	cothon_reassembly_clear(&gaps->reassembly, &tcp->stack->memory);
	cothon_stack_free(tcp->stack, gaps, sizeof(*gaps));
	tcp->rcv.gaps = NULL;
}

void cothon_tcp_receiver_stop(struct cothon_tcp *tcp)
{
	take_back(tcp);
	tcp->rcv.size = 0;
	drop_gaps(tcp);
}

/* ACKs and the window */

void cothon_tcp_receiver_ack_now(struct cothon_tcp *tcp)
{
	tcp->ack_due = true;
	cothon_tcp_request(tcp);
}

/* The size of the receive buffer, which is smaller while memory is short. */
static uint32_t buffer_size(const struct cothon_tcp *tcp)
{
	uint32_t size = tcp->rcv.size;

	if (size > PRESSED_RECEIVE_BUFFER && cothon_pool_pressed(tcp->stack->pool))
		return PRESSED_RECEIVE_BUFFER;
	return size;
}

/*
 * Whether so much more may be given. If not, the flow that was given something longest ago loses it when it has been
 * silent since; else it is the last to be looked at again.
 */
static bool is_within_budget(struct cothon_stack *stack, uint32_t more)
{
	while (stack->receive_granted + more > stack->config.receive_budget) {
		struct cothon_list *first = stack->grown.next;
		struct cothon_tcp *other = cothon_container(first, struct cothon_tcp, rcv.grown);

		if (cothon_list_empty(&stack->grown))
			return false;
		if (stack->now - other->heard_at < SILENCE) {
			cothon_list_remove(first);
			cothon_list_append(&stack->grown, first);
			return false;
		}
		take_back(other);
	}
	return true;
}

/*
 * The buffer doubles when an owner has read as much as it holds since it last did, and has read all: who does not
 * keep up would only hold more.
 */
static void grow_buffer(struct cothon_tcp *tcp)
{
	struct cothon_tcp_receiver *rcv = &tcp->rcv;
	struct cothon_stack *stack = tcp->stack;
	uint32_t more = stack->config.max_receive - rcv->size;

	if (rcv->queued > 0 || more == 0 || tcp->bytes_in - rcv->grown_at < rcv->size / 2)
		return;
	if (more > rcv->size)
		more = rcv->size;
	rcv->grown_at = tcp->bytes_in;
	if (!is_within_budget(stack, more))
		return;
	stack->receive_granted += more;
	rcv->size += more;
	cothon_list_remove(&rcv->grown);
	cothon_list_append(&stack->grown, &rcv->grown);
}

static uint32_t window_left(const struct cothon_tcp *tcp)
{
	return cothon_seq_sub(tcp->rcv.adv, tcp->rcv.nxt);
}

/*
 * SHLD-14: the right edge never moves left. MUST-39: it moves right only by a segment or half the buffer, lest
 * the peer be led to send crumbs.
 */
uint16_t cothon_tcp_receiver_window(struct cothon_tcp *tcp)
{
	uint32_t left = window_left(tcp);
	uint32_t size = buffer_size(tcp);
	uint32_t free = tcp->rcv.queued < size ? size - tcp->rcv.queued : 0;
	uint32_t step = size / 2 < tcp->rcv.mss ? size / 2 : tcp->rcv.mss;
	uint32_t window = free >= left + step ? free : left;
	uint32_t scale = tcp->rcv.wscale;
	uint32_t field = window >> scale < 65535 ? window >> scale : 65535;

	/*
	 * What the field cannot say is rounded up while there is room for it, lest the edge seem to move
	 * left; then down (RFC 7323 section 2.4), lest a peer that sends byte by byte never find the end.
	 */
	if (field << scale < left && ((field + 1) << scale) <= free)
		field++;
	if (field << scale > left)
		tcp->rcv.adv = cothon_seq_add(tcp->rcv.nxt, field << scale);
	return (uint16_t)field;
}

/*
 * MUST-39 and SHLD-15: the peer is told of room that reading made when its window has grown by a quarter of the
 * buffer, or by a segment where it had less than two of them.
 */
void cothon_tcp_receiver_consumed(struct cothon_tcp *tcp)
{
	uint32_t left = window_left(tcp);
	uint32_t size, free, grown;

	if (tcp->rcv.fin || !cothon_tcp_synchronized(tcp))
		return;
	grow_buffer(tcp);
	size = buffer_size(tcp);
	free = tcp->rcv.queued < size ? size - tcp->rcv.queued : 0;
	grown = free > left ? free - left : 0;
	if (grown >= size / 4 || (left < 2u * tcp->rcv.mss && grown >= tcp->rcv.mss))
		cothon_tcp_receiver_ack_now(tcp);
}

/* How many ranges SACK has to tell of. */
static unsigned ranges_held(const struct cothon_tcp *tcp)
{
	return tcp->rcv.gaps ? tcp->rcv.gaps->recent_count : 0;
}

static bool tells_twice(const struct cothon_tcp *tcp)
{
	return !cothon_seq_equal(tcp->rcv.twice.start, tcp->rcv.twice.end);
}

void cothon_tcp_receiver_acked(struct cothon_tcp *tcp, bool with_data)
{
	/* An answer: from now on ACKs may wait for answers. */
	if (with_data && tcp->stack->now - tcp->rcv.text_at < COTHON_TCP_DELAYED_ACK_TIME)
		tcp->rcv.interactive = true;
	tcp->rcv.acked = tcp->rcv.nxt;
	/* SACK blocks do not travel with data: what is held out of order is told by an ACK of its own. */
	tcp->ack_due = tcp->ack_due && with_data && (ranges_held(tcp) > 0 || tells_twice(tcp));
	if (!with_data)
		tcp->rcv.twice.end = tcp->rcv.twice.start;
	if (tcp->rcv.quick)
		tcp->rcv.quick--;
	cothon_tcp_timers_ack_sent(tcp);
}

/* SHLD-18 and MUST-40: in order, every second full segment is acknowledged at once, one alone may wait. */
static void acknowledge_in_order(struct cothon_tcp *tcp)
{
	uint32_t waiting = cothon_seq_sub(tcp->rcv.nxt, tcp->rcv.acked);

	tcp->rcv.text_at = tcp->stack->now;
	if (waiting >= 2u * tcp->rcv.mss || !tcp->rcv.interactive || tcp->rcv.quick)
		cothon_tcp_receiver_ack_now(tcp);
	else
		cothon_tcp_timers_ack_delayed(tcp);
}

/* In order */

static void enqueue(struct cothon_tcp *tcp, struct cothon_buf *buf)
{
	struct cothon_tcp_receiver *rcv = &tcp->rcv;
	struct cothon_buf *tail = rcv->tail;

	rcv->queued += buf->len;
	tcp->bytes_in += buf->len;
	if (tail && buf->len <= COALESCE && cothon_buf_tailroom(tail) >= buf->len) {
		memcpy(tail->data + tail->len, buf->data, buf->len);
		tail->len += buf->len;
		cothon_buf_put(buf);
		return;
	}
	buf->next = NULL;
	if (tail)
		tail->next = buf;
	else
		rcv->head = buf;
	rcv->tail = buf;
}

void cothon_tcp_receiver_settle(struct cothon_tcp *tcp)
{
	struct cothon_buf **at = tcp->rcv.settled ? &tcp->rcv.settled->next : &tcp->rcv.head;

	while (*at) {
		struct cothon_buf *next = (*at)->next;

		*at = cothon_buf_compact(*at);
		(*at)->next = next;
		tcp->rcv.tail = tcp->rcv.settled = *at;
		at = &(*at)->next;
	}
}

/* Takes `count` bytes off the front of a buffer. */
static void trim_front(struct cothon_buf *buf, uint32_t count)
{
	buf->data += count;
	buf->len -= count;
	buf->mark += count;
}

static struct cothon_seq start_of(const struct cothon_buf *buf)
{
	return (struct cothon_seq){buf->mark};
}

static struct cothon_seq end_of(const struct cothon_buf *buf)
{
	return (struct cothon_seq){buf->mark + buf->len};
}

/* The peer's end is next. */
static void accept_fin(struct cothon_tcp *tcp)
{
	tcp->rcv.nxt = cothon_seq_add(tcp->rcv.nxt, 1);
	tcp->rcv.fin = true;
	tcp->rcv.adv = cothon_seq_max(tcp->rcv.adv, tcp->rcv.nxt);
}

/* A buffer whose first byte is not beyond rcv.nxt: what is new in it is appended. */
static void accept(struct cothon_tcp *tcp, struct cothon_buf *buf)
{
	uint32_t old = cothon_seq_sub(tcp->rcv.nxt, start_of(buf));
	bool fin = buf->fin;

	if (old > buf->len || (old == buf->len && !fin)) {
		cothon_buf_put(buf);
		return;
	}
	trim_front(buf, old);
	tcp->rcv.nxt = end_of(buf);
	if (buf->len == 0)
		cothon_buf_put(buf);
	else
		enqueue(tcp, buf);
	if (fin)
		accept_fin(tcp);
	/* A window that was wholly used is now empty, not negative. */
	tcp->rcv.adv = cothon_seq_max(tcp->rcv.adv, tcp->rcv.nxt);
}

/* Out of order */

/* Remembers the range that [start, end) now belongs to as the latest one to report (RFC 2018 section 4). */
static void remember_range(struct cothon_tcp_gaps *gaps, struct cothon_seq start,
			   struct cothon_seq end)
{
	struct cothon_tcp_sack all[COTHON_TCP_MAX_SACK + 1];
	unsigned count = 1;

	for (unsigned i = 0; i < gaps->recent_count; i++) {
		struct cothon_tcp_sack range = gaps->recent[i];

		if (cothon_seq_after(range.start, end) || cothon_seq_before(range.end, start)) {
			all[count++] = range;
		} else {
			start = cothon_seq_min(start, range.start);
			end = cothon_seq_max(end, range.end);
		}
	}
	all[0] = (struct cothon_tcp_sack){start, end};
	gaps->recent_count = (uint8_t)(count < COTHON_TCP_MAX_SACK ? count : COTHON_TCP_MAX_SACK);
	memcpy(gaps->recent, all, gaps->recent_count * sizeof(*all));
}

/* What lies below `nxt` is no longer out of order. */
static void forget_ranges(struct cothon_tcp_gaps *gaps, struct cothon_seq nxt)
{
	uint8_t kept = 0;

	for (uint8_t i = 0; i < gaps->recent_count; i++) {
		if (cothon_seq_after(gaps->recent[i].start, nxt))
			gaps->recent[kept++] = gaps->recent[i];
	}
	gaps->recent_count = kept;
}

void cothon_tcp_receiver_twice(struct cothon_tcp *tcp, struct cothon_seq start,
			       struct cothon_seq end)
{
	if (tcp->sack && cothon_seq_before(start, end))
		tcp->rcv.twice = (struct cothon_tcp_sack){start, end};
}

void cothon_tcp_receiver_sack(const struct cothon_tcp *tcp, struct cothon_tcp_header *header)
{
	unsigned count = 0;

	if (!tcp->sack)
		return;
	/* RFC 2883 section 4: first what came twice; if it is out of order, then the range that it is part of. */
	if (tells_twice(tcp))
		header->sack[count++] = tcp->rcv.twice;
	for (unsigned i = 0; i < ranges_held(tcp) && count < COTHON_TCP_MAX_SACK; i++)
		header->sack[count++] = tcp->rcv.gaps->recent[i];
	header->sack_count = (uint8_t)count;
}

static struct cothon_tcp_gaps *open_gaps(struct cothon_stack *stack)
{
	struct cothon_tcp_gaps *gaps = cothon_stack_alloc(stack, sizeof(*gaps));

	if (gaps)
		*gaps = (struct cothon_tcp_gaps){0};
	return gaps;
}

/* Keeps a segment that is out of order, in at most twice the memory of the bytes that the window has promised. */
static void hold(struct cothon_tcp *tcp, struct cothon_buf *buf)
{
	struct cothon_stack *stack = tcp->stack;
	struct cothon_tcp_gaps *gaps = tcp->rcv.gaps;
	struct cothon_tcp_sack range;
	size_t limit = 2 * (size_t)window_left(tcp) + LEAST_HELD;
	int error;

	stack->counters.tcp_out_of_order++;
	if (cothon_pool_pressed(stack->pool))
		limit = 0;
	if (!gaps)
		gaps = tcp->rcv.gaps = open_gaps(stack);
	if (!gaps) {
		stack->counters.tcp_out_of_order_dropped++;
		cothon_buf_put(buf);
		return;
	}
	error = cothon_reassembly_hold(&gaps->reassembly, &stack->memory, buf, limit, &range);
	if (error == -EEXIST) {
		stack->counters.tcp_duplicates++;
		remember_range(gaps, range.start, range.end);
		cothon_tcp_receiver_twice(tcp, range.start, range.end);
	} else if (error) {
		stack->counters.tcp_out_of_order_dropped++;
		if (!cothon_reassembly_holds(&gaps->reassembly))
			drop_gaps(tcp);
	} else if (cothon_seq_before(range.start, range.end)) {
		remember_range(gaps, range.start, range.end);
	}
}

/* What was held and is now in order. */
static void close_gaps(struct cothon_tcp *tcp)
{
	struct cothon_tcp_receiver *rcv = &tcp->rcv;
	struct cothon_reassembly *reassembly = &rcv->gaps->reassembly;
	struct cothon_buf *list;

	while (!rcv->fin && (list = cothon_reassembly_take(reassembly, rcv->nxt)) != NULL) {
		while (list) {
			struct cothon_buf *buf = list;

			list = buf->next;
			accept(tcp, buf);
		}
	}
	if (!rcv->fin && reassembly->fin && !cothon_seq_after(reassembly->fin_at, rcv->nxt)) {
		/* An end that data went past was none. */
		reassembly->fin = false;
		if (cothon_seq_equal(reassembly->fin_at, rcv->nxt))
			accept_fin(tcp);
	}
	/* Behind the end there is nothing, whatever the peer says. */
	if (rcv->fin || !cothon_reassembly_holds(reassembly))
		drop_gaps(tcp);
	else
		forget_ranges(rcv->gaps, rcv->nxt);
}

/* Cuts off what lies outside the window (RFC 9293 section 3.10.7.4). Returns false when nothing is left. */
static bool trim(struct cothon_tcp *tcp, struct cothon_buf *buf)
{
	struct cothon_seq end = cothon_seq_add(end_of(buf), buf->fin);

	if (cothon_seq_before(start_of(buf), tcp->rcv.nxt)) {
		if (!cothon_seq_after(end, tcp->rcv.nxt))
			return false;
		cothon_tcp_receiver_twice(tcp, start_of(buf), tcp->rcv.nxt);
		trim_front(buf, cothon_seq_sub(tcp->rcv.nxt, start_of(buf)));
	}
	if (cothon_seq_after(end_of(buf), tcp->rcv.adv)) {
		buf->len = cothon_seq_sub(tcp->rcv.adv, start_of(buf));
		buf->fin = false;
	} else if (cothon_seq_after(end, tcp->rcv.adv)) {
		buf->fin = false;
	}
	return buf->len > 0 || buf->fin;
}

static void learn_mss(struct cothon_tcp *tcp, const struct cothon_packet *packet)
{
	uint32_t size = packet->buf->offload.gso ? packet->buf->offload.gso_size : packet->buf->len;
	uint32_t link_mtu = tcp->stack->link->mtu;

	if (size > tcp->rcv.mss)
		tcp->rcv.mss = (uint16_t)(size < link_mtu ? size : link_mtu);
}

void cothon_tcp_receiver_input(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			       struct cothon_packet *packet)
{
	struct cothon_tcp_receiver *rcv = &tcp->rcv;
	struct cothon_buf *buf = packet->buf;
	bool fin = header->flags & COTHON_TCP_FIN;
	uint32_t before = rcv->queued;

	if (buf->len == 0 && !fin)
		return;
	learn_mss(tcp, packet);
	buf->mark = header->seq.v;
	buf->fin = fin;
	if (!trim(tcp, buf)) {
		tcp->stack->counters.tcp_duplicates++;
		cothon_tcp_receiver_twice(tcp, start_of(buf),
					  cothon_seq_min(end_of(buf), rcv->nxt));
		cothon_tcp_receiver_ack_now(tcp);
		return;
	}
	packet->buf = NULL;
	if (cothon_seq_after(start_of(buf), rcv->nxt)) {
		/* RFC 5681 section 4.2: the duplicate ACK tells the peer of the gap at once. */
		hold(tcp, buf);
		cothon_tcp_receiver_ack_now(tcp);
		return;
	}
	accept(tcp, buf);
	if (rcv->gaps) {
		close_gaps(tcp);
		cothon_tcp_receiver_ack_now(tcp);
	} else {
		acknowledge_in_order(tcp);
	}
	if (rcv->queued > before)
		cothon_tcp_notify(tcp, COTHON_TCP_READABLE);
}
