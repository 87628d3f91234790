/* SPDX-License-Identifier: MIT */
#include "stack/tcp/handshake.h"

#include "stack/icmp.h"
#include "stack/tcp/receiver.h"
#include "stack/tcp/recovery.h"
#include "stack/tcp/sender.h"
#include "stack/tcp/timers.h"
#include <errno.h>

enum {
	/* MUST-15: what a peer that names no MSS can take. */
	DEFAULT_MSS_IPV4 = 536,
	DEFAULT_MSS_IPV6 = 1220,
	/* A smaller MSS would only make us send more headers than data. */
	MIN_MSS = 48,
};

/* The largest payload of a segment that the link carries to the peer. */
static uint16_t link_mss(const struct cothon_tcp *tcp)
{
	bool ipv4 = cothon_addr_is_ipv4(&tcp->entry.flow.remote);
	uint32_t headers = COTHON_TCP_HEADER + (ipv4 ? COTHON_IPV4_HEADER : COTHON_IPV6_HEADER);

	return (uint16_t)(tcp->stack->link->mtu - headers);
}

/* The initial sequence number of RFC 6528 section 3: a clock of 4 microseconds plus a keyed hash of the flow. */
static struct cothon_seq initial_seq(struct cothon_stack *stack, const struct cothon_flow *flow)
{
	uint64_t hash = cothon_siphash24(&stack->isn_key, flow, sizeof(*flow));

	return (struct cothon_seq){(uint32_t)(stack->now / 4) + (uint32_t)hash};
}

/* The smallest scale by which 16 bits can name the largest window (RFC 7323 section 2.2). */
static uint8_t window_scale(uint32_t max)
{
	uint8_t scale = 0;

	while (scale < COTHON_TCP_MAX_WINDOW_SCALE && max >> scale > 65535)
		scale++;
	return scale;
}

static void set_initial_seq(struct cothon_tcp *tcp, struct cothon_seq iss)
{
	tcp->snd.iss = tcp->snd.una = tcp->snd.nxt = iss;
	tcp->snd.written = cothon_seq_add(iss, 1);
}

void cothon_tcp_handshake_beyond(struct cothon_tcp *tcp, struct cothon_seq used)
{
	if (!cothon_seq_after(tcp->snd.iss, used))
		set_initial_seq(tcp, cothon_seq_add(used, 1));
}

static void start(struct cothon_tcp *tcp)
{
	struct cothon_stack *stack = tcp->stack;
	const struct cothon_flow *flow = &tcp->entry.flow;

	set_initial_seq(tcp, initial_seq(stack, flow));
	tcp->snd.mss = cothon_addr_is_ipv4(&flow->remote) ? DEFAULT_MSS_IPV4 : DEFAULT_MSS_IPV6;
	tcp->ts_offset = (uint32_t)cothon_siphash24(&stack->timestamp_key, flow, sizeof(*flow));
	tcp->rcv.wscale = window_scale(stack->config.max_receive);
}

/* What the options of the peer's SYN settle. */
static void learn(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	uint32_t mss = link_mss(tcp);

	cothon_tcp_receiver_start(tcp, header->seq);
	if (header->has_mss)
		tcp->snd.mss = header->mss < MIN_MSS ? MIN_MSS : header->mss;
	if (tcp->snd.mss > mss)
		tcp->snd.mss = mss;
	tcp->sack = header->sack_permitted;
	tcp->timestamps = header->has_timestamp;
	if (tcp->timestamps) {
		tcp->ts_recent = header->ts_value;
		tcp->ts_recent_at = tcp->stack->now;
		/* RFC 6691: the MSS does not count options, so those in every segment are taken off it here. */
		tcp->snd.mss -= 12;
	}
	/* RFC 7323 section 2.2: both scale, or neither. */
	tcp->scaling = header->has_window_scale;
	if (tcp->scaling)
		tcp->snd.wscale = header->window_scale;
	else
		tcp->rcv.wscale = 0;
	cothon_tcp_ecn_learn(tcp, header);
	/* RFC 7323 section 2.2: the window of a SYN is never scaled. */
	tcp->snd.wnd = tcp->snd.max_wnd = header->window;
	tcp->snd.wl1 = header->seq;
	tcp->snd.wl2 = tcp->snd.una;
	cothon_congestion_init(&tcp->cc, cothon_congestion_find(tcp->stack->config.congestion),
			       tcp->snd.mss);
}

