/* SPDX-License-Identifier: MIT */
#include "corpus.h"

enum {
	AT_DESTINATION = 2,
	AT_LENGTH = 4,
	AT_CHECKSUM = 6,
};

static uint8_t *header(struct packet *packet)
{
	return packet->data + packet->transport;
}

static void length(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet_set16(header(packet) + AT_LENGTH, request->value + request->index);
	packet_sum_transport(packet);
}

static void cut(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet->len = packet->transport + request->value;
	packet_set_lengths(packet);
	packet_sum_header(packet);
}

static void checksum(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	header(packet)[AT_CHECKSUM] ^= 0x40;
}

static void no_checksum(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet_set16(header(packet) + AT_CHECKSUM, 0);
}

static void ports(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, PACKET_UDP);
	packet_udp(packet, (uint16_t)(request->value >> 16), (uint16_t)request->value);
	packet_fill(packet, 32);
	packet_seal(packet);
}

static void outside(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_outside(request, packet, PACKET_UDP);
	packet_udp(packet, SCENE_DATAGRAM_PORT, (uint16_t)request->value);
	packet_fill(packet, 32);
	packet_seal(packet);
}

static void empty(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 0);
}

#define BAD      .counts = {COUNT(udp_in, 1), COUNT(udp_bad, 1)}
#define ANSWERED .counts = {COUNT(udp_in, 1), COUNT(udp_out, 1), COUNT(frames_out, 1)}
#define UNREACHABLE                                                                    \
	.counts = {COUNT(udp_in, 1), COUNT(udp_no_port, 1), COUNT(icmp_errors_out, 1), \
		   COUNT(frames_out, 1)}

static const struct corpus_case cases[] = {
	{"lengths below eight", length, .value = 0, .frames = 8,
	 .counts = {COUNT(udp_in, 8), COUNT(udp_bad, 8)}},
	{"a length one byte beyond the packet", length, .value = 41, BAD},
	{"a length of 65535", length, .value = 65535, BAD},
	{"a length that leaves bytes behind the datagram", length, .value = 20, ANSWERED},
	{"a header cut after 7 bytes", cut, .value = 7, BAD},
	{"no header at all", cut, .value = 0, BAD},
	{"a datagram without payload", empty, ANSWERED},
	{"a wrong checksum", checksum, BAD},
	{"no checksum over IPv4", no_checksum, CORPUS_V4, ANSWERED},
	{"no checksum over IPv6", no_checksum, CORPUS_V6, BAD},
	{"to port 0", ports, .value = (unsigned)SCENE_DATAGRAM_PORT << 16, BAD},
	{"from port 0", ports, .value = SCENE_ECHO, .counts = {COUNT(udp_in, 1)}},
	{"to a port that nobody holds", ports,
	 .value = (unsigned)SCENE_DATAGRAM_PORT << 16 | SCENE_CLOSED, UNREACHABLE},
	{"to a place that is closed", outside, .value = SCENE_PROHIBITED, UNREACHABLE},
	{"to a place that is silent", outside, .value = SCENE_SILENT, .counts = {COUNT(udp_in, 1)}},
};

CORPUS_GROUP(corpus_udp, "UDP", CORPUS_BOTH, cases);
