/* SPDX-License-Identifier: MIT */
#include "stack/tcp/connection.h"

#include "stack/icmp.h"
#include "stack/tcp/handshake.h"
#include "stack/tcp/receiver.h"
#include "stack/tcp/recovery.h"
#include "stack/tcp/sender.h"
#include "stack/tcp/timers.h"
#include <errno.h>

enum {
	/* Of all flows at most one in this many may be in TIME-WAIT; the oldest leave first. */
	TIME_WAIT_SHARE = 4,
};

const char *cothon_tcp_state_name(enum cothon_tcp_state state)
{
	static const char *const names[] = {
		[COTHON_TCP_LISTEN] = "LISTEN",
		[COTHON_TCP_SYN_SENT] = "SYN-SENT",
		[COTHON_TCP_SYN_RECEIVED] = "SYN-RECEIVED",
		[COTHON_TCP_ESTABLISHED] = "ESTABLISHED",
		[COTHON_TCP_FIN_WAIT_1] = "FIN-WAIT-1",
		[COTHON_TCP_FIN_WAIT_2] = "FIN-WAIT-2",
		[COTHON_TCP_CLOSE_WAIT] = "CLOSE-WAIT",
		[COTHON_TCP_CLOSING] = "CLOSING",
		[COTHON_TCP_LAST_ACK] = "LAST-ACK",
		[COTHON_TCP_TIME_WAIT] = "TIME-WAIT",
		[COTHON_TCP_CLOSED] = "CLOSED",
	};

	return names[state];
}

/* Making and freeing */

struct cothon_tcp *cothon_tcp_create(struct cothon_stack *stack, const struct cothon_flow *flow,
				     int *error)
{
	struct cothon_tcp *tcp = cothon_stack_alloc(stack, sizeof(*tcp));

	if (!tcp) {
		*error = -ENOMEM;
		return NULL;
	}
	*tcp = (struct cothon_tcp){
		.entry.flow = *flow,
		.stack = stack,
		.state = COTHON_TCP_CLOSED,
		.owned = true,
		.opened_at = stack->now,
		.heard_at = stack->now,
	};
	cothon_list_init(&tcp->ready);
	cothon_list_init(&tcp->place);
	cothon_list_init(&tcp->rcv.grown);
	cothon_turn_init(&tcp->turn);
	cothon_tcp_timers_init(tcp);
	cothon_rtt_init(&tcp->snd.rtt);
	*error = cothon_flow_table_insert(stack->flows, &tcp->entry);
	if (*error == -ENOBUFS && !cothon_list_empty(&stack->time_wait)) {
		/* At the bound of flows the oldest that only waits makes room. */
		cothon_tcp_end(cothon_container(stack->time_wait.next, struct cothon_tcp, place),
			       0);
		*error = cothon_flow_table_insert(stack->flows, &tcp->entry);
	}
	if (*error) {
		stack->counters.tcp_flows_refused += *error == -ENOBUFS;
		cothon_stack_free(stack, tcp, sizeof(*tcp));
		return NULL;
	}
	return tcp;
}

static void release_queues(struct cothon_tcp *tcp)
{
	cothon_tcp_sender_clear(tcp);
	cothon_tcp_recovery_end(tcp);
	cothon_tcp_receiver_stop(tcp);
}

static void destroy(struct cothon_tcp *tcp)
{
	struct cothon_stack *stack = tcp->stack;

	if (stack->delivering == tcp)
		stack->delivering = NULL;
	release_queues(tcp);
	cothon_buf_put_list(tcp->rcv.head);
	cothon_list_remove(&tcp->ready);
	cothon_list_remove(&tcp->place);
	cothon_stack_free(stack, tcp, sizeof(*tcp));
}

static void leave_time_wait(struct cothon_tcp *tcp)
{
	if (tcp->state != COTHON_TCP_TIME_WAIT)
		return;
	cothon_list_remove(&tcp->place);
	tcp->stack->time_wait_count--;
}

void cothon_tcp_opened(struct cothon_tcp *tcp)
{
	if (!tcp->half_open)
		return;
	cothon_list_remove(&tcp->place);
	tcp->stack->half_open--;
	tcp->stack->answered_count -= tcp->answered;
	tcp->half_open = tcp->answered = false;
}

