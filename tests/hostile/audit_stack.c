/* SPDX-License-Identifier: MIT */
#include "audit.h"

#include "stack/tcp/connection.h"

/* Flows, and what they hold */

/* No peer and no router can make segments smaller: 48 bytes, less 12 for timestamps. */
enum {
	MSS_FLOOR = 36
};

/* What every flow may receive from its start; more comes off the pool's limit. */
enum {
	FIRST_RECEIVE = 65536
};

struct audit {
	const struct cothon_stack *stack;
	const char *wrong;
	size_t truesize; /* of all buffers found */
	uint32_t half_open, time_wait;
	uint64_t granted; /* to receive buffers */
};

static bool in_order(struct cothon_seq a, struct cothon_seq b)
{
	return !cothon_seq_after(a, b);
}

/* Adds up a list of buffers; returns their bytes of content. */
static size_t add_list(struct audit *audit, const struct cothon_buf *buf)
{
	size_t len = 0;

	for (; buf; buf = buf->next) {
		audit->truesize += cothon_buf_truesize(buf);
		len += buf->len;
		if (buf->data < buf->store || buf->data + buf->len > buf->store + buf->size)
			audit->wrong = "a buffer's content is not inside it";
	}
	return len;
}

static const char *check_sender(struct audit *audit, const struct cothon_tcp *tcp)
{
	const struct cothon_tcp_sender *snd = &tcp->snd;
	struct cothon_seq end = cothon_seq_add(snd->written, snd->fin_queued);
	struct cothon_seq at;

	if (!in_order(snd->una, snd->nxt))
		return "snd.una is beyond snd.nxt";
	if (tcp->state > COTHON_TCP_SYN_RECEIVED && !in_order(snd->nxt, end))
		return "snd.nxt is beyond what was written";
	if (snd->reserve)
		return "memory is reserved that nobody fills";
	add_list(audit, snd->head);
	if (cothon_tcp_unacknowledged(tcp) > audit->stack->config.max_send)
		return "more is written than the bound of the send buffer";
	if (!snd->head)
		return NULL;
	at = (struct cothon_seq){snd->head->mark};
	if (!in_order(at, snd->una))
		return "what is not acknowledged is not kept";
	for (const struct cothon_buf *chunk = snd->head; chunk; chunk = chunk->next) {
		if (chunk->mark != at.v)
			return "the chunks to be sent are not side by side";
		at = cothon_seq_add(at, chunk->len);
		if (!chunk->next && chunk != snd->tail)
			return "the last chunk to be sent is not the tail";
	}
	return cothon_seq_equal(at, snd->written) ? NULL : "not all that was written is kept";
}

/* The buffers of a range: side by side, from its start to its end. */
static const char *check_range(const struct cothon_reassembly_range *range)
{
	struct cothon_seq at = range->start;

	if (!cothon_seq_before(range->start, range->end))
		return "a range out of order is empty";
	for (const struct cothon_buf *buf = range->head; buf; buf = buf->next) {
		if (buf->mark != at.v || buf->len == 0)
			return "the buffers of a range are not side by side";
		at = cothon_seq_add(at, buf->len);
		if (!buf->next && buf != range->tail)
			return "the last buffer of a range is not the tail";
	}
	return cothon_seq_equal(at, range->end) ? NULL : "a range does not hold all its bytes";
}

static const char *check_reassembly(struct audit *audit, const struct cothon_tcp *tcp)
{
	const struct cothon_reassembly *reassembly;
	struct cothon_seq before = tcp->rcv.nxt;
	size_t truesize = audit->truesize, held = 0;

	if (!tcp->rcv.gaps)
		return NULL;
	reassembly = &tcp->rcv.gaps->reassembly;
	if (tcp->rcv.gaps->recent_count > COTHON_TCP_MAX_SACK)
		return "more SACK blocks than there is room for";
	if (!cothon_reassembly_holds(reassembly))
		return "memory is kept for what is out of order, and nothing is";

	for (uint32_t i = 0; i < reassembly->count; i++) {
		const struct cothon_reassembly_range *range = &reassembly->ranges[i];
		const char *what = check_range(range);

		if (what)
			return what;
		if (!cothon_seq_after(range->start, before))
			return "what is out of order is not sorted, or is in order";
		before = range->end;
		held += add_list(audit, range->head);
	}
	if (held != reassembly->bytes || audit->truesize - truesize != reassembly->memory)
		return "not as much is held out of order as is counted";
	if (reassembly->fin && cothon_seq_before(reassembly->fin_at, before))
		return "something is held behind the peer's end";
	return NULL;
}

