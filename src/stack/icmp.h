/* SPDX-License-Identifier: MIT */
#ifndef STACK_ICMP_H
#define STACK_ICMP_H

/* ICMP and ICMPv6 of a stack (RFC 792, RFC 1122 section 3.2.2, RFC 4443). */

#include "stack/ip.h"

/* What a refusal with a negative errno is called in ICMP. */
enum cothon_unreachable cothon_icmp_reason(int error);

void cothon_icmp_input(struct cothon_stack *stack, struct cothon_packet *packet);
/*
 * Sends an error about a packet that came in, whose first bytes behind the IP header are `quote`. Nothing is sent about ICMP
 * errors, fragments but the first, or packets to or from addresses that name no single host (RFC 1122
 * section 3.2.2, RFC 4443 section 2.4 (e)), nor beyond the rate limit. `from` may be NULL: an address of the stack. Returns 0, -EBUSY when
 * limited, -EINVAL when none may be sent, or the link's error.
 */
int cothon_icmp_error(struct cothon_stack *stack, const struct cothon_addr *from,
		      enum cothon_unreachable reason, uint32_t mtu, const struct cothon_ip *about,
		      struct cothon_bytes quote);
/* The same for a whole packet. */
void cothon_icmp_error_about(struct cothon_stack *stack, enum cothon_unreachable reason,
			     const struct cothon_packet *packet);

#endif
