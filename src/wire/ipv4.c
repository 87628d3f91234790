/* SPDX-License-Identifier: MIT */
#include "wire/ip_family.h"

#include "wire/checksum.h"
#include "wire/options.h"
#include <errno.h>

enum {
	AT_VERSION_IHL = 0,
	AT_TOS = 1,
	AT_TOTAL_LEN = 2,
	AT_IDENT = 4,
	AT_FRAGMENT = 6,
	AT_TTL = 8,
	AT_PROTOCOL = 9,
	AT_CHECKSUM = 10,
	AT_SOURCE = 12,
	AT_DESTINATION = 16,

	DONT_FRAGMENT = 0x4000,
	MORE_FRAGMENTS = 0x2000,
	OFFSET_MASK = 0x1fff,

	OPTION_LSRR = 131,
	OPTION_SSRR = 137,
};

/*
 * Options are skipped, but for source routes: they are not honoured, and to ignore one would be to
 * take a packet that is on its way elsewhere (RFC 7126 sections 4.3 and 4.4: drop it).
 */
static int check_options(struct cothon_bytes options)
{
	struct cothon_bytes option;
	size_t at = 0;
	int found;

	while ((found = cothon_option_next(options, &at, &option)) > 0) {
		if (option.data[0] == OPTION_LSRR || option.data[0] == OPTION_SSRR)
			return -EBADMSG;
	}
	return found;
}

int cothon_ipv4_parse(struct cothon_bytes packet, enum cothon_ip_extent extent,
		      struct cothon_ip *ip)
{
	const uint8_t *p = packet.data;
	size_t header_len = (size_t)(p[AT_VERSION_IHL] & 0xf) * 4;
	size_t end;

	if (header_len < COTHON_IPV4_HEADER || header_len > packet.len)
		return -EBADMSG;

	uint16_t total_len = cothon_get16(p + AT_TOTAL_LEN);

	if (cothon_ip_end(total_len, total_len == 0, packet.len, extent, &end) || end < header_len)
		return -EBADMSG;
	/* A router may have changed a quoted header without mending its checksum. */
	if (extent != COTHON_IP_QUOTE &&
	    cothon_checksum_finish(cothon_checksum_add(0, p, header_len)) != 0)
		return -EILSEQ;

	uint16_t fragment = cothon_get16(p + AT_FRAGMENT);

	*ip = (struct cothon_ip){
		.source = cothon_addr_ipv4(p + AT_SOURCE),
		.destination = cothon_addr_ipv4(p + AT_DESTINATION),
		.version = 4,
		.protocol = p[AT_PROTOCOL],
		.hops = p[AT_TTL],
		.traffic_class = p[AT_TOS],
		.dont_fragment = fragment & DONT_FRAGMENT,
		.fragment = fragment & (MORE_FRAGMENTS | OFFSET_MASK),
		.more_fragments = fragment & MORE_FRAGMENTS,
		.fragment_offset = (uint16_t)((fragment & OFFSET_MASK) * 8),
		.ident = cothon_get16(p + AT_IDENT),
		.header_len = (uint16_t)header_len,
		.payload_len = (uint32_t)(end - header_len),
		.next_header_at = AT_PROTOCOL,
	};
	if (extent == COTHON_IP_QUOTE)
		return 0;
	if (cothon_ip_check_fragment(ip, header_len))
		return -EBADMSG;
	return check_options(
		(struct cothon_bytes){p + COTHON_IPV4_HEADER, header_len - COTHON_IPV4_HEADER});
}

size_t cothon_ipv4_emit(const struct cothon_ip *ip, uint8_t *out)
{
	size_t total_len = COTHON_IPV4_HEADER + (size_t)ip->payload_len;
	unsigned fragment = 0;

	if (ip->dont_fragment)
		fragment |= DONT_FRAGMENT;
	if (ip->fragment)
		fragment |= ip->fragment_offset / 8 | (ip->more_fragments ? MORE_FRAGMENTS : 0);

	out[AT_VERSION_IHL] = 4 << 4 | COTHON_IPV4_HEADER / 4;
	out[AT_TOS] = ip->traffic_class;
	cothon_put16(out + AT_TOTAL_LEN, total_len > UINT16_MAX ? 0 : (uint16_t)total_len);
	cothon_put16(out + AT_IDENT, (uint16_t)ip->ident);
	cothon_put16(out + AT_FRAGMENT, (uint16_t)fragment);
	out[AT_TTL] = ip->hops;
	out[AT_PROTOCOL] = ip->protocol;
	cothon_put16(out + AT_CHECKSUM, 0);
	memcpy(out + AT_SOURCE, ip->source.b + 12, 4);
	memcpy(out + AT_DESTINATION, ip->destination.b + 12, 4);
	cothon_put16(out + AT_CHECKSUM,
		     cothon_checksum_finish(cothon_checksum_add(0, out, COTHON_IPV4_HEADER)));
	return COTHON_IPV4_HEADER;
}