void cothon_tcp_handshake_output(struct cothon_tcp *tcp)
{
	bool answer = tcp->state == COTHON_TCP_SYN_RECEIVED;
	uint32_t max = tcp->stack->config.max_receive;
	struct cothon_tcp_header header = {
		.seq = tcp->snd.iss,
		.ack = tcp->rcv.nxt,
		.flags = COTHON_TCP_SYN | (answer ? COTHON_TCP_ACK : 0),
		.window = (uint16_t)(max < 65535 ? max : 65535),
		.has_mss = true,
		.mss = link_mss(tcp),
		/* RFC 7323 sections 2.2 and 3.2, RFC 2018 section 2: an answer offers only what was offered. */
		.has_window_scale = !answer || tcp->scaling,
		.window_scale = tcp->rcv.wscale,
		.has_timestamp = !answer || tcp->timestamps,
		.sack_permitted = !answer || tcp->sack,
	};

	if (!tcp->snd.syn_due)
		return;
	header.flags |= cothon_tcp_ecn_offer(tcp);
	if (cothon_tcp_transmit(tcp, &header, NULL, 0, 0) == -EAGAIN)
		return;
	tcp->snd.syn_due = false;
	tcp->ack_due = false;
	if (cothon_seq_equal(tcp->snd.nxt, tcp->snd.iss)) {
		tcp->snd.nxt = cothon_seq_add(tcp->snd.iss, 1);
		tcp->snd.progress_at = tcp->stack->now;
		cothon_tcp_sender_time(tcp, tcp->snd.iss);
	}
	if (answer)
		tcp->rcv.adv =
			cothon_seq_max(tcp->rcv.adv, cothon_seq_add(tcp->rcv.nxt, header.window));
	cothon_tcp_timers_syn_sent(tcp);
}

static void send_syn(struct cothon_tcp *tcp)
{
	tcp->snd.syn_due = true;
	cothon_tcp_request(tcp);
}

void cothon_tcp_handshake_repeat(struct cothon_tcp *tcp)
{
	/* Karn: which of the two will be acknowledged? */
	tcp->snd.timing = false;
	send_syn(tcp);
}

void cothon_tcp_handshake_open(struct cothon_tcp *tcp)
{
	start(tcp);
	tcp->state = COTHON_TCP_SYN_SENT;
	send_syn(tcp);
}

void cothon_tcp_handshake_answer(struct cothon_tcp *tcp)
{
	if (tcp->half_open) {
		tcp->answered = true;
		tcp->stack->answered_count++;
		cothon_list_remove(&tcp->place);
		cothon_list_append(&tcp->stack->answered, &tcp->place);
	}
	tcp->state = COTHON_TCP_SYN_RECEIVED;
	send_syn(tcp);
}

void cothon_tcp_handshake_done(struct cothon_tcp *tcp)
{
	struct cothon_listener *listener = tcp->listener;
	bool retransmitted = tcp->retransmits > 0;

	cothon_tcp_opened(tcp);
	tcp->state = COTHON_TCP_ESTABLISHED;
	tcp->heard_at = tcp->stack->now;
	tcp->stack->counters.tcp_opened++;
	cothon_rack_init(&tcp->rack, tcp->snd.una);
	/* RFC 6298 rule 5.7: a SYN that had to be repeated says nothing about the round trip. */
	if (retransmitted && tcp->snd.rtt.srtt == 0) {
		tcp->snd.rtt.rto = COTHON_RTO_AFTER_SYN;
		tcp->snd.rtt.backoff = 0;
	}
	/* RFC 6928 section 2: after a lost SYN the initial window is one segment. */
	if (retransmitted)
		tcp->cc.cwnd = tcp->cc.mss;
	cothon_tcp_timers_established(tcp);
	if (listener)
		cothon_tcp_own(tcp, listener->handler, listener->owner);
	cothon_tcp_notify(tcp, COTHON_TCP_OPENED | COTHON_TCP_WRITABLE);
	if (tcp->snd.fin_queued) {
		tcp->state = COTHON_TCP_FIN_WAIT_1;
		cothon_tcp_request(tcp);
	}
}

