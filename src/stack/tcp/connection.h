/* SPDX-License-Identifier: MIT */
#ifndef TCP_CONNECTION_H
#define TCP_CONNECTION_H

/*
 * A TCP connection: its state (the TCB of RFC 9293 section 3.3.1, whose variables keep their names) and its
 * life. A connection is made by a SYN or by connect, is in the flow table until it is CLOSED, and is freed
 * when it is closed and nobody owns it.
 */

#include "stack/stack.h"
#include "stack/tcp/congestion.h"
#include "stack/tcp/ecn.h"
#include "stack/tcp/rack.h"
#include "stack/tcp/reassembly.h"
#include "stack/tcp/rtt.h"
#include "stack/tcp/scoreboard.h"
#include "wire/tcp.h"
#include <cothon/tcp.h>

/* Deadlines of a connection; timers.c says what each is for. */
enum cothon_tcp_deadline {
	COTHON_TCP_RETRANSMIT,
	COTHON_TCP_DELAYED_ACK,
	COTHON_TCP_KEEPALIVE,
	COTHON_TCP_LIFE,
	COTHON_TCP_MEMORY,
	COTHON_TCP_REORDER,
	COTHON_TCP_PROBE,
	COTHON_TCP_REST,
	COTHON_TCP_DEADLINES,
};

enum cothon_recovery_state {
	COTHON_RECOVERY_OPEN, /* nothing is known to be lost */
	COTHON_RECOVERY_FAST, /* loss was found by SACK or duplicate ACKs */
	COTHON_RECOVERY_LOSS, /* the retransmission timer expired */
};

/* What has become of the segment that tries how much the path takes. */
enum cothon_path_trying {
	COTHON_PATH_QUIET, /* there is none, or it is acknowledged */
	COTHON_PATH_TRYING,
	COTHON_PATH_FAILED, /* it was sent again */
};

/* What has been sent, and what has been written to be sent. */
struct cothon_tcp_sender {
	struct cothon_seq una, nxt, wl1, wl2, iss;
	struct cothon_seq written; /* behind the last byte written */
	uint32_t wnd, max_wnd;
	/* Chunks not acknowledged in full, oldest first; `mark` is the sequence number of their first byte. */
	struct cothon_buf *head, *tail;
	struct cothon_buf *cursor;  /* where the last search for a sequence number ended */
	struct cothon_buf *reserve; /* chunk handed out by reserve */
	uint32_t mss;               /* payload of a segment without options */
	uint32_t full_mss;          /* the same before the path was found to take less */
	uint64_t raise_at;          /* when it is tried again; 0: it is what is sent */
	uint64_t last_sent;
	uint64_t progress_at; /* when something was last acknowledged, or first went out or waited */
	struct cothon_rtt rtt;
	uint32_t dsacks; /* reports believed that something arrived twice */
	/* The one segment that is timed (Karn: never one sent twice). */
	struct cothon_seq timed_seq;
	uint64_t timed_at;
	bool timing;
	uint8_t wscale;
	uint8_t shrinks;
	uint8_t timeouts; /* since something was last acknowledged */
	uint8_t persists; /* probes of the peer's window since something was last sent */
	bool fin_queued;
	bool syn_due;
	bool blocked; /* the owner found no room and waits for WRITABLE */
};

/* Forward RTO-recovery (RFC 5682): what may be sent until it is known whether the time-out was for nothing. */
enum cothon_frto {
	COTHON_FRTO_OFF,
	COTHON_FRTO_FIRST, /* the first segment was sent again */
	COTHON_FRTO_NEW,   /* and acknowledged: new data goes out, nothing that is lost */
};

/*
 * What is in flight, and how a loss of it is mended: there from before the first byte goes out until a while after the
 * last is acknowledged. What of it outlives that is in struct cothon_tcp.
 */
