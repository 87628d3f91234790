/* SPDX-License-Identifier: MIT */
#include "corpus.h"

#include <string.h>

enum {
	FLAGS = 0,
	TYPE = 1,
	HEADER_LEN = 2,
	GSO_SIZE = 4,
	CSUM_START = 6,
	CSUM_OFFSET = 8,

	UFO = 3,
	ECN = 0x80,
	PEER_PORT = 34000,
};

/* A segment of 100 bytes that says that it stands for several, of `gso_size`. */
static void gso_segment(const struct corpus_request *request, struct packet *packet,
			uint16_t gso_size)
{
	corpus_to_self(request, packet, PACKET_TCP);
	packet_tcp(packet, PEER_PORT, SCENE_CLOSED, 1, 1, PACKET_ACK);
	packet_fill(packet, 100);
	packet_seal(packet);
	packet_offload(packet, true, gso_size);
}

static void gso_datagram(const struct corpus_request *request, struct packet *packet, size_t len,
			 uint16_t gso_size)
{
	corpus_datagram(request, packet, len);
	packet_offload(packet, true, gso_size);
}

static void gso_size_zero(const struct corpus_request *request, struct packet *packet)
{
	gso_segment(request, packet, 50);
	packet_set_vnet(packet, GSO_SIZE, 0);
}

static void gso_size(const struct corpus_request *request, struct packet *packet)
{
	gso_segment(request, packet, (uint16_t)request->value);
}

static void type(const struct corpus_request *request, struct packet *packet)
{
	gso_segment(request, packet, 50);
	packet->vnet[TYPE] = (uint8_t)request->value;
}

/* The type of the other family. */
static void other_family(const struct corpus_request *request, struct packet *packet)
{
	gso_segment(request, packet, 50);
	packet->vnet[TYPE] = request->family == SCENE_V4 ? PACKET_GSO_TCPV6 : PACKET_GSO_TCPV4;
}

static void header_len(const struct corpus_request *request, struct packet *packet)
{
	gso_segment(request, packet, 50);
	packet_set_vnet(packet, HEADER_LEN, (uint16_t)request->value);
}

static void csum(const struct corpus_request *request, struct packet *packet, uint16_t start,
		 uint16_t offset)
{
	corpus_datagram(request, packet, 32);
	packet_offload(packet, true, 0);
	packet_set_vnet(packet, CSUM_START, start);
	packet_set_vnet(packet, CSUM_OFFSET, offset);
}

static void csum_start(const struct corpus_request *request, struct packet *packet)
{
	csum(request, packet, (uint16_t)request->value, 6);
}

static void csum_offset(const struct corpus_request *request, struct packet *packet)
{
	csum(request, packet, 20, (uint16_t)request->value);
}

static void csum_at_the_end(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	csum(request, packet, (uint16_t)(packet->len - 1), 0);
}

static void csum_sum(const struct corpus_request *request, struct packet *packet)
{
	csum(request, packet, 65535, 65535);
}

/* The checksum is wrong, and the header says that it need not be looked at. */
static void trusted(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet->data[packet->transport + 6] ^= 1;
	packet->vnet[FLAGS] = (uint8_t)request->value;
	packet_set_vnet(packet, CSUM_START, (uint16_t)packet->transport);
	packet_set_vnet(packet, CSUM_OFFSET, 6);
}

static void empty_frame(const struct corpus_request *request, struct packet *packet)
{
	gso_segment(request, packet, 50);
	packet_set_vnet(packet, HEADER_LEN, 0);
	packet->vnet[FLAGS] = 0;
	packet->len = 0;
}

/* TCP's GSO on what is no TCP. */
static void tcp_gso_on(const struct corpus_request *request, struct packet *packet)
{
	if (request->value == PACKET_UDP) {
		corpus_datagram(request, packet, 100);
	} else {
		corpus_to_self(request, packet, corpus_icmp_protocol(request));
		packet_icmp(packet, request->family == SCENE_V4 ? 8 : 128, 0,
			    SCENE_ECHO_IDENT << 16 | 1);
		packet_fill(packet, 100);
		packet_seal(packet);
	}
	packet->vnet[TYPE] = request->family == SCENE_V4 ? PACKET_GSO_TCPV4 : PACKET_GSO_TCPV6;
	packet_set_vnet(packet, GSO_SIZE, 50);
}

static void udp_gso_on_tcp(const struct corpus_request *request, struct packet *packet)
{
	gso_segment(request, packet, 50);
	packet->vnet[TYPE] = PACKET_GSO_UDP;
}

static void gso_on_unknown(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, 253);
	packet_fill(packet, 100);
	packet_seal(packet);
	packet->vnet[TYPE] = PACKET_GSO_UDP;
	packet_set_vnet(packet, GSO_SIZE, 50);
}

