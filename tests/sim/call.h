/* SPDX-License-Identifier: MIT */
#ifndef SIM_CALL_H
#define SIM_CALL_H

/*
 * Calls: TCP flows between two nodes, whose applications on both sides behave as a plan says. Each
 * checks what it reads, and what it is told. A call is in order when both streams arrive whole; anything else
 * is an error that somebody was told, and for which there is a reason.
 */

#include "world.h"

enum {
	CALLS = 64,
	CALL_PORT = 7000, /* every node listens there */
	/* Crossed calls have two ports each from this one on, at which nobody listens. */
	CALL_CROSSED_PORT = 20000,
	CALL_CLIENT = 0,
	CALL_SERVER = 1,
	CALL_SIDES = 2,
};

enum call_end {
	CALL_ORDERLY, /* closes when both streams are at their ends */
	CALL_LINGERS, /* the same, but waits until it is told that all has been delivered */
	CALL_LEAVES,  /* closes in the middle, whatever is still to come */
	CALL_ABORTS,  /* resets in the middle */
};

/* How the application on one side behaves. Times are microseconds. */
struct call_plan {
	uint64_t total;      /* bytes that it writes; then it shuts down */
	uint32_t write_size; /* bytes at a time */
	uint32_t write_gap;  /* between two of them; 0: as fast as they are taken */
	uint32_t read_size, read_gap;
	uint64_t read_after;   /* how long it reads nothing at first */
	uint64_t accept_after; /* how long it holds a SYN, if its stack is the forwarder */
	enum call_end end;
	uint64_t end_at; /* what LEAVES and ABORTS do: bytes read and written until then */
	bool in_place;   /* reads by peek and writes by reserve */
	struct cothon_tcp_options options;
};

struct call_side {
	struct call *call;
	struct call_plan plan;
	struct node *node;
	struct cothon_tcp *tcp; /* NULL: not yet, or not any more */
	uint64_t key;           /* of what it writes */
	uint64_t written, read;
	uint64_t accept_due, write_due, read_due;
	uint64_t due;  /* when it is to act of its own accord */
	bool held;     /* a SYN, not yet answered */
	bool opened;   /* at any time */
	bool shut;     /* its end is written */
	bool at_end;   /* it has read the other's end */
	bool drained;  /* it was told so */
	bool over;     /* it was told that the flow has ended */
	bool given_up; /* the handle */
	int error;     /* what it was told */
};

struct call {
	struct calls *calls;
	unsigned number;
	unsigned family;
	uint64_t at;  /* when it begins */
	bool crossed; /* both sides open it, at once (RFC 9293 section 3.5, figure 7) */
	/* To a host that the server's stack speaks for; its forwarder answers with `refusal`, if any. */
	bool outside;
	int refusal;
	bool begun;
	unsigned order; /* of beginning: 1 is the first */
	bool cut;       /* one side has left or aborted */
	uint16_t port;  /* the client's */
	struct call_side sides[CALL_SIDES];
};

/* Errors for which the world has given a reason, or-ed together. */
enum call_excuse {
	CALL_MAY_TIME_OUT = 1 << 0, /* packets may get lost for minutes */
	CALL_MAY_STARVE = 1 << 1,   /* memory may be refused */
};

struct calls {
	struct world *world;
	struct world_work *work;
	unsigned excuses;
	unsigned count, begun;
	struct call all[CALLS];
	struct cothon_listener *listeners[WORLD_NODES];
	uint64_t stalled_until; /* no application does anything until then */
};

/* Takes calls that are outside. */
extern const struct cothon_forwarder calls_forwarder;

/* Listens on all nodes. */
void calls_open(struct calls *calls, struct world *world);
/*
 * Adds a call from node `client` to node `server` that begins at `at`; returns it for its plans to be
 * filled in.
 */
struct call *calls_add(struct calls *calls, unsigned client, unsigned server, unsigned family,
		       uint64_t at);
/* All applications do nothing until then. */
void calls_stall(struct calls *calls, uint64_t until);
/* True when no application has a flow, nor will have. */
bool calls_done(const struct calls *calls);
/* Fails if a call is not done, with what it waits for; or if one has ended in a way that it may not. */
void calls_check(const struct calls *calls);
/* Stops listening. */
void calls_close(struct calls *calls);

#endif
