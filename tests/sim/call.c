/* SPDX-License-Identifier: MIT */
#include "call.h"

#include "content.h"
#include <cothon/tcp.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum {
	BACKLOG = 64,
	PIECES = 4,
	COPY = 4096,
};

static struct call_side *other(struct call_side *side)
{
	return &side->call->sides[side == &side->call->sides[0]];
}

static const char *name_of(const struct call_side *side)
{
	return side == &side->call->sides[CALL_CLIENT] ? "client" : "server";
}

#define FAIL(side, text, ...)                                                              \
	world_fail((side)->call->calls->world, "call %u, %s: " text, (side)->call->number, \
		   name_of(side), ##__VA_ARGS__)

static uint64_t now_of(const struct call_side *side)
{
	return side->call->calls->world->now;
}

/* The application wants to do something then. */
static void wake(struct call_side *side, uint64_t at)
{
	struct world_work *work = side->call->calls->work;

	if (at < side->due)
		side->due = at;
	if (at < work->due)
		work->due = at;
}

static void give_up(struct call_side *side, bool abort)
{
	if (abort)
		cothon_tcp_abort(side->tcp);
	else
		cothon_tcp_close(side->tcp);
	side->tcp = NULL;
	side->given_up = true;
	world_kick(side->node);
}

/* Reading */

static void check_content(struct call_side *side, const uint8_t *data, size_t len)
{
	struct call_side *from = other(side);
	size_t match = content_match(from->key, side->read, data, len);

	if (side->read + len > from->written)
		FAIL(side, "reads more than was written");
	if (match < len)
		FAIL(side, "byte %" PRIu64 " is not what was written", side->read + match);
	side->read += len;
}

/* Reads at most `len` bytes; returns how many. */
static size_t read_in_place(struct call_side *side, size_t len)
{
	struct iovec iov[PIECES];
	unsigned count = cothon_tcp_peek(side->tcp, iov, PIECES);
	size_t sum = 0;

	for (unsigned i = 0; i < count && sum < len; i++) {
		size_t piece = iov[i].iov_len < len - sum ? iov[i].iov_len : len - sum;

		check_content(side, iov[i].iov_base, piece);
		sum += piece;
	}
	cothon_tcp_consume(side->tcp, sum);
	return sum;
}

static size_t read_copy(struct call_side *side, size_t len)
{
	uint8_t data[COPY];
	ptrdiff_t got = cothon_tcp_read(side->tcp, data, len < COPY ? len : COPY);

	if (got <= 0)
		return 0;
	check_content(side, data, (size_t)got);
	return (size_t)got;
}

/* What the application takes before it pauses. */
static void read_turn(struct call_side *side)
{
	const struct call_plan *plan = &side->plan;
	size_t left = plan->read_size;

	while (left > 0 && cothon_tcp_readable(side->tcp) > 0) {
		size_t got = plan->in_place ? read_in_place(side, left) : read_copy(side, left);

		if (got == 0)
			FAIL(side, "what is readable cannot be read");
		left -= got;
	}
}

static void read_some(struct call_side *side)
{
	const struct call_plan *plan = &side->plan;
	struct call_side *from = other(side);

	while (side->read_due <= now_of(side) && cothon_tcp_readable(side->tcp) > 0) {
		read_turn(side);
		if (plan->read_gap)
			side->read_due = now_of(side) + plan->read_gap;
	}
	if (cothon_tcp_readable(side->tcp) > 0)
		wake(side, side->read_due);
	if (side->at_end || !cothon_tcp_at_end(side->tcp))
		return;
	side->at_end = true;
	if (!from->shut)
		FAIL(side, "reads an end that was not written");
	if (side->read != from->written)
		FAIL(side, "reads the end after %" PRIu64 " bytes of %" PRIu64, side->read,
		     from->written);
}

/* Writing */

static size_t write_in_place(struct call_side *side, size_t len)
{
	struct iovec iov[PIECES];
	unsigned count = cothon_tcp_reserve(side->tcp, len, iov, PIECES);
	size_t sum = 0;

	for (unsigned i = 0; i < count && sum < len; i++) {
		size_t piece = iov[i].iov_len < len - sum ? iov[i].iov_len : len - sum;

		content_fill(side->key, side->written + sum, iov[i].iov_base, piece);
		sum += piece;
	}
	cothon_tcp_commit(side->tcp, sum);
	return sum;
}

static size_t write_copy(struct call_side *side, size_t len)
{
	uint8_t data[COPY];
	ptrdiff_t put;

	len = len < COPY ? len : COPY;
	content_fill(side->key, side->written, data, len);
	put = cothon_tcp_write(side->tcp, data, len);
	return put > 0 ? (size_t)put : 0;
}

static void write_some(struct call_side *side)
{
	const struct call_plan *plan = &side->plan;

	while (!side->shut && side->written < plan->total && side->write_due <= now_of(side)) {
		uint64_t left = plan->total - side->written;
		size_t len = left < plan->write_size ? (size_t)left : plan->write_size;
		size_t put = plan->in_place ? write_in_place(side, len) : write_copy(side, len);

		if (put == 0)
			return;
		side->written += put;
		side->node->events++;
		if (plan->write_gap)
			side->write_due = now_of(side) + plan->write_gap;
	}
	if (side->written < plan->total) {
		wake(side, side->write_due);
	} else if (!side->shut) {
		side->shut = true;
		cothon_tcp_shutdown(side->tcp);
	}
}

/* The end */

static void end_some(struct call_side *side)
{
	const struct call_plan *plan = &side->plan;
	bool done = side->at_end && side->shut;

	if (done && (plan->end != CALL_LINGERS || side->drained || side->over)) {
		give_up(side, false);
		return;
	}
	if (plan->end < CALL_LEAVES || side->read + side->written < plan->end_at)
		return;
	side->call->cut = true;
	side->shut = true;
	give_up(side, plan->end == CALL_ABORTS);
}

/* The SYN that is held, when its time has come. */
static void answer(struct call_side *side)
{
	if (side->accept_due > now_of(side)) {
		wake(side, side->accept_due);
		return;
	}
	side->held = false;
	cothon_tcp_accept(side->tcp);
}

static void act(struct call_side *side)
{
	struct calls *calls = side->call->calls;

	side->due = COTHON_NEVER;
	if (side->held)
		answer(side);
	if (!side->tcp || !side->opened)
		return;
	if (calls->stalled_until > now_of(side)) {
		wake(side, calls->stalled_until);
		return;
	}
	read_some(side);
	if (!side->over)
		write_some(side);
	end_some(side);
	if (side->tcp && side->over && cothon_tcp_readable(side->tcp) == 0)
		FAIL(side, "ended in order, without the peer's end");
}

/* All that was written on both sides was read. */
static bool is_complete(const struct call *call)
{
	return call->sides[CALL_CLIENT].at_end && call->sides[CALL_SERVER].at_end;
}

static void judge(struct call_side *side, int error)
{
	const struct call *call = side->call;
	unsigned excuses = call->calls->excuses;
	bool excused = is_complete(call) || (call->refusal && error == call->refusal);

	switch (error) {
	case 0:
		return;
	case -ETIMEDOUT:
		excused |= (excuses & CALL_MAY_TIME_OUT) != 0;
		/* What ICMP says may get lost, but a reset is said again. */
		excused |= call->refusal && call->refusal != -ECONNREFUSED;
		break;
	case -ENOMEM:
		excused |= (excuses & CALL_MAY_STARVE) != 0;
		break;
	case -ECONNRESET:
		excused |= call->cut || other(side)->error;
		/* The other stack may have given up when no application had the flow. */
		excused |= (excuses & CALL_MAY_TIME_OUT) && !other(side)->tcp;
		/* Or given it up, half-open, for others. */
		excused |= !other(side)->opened &&
			   cothon_stack_counters(other(side)->node->stack)->tcp_half_open_dropped >
				   0;
		break;
	case -ECONNREFUSED:
		/* Nobody listens there, and the other side has gone. */
		excused |= call->crossed && (call->cut || other(side)->error);
		break;
	default:
		break;
	}
	if (!excused)
		FAIL(side, "ends without a reason: %s", strerror(-error));
}

/* All that was written and the end are at the peer, says the stack. */
static void check_drained(struct call_side *side)
{
	const struct call_side *to = other(side);

	side->drained = true;
	if (!side->shut)
		FAIL(side, "is drained before its end");
	if (to->tcp && !to->error && to->read + cothon_tcp_readable(to->tcp) != side->written)
		FAIL(side, "is drained, but the peer has %" PRIu64 " bytes of %" PRIu64,
		     to->read + cothon_tcp_readable(to->tcp), side->written);
}

/* A flow that came to a forwarder and is not open. */
static bool call_waits(const struct call_side *side)
{
	return side->call->outside && side == &side->call->sides[CALL_SERVER] && !side->opened;
}

/* It has ended; what became of it the client is told, who may try again. */
static void withdraw(struct call_side *side)
{
	give_up(side, false);
	side->held = side->given_up = false;
}

static void handle(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct call_side *side = owner;

	if (side->tcp && tcp != side->tcp)
		FAIL(side, "is told about another flow");
	if (side->over)
		FAIL(side, "is told something after the end");
	if (events & COTHON_TCP_OPENED) {
		if (side->opened)
			FAIL(side, "opens twice");
		side->opened = true;
		side->read_due = now_of(side) + side->plan.read_after;
	}
	if (events & COTHON_TCP_DRAINED)
		check_drained(side);
	if ((events & COTHON_TCP_ENDED) && call_waits(side)) {
		withdraw(side);
		return;
	}
	if (events & COTHON_TCP_ENDED) {
		side->over = true;
		side->error = cothon_tcp_error(tcp);
		judge(side, side->error);
		if (side->error) {
			give_up(side, false);
			return;
		}
	}
	act(side);
}

/* Beginning */

/* Of calls with the same ports, the last one to begin: the others have been given up before. */
static struct call *find_call(struct calls *calls, const struct cothon_flow *flow)
{
	struct call *found = NULL;

	for (unsigned i = 0; i < calls->count; i++) {
		struct call *call = &calls->all[i];
		const struct node *client = call->sides[CALL_CLIENT].node;
		const struct node *server = call->sides[CALL_SERVER].node;

		if (call->begun && !call->crossed && call->port == flow->remote_port &&
		    cothon_addr_equal(&flow->remote, &client->addr[call->family]) &&
		    cothon_addr_equal(&flow->local, call->outside ? &server->outside[call->family]
								  : &server->addr[call->family]) &&
		    (!found || call->order > found->order))
			found = call;
	}
	return found;
}

static void handle_new(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct calls *calls = owner;
	struct call *call = find_call(calls, cothon_tcp_flow(tcp));
	struct call_side *side;

	if (!call)
		world_fail(calls->world, "a flow has come that nobody has opened");
	side = &call->sides[CALL_SERVER];
	if (side->opened)
		FAIL(side, "is opened twice");
	side->tcp = tcp;
	cothon_tcp_own(tcp, handle, side);
	cothon_tcp_set_options(tcp, &side->plan.options);
	handle(tcp, side, events);
}

static int forward(void *context, struct cothon_tcp *tcp)
{
	const struct node *node = context;
	struct call *call = find_call(node->world->calls, cothon_tcp_flow(tcp));
	struct call_side *side;

	/* An old SYN of a call that is over, or a crossed one's whose other side has gone. */
	if (!call || !call->outside || call->sides[CALL_SERVER].opened)
		return -ECONNREFUSED;
	if (call->refusal)
		return call->refusal;
	side = &call->sides[CALL_SERVER];
	/* The SYN came before, and was given up for others, of which this side has not been told yet. */
	if (side->tcp)
		withdraw(side);
	side->tcp = tcp;
	side->held = true;
	side->accept_due = now_of(side) + side->plan.accept_after;
	cothon_tcp_own(tcp, handle, side);
	cothon_tcp_set_options(tcp, &side->plan.options);
	answer(side);
	return 0;
}

const struct cothon_forwarder calls_forwarder = {.tcp = forward};

static void connect_side(struct call_side *side, uint16_t local_port, uint16_t remote_port)
{
	const struct call *call = side->call;
	struct cothon_endpoint local = {.port = local_port};
	const struct node *to = other(side)->node;
	struct cothon_endpoint remote = {
		call->outside ? to->outside[call->family] : to->addr[call->family], remote_port};

	side->error =
		cothon_tcp_connect(side->node->stack, &local, &remote, handle, side, &side->tcp);
	if (side->error) {
		side->tcp = NULL;
		side->over = side->given_up = true;
		judge(side, side->error);
		return;
	}
	cothon_tcp_set_options(side->tcp, &side->plan.options);
	world_kick(side->node);
}

static void begin(struct call *call)
{
	struct call_side *client = &call->sides[CALL_CLIENT];
	uint16_t port = (uint16_t)(CALL_CROSSED_PORT + 2 * call->number);

	call->begun = true;
	call->order = ++call->calls->begun;
	if (call->crossed) {
		connect_side(client, port, port + 1);
		connect_side(other(client), port + 1, port);
	} else {
		connect_side(client, 0, CALL_PORT);
		if (client->tcp)
			call->port = cothon_tcp_flow(client->tcp)->local_port;
	}
}

static uint64_t run(void *context, uint64_t now)
{
	struct calls *calls = context;
	uint64_t next = COTHON_NEVER;

	for (unsigned i = 0; i < calls->count; i++) {
		struct call *call = &calls->all[i];

		if (!call->begun && call->at <= now)
			begin(call);
		if (!call->begun && call->at < next)
			next = call->at;
		for (unsigned n = 0; n < CALL_SIDES; n++) {
			struct call_side *side = &call->sides[n];

			if (side->due <= now) {
				act(side);
				world_kick(side->node);
			}
			next = side->due < next ? side->due : next;
		}
	}
	return next;
}

void calls_open(struct calls *calls, struct world *world)
{
	struct cothon_endpoint local = {.port = CALL_PORT};
	struct world_work work = {run, calls, world->now};

	memset(calls, 0, sizeof(*calls));
	calls->world = world;
	world->calls = calls;
	calls->work = world_add(world, &work);
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		if (cothon_tcp_listen(world->nodes[i].stack, &local, BACKLOG, handle_new, calls,
				      &calls->listeners[i]))
			world_fail(world, "node %u cannot listen", i);
	}
}

