/* SPDX-License-Identifier: MIT */
#ifndef STACK_UDP_H
#define STACK_UDP_H

/* UDP of a stack (RFC 768, RFC 1122 section 4.1). */

#include "stack/ip.h"

void cothon_udp_input(struct cothon_stack *stack, struct cothon_packet *packet);

#endif
