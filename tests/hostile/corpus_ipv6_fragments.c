/* SPDX-License-Identifier: MIT */
#include "corpus.h"

#include <string.h>

enum {
	AT_NEXT = 6,
	HEADER = 40,
	FRAGMENT = 8,
	LATE = 61,
};

struct piece {
	unsigned offset, len;
	bool more;
};

/* The piece of a packet that is whole and has no extension headers. */
static void cut(struct packet *packet, struct piece piece)
{
	size_t payload = packet->len - HEADER;
	uint8_t *p = packet->data + HEADER;
	uint8_t next = packet->data[AT_NEXT];

	if (piece.offset + piece.len > payload)
		packet_fill(packet, piece.offset + piece.len - payload);
	memmove(p + FRAGMENT, p + piece.offset, piece.len);
	packet->len = HEADER;
	packet->data[AT_NEXT] = PACKET_FRAGMENT;
	packet_fragment_header(packet, next, piece.offset, piece.more, 4711);
	packet->len += piece.len;
	packet_set_lengths(packet);
}

static void piece_of_datagram(const struct corpus_request *request, struct packet *packet,
			      const struct piece *pieces)
{
	corpus_datagram(request, packet, 32);
	cut(packet, pieces[request->index]);
}

static void backwards(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{32, 8, false}, {16, 16, true}, {0, 16, true}};

	piece_of_datagram(request, packet, pieces);
}

static void same_twice(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 16, true}, {0, 16, true}, {16, 24, false}};

	piece_of_datagram(request, packet, pieces);
}

static void overlap(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 16, true}, {8, 16, true}};

	piece_of_datagram(request, packet, pieces);
}

static void empty(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 0, true}, {8, 0, false}};

	piece_of_datagram(request, packet, pieces);
}

static void not_of_eights(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 12, true}};

	piece_of_datagram(request, packet, pieces);
}

static void beyond_the_largest(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{65528, 8, false}, {65504, 1400, true}};

	piece_of_datagram(request, packet, pieces);
}

static void alone(const struct corpus_request *request, struct packet *packet)
{
	const struct piece piece = {request->value, 16, true};

	corpus_datagram(request, packet, 32);
	cut(packet, piece);
}

static void first_of_an_error(const struct corpus_request *request, struct packet *packet)
{
	const struct piece piece = {0, 40, true};

	corpus_to_self(request, packet, PACKET_ICMPV6);
	packet_icmp(packet, 1, 4, 0);
	packet_fill(packet, 60);
	packet_seal(packet);
	cut(packet, piece);
}

/* The pieces do not agree on what the packet is: the first one's word counts. */
static void two_protocols(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{16, 24, false}, {0, 16, true}};

	piece_of_datagram(request, packet, pieces);
	if (request->index == 0)
		packet->data[HEADER] = PACKET_TCP;
}

/* RFC 7112: the headers do not end in the first fragment. */
static void headers_in_the_second(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 8, true}, {8, 48, false}};

	corpus_to_self(request, packet, PACKET_DESTINATION_OPTIONS);
	packet_extension(packet, PACKET_DESTINATION_OPTIONS, NULL, 0);
	packet_extension(packet, PACKET_UDP, NULL, 0);
	packet_udp(packet, SCENE_DATAGRAM_PORT, SCENE_ECHO);
	packet_fill(packet, 32);
	packet_seal(packet);
	cut(packet, pieces[request->index]);
}

/* A fragment of a fragment. */
static void fragment_within(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 16, true}, {16, 32, false}};

	corpus_to_self(request, packet, PACKET_FRAGMENT);
	packet_fragment_header(packet, PACKET_UDP, 0, true, 1);
	packet_udp(packet, SCENE_DATAGRAM_PORT, SCENE_ECHO);
	packet_fill(packet, 32);
	packet_set_lengths(packet);
	cut(packet, pieces[request->index]);
}

/* The sum of the pseudo header tells of another packet than the one that is put together. */
static void zero_checksum(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 16, true}, {16, 24, false}};

	corpus_datagram(request, packet, 32);
	packet_set16(packet->data + HEADER + 6, 0);
	cut(packet, pieces[request->index]);
}

#define REASSEMBLED(n)                                                                             \
	.frames = (n), .counts = {COUNT(fragments_in, n), COUNT(reassembled, 1), COUNT(udp_in, 1), \
				  COUNT(udp_out, 1), COUNT(frames_out, 1)}

static const struct corpus_case cases[] = {
	{"fragments from the last to the first", backwards, REASSEMBLED(3)},
	{"the same fragment twice", same_twice, REASSEMBLED(3)},
	{"fragments that disagree on the protocol", two_protocols, REASSEMBLED(2)},
	{"overlapping fragments", overlap, .frames = 2,
	 .counts = {COUNT(fragments_in, 2), COUNT(reassembly_failed, 1)}},
	{"fragments without payload", empty, .frames = 2, .counts = {COUNT(ip_bad_header, 2)}},
	{"a fragment cut at no multiple of eight", not_of_eights,
	 .counts = {COUNT(ip_bad_header, 1)}},
	{"fragments beyond 65,535 bytes (ping of death)", beyond_the_largest, .frames = 2,
	 .counts = {COUNT(ip_bad_header, 2)}},
	{"a first fragment alone", alone, .value = 0, .seconds = LATE,
	 .counts = {COUNT(fragments_in, 1), COUNT(reassembly_failed, 1), COUNT(icmp_errors_out, 1),
		    COUNT(frames_out, 1)}},
	{"a later fragment alone", alone, .value = 800, .seconds = LATE,
	 .counts = {COUNT(fragments_in, 1), COUNT(reassembly_failed, 1)}},
	{"the beginning of an ICMP error alone", first_of_an_error, .seconds = LATE,
	 .counts = {COUNT(fragments_in, 1), COUNT(reassembly_failed, 1)}},
	{"headers that end in the second fragment", headers_in_the_second, .frames = 2,
	 .counts = {COUNT(fragments_in, 2), COUNT(reassembled, 1), COUNT(ip_unknown_protocol, 1),
		    COUNT(icmp_errors_out, 1), COUNT(frames_out, 1)}},
	{"a fragment of a fragment", fragment_within, .frames = 2,
	 .counts = {COUNT(fragments_in, 2), COUNT(reassembled, 1), COUNT(ip_unknown_protocol, 1),
		    COUNT(icmp_errors_out, 1), COUNT(frames_out, 1)}},
	{"a datagram without a checksum", zero_checksum, .frames = 2,
	 .counts = {COUNT(fragments_in, 2), COUNT(reassembled, 1), COUNT(udp_in, 1),
		    COUNT(udp_bad, 1)}},
};

CORPUS_GROUP(corpus_ipv6_fragments, "IPv6 fragments", CORPUS_V6, cases);
