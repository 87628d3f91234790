/* SPDX-License-Identifier: MIT */
#ifndef TCP_RECEIVER_H
#define TCP_RECEIVER_H

/* What arrives: put in order, held until it is read, acknowledged (RFC 9293 sections 3.8.6 and 3.10.7.4, RFC 2018). */

#include "stack/ip.h"
#include "stack/tcp/connection.h"

/* The peer's SYN had the sequence number `irs`. */
void cothon_tcp_receiver_start(struct cothon_tcp *tcp, struct cothon_seq irs);
/* Nothing more will be received: what the buffer was given goes back to the other flows. */
void cothon_tcp_receiver_stop(struct cothon_tcp *tcp);
/*
 * Text and FIN of an acceptable segment. The payload is the packet's buffer, which the receiver may keep.
 * Sets rcv.fin when the peer's end is in order.
 */
void cothon_tcp_receiver_input(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			       struct cothon_packet *packet);
/* An ACK is to be sent at the end of the burst. */
void cothon_tcp_receiver_ack_now(struct cothon_tcp *tcp);
/* The window to put into a header, not scaled; moves the right edge. */
uint16_t cothon_tcp_receiver_window(struct cothon_tcp *tcp);
/* [start, end) has arrived though it was there before: our next ACK tells of it (RFC 2883). */
void cothon_tcp_receiver_twice(struct cothon_tcp *tcp, struct cothon_seq start,
			       struct cothon_seq end);
/* Puts SACK blocks for what is held out of order into a header. */
void cothon_tcp_receiver_sack(const struct cothon_tcp *tcp, struct cothon_tcp_header *header);
/* The owner has taken something off the queue: there may be a larger window to tell of. */
void cothon_tcp_receiver_consumed(struct cothon_tcp *tcp);
/* An ACK has gone out with what was sent. */
void cothon_tcp_receiver_acked(struct cothon_tcp *tcp, bool with_data);
/* The owner has seen what there was to read: what stays is kept in as little memory as it needs. */
void cothon_tcp_receiver_settle(struct cothon_tcp *tcp);

#endif