/* No longer one that its listener waits with. */
static void leave_listener(struct cothon_tcp *tcp)
{
	if (tcp->listener)
		tcp->listener->waiting--;
	tcp->listener = NULL;
}

/* Takes the connection out of everything that may find it. */
static void detach(struct cothon_tcp *tcp)
{
	leave_time_wait(tcp);
	cothon_tcp_opened(tcp);
	leave_listener(tcp);
	cothon_tcp_timers_stop(tcp);
	cothon_turn_cancel(&tcp->turn);
	cothon_flow_table_remove(tcp->stack->flows, &tcp->entry);
	cothon_ephemeral_release(tcp->stack->ephemeral, &tcp->entry.flow);
	tcp->stack->counters.tcp_closed++;
	tcp->state = COTHON_TCP_CLOSED;
}

static void notify_end(struct cothon_tcp *tcp, int error)
{
	if (tcp->ended)
		return;
	tcp->ended = true;
	tcp->error = error;
	cothon_tcp_notify(tcp, COTHON_TCP_ENDED);
}

void cothon_tcp_end(struct cothon_tcp *tcp, int error)
{
	detach(tcp);
	release_queues(tcp);
	if (!tcp->owned) {
		destroy(tcp);
		return;
	}
	cothon_list_append(&tcp->stack->ended, &tcp->place);
	notify_end(tcp, error);
}

void cothon_tcp_reset(struct cothon_tcp *tcp, int error)
{
	cothon_tcp_send_reset(tcp);
	cothon_tcp_end(tcp, error);
}

void cothon_tcp_enter_time_wait(struct cothon_tcp *tcp)
{
	struct cothon_stack *stack = tcp->stack;
	uint32_t share = stack->config.max_flows / TIME_WAIT_SHARE;

	if (tcp->state != COTHON_TCP_TIME_WAIT) {
		release_queues(tcp);
		tcp->state = COTHON_TCP_TIME_WAIT;
		stack->time_wait_count++;
	}
	cothon_list_remove(&tcp->place);
	cothon_list_append(&stack->time_wait, &tcp->place);
	cothon_tcp_timers_time_wait(tcp);
	notify_end(tcp, 0);
	/* This one is the last to leave, so there is another. */
	if (stack->time_wait_count > 1 && stack->time_wait_count > share)
		cothon_tcp_end(cothon_container(stack->time_wait.next, struct cothon_tcp, place),
			       0);
}

static void destroy_entry(struct cothon_flow_entry *entry, void *context)
{
	struct cothon_tcp *tcp = cothon_container(entry, struct cothon_tcp, entry);

	(void)context;
	detach(tcp);
	destroy(tcp);
}

void cothon_tcp_destroy_all(struct cothon_stack *stack)
{
	/* Those that ended and whose owners have not given them up are in no table any more. */
	while (!cothon_list_empty(&stack->ended))
		destroy(cothon_container(stack->ended.next, struct cothon_tcp, place));
	cothon_flow_table_each(stack->flows, destroy_entry, NULL);
}

/* Telling the owner */

void cothon_tcp_notify(struct cothon_tcp *tcp, unsigned events)
{
	if (!tcp->handler)
		return;
	tcp->events |= (uint8_t)events;
	if (cothon_list_empty(&tcp->ready))
		cothon_list_append(&tcp->stack->ready, &tcp->ready);
}

void cothon_tcp_deliver(struct cothon_stack *stack)
{
	struct cothon_list batch;

	/* What handlers bring about is told in the next round: no flow can keep this one going for ever. */
	cothon_list_init(&batch);
	cothon_list_splice(&batch, &stack->ready);
	while (!cothon_list_empty(&batch)) {
		struct cothon_tcp *tcp = cothon_container(batch.next, struct cothon_tcp, ready);
		unsigned events = tcp->events;

		cothon_list_remove(&tcp->ready);
		tcp->events = 0;
		/* From its first event on, which is OPENED, the handle is the owner's. */
		if (tcp->listener)
			tcp->owned = true;
		leave_listener(tcp);
		stack->delivering = tcp;
		tcp->handler(tcp, tcp->owner, events);
		if (stack->delivering)
			cothon_tcp_receiver_settle(tcp);
	}
	stack->delivering = NULL;
}

