/* SPDX-License-Identifier: MIT */
#include "wire/ip_family.h"

#include <errno.h>

enum {
	AT_VERSION = 0, /* 4 bits of version, 8 of traffic class, 20 of flow label */
	AT_PAYLOAD_LEN = 4,
	AT_NEXT_HEADER = 6,
	AT_HOPS = 7,
	AT_SOURCE = 8,
	AT_DESTINATION = 24,

	HOP_BY_HOP = 0,
	ROUTING = 43,
	FRAGMENT = 44,
	AUTHENTICATION = 51,
	DESTINATION_OPTIONS = 60,
	MOBILITY = 135,
	HOST_IDENTITY = 139,
	SHIM6 = 140,

	/* The extension headers that are walked through begin alike. */
	EXTENSION_NEXT = 0,
	EXTENSION_LEN = 1, /* in units of eight bytes, the first not counted */
	EXTENSION_UNIT = 8,
	ROUTING_SEGMENTS_LEFT = 3,
	FRAGMENT_OFFSET = 2,
	FRAGMENT_IDENT = 4,
	OFFSET_MASK = 0xfff8,
	MORE_FRAGMENTS = 0x0001,

	OPTION_PAD1 = 0,
	OPTION_UNKNOWN_DROPS = 0xc0,
};

/*
 * RFC 8200 section 4.2: an option that is not known is skipped when the two highest bits of its
 * type are 0; otherwise the packet is dropped. All that are known here may be skipped.
 */
static int check_options(struct cothon_bytes options)
{
	size_t at = 0;

	while (at < options.len) {
		const uint8_t *option = options.data + at;

		if (option[0] == OPTION_PAD1) {
			at++;
			continue;
		}
		if (options.len - at < 2 || option[1] > options.len - at - 2)
			return -EBADMSG;
		if (option[0] & OPTION_UNKNOWN_DROPS)
			return -EBADMSG;
		at += 2U + option[1];
	}
	return 0;
}

static void take_fragment(const uint8_t *extension, struct cothon_ip *ip)
{
	uint16_t offset = cothon_get16(extension + FRAGMENT_OFFSET);

	ip->ident = cothon_get32(extension + FRAGMENT_IDENT);
	ip->fragment_offset = offset & OFFSET_MASK;
	ip->more_fragments = offset & MORE_FRAGMENTS;
	/* RFC 6946: a fragment that is the whole packet has nothing to do with any other. */
	ip->fragment = ip->fragment_offset != 0 || ip->more_fragments;
}

/* Takes one extension header, whole and of the kind that `ip->protocol` names. */
static int take_extension(struct cothon_bytes extension, struct cothon_ip *ip)
{
	switch (ip->protocol) {
	case HOP_BY_HOP:
		/*
		 * RFC 8200 section 4.1: anywhere but directly behind the IPv6 header it is unknown.
		 */
		if (ip->header_len != COTHON_IPV6_HEADER)
			return -EPROTONOSUPPORT;
		return check_options((struct cothon_bytes){extension.data + 2, extension.len - 2});
	case DESTINATION_OPTIONS:
		return check_options((struct cothon_bytes){extension.data + 2, extension.len - 2});
	case ROUTING:
		return extension.data[ROUTING_SEGMENTS_LEFT] == 0 ? 0 : -EPROTONOSUPPORT;
	case FRAGMENT:
		take_fragment(extension.data, ip);
		return 0;
	}
	return 0;
}

/* The extension headers that are walked through. */
static bool is_known_extension(uint8_t protocol)
{
	return protocol == HOP_BY_HOP || protocol == ROUTING || protocol == FRAGMENT ||
	       protocol == DESTINATION_OPTIONS;
}

static bool is_unknown_extension(uint8_t protocol)
{
	return protocol == AUTHENTICATION || protocol == MOBILITY || protocol == HOST_IDENTITY ||
	       protocol == SHIM6;
}

/*
 * Walks from the IPv6 header to the upper-layer header, or to the payload of a fragment, which only
 * the whole packet explains. `packet` ends where its header says.
 */