struct call *calls_add(struct calls *calls, unsigned client, unsigned server, unsigned family,
		       uint64_t at)
{
	struct call *call = &calls->all[calls->count];
	unsigned nodes[CALL_SIDES] = {client, server};

	if (calls->count == CALLS)
		world_fail(calls->world, "there are more calls than there is room for");
	*call = (struct call){.calls = calls, .number = calls->count, .family = family, .at = at};
	for (unsigned i = 0; i < CALL_SIDES; i++) {
		struct call_side *side = &call->sides[i];

		side->call = call;
		side->node = &calls->world->nodes[nodes[i]];
		side->due = COTHON_NEVER;
		side->key = calls->world->setup.seed << 8 | calls->count << 1 | i;
		side->key *= 0xd6e8feb86659fd93;
	}
	calls->count++;
	if (at < calls->work->due)
		calls->work->due = at;
	return call;
}

void calls_stall(struct calls *calls, uint64_t until)
{
	calls->stalled_until = until;
}

bool calls_done(const struct calls *calls)
{
	for (unsigned i = 0; i < calls->count; i++) {
		const struct call *call = &calls->all[i];

		if (!call->begun || call->sides[CALL_CLIENT].tcp || call->sides[CALL_SERVER].tcp)
			return false;
	}
	return true;
}

