/* SPDX-License-Identifier: MIT */
#ifndef TCP_SEGMENT_H
#define TCP_SEGMENT_H

/* The arrival of a segment: which checks it passes, and who then gets which part of it. */

#include "stack/ip.h"
#include "wire/tcp.h"

void cothon_tcp_input(struct cothon_stack *stack, struct cothon_packet *packet);
/*
 * An ICMP error about a segment of ours with sequence number `seq`. One about data that is not in flight is
 * forged or late and changes nothing (RFC 5927 section 4.1); one that is believed never ends a synchronized
 * connection (MUST-54, RFC 5927 section 5.2).
 */
void cothon_tcp_icmp(struct cothon_stack *stack, const struct cothon_flow *flow,
		     struct cothon_seq seq, enum cothon_unreachable reason, uint32_t mtu);

#endif