/* Passive open */

void cothon_tcp_handshake_refuse(struct cothon_stack *stack, const struct cothon_flow *flow,
				 struct cothon_seq irs, int error)
{
	struct cothon_ip about = {
		.source = flow->remote,
		.destination = flow->local,
		.version = cothon_addr_is_ipv4(&flow->remote) ? 4 : 6,
		.protocol = COTHON_TCP,
		.hops = 1,
		.dont_fragment = true,
		.payload_len = COTHON_TCP_HEADER,
	};
	/* What an ICMP error quotes of a TCP header: the ports and the sequence number. */
	uint8_t quote[8];

	stack->counters.tcp_refused++;
	switch (error) {
	case -ETIMEDOUT:
		return;
	case -ENETUNREACH:
	case -EHOSTUNREACH:
	case -EACCES:
	case -EPERM:
		cothon_put16(quote, flow->remote_port);
		cothon_put16(quote + 2, flow->local_port);
		cothon_put32(quote + 4, irs.v);
		cothon_icmp_error(stack, NULL, cothon_icmp_reason(error), 0, &about,
				  (struct cothon_bytes){quote, sizeof(quote)});
		return;
	default:
		cothon_tcp_send_reset_for(stack, flow, (struct cothon_seq){0},
					  cothon_seq_add(irs, 1), true);
	}
}

/*
 * The half-open connection that has waited longest is given up, without a word: its SYN comes again if it was meant.
 * Were the new one dropped instead, as many SYNs that lead nowhere as there may be would keep all others out until
 * their time is over. Where a SYN was answered already its peer takes the connection for open, so these give way only
 * when they are more than half.
 */
static void make_room(struct cothon_stack *stack)
{
	bool many = stack->answered_count > stack->config.max_half_open / 2;
	bool from_answered = many || cothon_list_empty(&stack->opening);
	struct cothon_list *list = from_answered ? &stack->answered : &stack->opening;

	stack->counters.tcp_half_open_dropped++;
	cothon_tcp_end(cothon_container(list->next, struct cothon_tcp, place), -ETIMEDOUT);
}

/* Makes the connection of a SYN, not yet answered. */
static struct cothon_tcp *hold(struct cothon_stack *stack, const struct cothon_flow *flow,
			       const struct cothon_tcp_header *header)
{
	struct cothon_tcp *tcp;
	int error;

	if (stack->half_open >= stack->config.max_half_open)
		make_room(stack);
	tcp = cothon_tcp_create(stack, flow, &error);
	if (!tcp) {
		stack->counters.tcp_half_open_dropped++;
		return NULL;
	}
	start(tcp);
	learn(tcp, header);
	tcp->state = COTHON_TCP_LISTEN;
	tcp->half_open = true;
	cothon_list_append(&stack->opening, &tcp->place);
	stack->half_open++;
	cothon_tcp_timers_held(tcp);
	return tcp;
}

static void listen_input(struct cothon_stack *stack, struct cothon_listener *listener,
			 const struct cothon_flow *flow, const struct cothon_tcp_header *header)
{
	struct cothon_tcp *tcp;

	if (listener->waiting >= listener->backlog) {
		stack->counters.tcp_half_open_dropped++;
		return;
	}
	tcp = hold(stack, flow, header);
	if (!tcp)
		return;
	tcp->owned = false;
	tcp->listener = listener;
	tcp->reuse_address = listener->binding.reuse_address;
	tcp->reuse_port = listener->binding.reuse_port;
	listener->waiting++;
	cothon_tcp_handshake_answer(tcp);
}

