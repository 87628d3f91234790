/* SPDX-License-Identifier: MIT */
#ifndef STACK_UDP_H
#define STACK_UDP_H

/* UDP of a stack (RFC 768, RFC 1122 section 4.1). */

#include "stack/ip.h"
#include <cothon/udp.h>

void cothon_udp_input(struct cothon_stack *stack, struct cothon_packet *packet);
/* An ICMP error about a datagram from an address of the stack: tells who holds its port. */
void cothon_udp_icmp(struct cothon_stack *stack, const struct cothon_udp_error *error);

#endif
