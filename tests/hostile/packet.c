/* SPDX-License-Identifier: MIT */
#include "packet.h"

#include <string.h>

enum {
	V4_HEADER = 20,
	V4_TOTAL = 2,
	V4_FRAGMENT = 6,
	V4_PROTOCOL = 9,
	V4_CHECKSUM = 10,
	V4_SOURCE = 12,
	V4_DESTINATION = 16,
	V4_DONT_FRAGMENT = 0x4000,
	V4_PIECE = 0x3fff, /* more fragments, and the offset */

	V6_HEADER = 40,
	V6_PAYLOAD = 4,
	V6_NEXT = 6,
	V6_SOURCE = 8,
	V6_DESTINATION = 24,

	HOPS = 64,
	TCP_HEADER = 20,
	TCP_OFFSET = 12,
	TCP_WINDOW = 65535,
	UDP_HEADER = 8,
	UDP_LENGTH = 4,

	VNET_FLAGS = 0,
	VNET_TYPE = 1,
	VNET_HEADER_LEN = 2,
	VNET_GSO_SIZE = 4,
	VNET_CSUM_START = 6,
	VNET_CSUM_OFFSET = 8,
};

/* Bytes */

uint16_t packet_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t packet_get32(const uint8_t *p)
{
	return (uint32_t)packet_get16(p) << 16 | packet_get16(p + 2);
}

