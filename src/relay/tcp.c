/* SPDX-License-Identifier: MIT */
#include "relay/state.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	/*
	 * Bytes that one flow moves before it is the next one's turn, and all flows in one round.
	 */
	QUANTUM = 128 << 10,
	ROUND_BYTES = 128 << 10,
	/*
	 * What a turn counts besides its bytes, so that the number of turns in a round is bounded
	 * too.
	 */
	TURN_COST = 1 << 10,
	/*
	 * When one side has broken, the other is reset after it has taken what came before; a side
	 * that takes nothing for so many seconds is reset without.
	 */
	PATIENCE = 60,
	/* How often such a side is looked at, in milliseconds: often at first, then rarely. */
	PAUSE_MIN = 1,
	PAUSE_MAX = 1000,
	/*
	 * Seconds of silence after which a side is probed, and the probes. RFC 5382 REQ-5: no
	 * flow may be given up before 2 hours and 4 minutes.
	 */
	KEEPALIVE_IDLE = 7200,
	KEEPALIVE_INTERVAL = 75,
	KEEPALIVE_COUNT = 9,
	/* The same for the sandbox's side when its processes have ended. */
	KEEPALIVE_DRAINING = 1,
};

static const uint32_t OUTSIDE_EVENTS = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

/* Life */

static void timer_expired(struct relay *relay, struct relay_timer *timer);
static void dial_failed(struct relay_tcp *flow, int error);
static void outside_ready(struct host_watch *watch, uint32_t events, uint64_t now);

void relay_tcp_init(struct relay *relay)
{
	cothon_list_init(&relay->tcp.all);
	cothon_turns_init(&relay->tcp.turns, QUANTUM);
}

struct relay_tcp *relay_tcp_create(struct relay *relay)
{
	struct relay_tcp *flow = calloc(1, sizeof(*flow));

	if (!flow)
		return NULL;
	flow->relay = relay;
	flow->watch = (struct host_watch){.fd = -1, .ready = outside_ready};
	cothon_turn_init(&flow->turn);
	relay_timer_init(&flow->timer, timer_expired);
	cothon_list_append(&relay->tcp.all, &flow->node);
	return flow;
}

/* Takes the outside away from the flow; returns its descriptor. */
static int detach_outside(struct relay_tcp *flow)
{
	int fd = flow->watch.fd;

	if (fd >= 0)
		host_loop_remove(flow->relay->loop, &flow->watch);
	flow->watch.fd = -1;
	return fd;
}

/* Takes the inside away from the flow. */
static struct cothon_tcp *detach_inside(struct relay_tcp *flow)
{
	struct cothon_tcp *tcp = flow->tcp;

	flow->tcp = NULL;
	return tcp;
}

/* Frees a flow whose sides there are no more. */
static void destroy(struct relay_tcp *flow)
{
	relay_rotation_end(flow);
	if (flow->name)
		relay_names_put(&flow->relay->names, flow->name);
	relay_disarm(flow->relay, &flow->timer);
	cothon_turn_cancel(&flow->turn);
	relay_walk_leave(flow->relay, flow);
	cothon_list_remove(&flow->node);
	free(flow);
}

static void tell_observer(const struct relay_tcp *flow)
{
	struct cothon_tcp_info info;

	relay_measure_end(flow);
	if (!flow->relay->ended || !flow->tcp || !flow->inside_open)
		return;
	cothon_tcp_info(flow->tcp, &info);
	flow->relay->ended(flow->relay->ended_context, &info);
}

/* Ends a flow: each side, if it is there, in order or by RST. */
static void end(struct relay_tcp *flow, bool reset_outside, bool reset_inside)
{
	struct cothon_tcp *tcp;
	int fd;

	tell_observer(flow);
	fd = detach_outside(flow);
	tcp = detach_inside(flow);
	if (fd >= 0 && reset_outside)
		host_socket_reset(fd);
	else if (fd >= 0)
		close(fd);
	if (tcp && reset_inside)
		cothon_tcp_abort(tcp);
	else if (tcp)
		cothon_tcp_close(tcp);
	destroy(flow);
}