struct cothon_tcp_recovery {
	uint8_t state; /* enum cothon_recovery_state */
	uint8_t frto;  /* enum cothon_frto */
	bool at_once;  /* the first that is lost is sent again whatever the window says */
	uint16_t dup_acks;
	struct cothon_seq point; /* recovery ends when this is acknowledged */
	uint64_t began_at;       /* when loss was last found */
	/* The segment that tries the path: what has become of it, and its end. */
	uint8_t trying; /* enum cothon_path_trying */
	struct cothon_seq try_end;
	struct cothon_scoreboard board;
	/* Proportional rate reduction, as RFC 9937 names them, in bytes. */
	uint32_t prr_delivered, prr_out, recover_fs;
	/* The tail loss probe that is out, as RFC 8985 names it: what is acknowledged when it is. */
	struct cothon_seq tlp_end_seq;
	bool tlp_out, tlp_is_retrans;
	/* What the last reduction can be taken back by, while that is possible. */
	bool undo;
	bool undo_resent;            /* something was sent again since, first at undo_stamp */
	uint32_t undo_stamp;         /* milliseconds of the timestamp clock */
	uint32_t undo_retrans;       /* bytes sent again and not reported as duplicates */
	struct cothon_seq undo_from; /* snd.una when it was made */
	struct cothon_congestion before;
};

/* What came out of order. */
struct cothon_tcp_gaps {
	struct cothon_reassembly reassembly;
	/* Its ranges as SACK reports them, the latest first. */
	struct cothon_tcp_sack recent[COTHON_TCP_MAX_SACK];
	uint8_t recent_count;
};

/* What has been received. */
struct cothon_tcp_receiver {
	struct cothon_seq nxt, irs;
	struct cothon_seq adv;   /* right edge of the window last advertised */
	struct cothon_seq acked; /* what our last ACK acknowledged */
	/* In order and not yet consumed, oldest first. */
	struct cothon_buf *head, *tail;
	struct cothon_buf *settled; /* all up to this one take no more memory than they need */
	uint32_t queued;
	uint32_t size;                /* of the buffer; grows up to the stack's max_receive */
	uint64_t grown_at;            /* bytes_in when it last grew, or might have */
	struct cothon_list grown;     /* in stack->grown */
	struct cothon_tcp_gaps *gaps; /* NULL: nothing is held out of order */
	/* What arrived once more and is to be told of; empty: nothing. */
	struct cothon_tcp_sack twice;
	uint64_t text_at; /* when text last came in order */
	uint16_t mss;     /* largest segment seen */
	uint8_t wscale;
	uint8_t quick;    /* ACKs still to be sent at once */
	bool interactive; /* the application answers what it reads: ACKs may wait for the answer */
	bool fin;         /* the peer's end is in order */
};

/* Explicit congestion notification: what the SYNs have settled, and what is to be told. */
struct cothon_tcp_ecn {
	bool asked;   /* a SYN of ours asked for it */
	bool plain;   /* a SYN went out or came that did not */
	bool echoes;  /* marks that come are told of */
	bool sends;   /* new data is sent as able */
	bool echo;    /* a mark has come, and no CWR since */
	bool marked;  /* the window was last reduced for a mark */
	bool cwr_due; /* the window was reduced, and the peer is to be told */
	bool cwr_out; /* it was told by the segment at cwr_seq, which is not acknowledged */
	struct cothon_seq cwr_seq;
};

struct cothon_tcp {
	struct cothon_flow_entry entry;
	struct cothon_stack *stack;
	struct cothon_list ready; /* in stack->ready */
	struct cothon_list place; /* in stack->opening, answered, time_wait or ended */
	struct cothon_turn turn;
	struct cothon_timer timer;
	uint64_t deadlines[COTHON_TCP_DEADLINES];
	cothon_tcp_handler *handler;
	void *owner;
	struct cothon_listener *listener; /* until its owner has been told */
	uint64_t opened_at, bytes_in, bytes_out, retransmits;