void packet_set16(uint8_t *p, unsigned value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

void packet_set32(uint8_t *p, uint32_t value)
{
	packet_set16(p, value >> 16);
	packet_set16(p + 2, value & 0xffff);
}

void packet_set_vnet(struct packet *packet, size_t at, uint16_t value)
{
	memcpy(packet->vnet + at, &value, sizeof(value));
}

bool packet_is_ipv4(const struct packet *packet)
{
	return packet->len > 0 && packet->data[0] >> 4 == 4;
}

/* Appending */

void packet_put(struct packet *packet, const void *data, size_t len)
{
	if (len > sizeof(packet->data) - packet->len)
		len = sizeof(packet->data) - packet->len;
	if (len > 0)
		memcpy(packet->data + packet->len, data, len);
	packet->len += len;
}

void packet_put8(struct packet *packet, unsigned value)
{
	uint8_t byte = (uint8_t)value;

	packet_put(packet, &byte, 1);
}

void packet_put16(struct packet *packet, unsigned value)
{
	uint8_t bytes[2];

	packet_set16(bytes, value);
	packet_put(packet, bytes, sizeof(bytes));
}

void packet_put32(struct packet *packet, uint32_t value)
{
	uint8_t bytes[4];

	packet_set32(bytes, value);
	packet_put(packet, bytes, sizeof(bytes));
}

void packet_fill(struct packet *packet, size_t len)
{
	for (size_t i = 0; i < len; i++)
		packet_put8(packet, (unsigned)(i * 7 + i / 256));
}

void packet_ip(struct packet *packet, const struct cothon_addr *source,
	       const struct cothon_addr *destination, uint8_t protocol)
{
	memset(packet->vnet, 0, sizeof(packet->vnet));
	packet->len = 0;
	if (cothon_addr_is_ipv4(source)) {
		packet_put32(packet, 0x45000000);
		packet_put16(packet, 0);
		packet_put16(packet, V4_DONT_FRAGMENT);
		packet_put8(packet, HOPS);
		packet_put8(packet, protocol);
		packet_put16(packet, 0);
		packet_put(packet, source->b + 12, 4);
		packet_put(packet, destination->b + 12, 4);
	} else {
		packet_put32(packet, 0x60000000);
		packet_put16(packet, 0);
		packet_put8(packet, protocol);
		packet_put8(packet, HOPS);
		packet_put(packet, source->b, 16);
		packet_put(packet, destination->b, 16);
	}
	packet->transport = packet->len;
}

void packet_extension(struct packet *packet, uint8_t next, const void *data, size_t len)
{
	size_t units = (2 + len + 7) / 8;

	packet_put8(packet, next);
	packet_put8(packet, (unsigned)(units - 1));
	packet_put(packet, data, len);
	for (size_t pad = units * 8 - 2 - len; pad > 0; pad--)
		packet_put8(packet, 0);
	packet->transport = packet->len;
}

void packet_fragment_header(struct packet *packet, uint8_t next, unsigned offset, bool more,
			    uint32_t ident)
{
	packet_put8(packet, next);
	packet_put8(packet, 0);
	packet_put16(packet, offset | more);
	packet_put32(packet, ident);
	packet->transport = packet->len;
}

void packet_tcp(struct packet *packet, uint16_t source, uint16_t destination, uint32_t seq,
		uint32_t ack, uint8_t flags)
{
	packet->transport = packet->len;
	packet_put16(packet, source);
	packet_put16(packet, destination);
	packet_put32(packet, seq);
	packet_put32(packet, ack);
	packet_put8(packet, TCP_HEADER / 4 << 4);
	packet_put8(packet, flags);
	packet_put16(packet, TCP_WINDOW);
	packet_put32(packet, 0);
}

void packet_tcp_options(struct packet *packet, const void *options, size_t len)
{
	packet_put(packet, options, len);
	packet->data[packet->transport + TCP_OFFSET] = (uint8_t)((TCP_HEADER + len) / 4 << 4);
}

void packet_udp(struct packet *packet, uint16_t source, uint16_t destination)
{
	packet->transport = packet->len;
	packet_put16(packet, source);
	packet_put16(packet, destination);
	packet_put32(packet, 0);
}

void packet_icmp(struct packet *packet, uint8_t type, uint8_t code, uint32_t word)
{
	packet->transport = packet->len;
	packet_put8(packet, type);
	packet_put8(packet, code);
	packet_put16(packet, 0);
	packet_put32(packet, word);
}

/* Checksums */

uint32_t packet_sum(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

uint32_t packet_sum_pseudo(const uint8_t *ip, uint8_t protocol, size_t len)
{
	bool ipv4 = ip[0] >> 4 == 4;
	uint8_t rest[8] = {0};
	uint32_t sum;

	packet_set32(rest, (uint32_t)len);
	rest[7] = protocol;
	sum = packet_sum(0, rest, sizeof(rest));
	/* Source and destination stand side by side. */
	return packet_sum(sum, ip + (ipv4 ? V4_SOURCE : V6_SOURCE), ipv4 ? 8 : 32);
}

void packet_sum_header(struct packet *packet)
{
	size_t len = (size_t)(packet->data[0] & 0xf) * 4;

	if (!packet_is_ipv4(packet) || len < V4_HEADER || len > packet->len)
		return;
	packet_set16(packet->data + V4_CHECKSUM, 0);
	packet_set16(packet->data + V4_CHECKSUM, ~packet_sum(0, packet->data, len) & 0xffff);
}

/* What the IP header says of the payload. */
struct payload {
	size_t at, len;
	uint8_t protocol;
};

static bool find_payload_v4(const struct packet *packet, struct payload *payload)
{
	const uint8_t *p = packet->data;
	size_t end;

	if (packet->len < V4_HEADER || packet_get16(p + V4_FRAGMENT) & V4_PIECE)
		return false;
	end = packet_get16(p + V4_TOTAL);
	if (end == 0 || end > packet->len)
		end = packet->len;
	payload->at = (size_t)(p[0] & 0xf) * 4;
	payload->protocol = p[V4_PROTOCOL];
	if (payload->at > end)
		return false;
	payload->len = end - payload->at;
	return true;
}

static bool find_payload_v6(const struct packet *packet, struct payload *payload)
{
	const uint8_t *p = packet->data;
	size_t end;

	if (packet->len < V6_HEADER)
		return false;
	end = V6_HEADER + (size_t)packet_get16(p + V6_PAYLOAD);
	if (end == V6_HEADER || end > packet->len)
		end = packet->len;
	payload->at = V6_HEADER;
	payload->protocol = p[V6_NEXT];
	while (payload->protocol == PACKET_HOP_BY_HOP || payload->protocol == PACKET_ROUTING ||
	       payload->protocol == PACKET_DESTINATION_OPTIONS ||
	       payload->protocol == PACKET_FRAGMENT) {
		const uint8_t *extension = p + payload->at;

		if (payload->at + 8 > end)
			return false;
		if (payload->protocol == PACKET_FRAGMENT && packet_get16(extension + 2) & 0xfff9)
			return false;
		payload->at += 8;
		if (payload->protocol != PACKET_FRAGMENT)
			payload->at += extension[1] * 8U;
		payload->protocol = extension[0];
	}
	if (payload->at > end)
		return false;
	payload->len = end - payload->at;
	return true;
}

static bool find_payload(const struct packet *packet, struct payload *payload)
{
	if (packet->len == 0)
		return false;
	switch (packet->data[0] >> 4) {
	case 4:
		return find_payload_v4(packet, payload);
	case 6:
		return find_payload_v6(packet, payload);
	default:
		return false;
	}
}

/* Where a protocol has its checksum; 0 for one that has none. */
static size_t checksum_at(uint8_t protocol)
{
	switch (protocol) {
	case PACKET_ICMP:
	case PACKET_ICMPV6:
		return 2;
	case PACKET_TCP:
		return 16;
	case PACKET_UDP:
		return 6;
	default:
		return 0;
	}
}

void packet_sum_transport(struct packet *packet)
{
	struct payload payload;
	uint8_t *p = packet->data;
	uint32_t sum = 0;
	size_t at;

	if (!find_payload(packet, &payload))
		return;
	at = checksum_at(payload.protocol);
	if (at == 0 || payload.len < at + 2)
		return;
	if (payload.protocol == PACKET_UDP && packet_get16(p + payload.at + UDP_LENGTH) >= 8 &&
	    packet_get16(p + payload.at + UDP_LENGTH) < payload.len)
		payload.len = packet_get16(p + payload.at + UDP_LENGTH);
	packet_set16(p + payload.at + at, 0);
	if (payload.protocol != PACKET_ICMP)
		sum = packet_sum_pseudo(p, payload.protocol, payload.len);
	sum = ~packet_sum(sum, p + payload.at, payload.len) & 0xffff;
	/* RFC 768: a sum of zero is sent as all ones. */
	if (sum == 0 && payload.protocol == PACKET_UDP)
		sum = 0xffff;
	packet_set16(p + payload.at + at, sum);
}

void packet_set_lengths(struct packet *packet)
{
	struct payload payload;
	bool ipv4 = packet_is_ipv4(packet);
	size_t told = ipv4 ? packet->len : packet->len - V6_HEADER;

	packet_set16(packet->data + (ipv4 ? V4_TOTAL : V6_PAYLOAD),
		     told <= 65535 ? (unsigned)told : 0);
	if (find_payload(packet, &payload) && payload.protocol == PACKET_UDP &&
	    payload.len >= UDP_HEADER)
		packet_set16(packet->data + payload.at + UDP_LENGTH,
			     payload.len <= 65535 ? (unsigned)payload.len : 0);
}

void packet_seal(struct packet *packet)
{
	packet_set_lengths(packet);
	packet_sum_header(packet);
	packet_sum_transport(packet);
}

void packet_offload(struct packet *packet, bool needs_csum, uint16_t gso_size)
{
	struct payload payload;
	bool found = find_payload(packet, &payload);

	memset(packet->vnet, 0, sizeof(packet->vnet));
	if (!found || payload.len < UDP_HEADER)
		return;
	if (needs_csum) {
		packet->vnet[VNET_FLAGS] = PACKET_NEEDS_CSUM;
		packet_set_vnet(packet, VNET_CSUM_START, (uint16_t)payload.at);
		packet_set_vnet(packet, VNET_CSUM_OFFSET, (uint16_t)checksum_at(payload.protocol));
	}
	if (gso_size) {
		bool udp = payload.protocol == PACKET_UDP;
		size_t header = payload.at + (udp ? UDP_HEADER : TCP_HEADER);

		packet->vnet[VNET_TYPE] = packet_is_ipv4(packet) ? PACKET_GSO_TCPV4
								 : PACKET_GSO_TCPV6;
		if (udp)
			packet->vnet[VNET_TYPE] = PACKET_GSO_UDP;
		packet_set_vnet(packet, VNET_HEADER_LEN, (uint16_t)header);
		packet_set_vnet(packet, VNET_GSO_SIZE, gso_size);
	}
}
