/* SPDX-License-Identifier: MIT */
#include "wire/ip.h"

#include "wire/ip_family.h"
#include <errno.h>

int cothon_ip_end(size_t told, bool zero, size_t there, enum cothon_ip_extent extent, size_t *end)
{
	if (zero && extent == COTHON_IP_GSO)
		told = there;
	if (told > there && extent == COTHON_IP_QUOTE)
		told = there;
	*end = told;
	return told > there ? -EBADMSG : 0;
}

int cothon_ip_check_fragment(const struct cothon_ip *ip, size_t unfragmented)
{
	if (!ip->fragment)
		return 0;
	/* RFC 791 section 3.2: every fragment but the last is cut at a multiple of eight bytes. */
	if (ip->payload_len == 0 || (ip->more_fragments && ip->payload_len % 8 != 0))
		return -EBADMSG;
	/* What is put together must have a length that an IP header can say. */
	if (unfragmented + ip->fragment_offset + ip->payload_len > UINT16_MAX)
		return -EBADMSG;
	return 0;
}

static int parse(struct cothon_bytes packet, enum cothon_ip_extent extent, struct cothon_ip *ip)
{
	if (packet.len == 0)
		return -EBADMSG;
	switch (packet.data[0] >> 4) {
	case 4:
		return cothon_ipv4_parse(packet, extent, ip);
	case 6:
		return cothon_ipv6_parse(packet, extent, ip);
	default:
		return -EBADMSG;
	}
}

int cothon_ip_parse(struct cothon_bytes packet, bool gso, struct cothon_ip *ip)
{
	return parse(packet, gso ? COTHON_IP_GSO : COTHON_IP_WHOLE, ip);
}

int cothon_ip_parse_quote(struct cothon_bytes quote, struct cothon_ip *ip)
{
	return parse(quote, COTHON_IP_QUOTE, ip);
}

size_t cothon_ip_header_len(const struct cothon_ip *ip)
{
	if (cothon_addr_is_ipv4(&ip->destination))
		return COTHON_IPV4_HEADER;
	return COTHON_IPV6_HEADER + (ip->fragment ? COTHON_IPV6_FRAGMENT_HEADER : 0);
}

size_t cothon_ip_emit(const struct cothon_ip *ip, uint8_t *out)
{
	if (cothon_addr_is_ipv4(&ip->destination))
		return cothon_ipv4_emit(ip, out);
	return cothon_ipv6_emit(ip, out);
}
