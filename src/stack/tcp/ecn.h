/* SPDX-License-Identifier: MIT */
#ifndef TCP_ECN_H
#define TCP_ECN_H

/*
 * Explicit congestion notification (RFC 3168): a router marks packets instead of dropping them (CE), the receiver says so in
 * its ACKs (ECE) until the sender has answered that it has reduced its window (CWR).
 */

#include "wire/tcp.h"

struct cothon_tcp;
struct cothon_tcp_ack;

/* The field of the IP header (RFC 3168 section 5). */
enum cothon_ecn_codepoint {
	COTHON_ECN_NOT_ECT = 0,
	COTHON_ECN_ECT_0 = 2,
	COTHON_ECN_CE = 3,
	COTHON_ECN_MASK = 3,
};

/* The flags of a SYN or SYN-ACK that goes out now. */
uint8_t cothon_tcp_ecn_offer(struct cothon_tcp *tcp);
/* What the peer's SYN or SYN-ACK says; also of a SYN that came again. */
void cothon_tcp_ecn_learn(struct cothon_tcp *tcp, const struct cothon_tcp_header *header);
/* Adds the flags of a segment without SYN that goes out now; `fresh`: with data that was never sent. Returns the codepoint. */
uint8_t cothon_tcp_ecn_mark(const struct cothon_tcp *tcp, struct cothon_tcp_header *header,
			    bool fresh);
/* It has gone out. */
void cothon_tcp_ecn_sent(struct cothon_tcp *tcp, const struct cothon_tcp_header *header);
/* Text has arrived, with this traffic class. */
void cothon_tcp_ecn_input(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			  uint8_t traffic_class);
/* The window has been reduced, for a loss. */
void cothon_tcp_ecn_reduced(struct cothon_tcp *tcp);
/* True when the byte `seq` was in flight when the window was reduced for a mark, and nothing has reduced it since. */
bool cothon_tcp_ecn_covers(const struct cothon_tcp *tcp, struct cothon_seq seq);
/* True when an ACK tells of congestion, and the window therefore does not grow (RFC 3168 section 6.1.2). */
bool cothon_tcp_ecn_told(const struct cothon_tcp *tcp, const struct cothon_tcp_header *header);
/* All is known of an ACK: what follows from its ECE. */
void cothon_tcp_ecn_ack(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack);

#endif