void relay_tcp_drop(struct relay_tcp *flow)
{
	end(flow, true, true);
}

struct relay_tcp *relay_tcp_find(const struct relay *relay, const struct cothon_endpoint *inside,
				 const struct cothon_endpoint *remote)
{
	for (const struct cothon_list *node = relay->tcp.all.next; node != &relay->tcp.all;
	     node = node->next) {
		struct relay_tcp *flow = cothon_container((struct cothon_list *)(uintptr_t)node,
							  struct relay_tcp, node);
		struct cothon_endpoint local, far;

		if (!flow->tcp)
			continue;
		local = cothon_flow_remote(cothon_tcp_flow(flow->tcp));
		far = cothon_flow_local(cothon_tcp_flow(flow->tcp));
		if (local.port == inside->port && far.port == remote->port &&
		    cothon_addr_equal(&local.addr, &inside->addr) &&
		    cothon_addr_equal(&far.addr, &remote->addr))
			return flow;
	}
	return NULL;
}

void relay_tcp_break(struct relay_tcp *flow)
{
	/* A SYN that is still held is answered as a closed port answers it. */
	if (!flow->inward && !flow->outside_open && !flow->inside_open)
		cothon_tcp_refuse(detach_inside(flow), -ECONNREFUSED);
	end(flow, true, true);
}

/* Breaking in order */

/* Bytes that the host's kernel has taken and the peer has not acknowledged. */
static uint64_t unsent(const struct relay_tcp *flow)
{
	int bytes = 0;

	if (ioctl(flow->watch.fd, SIOCOUTQ, &bytes) < 0)
		return 0;
	return (uint64_t)bytes;
}

/*
 * True when a side has taken all that it is to have before it is reset (`left` is 0), or has taken
 * nothing for too long. Otherwise it is looked at again later.
 */
static bool has_taken_all(struct relay_tcp *flow, uint64_t left)
{
	uint64_t now = flow->relay->now;

	if (left == 0)
		return true;
	if (left != flow->left) {
		flow->left = left;
		flow->left_since = now;
		flow->pause = PAUSE_MIN;
	} else if (now - flow->left_since >= RELAY_SECONDS(PATIENCE)) {
		return true;
	} else if (flow->pause < PAUSE_MAX) {
		flow->pause *= 2;
	}
	relay_arm(flow->relay, &flow->timer, RELAY_MILLISECONDS(flow->pause));
	return false;
}

/* Ends the flow if both sides have ended or one has broken. Returns true when it is gone. */
static bool settle(struct relay_tcp *flow)
{
	if (!flow->inside_open || !flow->outside_open)
		return false;
	if (flow->inside_ended && cothon_tcp_error(flow->tcp)) {
		if (!flow->outside_broken &&
		    !has_taken_all(flow, cothon_tcp_readable(flow->tcp) + unsent(flow)))
			return false;
		end(flow, true, false);
		return true;
	}
	if (flow->outside_broken) {
		uint64_t left = cothon_tcp_unacknowledged(flow->tcp) + (flow->end_in ? 0 : 1);

		if (!flow->inside_ended && !has_taken_all(flow, left))
			return false;
		end(flow, true, true);
		return true;
	}
	if (flow->end_out && (flow->end_in || flow->inside_ended)) {
		end(flow, false, false);
		return true;
	}
	return false;
}

/* Moving bytes */

/* Moves bytes both ways within `budget` each; returns how many. */
static size_t pump(struct relay_tcp *flow, size_t budget)
{
	return relay_tcp_pump_out(flow, budget) + relay_tcp_pump_in(flow, budget);
}

static void request_turn(struct relay_tcp *flow)
{
	cothon_turn_request(&flow->relay->tcp.turns, &flow->turn);
}

