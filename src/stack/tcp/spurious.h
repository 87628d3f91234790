/* SPDX-License-Identifier: MIT */
#ifndef TCP_SPURIOUS_H
#define TCP_SPURIOUS_H

/*
 * Losses that were none: found by timestamps (Eifel, RFC 3522), by duplicates that the peer reports (DSACK, RFC 2883,
 * RFC 3708) and after a time-out by F-RTO (RFC 5682). The reduction is then taken back.
 */

#include "stack/tcp/recovery.h"

/* The window is about to be reduced. */
void cothon_tcp_spurious_reduce(struct cothon_tcp *tcp);
/* `len` bytes were sent again. */
void cothon_tcp_spurious_resent(struct cothon_tcp *tcp, uint32_t len);
/* Looks for a report of duplicates among an ACK's SACK blocks. Returns true when the first block is one. */
bool cothon_tcp_spurious_dsack(struct cothon_tcp *tcp, struct cothon_tcp_ack *ack);
/* What an ACK says about a loss; may end the recovery. */
void cothon_tcp_spurious_ack(struct cothon_tcp *tcp, const struct cothon_tcp_ack *ack);

#endif