void cothon_tcp_own(struct cothon_tcp *tcp, cothon_tcp_handler *handler, void *owner)
{
	tcp->handler = handler;
	tcp->owner = owner;
	if (tcp->ended)
		cothon_tcp_notify(tcp, COTHON_TCP_ENDED);
	else if (tcp->rcv.queued || tcp->rcv.fin)
		cothon_tcp_notify(tcp, COTHON_TCP_READABLE);
}

/* Opening and closing from this side */

static bool flow_is_free(void *context, uint16_t port)
{
	struct cothon_tcp *tcp = context;

	tcp->entry.flow.local_port = port;
	return !cothon_flow_table_find(tcp->stack->flows, &tcp->entry.flow) &&
	       !cothon_bindings_hold(tcp->stack->bindings, COTHON_TCP, port);
}

/* Fills in what connect was left to choose. */
static int choose_local(struct cothon_stack *stack, struct cothon_endpoint *local,
			const struct cothon_endpoint *remote)
{
	struct cothon_tcp probe = {.stack = stack};
	struct cothon_flow flow;

	if (cothon_addr_is_any(&local->addr)) {
		const struct cothon_addr *source = cothon_stack_source(stack, &remote->addr);

		if (!source)
			return -EADDRNOTAVAIL;
		local->addr = *source;
	} else if (!stack->config.forwarder && !cothon_stack_has_address(stack, &local->addr)) {
		return -EADDRNOTAVAIL;
	}
	if (cothon_addr_is_ipv4(&local->addr) != cothon_addr_is_ipv4(&remote->addr) ||
	    !cothon_addr_is_unicast(&local->addr) || !cothon_addr_is_unicast(&remote->addr) ||
	    remote->port == 0)
		return -EINVAL;
	if (local->port != 0)
		return 0;
	probe.entry.flow = flow = cothon_flow_make(COTHON_TCP, local, remote);
	return cothon_ephemeral_choose(stack->ephemeral, &flow, flow_is_free, &probe, &local->port);
}

/*
 * Who speaks for others has no say in which port they use again: the connection in TIME-WAIT of the same endpoints, if
 * there is one, makes room for a new one whose sequence numbers are beyond its own (RFC 1122 section 4.2.2.13 has it
 * so for a SYN that comes). Returns true with *used, the last of them.
 */
static bool take_over(struct cothon_stack *stack, const struct cothon_flow *flow,
		      struct cothon_seq *used)
{
	struct cothon_tcp *old = stack->config.forwarder ? cothon_tcp_find(stack, flow) : NULL;

	if (!old || old->state != COTHON_TCP_TIME_WAIT)
		return false;
	*used = old->snd.nxt;
	cothon_tcp_end(old, 0);
	return true;
}

int cothon_tcp_connect(struct cothon_stack *stack, const struct cothon_endpoint *local,
		       const struct cothon_endpoint *remote, cothon_tcp_handler *handler,
		       void *owner, struct cothon_tcp **result)
{
	struct cothon_endpoint from = *local;
	struct cothon_flow flow;
	struct cothon_seq used;
	bool again;
	int error = choose_local(stack, &from, remote);

	if (error)
		return error;
	flow = cothon_flow_make(COTHON_TCP, &from, remote);
	again = take_over(stack, &flow, &used);
	*result = cothon_tcp_create(stack, &flow, &error);
	if (!*result)
		return error;
	(*result)->active = true;
	cothon_tcp_own(*result, handler, owner);
	cothon_tcp_handshake_open(*result);
	if (again)
		cothon_tcp_handshake_beyond(*result, used);
	return 0;
}

void cothon_tcp_shutdown(struct cothon_tcp *tcp)
{
	if (tcp->snd.fin_queued || tcp->state == COTHON_TCP_CLOSED)
		return;
	tcp->snd.fin_queued = true;
	/* Before the handshake is complete the state stays: the end waits behind it (RFC 9293 section 3.10.4). */
	if (tcp->state == COTHON_TCP_ESTABLISHED)
		tcp->state = COTHON_TCP_FIN_WAIT_1;
	else if (tcp->state == COTHON_TCP_CLOSE_WAIT)
		tcp->state = COTHON_TCP_LAST_ACK;
	cothon_tcp_request(tcp);
}

