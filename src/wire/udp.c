/* SPDX-License-Identifier: MIT */
#include "wire/udp.h"

#include "wire/checksum.h"
#include <errno.h>

enum {
	AT_SOURCE_PORT = 0,
	AT_DESTINATION_PORT = 2,
	AT_LENGTH = 4,
	AT_CHECKSUM = 6,
};

int cothon_udp_parse(struct cothon_bytes segment, const struct cothon_ip *ip, bool csum_valid,
		     bool gso, struct cothon_udp_header *udp)
{
	const uint8_t *p = segment.data;
	size_t len;

	if (segment.len < COTHON_UDP_HEADER)
		return -EBADMSG;
	len = gso ? segment.len : cothon_get16(p + AT_LENGTH);
	if (len < COTHON_UDP_HEADER || len > segment.len || len > UINT16_MAX)
		return -EBADMSG;
	udp->source_port = cothon_get16(p + AT_SOURCE_PORT);
	udp->destination_port = cothon_get16(p + AT_DESTINATION_PORT);
	udp->payload_len = (uint16_t)(len - COTHON_UDP_HEADER);
	udp->checksum = cothon_get16(p + AT_CHECKSUM);
	if (csum_valid)
		return 0;

	/*
	 * RFC 768: 0 stands for "none"; RFC 8200 section 8.1: not over IPv6, where nothing else is
	 * summed.
	 */
	if (udp->checksum == 0)
		return cothon_addr_is_ipv4(&ip->destination) ? 0 : -EILSEQ;

	uint64_t sum = cothon_checksum_pseudo(&ip->source, &ip->destination, COTHON_IPPROTO_UDP,
					      (uint32_t)len);

	return cothon_checksum_finish(cothon_checksum_add(sum, p, len)) == 0 ? 0 : -EILSEQ;
}

void cothon_udp_emit(const struct cothon_udp_header *udp, uint8_t out[static COTHON_UDP_HEADER])
{
	cothon_put16(out + AT_SOURCE_PORT, udp->source_port);
	cothon_put16(out + AT_DESTINATION_PORT, udp->destination_port);
	cothon_put16(out + AT_LENGTH, (uint16_t)(COTHON_UDP_HEADER + udp->payload_len));
	cothon_put16(out + AT_CHECKSUM, udp->checksum);
}
