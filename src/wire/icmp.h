/* SPDX-License-Identifier: MIT */
#ifndef WIRE_ICMP_H
#define WIRE_ICMP_H

/* ICMP (RFC 792, 1191) and ICMPv6 (RFC 4443) as one set of messages. */

#include "base/bytes.h"
#include "wire/ip.h"
#include <cothon/stack.h>

enum {
	COTHON_ICMP_HEADER = 8
};

enum cothon_icmp_kind {
	COTHON_ICMP_ECHO_REQUEST,
	COTHON_ICMP_ECHO_REPLY,
	COTHON_ICMP_ERROR, /* `reason` says which */
	COTHON_ICMP_OTHER, /* of no concern here: neighbour discovery, parameter problems, ... */
};

struct cothon_icmp {
	enum cothon_icmp_kind kind;
	uint16_t ident, sequence;       /* echo */
	enum cothon_unreachable reason; /* error */
	uint32_t mtu; /* error with COTHON_TOO_BIG; 0: an old router did not tell */
	/* Echo: its data. Error: the packet quoted, as much of it as there is. */
	struct cothon_bytes rest;
	/*
	 * True for every message that is an error, also those of kind OTHER: none is ever answered
	 * by an error.
	 */
	bool is_error;
};

/*
 * Parses a message of the family that `ip` has and, unless `csum_valid`, verifies its checksum.
 * Returns 0, -EBADMSG when shorter than its header, or -EILSEQ.
 */
int cothon_icmp_parse(struct cothon_bytes message, const struct cothon_ip *ip, bool csum_valid,
		      struct cothon_icmp *icmp);
/*
 * Writes the 8 bytes in front of `rest`, with a checksum that covers both: `ip` gives the family
 * and, for ICMPv6, the pseudo header's addresses. `kind` is not OTHER. IPv6's way to say
 * COTHON_PROTOCOL_UNREACHABLE points to the field in the packet quoted that names the protocol.
 */
void cothon_icmp_emit(const struct cothon_icmp *icmp, const struct cothon_ip *ip,
		      uint8_t out[static COTHON_ICMP_HEADER]);

#endif
