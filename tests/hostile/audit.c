/* SPDX-License-Identifier: MIT */
#include "audit.h"

#include "packet.h"
#include "stack/tcp/connection.h"

/* Frames */

enum {
	V4_HEADER = 20,
	V6_HEADER = 40,
	TCP_HEADER = 20,
	UDP_HEADER = 8,
	ICMP_HEADER = 8,
};

struct view {
	const struct cothon_link *link;
	const struct cothon_offload *offload;
	const uint8_t *data; /* the packet */
	size_t len;
	const uint8_t *payload;
	size_t payload_len;
	uint8_t protocol;
	bool ipv4, piece;
	struct cothon_addr source, destination;
};

static const char *view_ipv4(struct view *view)
{
	const uint8_t *p = view->data;

	if (view->len < V4_HEADER || p[0] != 0x45)
		return "an IPv4 header that is not of five words";
	if (packet_get16(p + 2) != (view->len <= 65535 ? view->len : 0))
		return "an IPv4 total length that is not the packet's";
	if (packet_sum(0, p, V4_HEADER) != 0xffff)
		return "an IPv4 header checksum that is wrong";
	if (p[8] == 0)
		return "no hops";
	view->ipv4 = true;
	view->piece = packet_get16(p + 6) & 0x3fff;
	view->protocol = p[9];
	view->source = cothon_addr_ipv4(p + 12);
	view->destination = cothon_addr_ipv4(p + 16);
	view->payload = p + V4_HEADER;
	view->payload_len = view->len - V4_HEADER;
	return NULL;
}

static const char *view_ipv6(struct view *view)
{
	const uint8_t *p = view->data;
	size_t payload_len = view->len - V6_HEADER;

	if (view->len < V6_HEADER)
		return "an IPv6 header that is cut";
	if (packet_get16(p + 4) != (payload_len <= 65535 ? payload_len : 0))
		return "an IPv6 payload length that is not the packet's";
	if (p[7] == 0)
		return "no hops";
	view->protocol = p[6];
	view->source = cothon_addr_ipv6(p + 8);
	view->destination = cothon_addr_ipv6(p + 24);
	view->payload = p + V6_HEADER;
	view->payload_len = payload_len;
	if (view->protocol == PACKET_FRAGMENT) {
		if (payload_len < 8)
			return "a fragment header that is cut";
		view->piece = true;
		view->protocol = view->payload[0];
		view->payload += 8;
		view->payload_len -= 8;
	}
	return NULL;
}

static const char *check_addresses(const struct view *view)
{
	if (!cothon_addr_is_unicast(&view->source) || cothon_addr_is_loopback(&view->source))
		return "a source that no host has";
	if (!cothon_addr_is_unicast(&view->destination) ||
	    cothon_addr_is_loopback(&view->destination))
		return "a destination that is not one host's";
	if (!view->ipv4 &&
	    (cothon_addr_is_ipv4(&view->source) || cothon_addr_is_ipv4(&view->destination)))
		return "a mapped address on the link";
	return NULL;
}

static const char *check_offload(const struct view *view)
{
	const struct cothon_offload *offload = view->offload;
	size_t transport = (size_t)(view->payload - view->data);

	if (!offload->gso)
		return view->len > view->link->mtu ? "larger than the MTU" : NULL;
	if (view->piece || offload->gso_size == 0 || !offload->csum_partial ||
	    offload->header_len <= transport || offload->header_len > view->len)
		return "GSO fields that fit no packet";
	if (view->len - offload->header_len <= offload->gso_size)
		return "GSO for what fits one packet";
	if (offload->header_len + offload->gso_size > view->link->mtu)
		return "GSO into pieces larger than the MTU";
	if (!(view->link->features &
	      (offload->gso == COTHON_GSO_TCP ? COTHON_LINK_TSO : COTHON_LINK_USO)))
		return "GSO that the link does not do";
	return NULL;
}

/* The transport's checksum, whole or left to the link. */
static const char *check_sum(const struct view *view, size_t at)
{
	const struct cothon_offload *offload = view->offload;
	uint32_t pseudo = packet_sum_pseudo(view->data, view->protocol, view->payload_len);

	if (view->protocol == PACKET_ICMP)
		pseudo = 0;
	if (offload->csum_partial) {
		if (!(view->link->features & COTHON_LINK_CSUM))
			return "a checksum left to a link that makes none";
		if (view->payload + offload->csum_offset != view->payload + at ||
		    view->data + offload->csum_start != view->payload)
			return "a partial checksum in another place than the checksum's";
		return packet_get16(view->payload + at) == pseudo ? NULL
								  : "a wrong partial checksum";
	}
	if (view->protocol == PACKET_UDP && packet_get16(view->payload + at) == 0)
		return "a UDP datagram without a checksum";
	return packet_sum(pseudo, view->payload, view->payload_len) == 0xffff
		       ? NULL
		       : "a wrong transport checksum";
}

