/* SPDX-License-Identifier: MIT */
#ifndef WIRE_UDP_H
#define WIRE_UDP_H

/* The UDP header (RFC 768, RFC 8200 section 8.1). */

#include "base/bytes.h"
#include "wire/ip.h"

enum {
	COTHON_UDP_HEADER = 8
};

struct cothon_udp_header {
	uint16_t source_port, destination_port;
	uint16_t payload_len;
	uint16_t checksum;
};

/*
 * Parses and, unless `csum_valid`, verifies the checksum: 0 means none on IPv4 and is an error on
 * IPv6. `segment` is the IP payload. With `gso` the length field is not trusted: the payload is the
 * rest of the segment (up to 65527 bytes). Returns 0, -EBADMSG for a length below 8 or beyond the
 * segment, or -EILSEQ for a wrong checksum.
 */
int cothon_udp_parse(struct cothon_bytes segment, const struct cothon_ip *ip, bool csum_valid,
		     bool gso, struct cothon_udp_header *udp);
/* Writes the 8 bytes of the header; the checksum field gets udp->checksum as it is. */
void cothon_udp_emit(const struct cothon_udp_header *udp, uint8_t out[static COTHON_UDP_HEADER]);

#endif