static void forward(struct cothon_stack *stack, const struct cothon_flow *flow,
		    const struct cothon_tcp_header *header)
{
	const struct cothon_forwarder *forwarder = stack->config.forwarder;
	struct cothon_tcp *tcp;
	int error;

	if (!forwarder || !forwarder->tcp) {
		cothon_tcp_handshake_refuse(stack, flow, header->seq, -ECONNREFUSED);
		return;
	}
	tcp = hold(stack, flow, header);
	if (!tcp)
		return;
	error = forwarder->tcp(stack->config.context, tcp);
	if (error)
		cothon_tcp_refuse(tcp, error);
}

/* Whether a segment cannot be the first of a connection. */
static bool is_stray(const struct cothon_tcp_header *header)
{
	return (header->flags & (COTHON_TCP_SYN | COTHON_TCP_ACK | COTHON_TCP_RST)) !=
	       COTHON_TCP_SYN;
}

/* Offers a segment of no flow, whole again, to whom the forwarder knows. */
static bool is_elsewhere(struct cothon_stack *stack, const struct cothon_packet *packet,
			 const struct cothon_tcp_header *header)
{
	const struct cothon_forwarder *forwarder = stack->config.forwarder;
	uint32_t headers = packet->ip.header_len + (uint32_t)header->header_len;
	struct cothon_buf *buf = packet->buf;
	bool taken;

	if (!forwarder || !forwarder->stray)
		return false;
	if (packet->reassembled)
		return forwarder->stray(stack->config.context, NULL);
	buf->data -= headers;
	buf->len += headers;
	taken = forwarder->stray(stack->config.context, buf);
	buf->data += headers;
	buf->len -= headers;
	return taken;
}

void cothon_tcp_handshake_new(struct cothon_stack *stack, const struct cothon_packet *packet,
			      const struct cothon_flow *flow,
			      const struct cothon_tcp_header *header, uint32_t segment_len)
{
	struct cothon_endpoint local = cothon_flow_local(flow), remote = cothon_flow_remote(flow);
	struct cothon_binding *binding;

	if (is_stray(header) && is_elsewhere(stack, packet, header))
		return;
	/* RFC 9293 section 3.10.7.1: a RST for nobody is dropped, all else but a SYN is answered by one. */
	if (header->flags & COTHON_TCP_RST) {
		stack->counters.tcp_no_flow++;
		return;
	}
	if (header->flags & COTHON_TCP_ACK) {
		stack->counters.tcp_no_flow++;
		cothon_tcp_send_reset_for(stack, flow, header->ack, header->ack, false);
		return;
	}
	if (!(header->flags & COTHON_TCP_SYN)) {
		stack->counters.tcp_no_flow++;
		cothon_tcp_send_reset_for(stack, flow, (struct cothon_seq){0},
					  cothon_seq_add(header->seq, segment_len), true);
		return;
	}
	binding = packet->ours ? cothon_bindings_find(stack->bindings, COTHON_TCP, &local, &remote)
			       : NULL;
	if (binding)
		listen_input(stack, cothon_container(binding, struct cothon_listener, binding),
			     flow, header);
	else
		forward(stack, flow, header);
}

/* Active open */

void cothon_tcp_handshake_syn_sent(struct cothon_tcp *tcp, const struct cothon_tcp_header *header)
{
	bool ack = header->flags & COTHON_TCP_ACK;
	struct cothon_seq after_syn = cothon_seq_add(tcp->snd.iss, 1);

	/* First: an ACK of anything but our SYN, once that has gone out, is answered by RST. */
	if (ack && (!cothon_seq_equal(header->ack, after_syn) ||
		    !cothon_seq_equal(header->ack, tcp->snd.nxt))) {
		if (!(header->flags & COTHON_TCP_RST))
			cothon_tcp_send_reset_for(tcp->stack, &tcp->entry.flow, header->ack,
						  header->ack, false);
		return;
	}
	/* Second: a RST that acknowledges our SYN refuses it; others are dropped. */
	if (header->flags & COTHON_TCP_RST) {
		if (ack) {
			tcp->stack->counters.tcp_resets_in++;
			cothon_tcp_end(tcp, -ECONNREFUSED);
		}
		return;
	}
	if (!(header->flags & COTHON_TCP_SYN))
		return;
	learn(tcp, header);
	if (!ack) {
		/* MUST-10: both have sent a SYN. */
		tcp->snd.una = tcp->snd.iss;
		cothon_tcp_handshake_answer(tcp);
		return;
	}
	cothon_tcp_sender_sample(tcp, header);
	tcp->snd.una = after_syn;
	tcp->snd.wl2 = header->ack;
	cothon_tcp_handshake_done(tcp);
	cothon_tcp_receiver_ack_now(tcp);
	cothon_tcp_request(tcp);
}