	struct cothon_tcp_sender snd;
	struct cothon_tcp_recovery *recovery; /* NULL: nothing is in flight, nor was of late */
	struct cothon_rack rack;
	struct cothon_tcp_receiver rcv;
	struct cothon_congestion cc;
	struct cothon_tcp_ecn ecn;

	struct cothon_tcp_options options;
	uint64_t challenge_at; /* when the last challenge ACK was sent */
	uint64_t heard_at;     /* when the peer was last heard of */
	uint64_t ts_recent_at;
	uint32_t ts_recent; /* RFC 7323 section 4.3 */
	uint32_t ts_offset;
	int error, soft_error;
	uint8_t state;      /* enum cothon_tcp_state */
	uint8_t events;     /* to be told */
	uint8_t probes;     /* keepalive probes unanswered */
	bool active : 1;    /* opened from this side */
	bool owned : 1;     /* somebody holds the handle */
	bool half_open : 1; /* counts in stack->half_open */
	bool answered : 1;  /* counts in stack->answered_count too */
	bool ended : 1;     /* the owner was told, or will be */
	bool ack_due : 1;
	bool reuse_address : 1, reuse_port : 1; /* of the listener it came from */
	/* What both sides have offered in their SYNs. */
	bool timestamps : 1, sack : 1, scaling : 1;
};

/*
 * Makes a connection in state CLOSED, in the flow table. Returns NULL with *error set: -EADDRINUSE, -ENOBUFS or
 * -ENOMEM.
 */
struct cothon_tcp *cothon_tcp_create(struct cothon_stack *stack, const struct cothon_flow *flow,
				     int *error);
struct cothon_tcp *cothon_tcp_find(struct cothon_stack *stack, const struct cothon_flow *flow);
/*
 * The connection is over: leaves the flow table, stops all timers, tells its owner with `error`, and is freed when it
 * has none.
 */
void cothon_tcp_end(struct cothon_tcp *tcp, int error);
/* The same, after a RST to the peer. */
void cothon_tcp_reset(struct cothon_tcp *tcp, int error);
/* Both ends have been sent and seen: 2 MSL of quiet (RFC 9293 section 3.6.1). */
void cothon_tcp_enter_time_wait(struct cothon_tcp *tcp);
/* No longer one of the half-open. */
void cothon_tcp_opened(struct cothon_tcp *tcp);
/* Something happened that the owner is to be told: COTHON_TCP_* events. */
void cothon_tcp_notify(struct cothon_tcp *tcp, unsigned events);
/* Calls the handlers of all flows that have something to tell. */
void cothon_tcp_deliver(struct cothon_stack *stack);
void cothon_tcp_destroy_all(struct cothon_stack *stack);

/* True in the states in which data may be sent. */
static inline bool cothon_tcp_can_send(const struct cothon_tcp *tcp)
{
	return tcp->state == COTHON_TCP_ESTABLISHED || tcp->state == COTHON_TCP_CLOSE_WAIT;
}

/* True in the states whose sequence numbers are synchronized (RFC 9293 section 3.5). */
static inline bool cothon_tcp_synchronized(const struct cothon_tcp *tcp)
{
	return tcp->state >= COTHON_TCP_ESTABLISHED && tcp->state < COTHON_TCP_CLOSED;
}

/* True when its owner has given it up, and there is none to come. */
static inline bool cothon_tcp_orphaned(const struct cothon_tcp *tcp)
{
	return !tcp->owned && !tcp->listener;
}

/* Sends what is due, at most about `budget` bytes. Returns true when there is more to send now. */
bool cothon_tcp_output(struct cothon_tcp *tcp, uint32_t budget);
/* There is something to send: waits for its turn. */
static inline void cothon_tcp_request(struct cothon_tcp *tcp)
{
	cothon_turn_request(&tcp->stack->turns, &tcp->turn);
}

#endif
