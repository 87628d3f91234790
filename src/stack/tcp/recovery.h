/* SPDX-License-Identifier: MIT */
#ifndef TCP_RECOVERY_H
#define TCP_RECOVERY_H

/*
 * Loss: how it is found, by time (RACK, RFC 8985), by duplicate ACKs of a peer without SACK (NewReno, RFC 6582) or by
 * time-out (RFC 6298); what is sent again; and how fast (PRR, RFC 9937).
 */

#include "stack/tcp/connection.h"

/* What an ACK has brought. */
struct cothon_tcp_ack {
	const struct cothon_tcp_header *header;
	struct cothon_rack_ack rack;
	uint32_t acked;     /* bytes by which snd.una has moved */
	uint32_t delivered; /* bytes newly known to have arrived */
	uint32_t sacked;    /* of them, by SACK */
	uint32_t rtt; /* microseconds that the last of them took; 0 if none was sent only once */
	bool duplicate; /* it moved nothing and yet tells of an arrival (RFC 5681 section 2, RFC 6675 section 2) */
	bool original; /* something arrived that was sent once, before the loss was found */
	bool resent;   /* something arrived that was sent again */
	bool dsack;    /* `twice` arrived more than once (RFC 2883) */
	struct cothon_tcp_sack twice;
};

/* Something is to be in flight. Returns 0 or -ENOMEM: then nothing may go out now. */
int cothon_tcp_recovery_start(struct cothon_tcp *tcp);
/* Nothing is in flight any more, and nothing will come that tells of what was. */
void cothon_tcp_recovery_rest(struct cothon_tcp *tcp);
/* What is known of what is in flight is given up. */
void cothon_tcp_recovery_end(struct cothon_tcp *tcp);
/* Bytes thought to be in the network (RFC 6675 section 4, "pipe"). */
uint32_t cothon_tcp_recovery_pipe(const struct cothon_tcp *tcp);
/* What is lost and to be sent again next; returns false when there is nothing. */
bool cothon_tcp_recovery_next(const struct cothon_tcp *tcp, struct cothon_seq *start,
			      struct cothon_seq *end);
/* [start, end) has gone out, new or once more. */
void cothon_tcp_recovery_sent(struct cothon_tcp *tcp, struct cothon_seq start,
			      struct cothon_seq end, bool again);
/* An ACK comes in: what it brings is noted in `ack`, in this order. */
void cothon_tcp_recovery_begin(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			       struct cothon_tcp_ack *ack);
/* snd.una has moved. */
void cothon_tcp_recovery_acked(struct cothon_tcp *tcp, struct cothon_tcp_ack *ack);
/* Its SACK blocks. */
void cothon_tcp_recovery_sack(struct cothon_tcp *tcp, struct cothon_tcp_ack *ack);
/* All is known of it: what follows from it. */
void cothon_tcp_recovery_ack(struct cothon_tcp *tcp, struct cothon_tcp_ack *ack);
/* The reordering timer has expired (RFC 8985 section 6.3). */
void cothon_tcp_recovery_reorder(struct cothon_tcp *tcp);
/* The retransmission timer has expired. */
void cothon_tcp_recovery_timeout(struct cothon_tcp *tcp);
/* What is in flight is too large for the path: it is sent again in smaller segments, without blame for congestion. */
void cothon_tcp_recovery_resend(struct cothon_tcp *tcp);
/* The peer tells of congestion where nothing was lost; `acked` bytes were acknowledged with it. */
void cothon_tcp_recovery_marked(struct cothon_tcp *tcp, uint32_t acked);
/* A loss was mended before it was found: the window is reduced at once. */
void cothon_tcp_recovery_mended(struct cothon_tcp *tcp);

#endif
