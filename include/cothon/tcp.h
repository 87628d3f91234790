/* SPDX-License-Identifier: MIT */
#ifndef COTHON_TCP_H
#define COTHON_TCP_H

/*
 * TCP flows of a stack, as the application on it sees them (RFC 9293 section 3.9.1).
 *
 * A flow tells its owner what happened through one handler, which is called only from
 * cothon_stack_poll(), never from inside another call. A handle is valid until its owner gives it up with
 * cothon_tcp_close() or cothon_tcp_abort(), also after the flow has ended.
 */

#include <cothon/stack.h>
#include <sys/uio.h>

/* What happened to a flow, or-ed together. */
enum cothon_tcp_event {
	/* The handshake is complete; data may go both ways. */
	COTHON_TCP_OPENED = 1 << 0,
	/* More to read, or the end of what the peer sends. */
	COTHON_TCP_READABLE = 1 << 1,
	/* Room to write, after there had been none. */
	COTHON_TCP_WRITABLE = 1 << 2,
	/* The flow is over, cothon_tcp_error() says how. Nothing more will be told. */
	COTHON_TCP_ENDED = 1 << 3,
	/* The end that was sent has been acknowledged, and with it all that was written. */
	COTHON_TCP_DRAINED = 1 << 4,
};

typedef void cothon_tcp_handler(struct cothon_tcp *tcp, void *owner, unsigned events);

struct cothon_listener;

/*
 * Waits for connections to `local` (address any: all addresses of the stack; port 0: an ephemeral one is
 * chosen). For every flow that became established `handler` is called with COTHON_TCP_OPENED and `owner`;
 * it then calls cothon_tcp_own(). At most `backlog` flows wait half-open. Returns 0, -EADDRINUSE,
 * -EADDRNOTAVAIL (not an address of the stack, or no ephemeral port is left), -EACCES (a port below
 * `unprivileged_first`), -EINVAL for a backlog of 0, or -ENOMEM. As with the option reuse_address,
 * whatever flows there are at the port.
 */
int cothon_tcp_listen(struct cothon_stack *stack, const struct cothon_endpoint *local,
		      unsigned backlog, cothon_tcp_handler *handler, void *owner,
		      struct cothon_listener **listener);
/*
 * The same with options; NULL: none of them. -EINVAL also for v6_only with an IPv4 address. Unless the
 * port is 0, every flow of the stack is looked at once.
 */
int cothon_tcp_listen_as(struct cothon_stack *stack, const struct cothon_endpoint *local,
			 const struct cothon_bind_options *options, unsigned backlog,
			 cothon_tcp_handler *handler, void *owner,
			 struct cothon_listener **listener);
struct cothon_endpoint cothon_listener_local(const struct cothon_listener *listener);
/* Stops listening. Flows that are half-open are reset, established ones go on. */
void cothon_listener_close(struct cothon_listener *listener);

/*
 * Opens a flow (an active open). `local` may have any address (the stack's own of the family is taken)
 * and port 0 (an ephemeral one is chosen, RFC 6056); a stack with a forwarder may give an address that is
 * not its own. OPENED or ENDED follows. Returns 0, -EADDRINUSE when the flow exists, -EADDRNOTAVAIL,
 * -EINVAL for addresses of different families or not unicast, -ENOBUFS at the bound of flows, -ENOMEM.
 */
int cothon_tcp_connect(struct cothon_stack *stack, const struct cothon_endpoint *local,
		       const struct cothon_endpoint *remote, cothon_tcp_handler *handler,
		       void *owner, struct cothon_tcp **tcp);

/* Makes `owner` the one to be told through `handler`. */
void cothon_tcp_own(struct cothon_tcp *tcp, cothon_tcp_handler *handler, void *owner);
/* Answers a SYN that a forwarder holds: the handshake goes on, OPENED or ENDED follows. */
void cothon_tcp_accept(struct cothon_tcp *tcp);
/*
 * Refuses a SYN that a forwarder holds and gives the handle up. `error` says how: -ECONNREFUSED and
 * unknown ones by RST; -ENETUNREACH, -EHOSTUNREACH, -EACCES and -EPERM by the ICMP error;
 * -ETIMEDOUT by silence.
 */
void cothon_tcp_refuse(struct cothon_tcp *tcp, int error);

/*
 * Points `iov` at what can be read, oldest first, without copying. Returns how many of `count` entries
 * were filled; valid until the next call for this flow or poll.
 */
