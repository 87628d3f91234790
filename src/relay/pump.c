/* SPDX-License-Identifier: MIT */
#include "relay/state.h"

#include <errno.h>
#include <sys/socket.h>

enum {
	/* Pieces of received data that one sendmsg(2) takes. */
	OUT_PIECES = 64,
	/* Chunks that one readv(2) fills. */
	IN_PIECES = 8,
	/*
	 * Reads start small, so that a quiet flow holds little memory, and grow with what they
	 * find.
	 */
	READ_MIN = 4096,
	READ_MAX = 256 << 10,
	/*
	 * When the host has no memory for a socket's data, it is asked again after so many
	 * milliseconds.
	 */
	MEMORY_PAUSE = 10,
};

/* The host took or gave nothing, and no event will tell when it does. */
static void pause_for_memory(struct relay_tcp *flow)
{
	relay_arm(flow->relay, &flow->timer, RELAY_MILLISECONDS(MEMORY_PAUSE));
}

/* Out */

static bool can_pump_out(const struct relay_tcp *flow)
{
	return flow->outside_open && flow->inside_open && flow->writable && !flow->outside_broken &&
	       !flow->end_out &&
	       (cothon_tcp_readable(flow->tcp) > 0 || cothon_tcp_at_end(flow->tcp));
}

/* Cuts a vector to at most `budget` bytes; returns how many it then has. */
static size_t limit_pieces(struct iovec *iov, unsigned *count, size_t budget)
{
	size_t total = 0;

	for (unsigned i = 0; i < *count; i++) {
		if (iov[i].iov_len >= budget - total) {
			iov[i].iov_len = budget - total;
			*count = i + 1;
		}
		total += iov[i].iov_len;
	}
	return total;
}

static void sending_failed(struct relay_tcp *flow, int error)
{
	flow->writable = false;
	if (error == EAGAIN)
		return;
	if (error == ENOBUFS || error == ENOMEM) {
		pause_for_memory(flow);
		return;
	}
	/* What the peer sent before it broke can still be read, up to the error or the end. */
	flow->outside_broken = true;
	flow->readable = true;
	flow->hung_up = true;
}

size_t relay_tcp_pump_out(struct relay_tcp *flow, size_t budget)
{
	size_t moved = 0;

	while (moved < budget && can_pump_out(flow)) {
		struct iovec iov[OUT_PIECES];
		unsigned count = cothon_tcp_peek(flow->tcp, iov, OUT_PIECES);
		size_t total = limit_pieces(iov, &count, budget - moved);
		struct msghdr message = {.msg_iov = iov, .msg_iovlen = count};
		ssize_t sent;

		if (total == 0) {
			/* Nothing but the end is left. */
			shutdown(flow->watch.fd, SHUT_WR);
			flow->end_out = true;
			break;
		}
		sent = sendmsg(flow->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0) {
			sending_failed(flow, errno);
			break;
		}
		cothon_tcp_consume(flow->tcp, (size_t)sent);
		moved += (size_t)sent;
		/* It took part of it, so it is full: an event follows when it is not. */
		if ((size_t)sent < total)
			flow->writable = false;
	}
	return moved;
}

/* In */

static bool can_pump_in(const struct relay_tcp *flow)
{
	return flow->outside_open && flow->inside_open && flow->readable && !flow->end_in &&
	       (flow->room || flow->inside_ended);
}

static void receiving_failed(struct relay_tcp *flow, int error)
{
	flow->readable = false;
	if (error == EAGAIN)
		return;
	if (error == ENOBUFS || error == ENOMEM) {
		pause_for_memory(flow);
		return;
	}
	flow->outside_broken = true;
	flow->end_in = true;
}

static void receiving_ended(struct relay_tcp *flow)
{
	flow->readable = false;
	flow->end_in = true;
	/* After an error that sending found, the end is no end in order: a reset follows. */
	if (!flow->outside_broken)
		cothon_tcp_shutdown(flow->tcp);
}

static void adapt_read_size(struct relay_tcp *flow, size_t asked, size_t got)
{
	if (got == asked && flow->read_size < READ_MAX)
		flow->read_size *= 4;
	else if (got < asked / 4 && flow->read_size > READ_MIN)
		flow->read_size /= 2;
}

/*
 * The inside takes nothing any more, but the outside may have to get rid of what it sends before it
 * takes the rest of what the sandbox has sent.
 */
static size_t discard(struct relay_tcp *flow, size_t budget)
{
	/* With MSG_TRUNC a TCP socket drops bytes instead of copying them (tcp(7)). */
	ssize_t got = recv(flow->watch.fd, NULL, budget, MSG_DONTWAIT | MSG_TRUNC);

	if (got < 0)
		receiving_failed(flow, errno);
	else if (got == 0)
		receiving_ended(flow);
	return got > 0 ? (size_t)got : 0;
}

size_t relay_tcp_pump_in(struct relay_tcp *flow, size_t budget)
{
	size_t moved = 0;

	if (flow->inside_ended && can_pump_in(flow))
		return discard(flow, budget);
	if (flow->read_size == 0)
		flow->read_size = READ_MIN;
	while (moved < budget && can_pump_in(flow)) {
		struct iovec iov[IN_PIECES];
		size_t want = flow->read_size < budget - moved ? flow->read_size : budget - moved;
		unsigned count = cothon_tcp_reserve(flow->tcp, want, iov, IN_PIECES);
		size_t room = limit_pieces(iov, &count, want);
		ssize_t got;

		if (room == 0) {
			flow->room = false;
			cothon_tcp_commit(flow->tcp, 0);
			/*
			 * With nothing under way it is memory that is short, and no ACK will make
			 * room.
			 */
			if (cothon_tcp_unacknowledged(flow->tcp) == 0)
				pause_for_memory(flow);
			break;
		}
		got = readv(flow->watch.fd, iov, (int)count);
		cothon_tcp_commit(flow->tcp, got > 0 ? (size_t)got : 0);
		if (got < 0) {
			receiving_failed(flow, errno);
		} else if (got == 0) {
			receiving_ended(flow);
		} else {
			moved += (size_t)got;
			adapt_read_size(flow, room, (size_t)got);
			/*
			 * It gave less than there was room for: an event follows when it has more,
			 * but not for an end that was announced before.
			 */
			if ((size_t)got < room && !flow->hung_up)
				flow->readable = false;
		}
	}
	return moved;
}

bool relay_tcp_can_pump(const struct relay_tcp *flow)
{
	return can_pump_out(flow) || can_pump_in(flow);
}
