/* SPDX-License-Identifier: MIT */
#ifndef RELAY_TCP_H
#define RELAY_TCP_H

/*
 * TCP flows joined to sockets of the host.
 *
 * A flow has two sides: the outside, a socket of the host, and the inside, a flow of the stack. One
 * is made first and the other follows: a SYN from the sandbox is answered when connect(2) has
 * succeeded; a client of a published port was accepted by the host and is then announced to the
 * sandbox. When both stand, bytes and ends pass in either direction until both have ended, or one
 * breaks: then what came before on that side is handed on first, and the other side is reset.
 */

#include "host/loop.h"
#include "host/socket.h"
#include "port/turn.h"
#include "relay/timer.h"
#include <cothon/tcp.h>

struct relay;
struct relay_name;
struct relay_rotation;

struct relay_tcp {
	struct host_watch watch; /* the outside; fd -1: none */
	struct cothon_tcp *tcp;  /* the inside; NULL: none */
	struct relay *relay;
	struct cothon_list node;
	struct cothon_turn turn;
	struct relay_timer timer;
	/*
	 * Another way to the side that was not reached, if there is one: takes it and returns 0, or
	 * returns `error` or an error of its own. May be NULL.
	 */
	int (*retry)(struct relay_tcp *flow, int error);
	/* For retry: how often it was called, and what the sandbox's side was to be. */
	unsigned attempt;
	struct cothon_endpoint tried;

	/* Of what the sandbox opened: the destination's name; NULL: it has none. */
	struct relay_name *name;
	struct relay_rotation *rotation; /* through its addresses, until one has answered; or NULL */
	struct cothon_endpoint outside;  /* where the socket leads; any: not known yet */

	bool inward; /* opened by a client outside */
	/* The sides stand. */
	bool outside_open, inside_open;
	/*
	 * The outside may have something to read, has room to write; its end or error has been
	 * announced.
	 */
	bool readable, writable, hung_up;
	/* The inside has room. */
	bool room;
	/*
	 * The end that the outside sent was passed in; the end that the sandbox sent was passed
	 * out.
	 */
	bool end_in, end_out;
	/* The outside broke; the inside is over, cothon_tcp_error() says how. */
	bool outside_broken, inside_ended;

	uint32_t read_size; /* bytes to ask for in the next read */
	/*
	 * While one side is broken and the other takes the rest: bytes left, since when, the next
	 * look.
	 */
	uint64_t left, left_since, pause;
};

struct relay_tcp_flows {
	struct cothon_list all;
	struct cothon_turns turns; /* of flows that have bytes to move */
};

void relay_tcp_init(struct relay *relay);
/* Ends all flows at once; what the host's kernel has taken, it still delivers. */
void relay_tcp_finish(struct relay *relay);
/* Moves bytes in fair turns, for a bounded time. */
void relay_tcp_turn(struct relay *relay);
/* True when some flow waits for its turn. */
bool relay_tcp_has_turns(const struct relay *relay);
/* Ends the flows that the rules, which are others now, do not let through. */
void relay_tcp_recheck(struct relay *relay);
/* Ends what has not become a flow yet. */
void relay_tcp_drain(struct relay *relay);
/* relay_undelivered() */
unsigned relay_tcp_undelivered(const struct relay *relay);

/* The forwarder's answer to a SYN from the sandbox. */
int relay_tcp_forward(struct relay *relay, struct cothon_tcp *tcp);

/* A flow with neither side yet, or NULL. */
struct relay_tcp *relay_tcp_create(struct relay *relay);
/* Gives it the inside: a SYN that is held, or (`open`) a flow that is established. */
void relay_tcp_take_inside(struct relay_tcp *flow, struct cothon_tcp *tcp, bool open);
/*
 * Gives it the outside: a socket that is connected, which becomes the flow's. Returns 0 or a
 * negative errno.
 */
int relay_tcp_take_outside(struct relay_tcp *flow, int fd);
/* Connects the outside. Returns 0 when that is under way, or a negative errno. */
int relay_tcp_dial(struct relay_tcp *flow, const struct host_sockaddr *to);
/* Opens the inside, from `local` to `remote`. Errors are those of cothon_tcp_connect(). */
int relay_tcp_open(struct relay_tcp *flow, const struct cothon_endpoint *local,
		   const struct cothon_endpoint *remote);
/* Resets the sides that there are and frees the flow. */
void relay_tcp_drop(struct relay_tcp *flow);
/* The flow of these endpoints as the sandbox sees them, or NULL. */
struct relay_tcp *relay_tcp_find(const struct relay *relay, const struct cothon_endpoint *inside,
				 const struct cothon_endpoint *remote);
/* Ends a flow for someone who wants it gone: both sides are reset. */
void relay_tcp_break(struct relay_tcp *flow);

/* Tells the sandbox that a flow which it opened leads nowhere, and ends it. */
void relay_tcp_refuse(struct relay_tcp *flow, int error);

/* rotation.c: the addresses of a name, one after the other */

enum {
	/* Seconds that one address is waited for when there is another. */
	RELAY_ROTATION_TIMEOUT = 3,
};

/*
 * Connects the outside of a flow, which holds a SYN, to an address of its name, once that is
 * resolved. Returns 0 when that is under way, or a negative errno.
 */
int relay_rotation_start(struct relay_tcp *flow);
/* Ends the rotation of a flow, if there is one. */
void relay_rotation_end(struct relay_tcp *flow);

/* view.c: a flow is about to leave the list of all */
void relay_walk_leave(struct relay *relay, const struct relay_tcp *flow);

/* pump.c: the bytes between the two sides. */

/*
 * Moves up to `budget` bytes from the inside out; returns how many. An end that follows is passed
 * on.
 */
size_t relay_tcp_pump_out(struct relay_tcp *flow, size_t budget);
/*
 * Moves up to about `budget` bytes from the outside in; returns how many. An end that follows is
 * passed on.
 */
size_t relay_tcp_pump_in(struct relay_tcp *flow, size_t budget);
/* True when either would find something to do. */
bool relay_tcp_can_pump(const struct relay_tcp *flow);

#endif
