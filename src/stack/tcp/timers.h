/* SPDX-License-Identifier: MIT */
#ifndef TCP_TIMERS_H
#define TCP_TIMERS_H

/*
 * The timers of a connection, named by what happens to it. All deadlines of a connection share one timer of the
 * stack's wheel.
 *
 * RETRANSMIT   data, a SYN or a FIN is in flight: the RTO (RFC 6298); or nothing is in flight and the peer's
 *              window lets nothing out: the persist timer (RFC 9293 section 3.8.6.1)
 * DELAYED_ACK  an ACK waits for data to go with (RFC 9293 section 3.8.6.3)
 * KEEPALIVE    silence (RFC 9293 section 3.8.4), where the owner asks for it
 * MEMORY       there was no memory to write into or to send with, and nothing is under way whose ACK would tell to try again
 * REORDER      what was sent before something that has arrived may only be late (RFC 8985 section 6.3)
 * PROBE        the last of what was sent is not acknowledged (RFC 8985 section 7.2)
 * REST         all is acknowledged, and nothing was sent for a while: recovery gives back its memory
 * LIFE         the state itself ends: SYN held for a forwarder, FIN-WAIT-2 without an owner, TIME-WAIT
 */

#include "stack/tcp/connection.h"

enum {
	COTHON_TCP_DELAYED_ACK_TIME = 40000, /* microseconds; MUST-40: below half a second */
	COTHON_TCP_MEMORY_TIME = 10000,
	COTHON_TCP_REST_TIME = 1000000,        /* beyond the RTO */
	COTHON_TCP_TIME_WAIT_TIME = 60000000,  /* 2 MSL, with an MSL of 30 seconds as Linux has */
	COTHON_TCP_FIN_WAIT_2_TIME = 60000000, /* without an owner; Linux: tcp_fin_timeout */
	COTHON_TCP_HELD_TIME = 180000000,      /* a SYN held for a forwarder that does not answer */
	COTHON_TCP_SYN_TIME = 180000000,       /* MUST-23: a SYN is tried for three minutes */
};

void cothon_tcp_timers_init(struct cothon_tcp *tcp);
void cothon_tcp_timers_stop(struct cothon_tcp *tcp);
void cothon_tcp_timers_options(struct cothon_tcp *tcp);
void cothon_tcp_timers_held(struct cothon_tcp *tcp);
void cothon_tcp_timers_syn_sent(struct cothon_tcp *tcp);
void cothon_tcp_timers_established(struct cothon_tcp *tcp);
/* Data has gone out. */
void cothon_tcp_timers_sent(struct cothon_tcp *tcp);
/* Data goes out while nothing is in flight. */
void cothon_tcp_timers_first_sent(struct cothon_tcp *tcp);
/* In `wait` microseconds what is late counts as lost; 0: nothing is late. */
void cothon_tcp_timers_reorder(struct cothon_tcp *tcp, uint64_t wait);
/* In `wait` microseconds a tail loss probe is due, if that is before the RTO; 0: none is. */
void cothon_tcp_timers_probe(struct cothon_tcp *tcp, uint64_t wait);
/* Data has been acknowledged. */
void cothon_tcp_timers_acked(struct cothon_tcp *tcp);
/* Nothing is in flight and nothing may be sent though there is something: waits with the persist timer. */
void cothon_tcp_timers_blocked(struct cothon_tcp *tcp);
void cothon_tcp_timers_no_memory(struct cothon_tcp *tcp);
/* Recovery has taken memory. */
void cothon_tcp_timers_recovery(struct cothon_tcp *tcp);
void cothon_tcp_timers_ack_sent(struct cothon_tcp *tcp);
void cothon_tcp_timers_ack_delayed(struct cothon_tcp *tcp);
/* The owner has given it up, or a state begins in which that matters. */
void cothon_tcp_timers_orphaned(struct cothon_tcp *tcp);
void cothon_tcp_timers_time_wait(struct cothon_tcp *tcp);
/* The timer of the wheel has expired. */
void cothon_tcp_timer(struct cothon_tcp *tcp);

#endif
