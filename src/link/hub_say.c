/* SPDX-License-Identifier: MIT */
#include "link/hub.h"

#include "wire/checksum.h"
#include "wire/icmp.h"

enum {
	HOPS = 64,
	/* RFC 1812 section 4.3.2.3: an IPv4 error quotes as much as fits 576 bytes. */
	ERROR_MAX_IPV4 = 576,
	ERROR_MAX_IPV6 = 1280, /* RFC 4443 section 2.4 (c) */
};

/* Sends a packet whose IP header is `ip` and whose rest is `payload`, to a member. */
static void say(const struct cothon_hub_port *to, struct cothon_ip *ip, const void *payload,
		size_t len)
{
	uint8_t packet[ERROR_MAX_IPV6];
	struct cothon_frame frame = {.count = 2};
	size_t header_len;

	ip->hops = HOPS;
	ip->dont_fragment = true;
	ip->payload_len = (uint32_t)len;
	header_len = cothon_ip_emit(ip, packet);
	memcpy(packet + header_len, payload, len);
	frame.len = header_len + len;
	frame.iov[1] = (struct iovec){packet, frame.len};
	/* What the device does not take now is lost: what made us say it will come again. */
	if (!cothon_link_transmit(to->device, &frame) && to->link.tap)
		cothon_link_show_transmitted(&to->link, &frame);
}

void cothon_hub_say_reset(const struct cothon_hub_passage *passage, unsigned side)
{
	const struct cothon_hub_side *to = &passage->sides[side], *from = &passage->sides[!side];
	struct cothon_endpoint source = cothon_hub_endpoint(passage, !side);
	struct cothon_endpoint destination = cothon_hub_endpoint(passage, side);
	struct cothon_ip ip = {
		.source = source.addr,
		.destination = destination.addr,
		.protocol = COTHON_TCP,
	};
	/*
	 * RFC 9293 section 3.5.2: one that waits for the answer to its SYN believes a reset that acknowledges
	 * it. The others believe one that is exactly what they expect next (RFC 5961 section 3.2): where
	 * something was lost since, they ask back, and then are told by the stack.
	 */
	struct cothon_tcp_header tcp = {
		.source_port = source.port,
		.destination_port = destination.port,
		.seq = from->next,
		.ack = to->next,
		.flags = COTHON_TCP_RST | (to->sent ? COTHON_TCP_ACK : 0),
	};
	uint8_t segment[COTHON_TCP_HEADER_MAX];
	size_t len = cothon_tcp_emit(&tcp, segment);
	uint64_t sum =
		cothon_checksum_pseudo(&ip.source, &ip.destination, COTHON_TCP, (uint32_t)len);

	cothon_put16(segment + 16, cothon_checksum_finish(cothon_checksum_add(sum, segment, len)));
	say(to->port, &ip, segment, len);
}

static bool is_icmp_error(const struct cothon_hub_packet *packet)
{
	struct cothon_icmp icmp;

	if (packet->ip.protocol != COTHON_IPPROTO_ICMP &&
	    packet->ip.protocol != COTHON_IPPROTO_ICMPV6)
		return false;
	return cothon_icmp_parse(packet->payload, &packet->ip, true, &icmp) || icmp.is_error;
}

void cothon_hub_say_too_big(const struct cothon_hub_packet *packet, uint32_t mtu)
{
	bool ipv4 = cothon_addr_is_ipv4(&packet->ip.source);
	size_t max =
		(ipv4 ? ERROR_MAX_IPV4 - COTHON_IPV4_HEADER : ERROR_MAX_IPV6 - COTHON_IPV6_HEADER) -
		COTHON_ICMP_HEADER;
	struct cothon_ip ip = {
		.source = packet->ip.destination,
		.destination = packet->ip.source,
		.protocol = ipv4 ? COTHON_IPPROTO_ICMP : COTHON_IPPROTO_ICMPV6,
	};
	struct cothon_icmp icmp = {.kind = COTHON_ICMP_ERROR, .reason = COTHON_TOO_BIG, .mtu = mtu};
	uint8_t message[ERROR_MAX_IPV6];
	uint8_t *quote = message + COTHON_ICMP_HEADER;
	size_t header_len, len = packet->payload.len;

	/* RFC 1122 section 3.2.2: none about a fragment but the first, and none about an error. */
	if (packet->ip.fragment_offset > 0 || is_icmp_error(packet))
		return;
	/* The header is quoted as it was, but for options, of which no sender needs to be told. */
	header_len = cothon_ip_emit(&packet->ip, quote);
	if (len > max - header_len)
		len = max - header_len;
	memcpy(quote + header_len, packet->payload.data, len);
	icmp.rest = (struct cothon_bytes){quote, header_len + len};
	cothon_icmp_emit(&icmp, &ip, message);
	say(packet->from, &ip, message, COTHON_ICMP_HEADER + header_len + len);
}
