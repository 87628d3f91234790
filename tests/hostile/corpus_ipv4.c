/* SPDX-License-Identifier: MIT */
#include "corpus.h"

#include <string.h>

enum {
	AT_LENGTH = 2,
	AT_FRAGMENT = 6,
	AT_TTL = 8,
	AT_PROTOCOL = 9,
	AT_CHECKSUM = 10,
	AT_SOURCE = 12,
	AT_DESTINATION = 16,
	HEADER = 20,
};

static void nothing(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 0);
	packet->len = 0;
}

/* Cut to `value` bytes. */
static void cut(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet->len = request->value;
}

static void version(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet->data[0] = (uint8_t)(request->value << 4 | 5);
	packet_sum_header(packet);
}

static void header_length(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 12);
	packet->data[0] = (uint8_t)(0x40 | (request->value + request->index));
	packet_sum_header(packet);
}

static void total_length(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet_set16(packet->data + AT_LENGTH, request->value);
	packet_sum_header(packet);
}

/* Bytes behind the packet, as a link with a minimum length has them. */
static void trailer(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet_fill(packet, 18);
}

static void checksum(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet->data[AT_CHECKSUM] ^= 1;
}

/* Options, `len` a multiple of four, in front of a datagram. */
static void with_options(const struct corpus_request *request, struct packet *packet,
			 const uint8_t *options, size_t len)
{
	corpus_to_self(request, packet, PACKET_UDP);
	packet_put(packet, options, len);
	packet->data[0] = (uint8_t)(0x45 + len / 4);
	packet_udp(packet, SCENE_DATAGRAM_PORT, SCENE_ECHO);
	packet_fill(packet, 32);
	packet_seal(packet);
}

static void source_route(const struct corpus_request *request, struct packet *packet)
{
	/* A route whose next hop, the address at the pointer, is somebody else. */
	uint8_t options[8] = {(uint8_t)request->value, 7, 4, 192, 0, 2, 77, 0};

	with_options(request, packet, options, sizeof(options));
}

static void option_length(const struct corpus_request *request, struct packet *packet)
{
	uint8_t options[8] = {1, 1, 148, (uint8_t)request->value, 0, 0, 0, 0};

	with_options(request, packet, options, sizeof(options));
}

static void option_cut(const struct corpus_request *request, struct packet *packet)
{
	const uint8_t options[4] = {1, 1, 1, 148};

	with_options(request, packet, options, sizeof(options));
}

static void options_harmless(const struct corpus_request *request, struct packet *packet)
{
	/*
	 * Router alert, a full record route, a timestamp whose pointer lies; then the end, and
	 * rubbish.
	 */
	const uint8_t options[40] = {148, 4, 0, 0, 7, 7, 8, 1, 2,   3, 4, 68, 12,  255, 0xf3,
				     9,   9, 9, 9, 9, 9, 9, 9, 130, 3, 0, 0,  255, 0,   255};

	with_options(request, packet, options, sizeof(options));
}

static void addressed(const struct corpus_request *request, struct packet *packet, size_t at)
{
	corpus_datagram(request, packet, 32);
	packet_set32(packet->data + at, request->value);
	packet_seal(packet);
}

static void source(const struct corpus_request *request, struct packet *packet)
{
	addressed(request, packet, AT_SOURCE);
}

static void destination(const struct corpus_request *request, struct packet *packet)
{
	addressed(request, packet, AT_DESTINATION);
}

static void last_hop(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_outside(request, packet, PACKET_UDP);
	packet_udp(packet, SCENE_DATAGRAM_PORT, SCENE_ANSWERED);
	packet->data[AT_TTL] = (uint8_t)request->value;
	packet_seal(packet);
}

static void protocol(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, (uint8_t)request->value);
	packet_fill(packet, 40);
	packet_seal(packet);
}

static void evil(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet->data[AT_FRAGMENT] |= 0x80;
	packet_sum_header(packet);
}

/* A gratuitous frame of another world: an ARP request, as a TAP device would bring it. */
static void arp(const struct corpus_request *request, struct packet *packet)
{
	const uint8_t frame[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6,
				 0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0, 0, 0, 1};

	nothing(request, packet);
	packet_put(packet, frame, sizeof(frame));
}

#define BAD_HEADER .counts = {COUNT(ip_bad_header, 1)}
#define ANSWERED   .counts = {COUNT(udp_in, 1), COUNT(udp_out, 1), COUNT(frames_out, 1)}

