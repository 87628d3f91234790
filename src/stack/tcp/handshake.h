/* SPDX-License-Identifier: MIT */
#ifndef TCP_HANDSHAKE_H
#define TCP_HANDSHAKE_H

/* How a connection comes into being (RFC 9293 section 3.5): SYNs, what their options settle, refusals. */

#include "stack/ip.h"
#include "stack/tcp/connection.h"

/* A listening endpoint; connections that its owner has not been told of point to it. */
struct cothon_listener {
	struct cothon_binding binding;
	struct cothon_stack *stack;
	cothon_tcp_handler *handler;
	void *owner;
	unsigned backlog, waiting;
};

/* Active open: sends a SYN. */
void cothon_tcp_handshake_open(struct cothon_tcp *tcp);
/* Answers a SYN that was held: SYN-RECEIVED. */
void cothon_tcp_handshake_answer(struct cothon_tcp *tcp);
/*
 * Refuses the SYN with sequence number `irs` of a flow as cothon_tcp_refuse() says.
 */
void cothon_tcp_handshake_refuse(struct cothon_stack *stack, const struct cothon_flow *flow,
				 struct cothon_seq irs, int error);
/* A segment for a flow that is not known: a SYN may open it, all else is answered by RST. */
void cothon_tcp_handshake_new(struct cothon_stack *stack, const struct cothon_packet *packet,
			      const struct cothon_flow *flow,
			      const struct cothon_tcp_header *header, uint32_t segment_len);
/*
 * Before anything was sent: the initial sequence number is to be beyond `used`, the last of a connection between the
 * same endpoints.
 */
void cothon_tcp_handshake_beyond(struct cothon_tcp *tcp, struct cothon_seq used);
/* Sends the SYN or SYN-ACK once more. */
void cothon_tcp_handshake_repeat(struct cothon_tcp *tcp);
/* A segment in state SYN-SENT (RFC 9293 section 3.10.7.3). */
void cothon_tcp_handshake_syn_sent(struct cothon_tcp *tcp, const struct cothon_tcp_header *header);
/* Sends the SYN or SYN-ACK that is due. */
void cothon_tcp_handshake_output(struct cothon_tcp *tcp);
/* The handshake is complete. */
void cothon_tcp_handshake_done(struct cothon_tcp *tcp);

#endif