static const char *check_receiver(struct audit *audit, const struct cothon_tcp *tcp)
{
	const struct cothon_tcp_receiver *rcv = &tcp->rcv;

	if (tcp->state == COTHON_TCP_SYN_SENT)
		return NULL;
	if (!in_order(rcv->nxt, rcv->adv))
		return "the window's right edge is left of what was received";
	if (cothon_seq_sub(rcv->adv, rcv->nxt) >
	    (uint64_t)audit->stack->config.max_receive + (UINT32_C(1) << rcv->wscale))
		return "the window is wider than the receive buffer";
	if (add_list(audit, rcv->head) != rcv->queued)
		return "not as much is queued as is counted";
	if (rcv->queued > (uint64_t)audit->stack->config.max_receive + (UINT32_C(1) << rcv->wscale))
		return "more is queued than the receive buffer holds";
	return check_reassembly(audit, tcp);
}

static const char *check_recovery(const struct cothon_tcp *tcp)
{
	const struct cothon_scoreboard *board;
	struct cothon_seq at = tcp->snd.una;
	uint32_t sacked = 0, lost = 0;

	/* A SYN is not on it. */
	if (tcp->state <= COTHON_TCP_SYN_RECEIVED)
		return tcp->recovery ? "there is a scoreboard before there is data" : NULL;
	if (!tcp->recovery)
		return cothon_seq_equal(at, tcp->snd.nxt)
			       ? NULL
			       : "something is in flight and on no scoreboard";
	board = &tcp->recovery->board;
	if (board->count > board->room || board->room > COTHON_SCOREBOARD_SPANS)
		return "more spans on the scoreboard than it has room for";
	if (!cothon_seq_equal(board->una, at))
		return "the scoreboard does not begin with what is not acknowledged";
	for (uint32_t i = 0; i < board->count; i++) {
		const struct cothon_span *span = cothon_scoreboard_at(board, i);
		uint32_t len = cothon_seq_sub(span->end, at);

		if (!cothon_seq_before(at, span->end))
			return "the scoreboard is not sorted";
		if (span->sent_at > tcp->stack->now)
			return "something was sent that is yet to be";
		sacked += span->state == COTHON_SPAN_SACKED ? len : 0;
		lost += span->state == COTHON_SPAN_LOST ? len : 0;
		at = span->end;
	}
	if (!cothon_seq_equal(at, tcp->snd.nxt))
		return "the scoreboard does not end with what was sent last";
	if (sacked != board->sacked || lost != board->lost)
		return "the scoreboard's sums are not its spans'";
	if (lost && tcp->recovery->state == COTHON_RECOVERY_OPEN)
		return "something is lost and nothing is done about it";
	return NULL;
}

static const char *check_flow(struct audit *audit, const struct cothon_tcp *tcp)
{
	const char *wrong = check_sender(audit, tcp);

	if (!wrong)
		wrong = check_receiver(audit, tcp);
	if (!wrong)
		wrong = check_recovery(tcp);
	if (wrong)
		return wrong;
	if (tcp->state > COTHON_TCP_SYN_RECEIVED &&
	    (tcp->snd.mss < MSS_FLOOR || tcp->snd.mss > 65535 || tcp->cc.cwnd == 0))
		return "no segment of a sensible size may be sent";
	if (tcp->snd.wscale > COTHON_TCP_MAX_WINDOW_SCALE)
		return "a window scale above 14";
	if (tcp->state == COTHON_TCP_CLOSED)
		return "a flow that is closed is in the table";
	return NULL;
}

static void visit(const struct cothon_tcp *tcp, void *context)
{
	struct audit *audit = context;
	const char *wrong = check_flow(audit, tcp);

	if (wrong && !audit->wrong)
		audit->wrong = wrong;
	audit->half_open += tcp->half_open;
	if (tcp->rcv.size > FIRST_RECEIVE)
		audit->granted += tcp->rcv.size - FIRST_RECEIVE;
	audit->time_wait += tcp->state == COTHON_TCP_TIME_WAIT;
}

/* Flows that are over and whose owners have not read everything. */
static void add_ended(struct audit *audit)
{
	const struct cothon_list *ended = &audit->stack->ended;

	for (const struct cothon_list *node = ended->next; node != ended; node = node->next) {
		const struct cothon_tcp *tcp = cothon_container(node, struct cothon_tcp, place);

		add_list(audit, tcp->snd.head);
		add_list(audit, tcp->rcv.head);
	}
}