unsigned cothon_tcp_peek(const struct cothon_tcp *tcp, struct iovec *iov, unsigned count);
/* Takes `len` bytes off the front of what can be read; len is at most what peek showed. */
void cothon_tcp_consume(struct cothon_tcp *tcp, size_t len);
/* Bytes that can be read. */
size_t cothon_tcp_readable(const struct cothon_tcp *tcp);
/* True when the peer has sent its end and all before it has been consumed. */
bool cothon_tcp_at_end(const struct cothon_tcp *tcp);

/*
 * Points `iov` at free memory into which data to be sent may be put, up to `count` entries and about
 * `want` bytes, not beyond what the flow's bound leaves. Returns how many entries were filled: 0 when
 * the flow has no room (WRITABLE follows), was shut down or has ended.
 */
unsigned cothon_tcp_reserve(struct cothon_tcp *tcp, size_t want, struct iovec *iov, unsigned count);
/* Sends the first `len` bytes of what was reserved, gives the rest back; to follow every reserve. */
void cothon_tcp_commit(struct cothon_tcp *tcp, size_t len);
/*
 * Copies up to `len` bytes to be sent; returns how many there was room for, which is 0 before the flow is open, the flow's
 * error, or -EPIPE behind its end.
 */
ptrdiff_t cothon_tcp_write(struct cothon_tcp *tcp, const void *data, size_t len);
/* Copies and consumes up to `len` bytes; 0 at the end, -EAGAIN when there is nothing now, or the error. */
ptrdiff_t cothon_tcp_read(struct cothon_tcp *tcp, void *data, size_t len);
/* Bytes written and not yet acknowledged. */
size_t cothon_tcp_unacknowledged(const struct cothon_tcp *tcp);

/* Sends the end after all that was written (FIN); reading goes on. */
void cothon_tcp_shutdown(struct cothon_tcp *tcp);
/*
 * Gives the handle up. What was written is still delivered, and the end after it; if something received
 * was not read, or more arrives, the peer is told by RST (RFC 1122 section 4.2.2.13).
 */
void cothon_tcp_close(struct cothon_tcp *tcp);
/* Gives the handle up and resets the flow. */
void cothon_tcp_abort(struct cothon_tcp *tcp);
/*
 * Why a flow ended: 0 in order, -ECONNREFUSED, -ECONNRESET, -ETIMEDOUT, -EHOSTUNREACH, -ENETUNREACH,
 * -EACCES, -ENOMEM.
 */
int cothon_tcp_error(const struct cothon_tcp *tcp);

const struct cothon_flow *cothon_tcp_flow(const struct cothon_tcp *tcp);

struct cothon_tcp_options {
	bool no_delay;               /* Nagle's algorithm off (RFC 9293 section 3.7.4) [off] */
	uint32_t keepalive_idle;     /* seconds of silence before the first probe; 0: none [0] */
	uint32_t keepalive_interval; /* [75] */
	uint32_t keepalive_count;    /* probes unanswered before the flow ends [9] */
	uint32_t user_timeout;       /* seconds; 0: the stack's */
};
void cothon_tcp_set_options(struct cothon_tcp *tcp, const struct cothon_tcp_options *options);

enum cothon_tcp_state {
	COTHON_TCP_LISTEN, /* a SYN that is held, not yet answered */
	COTHON_TCP_SYN_SENT,
	COTHON_TCP_SYN_RECEIVED,
	COTHON_TCP_ESTABLISHED,
	COTHON_TCP_FIN_WAIT_1,
	COTHON_TCP_FIN_WAIT_2,
	COTHON_TCP_CLOSE_WAIT,
	COTHON_TCP_CLOSING,
	COTHON_TCP_LAST_ACK,
	COTHON_TCP_TIME_WAIT,
	COTHON_TCP_CLOSED,
};
/* The RFC's name of a state, "ESTABLISHED". */
const char *cothon_tcp_state_name(enum cothon_tcp_state state);

struct cothon_tcp_info {
	struct cothon_flow flow;
	enum cothon_tcp_state state;
	bool active;          /* opened by cothon_tcp_connect(), not by the peer */
	uint64_t opened_at;   /* when it was made */
	uint64_t bytes_in;    /* payload received in order */
	uint64_t bytes_out;   /* payload acknowledged by the peer */
	uint64_t retransmits; /* segments */
	uint32_t srtt;        /* microseconds; 0: no sample yet */
	uint32_t rto;         /* microseconds */
	uint32_t cwnd;        /* bytes */
	uint32_t mss;         /* bytes of payload per segment sent */
};
void cothon_tcp_info(const struct cothon_tcp *tcp, struct cothon_tcp_info *info);
/* Calls `each` for all flows of a stack; it must not change them. */
void cothon_tcp_each(struct cothon_stack *stack,
		     void (*each)(const struct cothon_tcp *tcp, void *context), void *context);

#endif
