/* SPDX-License-Identifier: MIT */
#ifndef TCP_RECOVERY_H
#define TCP_RECOVERY_H

/*
 * Loss: how it is found, by SACK (RFC 6675), duplicate ACKs (RFC 5681, RFC 6582) or time-out (RFC 6298), and
 * what is sent again.
 */

#include "stack/tcp/connection.h"

/* Bytes in flight as RFC 6675 section 4 estimates them ("pipe"). */
uint32_t cothon_tcp_recovery_pipe(const struct cothon_tcp *tcp);
/* What is lost and to be sent again next; returns false when there is nothing. */
bool cothon_tcp_recovery_next(const struct cothon_tcp *tcp, struct cothon_seq *start,
			      struct cothon_seq *end);
/* [.., end) of what is lost has been sent again. */
void cothon_tcp_recovery_resent(struct cothon_tcp *tcp, struct cothon_seq end);
/* SACK blocks of an acceptable segment. Returns bytes that are newly known to have arrived. */
uint32_t cothon_tcp_recovery_sack(struct cothon_tcp *tcp, const struct cothon_tcp_header *header);
/* snd.una has moved by `acked`. */
void cothon_tcp_recovery_acked(struct cothon_tcp *tcp, uint32_t acked);
/* An ACK that moved nothing: a duplicate, or one with news in SACK blocks. */
void cothon_tcp_recovery_duplicate(struct cothon_tcp *tcp);
/* The retransmission timer has expired: all that is in flight counts as lost. */
void cothon_tcp_recovery_timeout(struct cothon_tcp *tcp);
/* What is in flight is too large for the path: it is sent again in smaller segments, without blame for congestion. */
void cothon_tcp_recovery_resend(struct cothon_tcp *tcp);

#endif