static const char *check_fragments(struct audit *audit)
{
	const struct cothon_fragments *fragments = &audit->stack->fragments;

	audit->truesize += fragments->bytes;
	if (fragments->datagrams > COTHON_FRAGMENT_DATAGRAMS)
		return "more incomplete datagrams than the bound";
	/* One datagram alone may be larger than the bound. */
	if (fragments->bytes > fragments->max_bytes && fragments->datagrams > 1)
		return "more bytes in incomplete datagrams than the bound";
	return NULL;
}

const char *audit_stack(struct cothon_stack *stack)
{
	struct audit audit = {.stack = stack};

	/* Owners who have not been told yet may hold flows that are in no table any more. */
	if (!cothon_list_empty(&stack->ready))
		return "owners were not told";
	cothon_tcp_each(stack, visit, &audit);
	add_ended(&audit);
	if (!audit.wrong)
		audit.wrong = check_fragments(&audit);
	if (audit.wrong)
		return audit.wrong;
	if (audit.half_open != stack->half_open || stack->half_open > stack->config.max_half_open)
		return "another number of flows is half-open than is counted";
	if (audit.time_wait != stack->time_wait_count)
		return "another number of flows is in TIME-WAIT than is counted";
	if (cothon_flow_table_count(stack->flows) > stack->config.max_flows)
		return "more flows than the bound";
	if (audit.granted != stack->receive_granted ||
	    stack->receive_granted > stack->config.receive_budget)
		return "receive buffers have been given more than there is, or than is counted";
	if (audit.truesize != cothon_pool_used(stack->pool))
		return "buffers are in use that are in no queue";
	return NULL;
}

/* Counters */

uint64_t audit_ended(const struct cothon_counters *counters)
{
	/* A datagram that is put together goes on once more, beside its fragments. */
	return counters->ip_bad_header + counters->ip_bad_checksum + counters->ip_bad_address +
	       counters->ip_not_ours + counters->ip_hops_exceeded + counters->ip_unknown_protocol +
	       counters->fragments_in + counters->icmp_in + counters->udp_in + counters->tcp_in -
	       counters->reassembled;
}

const char *audit_counters(const struct cothon_counters *counters, uint64_t offered,
			   uint64_t rejected, uint64_t without)
{
	if (counters->frames_in + rejected != offered)
		return "not as many frames are counted as were given";
	if (audit_ended(counters) + without != offered)
		return "not every frame is counted once by what became of it";
	if (counters->icmp_bad + counters->echo_in > counters->icmp_in)
		return "more bad ICMP messages and requests than messages";
	if (counters->udp_bad + counters->udp_no_port > counters->udp_in)
		return "more bad and unclaimed UDP datagrams than datagrams";
	if (counters->tcp_bad + counters->tcp_no_flow + counters->tcp_half_open_dropped >
	    counters->tcp_in)
		return "more bad and unclaimed segments than segments";
	if (counters->reassembled + counters->reassembly_failed > counters->fragments_in)
		return "more datagrams than fragments";
	if (counters->tcp_resets_out > counters->tcp_out ||
	    counters->tcp_retransmits > counters->tcp_out)
		return "more resets or retransmissions than segments";
	return NULL;
}

/* Memory */

enum {
	/* The stack itself, the tables of flows and bindings, listeners: more than there is. */
	FIXED = 512 << 10,
	/* Free buffers that the pool keeps. */
	KEPT = 256 << 10,
	/*
	 * With pools a buffer may be so many times its content: one of a little more than 2 KiB
	 * takes the class of 16. What is smaller takes no more than its share below, or shares a
	 * buffer.
	 */
	WASTE = COTHON_POOL ? 9 : 1,
	/* What the smallest buffer takes besides its header. */
	SMALLEST = COTHON_POOL ? 512 : 0,
};

size_t audit_bound(const struct audit_limits *limits)
{
	size_t header = sizeof(struct cothon_buf);
	size_t frame = header + COTHON_HEADROOM + COTHON_FRAME_MAX;
	/* What a window has promised is kept even if the pool passes its limit meanwhile. */
	size_t receive = limits->receive < FIRST_RECEIVE ? limits->receive : FIRST_RECEIVE;
	size_t flow = sizeof(struct cothon_tcp) + sizeof(struct cothon_tcp_recovery) +
		      sizeof(struct cothon_tcp_gaps) +
		      COTHON_SCOREBOARD_SPANS * sizeof(struct cothon_span) + frame +
		      (receive + limits->send) * WASTE;
	size_t granted = limits->flows * (limits->receive - receive);

	if (granted > limits->pool)
		granted = limits->pool;
	return FIXED + KEPT + limits->pool + granted * WASTE + limits->fragments +
	       limits->flows * flow + limits->burst * frame + limits->events * (header + SMALLEST);
}