/* The owner knows no more of it. */
static void disown(struct cothon_tcp *tcp)
{
	tcp->owned = false;
	tcp->handler = NULL;
	tcp->events = 0;
	cothon_list_remove(&tcp->ready);
	if (tcp->stack->delivering == tcp)
		tcp->stack->delivering = NULL;
}

void cothon_tcp_close(struct cothon_tcp *tcp)
{
	bool unread = tcp->rcv.queued > 0;

	disown(tcp);
	if (tcp->state == COTHON_TCP_CLOSED) {
		destroy(tcp);
	} else if (tcp->state == COTHON_TCP_LISTEN || tcp->state == COTHON_TCP_SYN_SENT) {
		cothon_tcp_end(tcp, 0);
	} else if (unread && tcp->state != COTHON_TCP_TIME_WAIT) {
		/* RFC 1122 section 4.2.2.13: data that nobody will read was lost, and the peer is told. */
		cothon_tcp_reset(tcp, 0);
	} else {
		cothon_buf_put_list(tcp->rcv.head);
		tcp->rcv.head = tcp->rcv.tail = tcp->rcv.settled = NULL;
		tcp->rcv.queued = 0;
		cothon_tcp_shutdown(tcp);
		cothon_tcp_request(tcp);
	}
}

void cothon_tcp_abort(struct cothon_tcp *tcp)
{
	disown(tcp);
	if (tcp->state == COTHON_TCP_CLOSED)
		destroy(tcp);
	else if (tcp->state == COTHON_TCP_TIME_WAIT)
		return;
	else
		cothon_tcp_reset(tcp, 0);
}

void cothon_tcp_accept(struct cothon_tcp *tcp)
{
	if (tcp->state == COTHON_TCP_LISTEN)
		cothon_tcp_handshake_answer(tcp);
}

void cothon_tcp_refuse(struct cothon_tcp *tcp, int error)
{
	struct cothon_stack *stack = tcp->stack;

	disown(tcp);
	if (tcp->state == COTHON_TCP_CLOSED) {
		destroy(tcp);
		return;
	}
	cothon_tcp_handshake_refuse(stack, &tcp->entry.flow, tcp->rcv.irs, error);
	cothon_tcp_end(tcp, 0);
}

/* Looking at it */

struct cothon_tcp *cothon_tcp_find(struct cothon_stack *stack, const struct cothon_flow *flow)
{
	struct cothon_flow_entry *entry = cothon_flow_table_find(stack->flows, flow);

	return entry ? cothon_container(entry, struct cothon_tcp, entry) : NULL;
}

int cothon_tcp_error(const struct cothon_tcp *tcp)
{
	return tcp->error;
}

const struct cothon_flow *cothon_tcp_flow(const struct cothon_tcp *tcp)
{
	return &tcp->entry.flow;
}

void cothon_tcp_set_options(struct cothon_tcp *tcp, const struct cothon_tcp_options *options)
{
	tcp->options = *options;
	if (!tcp->options.keepalive_interval)
		tcp->options.keepalive_interval = 75;
	if (!tcp->options.keepalive_count)
		tcp->options.keepalive_count = 9;
	cothon_tcp_timers_options(tcp);
}

void cothon_tcp_info(const struct cothon_tcp *tcp, struct cothon_tcp_info *info)
{
	*info = (struct cothon_tcp_info){
		.flow = tcp->entry.flow,
		.state = tcp->state,
		.active = tcp->active,
		.opened_at = tcp->opened_at,
		.bytes_in = tcp->bytes_in,
		.bytes_out = tcp->bytes_out,
		.retransmits = tcp->retransmits,
		.srtt = tcp->snd.rtt.srtt,
		.rto = cothon_rtt_timeout(&tcp->snd.rtt),
		.cwnd = tcp->cc.cwnd,
		.mss = tcp->snd.mss,
	};
}

struct each {
	void (*call)(const struct cothon_tcp *tcp, void *context);
	void *context;
};

static void each_entry(struct cothon_flow_entry *entry, void *context)
{
	struct each *each = context;

	each->call(cothon_container(entry, struct cothon_tcp, entry), each->context);
}

void cothon_tcp_each(struct cothon_stack *stack,
		     void (*call)(const struct cothon_tcp *tcp, void *context), void *context)
{
	struct each each = {call, context};

	cothon_flow_table_each(stack->flows, each_entry, &each);
}