void relay_tcp_turn(struct relay *relay)
{
	struct cothon_turn *turn;
	size_t spent = 0;

	while (spent < ROUND_BYTES && (turn = cothon_turn_next(&relay->tcp.turns))) {
		struct relay_tcp *flow = cothon_container(turn, struct relay_tcp, turn);
		size_t cost = pump(flow, (size_t)turn->deficit) + TURN_COST;

		cothon_turn_done(&relay->tcp.turns, turn, (uint32_t)cost, relay_tcp_can_pump(flow));
		settle(flow);
		spent += cost;
	}
}

bool relay_tcp_has_turns(const struct relay *relay)
{
	return !cothon_list_empty(&relay->tcp.turns.fresh) ||
	       !cothon_list_empty(&relay->tcp.turns.old);
}

static void timer_expired(struct relay *relay, struct relay_timer *timer)
{
	struct relay_tcp *flow = cothon_container(timer, struct relay_tcp, timer);

	(void)relay;
	if (flow->rotation) {
		/* Another address may answer sooner. */
		dial_failed(flow, -ETIMEDOUT);
		return;
	}
	/* Perhaps there is memory again; if not, each call will say so. */
	flow->readable = flow->writable = flow->room = true;
	request_turn(flow);
}

/* The inside */

static void inside_failed(struct relay_tcp *flow)
{
	int error = cothon_tcp_error(flow->tcp);

	cothon_tcp_close(detach_inside(flow));
	flow->inside_ended = false;
	/* Of what the sandbox opened, nobody is left who waits for another try. */
	if (flow->inward && flow->retry && flow->retry(flow, error) == 0)
		return;
	flow->relay->counters.tcp_failed++;
	end(flow, true, false);
}

static void inside_told(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct relay_tcp *flow = owner;

	(void)tcp;
	if (events & COTHON_TCP_OPENED)
		flow->inside_open = flow->room = true;
	if (events & COTHON_TCP_WRITABLE)
		flow->room = true;
	if (events & COTHON_TCP_ENDED)
		flow->inside_ended = true;
	if (flow->inside_ended && !flow->inside_open) {
		inside_failed(flow);
		return;
	}
	if (flow->inside_ended && !flow->outside_open) {
		end(flow, true, false);
		return;
	}
	/*
	 * At once, so that what is acknowledged at the end of this round opens the window as far as
	 * it can.
	 */
	pump(flow, QUANTUM);
	if (!settle(flow) && relay_tcp_can_pump(flow))
		request_turn(flow);
}

static void set_options(struct cothon_tcp *tcp, uint32_t idle, uint32_t interval)
{
	const struct cothon_tcp_options options = {
		/* The outside's writers have decided already what is worth a segment. */
		.no_delay = true,
		.keepalive_idle = idle,
		.keepalive_interval = interval,
		.keepalive_count = KEEPALIVE_COUNT,
	};

	cothon_tcp_set_options(tcp, &options);
}

void relay_tcp_take_inside(struct relay_tcp *flow, struct cothon_tcp *tcp, bool open)
{
	flow->tcp = tcp;
	flow->inside_open = flow->room = open;
	cothon_tcp_own(tcp, inside_told, flow);
	set_options(tcp, KEEPALIVE_IDLE, KEEPALIVE_INTERVAL);
}

int relay_tcp_open(struct relay_tcp *flow, const struct cothon_endpoint *local,
		   const struct cothon_endpoint *remote)
{
	struct cothon_tcp *tcp;
	int error = cothon_tcp_connect(flow->relay->stack, local, remote, inside_told, flow, &tcp);

	flow->inward = true;
	if (!error)
		relay_tcp_take_inside(flow, tcp, false);
	return error;
}

/* The outside */