/* Listening */

/* Looks for a flow that keeps a listener from its port. */
struct flow_search {
	const struct cothon_listener *listener;
	bool found;
};

static void find_conflict(struct cothon_flow_entry *entry, void *context)
{
	const struct cothon_tcp *tcp = cothon_container(entry, struct cothon_tcp, entry);
	struct flow_search *search = context;
	const struct cothon_binding *binding = &search->listener->binding;

	if (entry->flow.local_port != binding->endpoint.port ||
	    !cothon_binding_covers(binding, &entry->flow.local) ||
	    !cothon_stack_has_address(tcp->stack, &entry->flow.local))
		return;
	if ((binding->reuse_address && tcp->reuse_address) ||
	    (binding->reuse_port && tcp->reuse_port))
		return;
	search->found = true;
}

static int listen_as(struct cothon_stack *stack, const struct cothon_endpoint *local,
		     const struct cothon_bind_options *options, unsigned backlog,
		     cothon_tcp_handler *handler, void *owner, struct cothon_listener **result)
{
	struct cothon_listener *listener;
	int error;

	if (backlog == 0)
		return -EINVAL;
	listener = cothon_stack_alloc(stack, sizeof(*listener));
	if (!listener)
		return -ENOMEM;
	*listener = (struct cothon_listener){
		.stack = stack, .handler = handler, .owner = owner, .backlog = backlog};
	error = cothon_stack_bind(stack, &listener->binding, COTHON_TCP, local, options);
	if (error) {
		cothon_stack_free(stack, listener, sizeof(*listener));
		return error;
	}
	*result = listener;
	return 0;
}

int cothon_tcp_listen_as(struct cothon_stack *stack, const struct cothon_endpoint *local,
			 const struct cothon_bind_options *options, unsigned backlog,
			 cothon_tcp_handler *handler, void *owner, struct cothon_listener **result)
{
	struct flow_search search = {0};
	int error = listen_as(stack, local, options, backlog, handler, owner, result);

	/* A port that was chosen is nobody's. */
	if (error || local->port == 0)
		return error;
	search.listener = *result;
	cothon_flow_table_each(stack->flows, find_conflict, &search);
	if (!search.found)
		return 0;
	cothon_listener_close(*result);
	return -EADDRINUSE;
}

int cothon_tcp_listen(struct cothon_stack *stack, const struct cothon_endpoint *local,
		      unsigned backlog, cothon_tcp_handler *handler, void *owner,
		      struct cothon_listener **result)
{
	static const struct cothon_bind_options options = {.reuse_address = true};

	return listen_as(stack, local, &options, backlog, handler, owner, result);
}

struct cothon_endpoint cothon_listener_local(const struct cothon_listener *listener)
{
	return listener->binding.endpoint;
}

static void reset_waiting(struct cothon_flow_entry *entry, void *context)
{
	struct cothon_tcp *tcp = cothon_container(entry, struct cothon_tcp, entry);

	if (tcp->listener == context)
		cothon_tcp_reset(tcp, -ECONNRESET);
}

void cothon_listener_close(struct cothon_listener *listener)
{
	struct cothon_stack *stack = listener->stack;

	if (listener->waiting)
		cothon_flow_table_each(stack->flows, reset_waiting, listener);
	cothon_stack_unbind(stack, &listener->binding);
	cothon_stack_free(stack, listener, sizeof(*listener));
}