static void gso_on_fragment(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, request->family == SCENE_V4 ? PACKET_UDP : PACKET_FRAGMENT);
	if (request->family == SCENE_V4)
		packet_set16(packet->data + 6, 0x2000);
	else
		packet_fragment_header(packet, PACKET_UDP, 0, true, 1);
	packet_udp(packet, SCENE_DATAGRAM_PORT, SCENE_ECHO);
	packet_fill(packet, 104);
	packet_seal(packet);
	packet->vnet[TYPE] = PACKET_GSO_UDP;
	packet_set_vnet(packet, GSO_SIZE, 50);
}

/* A frame that stands for `value` datagrams of one byte. */
static void many(const struct corpus_request *request, struct packet *packet)
{
	gso_datagram(request, packet, request->value, 1);
}

static void fair(const struct corpus_request *request, struct packet *packet)
{
	gso_datagram(request, packet, 1000, 500);
}

/* The largest frame, longer than its header can say. */
static void largest(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, PACKET_TCP);
	packet_tcp(packet, PEER_PORT, SCENE_CLOSED, 1, 1, PACKET_ACK);
	packet_fill(packet, request->value - packet->len);
	packet_set_lengths(packet);
	packet_sum_header(packet);
	packet_offload(packet, true, 1400);
}

static void unknown_flags(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet->vnet[FLAGS] = 0xfc;
}

#define BAD      .counts = {COUNT(ip_bad_header, 1)}
#define ANSWERED .counts = {COUNT(udp_in, 1), COUNT(udp_out, 1), COUNT(frames_out, 1)}
/* A segment that is as good as any, for a flow that there is not. */
#define SEEN                                                                          \
	.counts = {COUNT(tcp_in, 1), COUNT(tcp_no_flow, 1), COUNT(tcp_resets_out, 1), \
		   COUNT(tcp_out, 1), COUNT(frames_out, 1)}

static const struct corpus_case cases[] = {
	{"a segment size of 0", gso_size_zero, BAD},
	{"a segment size of 1", gso_size, .value = 1, SEEN},
	{"a segment size of 65535", gso_size, .value = 65535, SEEN},
	{"type 2", type, .value = 2, BAD},
	{"type 3 (UFO)", type, .value = UFO, BAD},
	{"type 6", type, .value = 6, BAD},
	{"type 127", type, .value = 127, BAD},
	{"the ECN bit alone", type, .value = ECN, BAD},
	{"the ECN bit on UDP", type, .value = ECN | PACKET_GSO_UDP, BAD},
	{"the type of the other family", other_family, BAD},
	{"headers longer than the frame", header_len, .value = 2000, BAD},
	{"headers of 65535 bytes", header_len, .value = 65535, BAD},
	{"headers of no length", header_len, .value = 0, SEEN},
	{"a checksum that starts behind the frame", csum_start, .value = 2000, BAD},
	{"a checksum that starts at 65535", csum_start, .value = 65535, BAD},
	{"a checksum that lies behind the frame", csum_offset, .value = 2000, BAD},
	{"a checksum across the frame's end", csum_at_the_end, BAD},
	{"a checksum at 131070", csum_sum, BAD},
	{"a checksum that starts in the IP header", csum_start, .value = 0, ANSWERED},
	{"a wrong checksum that is to be completed", trusted, .value = PACKET_NEEDS_CSUM, ANSWERED},
	{"a wrong checksum that was verified", trusted, .value = PACKET_DATA_VALID, ANSWERED},
	{"a wrong checksum", trusted, .value = 0, .counts = {COUNT(udp_in, 1), COUNT(udp_bad, 1)}},
	{"GSO on an empty frame", empty_frame, BAD},
	{"TCP's GSO on UDP", tcp_gso_on, .value = PACKET_UDP,
	 .counts = {COUNT(udp_in, 1), COUNT(udp_bad, 1)}},
	{"TCP's GSO on ICMP", tcp_gso_on, .value = PACKET_ICMP,
	 .counts = {COUNT(icmp_in, 1), COUNT(icmp_bad, 1)}},
	{"UDP's GSO on TCP", udp_gso_on_tcp, .counts = {COUNT(tcp_in, 1), COUNT(tcp_bad, 1)}},
	{"UDP's GSO on protocol 253", gso_on_unknown,
	 .counts = {COUNT(ip_unknown_protocol, 1), COUNT(icmp_errors_out, 1),
		    COUNT(frames_out, 1)}},
	{"GSO on a fragment", gso_on_fragment, BAD},
	{"as many datagrams as a kernel makes of one frame", many, .value = 128, ANSWERED},
	{"one datagram more than that", many, .value = 129,
	 .counts = {COUNT(udp_in, 1), COUNT(udp_bad, 1)}},
	{"60,000 datagrams of one byte", many, .value = 60000,
	 .counts = {COUNT(udp_in, 1), COUNT(udp_bad, 1)}},
	{"two datagrams in one frame", fair, ANSWERED},
	{"a segment longer than its header can say", largest, .value = 65575, SEEN},
	{"a frame longer than any", largest, .value = 65576, BAD},
	{"unknown flags", unknown_flags, ANSWERED},
};

CORPUS_GROUP(corpus_vnet, "virtio-net header", CORPUS_BOTH, cases);