static void prepare_socket(int fd)
{
	/*
	 * The sandbox's kernel has decided already what is worth a segment; its urgent data is part
	 * of the stream.
	 */
	host_socket_set(fd, SOL_TCP, TCP_NODELAY, 1);
	host_socket_set(fd, SOL_SOCKET, SO_OOBINLINE, 1);
	host_socket_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	host_socket_set(fd, SOL_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE);
	host_socket_set(fd, SOL_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL);
	host_socket_set(fd, SOL_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
}

int relay_tcp_take_outside(struct relay_tcp *flow, int fd)
{
	int error;

	prepare_socket(fd);
	flow->watch.fd = fd;
	error = host_loop_add(flow->relay->loop, &flow->watch, OUTSIDE_EVENTS);
	if (error) {
		flow->watch.fd = -1;
		close(fd);
		flow->relay->counters.no_socket++;
		return error;
	}
	flow->outside_open = true;
	return 0;
}

int relay_tcp_dial(struct relay_tcp *flow, const struct host_sockaddr *to)
{
	int fd = host_socket_open(to->any.sa_family, SOCK_STREAM, IPPROTO_TCP);
	int error = 0;

	if (fd < 0) {
		flow->relay->counters.no_socket++;
		return fd;
	}
	prepare_socket(fd);
	if (connect(fd, &to->any, to->len) < 0 && errno != EINPROGRESS)
		error = -errno;
	if (!error) {
		flow->watch.fd = fd;
		error = host_loop_add(flow->relay->loop, &flow->watch, OUTSIDE_EVENTS);
	}
	if (error) {
		flow->watch.fd = -1;
		close(fd);
	}
	return error;
}

/* What a sandbox is told: errors that are only this machine's become what a router would say. */
static int error_for_sandbox(int error)
{
	switch (error) {
	case -ENETDOWN:
		return -ENETUNREACH;
	case -EHOSTDOWN:
	case -ENONET:
		return -EHOSTUNREACH;
	default:
		return error;
	}
}

void relay_tcp_refuse(struct relay_tcp *flow, int error)
{
	flow->relay->counters.tcp_failed++;
	if (!flow->inside_open)
		cothon_tcp_refuse(detach_inside(flow), error_for_sandbox(error));
	end(flow, true, true);
}

static void dial_failed(struct relay_tcp *flow, int error)
{
	close(detach_outside(flow));
	if (!flow->retry || flow->retry(flow, error))
		relay_tcp_refuse(flow, error);
}

static void note_events(struct relay_tcp *flow, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		flow->readable = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		flow->writable = true;
	if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		flow->hung_up = true;
	/* Nothing is read any more that would find it. */
	if ((events & (EPOLLHUP | EPOLLERR)) && !flow->end_out &&
	    (flow->end_in || flow->inside_ended))
		flow->outside_broken = true;
}

static void outside_ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct relay_tcp *flow = cothon_container(watch, struct relay_tcp, watch);

	flow->relay->now = now;
	if (!flow->outside_open) {
		int error;

		if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		error = host_socket_error(watch->fd);
		if (error) {
			dial_failed(flow, error);
			return;
		}
		flow->outside_open = true;
		relay_disarm(flow->relay, &flow->timer);
		relay_rotation_end(flow);
		if (!flow->inside_open)
			cothon_tcp_accept(flow->tcp);
	}
	note_events(flow, events);
	request_turn(flow);
}

/* What the sandbox opens */

static struct relay_attempt attempt_of(const struct cothon_tcp *tcp)
{
	const struct cothon_flow *flow = cothon_tcp_flow(tcp);

	return (struct relay_attempt){
		.transport = COTHON_TCP,
		.source = cothon_flow_remote(flow),
		.destination = cothon_flow_local(flow),
	};
}

/* Connects a new flow's outside to where it may pass. Returns 0 when that is under way. */
static int set_out(struct relay_tcp *flow, const struct relay_passage *passage)
{
	struct host_sockaddr to;

	if (passage->name) {
		flow->name = relay_names_take(passage->name);
		return relay_rotation_start(flow);
	}
	flow->outside = passage->target;
	to = host_sockaddr_make(&passage->target, 0);
	return relay_tcp_dial(flow, &to);
}

