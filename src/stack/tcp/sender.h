/* SPDX-License-Identifier: MIT */
#ifndef TCP_SENDER_H
#define TCP_SENDER_H

/*
 * What is sent: segments out of the queue of written chunks, as much as both windows let (RFC 9293 section 3.8.6,
 * RFC 5681), and what the peer's ACKs say about it.
 */

#include "stack/ip.h"
#include "stack/tcp/connection.h"

/*
 * Fills in the header's ports, options for every segment, ACK and window, and sends it with `len` bytes of sequence
 * space from `payload`; with `gso_size` the link cuts it. Returns 0 or the link's error.
 */
int cothon_tcp_transmit(struct cothon_tcp *tcp, struct cothon_tcp_header *header,
			const struct iovec *payload, unsigned count, uint16_t gso_size);
/* The timestamp clock (RFC 7323 section 5.4): milliseconds, from a beginning of the flow's own. */
uint32_t cothon_tcp_timestamp(const struct cothon_tcp *tcp);
/*
 * Sends [seq, seq + len) of the sequence space, the FIN included if it is in there. Returns 0, -EAGAIN when the link
 * takes nothing, or -ENOMEM, which only the first that is in flight meets with.
 */
int cothon_tcp_sender_emit(struct cothon_tcp *tcp, struct cothon_seq seq, uint32_t len);
/* A segment without data just below what is acknowledged: the peer has to answer it (RFC 9293 section 3.8.4). */
void cothon_tcp_send_probe(struct cothon_tcp *tcp);
/* A RST for a connection, in a state in which the peer may know of it. */
void cothon_tcp_send_reset(struct cothon_tcp *tcp);
/* Sends the RSTs that the link has not taken. Returns true when none is left. */
bool cothon_tcp_send_late_resets(struct cothon_stack *stack);
/* A RST for a flow: with `seq`, and with `ack` if `with_ack`. */
void cothon_tcp_send_reset_for(struct cothon_stack *stack, const struct cothon_flow *flow,
			       struct cothon_seq seq, struct cothon_seq ack, bool with_ack);
/*
 * The ACK field and the window of an acceptable segment with `payload` bytes. Returns true when it acknowledged our
 * FIN.
 */
bool cothon_tcp_sender_ack(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			   uint32_t payload);
/* Takes over the window of a segment, if it is news or `force`. Returns true when the window changed. */
bool cothon_tcp_sender_window(struct cothon_tcp *tcp, const struct cothon_tcp_header *header,
			      bool force);
/* Takes a sample of the round trip from an ACK. */
void cothon_tcp_sender_sample(struct cothon_tcp *tcp, const struct cothon_tcp_header *header);
/* The segment that begins at `seq` goes out now and is timed, if none is yet. */
void cothon_tcp_sender_time(struct cothon_tcp *tcp, struct cothon_seq seq);
/*
 * What the peer's window lets out, at most a segment, goes out though it is a crumb (RFC 9293 section 3.8.6.2.1 (4)).
 * Returns true when something did.
 */
bool cothon_tcp_sender_override(struct cothon_tcp *tcp);
/* Bytes of sequence space written and not sent, a FIN included. */
uint32_t cothon_tcp_sender_unsent(const struct cothon_tcp *tcp);
/* Bytes the owner may still write. */
uint32_t cothon_tcp_sender_room(const struct cothon_tcp *tcp);
/* Puts back all chunks. */
void cothon_tcp_sender_clear(struct cothon_tcp *tcp);

#endif