static const struct corpus_case cases[] = {
	{"an empty frame", nothing, BAD_HEADER},
	{"a frame of one byte", cut, .value = 1, BAD_HEADER},
	{"a header cut after 19 bytes", cut, .value = 19, BAD_HEADER},
	{"a packet cut in its payload", cut, .value = 40, BAD_HEADER},
	{"version 0", version, .value = 0, BAD_HEADER},
	{"version 5", version, .value = 5, BAD_HEADER},
	{"version 15", version, .value = 15, BAD_HEADER},
	{"an Ethernet frame with ARP", arp, BAD_HEADER},
	{"header lengths below five words", header_length, .frames = 5,
	 .counts = {COUNT(ip_bad_header, 5)}},
	{"header lengths beyond the packet", header_length, .value = 11, .frames = 5,
	 .counts = {COUNT(ip_bad_header, 5)}},
	{"a total length of 0", total_length, .value = 0, BAD_HEADER},
	{"a total length that ends in the header", total_length, .value = 19, BAD_HEADER},
	{"a total length of a header alone", total_length, .value = HEADER,
	 .counts = {COUNT(udp_in, 1), COUNT(udp_bad, 1)}},
	{"a total length that cuts a datagram", total_length, .value = 50,
	 .counts = {COUNT(udp_in, 1), COUNT(udp_bad, 1)}},
	{"a total length one byte beyond the frame", total_length, .value = 61, BAD_HEADER},
	{"a total length of 65535", total_length, .value = 65535, BAD_HEADER},
	{"bytes behind the packet", trailer, ANSWERED},
	{"a wrong header checksum", checksum, .counts = {COUNT(ip_bad_checksum, 1)}},
	{"a loose source route", source_route, .value = 131, BAD_HEADER},
	{"a strict source route", source_route, .value = 137, BAD_HEADER},
	{"an option of length 0", option_length, .value = 0, BAD_HEADER},
	{"an option of length 1", option_length, .value = 1, BAD_HEADER},
	{"an option that overruns the header", option_length, .value = 7, BAD_HEADER},
	{"an option that ends with the header", option_length, .value = 6, ANSWERED},
	{"an option cut after its type", option_cut, BAD_HEADER},
	{"40 bytes of options that mean nothing here", options_harmless, ANSWERED},
	{"from 0.0.0.0", source, .value = 0, .counts = {COUNT(ip_bad_address, 1)}},
	{"from 127.0.0.1", source, .value = 0x7f000001, .counts = {COUNT(ip_bad_address, 1)}},
	{"from a multicast address", source, .value = 0xe0000001,
	 .counts = {COUNT(ip_bad_address, 1)}},
	{"from 240.0.0.1", source, .value = 0xf0000001, .counts = {COUNT(ip_bad_address, 1)}},
	{"from the broadcast address", source, .value = 0xffffffff,
	 .counts = {COUNT(ip_bad_address, 1)}},
	{"from the stack's own address", source, .value = 0x0a000202,
	 .counts = {COUNT(ip_bad_address, 1)}},
	{"to 0.0.0.0", destination, .value = 0, .counts = {COUNT(ip_bad_address, 1)}},
	{"to 127.0.0.1", destination, .value = 0x7f000001, .counts = {COUNT(ip_bad_address, 1)}},
	{"to a multicast address", destination, .value = 0xe00000fb,
	 .counts = {COUNT(ip_not_ours, 1)}},
	{"to 240.0.0.1", destination, .value = 0xf0000001, .counts = {COUNT(ip_not_ours, 1)}},
	{"to the broadcast address", destination, .value = 0xffffffff,
	 .counts = {COUNT(ip_not_ours, 1)}},
	{"on its last hop, to be forwarded", last_hop, .value = 1,
	 .counts = {COUNT(ip_hops_exceeded, 1), COUNT(icmp_errors_out, 1), COUNT(frames_out, 1)}},
	{"without a hop, to be forwarded", last_hop, .value = 0,
	 .counts = {COUNT(ip_hops_exceeded, 1), COUNT(icmp_errors_out, 1), COUNT(frames_out, 1)}},
	{"protocol 253", protocol, .value = 253,
	 .counts = {COUNT(ip_unknown_protocol, 1), COUNT(icmp_errors_out, 1),
		    COUNT(frames_out, 1)}},
	{"IPv4 in IPv4", protocol, .value = 4,
	 .counts = {COUNT(ip_unknown_protocol, 1), COUNT(icmp_errors_out, 1),
		    COUNT(frames_out, 1)}},
	{"an IPv6 extension header", protocol, .value = PACKET_HOP_BY_HOP,
	 .counts = {COUNT(ip_unknown_protocol, 1), COUNT(icmp_errors_out, 1),
		    COUNT(frames_out, 1)}},
	{"the reserved flag", evil, ANSWERED},
};

CORPUS_GROUP(corpus_ipv4, "IPv4", CORPUS_V4, cases);