int relay_tcp_forward(struct relay *relay, struct cothon_tcp *tcp)
{
	struct relay_attempt attempt = attempt_of(tcp);
	struct relay_passage passage;
	struct relay_tcp *flow;
	int error;

	if (!relay->draining && relay_dns_stands_in(relay, &attempt.destination))
		return relay_stream_forward(relay, tcp);
	error = relay_gate_pass(relay, &attempt, &passage);
	if (error)
		return error == -EACCES ? relay_held_add(relay, tcp) : error;
	flow = relay->draining ? NULL : relay_tcp_create(relay);
	if (!flow)
		return -ENOMEM;
	flow->tcp = tcp;
	error = set_out(flow, &passage);
	if (error) {
		relay->counters.tcp_failed++;
		flow->tcp = NULL;
		destroy(flow);
		return error_for_sandbox(error);
	}
	relay->counters.tcp_out++;
	relay_tcp_take_inside(flow, tcp, false);
	return 0;
}

/* Other rules */

static bool may_stay(struct relay_tcp *flow)
{
	struct relay_attempt attempt;
	bool reached = flow->outside.port != 0;

	if (flow->inward || !flow->tcp)
		return true;
	if (relay_dns_is_joined(flow))
		return !flow->relay->policy.some_names_denied;
	attempt = attempt_of(flow->tcp);
	return relay_gate_keep(flow->relay, &attempt, flow->name, reached ? &flow->outside : NULL);
}

void relay_tcp_recheck(struct relay *relay)
{
	struct cothon_list *node = relay->tcp.all.next;

	while (node != &relay->tcp.all) {
		struct relay_tcp *flow = cothon_container(node, struct relay_tcp, node);

		node = node->next;
		if (may_stay(flow))
			continue;
		if (!flow->inside_open)
			cothon_tcp_refuse(detach_inside(flow), -EACCES);
		end(flow, true, true);
	}
}

/* The end of the sandbox */

void relay_tcp_drain(struct relay *relay)
{
	struct cothon_list *node = relay->tcp.all.next;

	while (node != &relay->tcp.all) {
		struct relay_tcp *flow = cothon_container(node, struct relay_tcp, node);

		node = node->next;
		if (flow->outside_open && (flow->inside_open || !flow->inward)) {
			/*
			 * A RST is sent once: where it was lost, the sandbox's kernel repeats it
			 * when it is asked after the flow.
			 */
			set_options(flow->tcp, KEEPALIVE_DRAINING, KEEPALIVE_DRAINING);
			continue;
		}
		/* Nobody is left who waits for it. */
		if (!flow->outside_open && !flow->inside_open)
			cothon_tcp_refuse(detach_inside(flow), -ECONNREFUSED);
		end(flow, true, true);
	}
}

static bool undelivered(const struct relay_tcp *flow)
{
	const struct relay *relay = flow->relay;

	if (!flow->tcp || flow->outside_broken || flow->end_out)
		return false;
	if (flow->inside_open &&
	    (cothon_tcp_readable(flow->tcp) > 0 || cothon_tcp_at_end(flow->tcp)))
		return true;
	return relay->draining && !relay->link_gone && !flow->inside_ended;
}

unsigned relay_tcp_undelivered(const struct relay *relay)
{
	unsigned count = 0;

	for (const struct cothon_list *node = relay->tcp.all.next; node != &relay->tcp.all;
	     node = node->next) {
		if (undelivered(cothon_container(node, struct relay_tcp, node)))
			count++;
	}
	return count;
}

/*
 * Whether the host's kernel still holds bytes, or the end, that the sandbox sent: then it has to go
 * on delivering them when the socket is closed. It would not if something unread were there (a
 * reset would follow), so that is read first.
 */
static bool leave_to_kernel(const struct relay_tcp *flow)
{
	bool owed = flow->end_out || (flow->inside_ended && unsent(flow) > 0);

	if (owed)
		recv(flow->watch.fd, NULL, INT32_MAX, MSG_TRUNC | MSG_DONTWAIT);
	return owed;
}

void relay_tcp_finish(struct relay *relay)
{
	while (!cothon_list_empty(&relay->tcp.all)) {
		struct relay_tcp *flow =
			cothon_container(relay_take_first(&relay->tcp.all), struct relay_tcp, node);

		end(flow, flow->watch.fd >= 0 && !leave_to_kernel(flow), true);
	}
}