static void check_side(const struct call_side *side)
{
	struct cothon_tcp_info info;

	if (!side->tcp)
		return;
	cothon_tcp_info(side->tcp, &info);
	FAIL(side,
	     "is not done: %s, %" PRIu64 " bytes of %" PRIu64
	     " written, %zu not acknowledged, %" PRIu64 " of %" PRIu64 " read, %zu readable",
	     cothon_tcp_state_name(info.state), side->written, side->plan.total,
	     cothon_tcp_unacknowledged(side->tcp), side->read,
	     side->call->sides[side == side->call->sides].plan.total,
	     cothon_tcp_readable(side->tcp));
}

void calls_check(const struct calls *calls)
{
	for (unsigned i = 0; i < calls->count; i++) {
		const struct call *call = &calls->all[i];
		const struct call_side *client = &call->sides[CALL_CLIENT];
		const struct call_side *server = &call->sides[CALL_SERVER];

		if (!call->begun)
			FAIL(client, "has not begun");
		check_side(client);
		check_side(server);
		if (!is_complete(call) && !call->cut && !client->error && !server->error)
			FAIL(client, "is over, and nobody was told that not all has arrived");
	}
}

void calls_close(struct calls *calls)
{
	for (unsigned i = 0; i < calls->world->setup.nodes; i++) {
		cothon_listener_close(calls->listeners[i]);
		world_kick(&calls->world->nodes[i]);
	}
}
