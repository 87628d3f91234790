/* SPDX-License-Identifier: MIT */
#ifndef WIRE_IP_H
#define WIRE_IP_H

/*
 * The headers of IPv4 (RFC 791) and IPv6 (RFC 8200) as one struct.
 *
 * After cothon_ip_parse() has returned 0, every length in the struct lies inside the packet.
 */

#include "base/bytes.h"
#include <cothon/addr.h>
#include <stdbool.h>

enum {
	COTHON_IPPROTO_ICMP = 1,
	COTHON_IPPROTO_TCP = 6,
	COTHON_IPPROTO_UDP = 17,
	COTHON_IPPROTO_ICMPV6 = 58,
	COTHON_IPPROTO_NONE = 59,

	COTHON_IPV4_HEADER = 20,
	COTHON_IPV6_HEADER = 40,
	COTHON_IPV6_FRAGMENT_HEADER = 8,
	/*
	 * Extension headers walked through at most, and bytes of them (RFC 8504 section 5.3 allows
	 * limits).
	 */
	COTHON_IPV6_MAX_EXTENSIONS = 8,
	COTHON_IPV6_MAX_EXTENSION_BYTES = 2048,
};

struct cothon_ip {
	struct cothon_addr source, destination;
	uint8_t version; /* 4 or 6 */
	/*
	 * The upper-layer protocol, behind extension headers. For a fragment: as its header says.
	 */
	uint8_t protocol;
	uint8_t hops;          /* TTL or hop limit */
	uint8_t traffic_class; /* with ECN in its low two bits (RFC 3168) */
	bool dont_fragment;    /* true for IPv6 */
	/*
	 * Fragmentation: offset in bytes, a multiple of 8. IPv6 atomic fragments (RFC 6946) count
	 * as whole.
	 */
	bool fragment;
	bool more_fragments;
	uint16_t fragment_offset;
	uint32_t ident;
	/*
	 * Bytes from the packet's start to the upper-layer header, options and extension headers
	 * included.
	 */
	uint16_t header_len;
	/* Bytes of upper-layer header and payload: what the header says, all of it present. */
	uint32_t payload_len;
	/*
	 * IPv6: where the field of the packet is that names the upper-layer protocol (for parameter
	 * problems).
	 */
	uint16_t next_header_at;
};

/*
 * Parses the IP header of a packet. Bytes behind the length that the header tells are ignored (RFC
 * 1122 section 3.2.1). The IPv4 header checksum is verified. IPv6 extension headers (hop-by-hop,
 * routing with no segments left, destination options, fragment) are walked through within the
 * limits above.
 *
 * A GSO frame may be longer than its header can say: with `gso` true, an IPv4 total length or IPv6
 * payload length of 0 means "to the end of `packet`".
 *
 * Returns 0; -EBADMSG for a header that is malformed, too short, or lies about a length; -EILSEQ
 * for a wrong IPv4 header checksum; -EPROTONOSUPPORT for an extension header that is not understood
 * (`protocol` and next_header_at then name it) or a routing header with segments left.
 */
int cothon_ip_parse(struct cothon_bytes packet, bool gso, struct cothon_ip *ip);
/*
 * The same for a packet quoted in an ICMP error, of which the end may be missing: payload_len is
 * what is there. A wrong IPv4 header checksum counts for nothing here, nor do IPv4 options or a
 * fragment's place. Returns 0, -EBADMSG when not all headers up to the upper layer's are there, or
 * -EPROTONOSUPPORT.
 */
int cothon_ip_parse_quote(struct cothon_bytes quote, struct cothon_ip *ip);

/* Bytes that cothon_ip_emit() writes: 20, or 40, and 8 more for an IPv6 fragment. */
size_t cothon_ip_header_len(const struct cothon_ip *ip);
/*
 * Writes the header (without options) for source, destination, protocol, hops, traffic_class,
 * dont_fragment, fragment fields, ident and payload_len; the family is that of the destination.
 * `out` has room for cothon_ip_header_len(). Returns that length.
 */
size_t cothon_ip_emit(const struct cothon_ip *ip, uint8_t *out);

#endif