static int walk(struct cothon_bytes packet, struct cothon_ip *ip)
{
	for (unsigned count = 0; is_known_extension(ip->protocol) && !ip->fragment; count++) {
		size_t at = ip->header_len;
		const uint8_t *p = cothon_bytes_at(packet, at, EXTENSION_UNIT);
		size_t len = EXTENSION_UNIT;

		if (!p || count == COTHON_IPV6_MAX_EXTENSIONS)
			return -EBADMSG;
		if (ip->protocol != FRAGMENT)
			len += (size_t)p[EXTENSION_LEN] * EXTENSION_UNIT;
		if (!cothon_bytes_at(packet, at, len) ||
		    at + len > COTHON_IPV6_HEADER + COTHON_IPV6_MAX_EXTENSION_BYTES)
			return -EBADMSG;

		int error = take_extension((struct cothon_bytes){p, len}, ip);

		if (error)
			return error;
		ip->protocol = p[EXTENSION_NEXT];
		ip->next_header_at = (uint16_t)(at + EXTENSION_NEXT);
		ip->header_len = (uint16_t)(at + len);
		ip->payload_len -= (uint32_t)len;
	}
	return is_unknown_extension(ip->protocol) && !ip->fragment ? -EPROTONOSUPPORT : 0;
}

int cothon_ipv6_parse(struct cothon_bytes packet, enum cothon_ip_extent extent,
		      struct cothon_ip *ip)
{
	const uint8_t *p = packet.data;
	size_t end;

	if (packet.len < COTHON_IPV6_HEADER)
		return -EBADMSG;

	uint16_t payload_len = cothon_get16(p + AT_PAYLOAD_LEN);

	if (cothon_ip_end(COTHON_IPV6_HEADER + (size_t)payload_len, payload_len == 0, packet.len,
			  extent, &end))
		return -EBADMSG;
	*ip = (struct cothon_ip){
		.source = cothon_addr_ipv6(p + AT_SOURCE),
		.destination = cothon_addr_ipv6(p + AT_DESTINATION),
		.version = 6,
		.protocol = p[AT_NEXT_HEADER],
		.hops = p[AT_HOPS],
		.traffic_class = (uint8_t)(cothon_get16(p + AT_VERSION) >> 4),
		.dont_fragment = true,
		.header_len = COTHON_IPV6_HEADER,
		.payload_len = (uint32_t)(end - COTHON_IPV6_HEADER),
		.next_header_at = AT_NEXT_HEADER,
	};
	/*
	 * RFC 4291 section 2.5.5.2: the mapped form stands for an IPv4 node within a program. On a
	 * wire it would pass for one that speaks IPv4, and past what is said about that.
	 */
	if (cothon_addr_is_ipv4(&ip->source) || cothon_addr_is_ipv4(&ip->destination))
		return -EBADMSG;

	int error = walk((struct cothon_bytes){p, end}, ip);

	if (error || extent == COTHON_IP_QUOTE || !ip->fragment)
		return error;
	return cothon_ip_check_fragment(ip, (size_t)ip->header_len - COTHON_IPV6_HEADER -
						    COTHON_IPV6_FRAGMENT_HEADER);
}

size_t cothon_ipv6_emit(const struct cothon_ip *ip, uint8_t *out)
{
	size_t header_len = cothon_ip_header_len(ip);
	size_t payload_len = header_len - COTHON_IPV6_HEADER + ip->payload_len;
	uint8_t *next = out + AT_NEXT_HEADER;

	cothon_put32(out + AT_VERSION, UINT32_C(6) << 28 | (uint32_t)ip->traffic_class << 20);
	cothon_put16(out + AT_PAYLOAD_LEN, payload_len > UINT16_MAX ? 0 : (uint16_t)payload_len);
	out[AT_HOPS] = ip->hops;
	memcpy(out + AT_SOURCE, ip->source.b, 16);
	memcpy(out + AT_DESTINATION, ip->destination.b, 16);
	if (ip->fragment) {
		uint8_t *extension = out + COTHON_IPV6_HEADER;
		unsigned offset = ip->fragment_offset & OFFSET_MASK;

		*next = FRAGMENT;
		next = extension + EXTENSION_NEXT;
		extension[EXTENSION_LEN] = 0;
		cothon_put16(extension + FRAGMENT_OFFSET,
			     (uint16_t)(offset | (ip->more_fragments ? MORE_FRAGMENTS : 0)));
		cothon_put32(extension + FRAGMENT_IDENT, ip->ident);
	}
	*next = ip->protocol;
	return header_len;
}
