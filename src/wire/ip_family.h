/* SPDX-License-Identifier: MIT */
#ifndef WIRE_IP_FAMILY_H
#define WIRE_IP_FAMILY_H

/* What ip.c puts together: the two headers, and the checks that they share. Of no use to others. */

#include "wire/ip.h"

/* What the bytes given to a parser are, and so what a header may say of their length. */
enum cothon_ip_extent {
	COTHON_IP_WHOLE, /* a packet */
	COTHON_IP_GSO,   /* a frame that may be longer than its header can say: then that says 0 */
	COTHON_IP_QUOTE, /* the beginning of a packet: all headers, perhaps not all payload */
};

/*
 * Finds where a packet ends, of which `there` bytes are there and whose header says that it has
 * `told`; `zero` when its length field is 0. Returns 0, or -EBADMSG when more is told than there
 * is.
 */
int cothon_ip_end(size_t told, bool zero, size_t there, enum cothon_ip_extent extent, size_t *end);
/*
 * Checks the place of a fragment; `unfragmented` bytes of what the length field counts stand in
 * every fragment. Returns 0, also for what is no fragment; or -EBADMSG.
 */
int cothon_ip_check_fragment(const struct cothon_ip *ip, size_t unfragmented);

/* cothon_ip_parse() and cothon_ip_emit() of each family; `packet` has at least one byte. */
int cothon_ipv4_parse(struct cothon_bytes packet, enum cothon_ip_extent extent,
		      struct cothon_ip *ip);
int cothon_ipv6_parse(struct cothon_bytes packet, enum cothon_ip_extent extent,
		      struct cothon_ip *ip);
size_t cothon_ipv4_emit(const struct cothon_ip *ip, uint8_t *out);
size_t cothon_ipv6_emit(const struct cothon_ip *ip, uint8_t *out);

#endif