static const char *check_tcp_options(const uint8_t *p, size_t len, bool syn)
{
	for (size_t at = 0; at < len;) {
		if (p[at] == 0)
			return NULL;
		if (p[at] == 1) {
			at++;
			continue;
		}
		if (len - at < 2 || p[at + 1] < 2 || p[at + 1] > len - at)
			return "a TCP option of a wrong length";
		if (!syn && p[at] >= 2 && p[at] <= 4)
			return "an option that goes with SYN only";
		at += p[at + 1];
	}
	return NULL;
}

static const char *check_tcp(const struct view *view)
{
	const uint8_t *p = view->payload;
	size_t header;

	if (view->payload_len < TCP_HEADER)
		return "a TCP header that is cut";
	header = (size_t)(p[12] >> 4) * 4;
	if (header < TCP_HEADER || header > view->payload_len)
		return "a TCP data offset out of the segment";
	if ((p[13] & PACKET_SYN) && (p[13] & (PACKET_RST | PACKET_FIN)))
		return "SYN together with RST or FIN";
	if ((p[13] & PACKET_RST) && view->payload_len > header)
		return "a RST with data";
	if (!(p[13] & (PACKET_SYN | PACKET_RST | PACKET_ACK)))
		return "a segment without ACK";
	return check_tcp_options(p + TCP_HEADER, header - TCP_HEADER, p[13] & PACKET_SYN);
}

static bool is_icmp_error(bool ipv4, uint8_t type)
{
	return ipv4 ? type == 3 || type == 4 || type == 5 || type == 11 || type == 12 : type < 128;
}

/* RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e): what no error is ever sent about. */
static const char *check_quote(const struct view *view)
{
	const uint8_t *quote = view->payload + ICMP_HEADER;
	size_t len = view->payload_len - ICMP_HEADER;
	size_t header = view->ipv4 ? V4_HEADER : V6_HEADER;
	uint8_t protocol;

	if (view->len > (view->ipv4 ? 576U : 1280U))
		return "an ICMP error that is too long";
	if (len < header || quote[0] >> 4 != (view->ipv4 ? 4 : 6))
		return "an ICMP error without the header of what it is about";
	protocol = quote[view->ipv4 ? 9 : 6];
	if (protocol == (view->ipv4 ? PACKET_ICMP : PACKET_ICMPV6) && len > header &&
	    is_icmp_error(view->ipv4, quote[header]))
		return "an ICMP error about an ICMP error";
	if (view->ipv4 && packet_get16(quote + 6) & 0x1fff)
		return "an ICMP error about a fragment that is not the first";
	return NULL;
}

static const char *check_icmp(const struct view *view)
{
	if (view->payload_len < ICMP_HEADER)
		return "an ICMP message that is cut";
	if (is_icmp_error(view->ipv4, view->payload[0]))
		return check_quote(view);
	return NULL;
}

static const char *check_udp(const struct view *view)
{
	if (view->payload_len < UDP_HEADER)
		return "a UDP header that is cut";
	if (!view->offload->gso && packet_get16(view->payload + 4) != view->payload_len)
		return "a UDP length that is not the datagram's";
	return NULL;
}

static const char *check_transport(const struct view *view)
{
	const char *wrong;

	switch (view->protocol) {
	case PACKET_TCP:
		wrong = check_tcp(view);
		return wrong ? wrong : check_sum(view, 16);
	case PACKET_UDP:
		wrong = check_udp(view);
		return wrong ? wrong : check_sum(view, 6);
	case PACKET_ICMP:
	case PACKET_ICMPV6:
		if ((view->protocol == PACKET_ICMP) != view->ipv4)
			return "ICMP of the other family";
		wrong = check_icmp(view);
		return wrong ? wrong : check_sum(view, 2);
	default:
		return "a protocol that is not spoken here";
	}
}

const char *audit_frame(const struct cothon_link *link, const struct cothon_offload *offload,
			const uint8_t *data, size_t len)
{
	struct view view = {.link = link, .offload = offload, .data = data, .len = len};
	const char *wrong;

	if (len == 0 || (data[0] >> 4 != 4 && data[0] >> 4 != 6))
		return "no IP packet";
	wrong = data[0] >> 4 == 4 ? view_ipv4(&view) : view_ipv6(&view);
	if (!wrong)
		wrong = check_addresses(&view);
	if (!wrong)
		wrong = check_offload(&view);
	if (!wrong && !view.piece)
		wrong = check_transport(&view);
	return wrong;
}
