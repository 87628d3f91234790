/* SPDX-License-Identifier: MIT */
#include "corpus.h"

#include <string.h>

enum {
	AT_IDENT = 4,
	AT_FRAGMENT = 6,
	MORE = 0x2000,
	HEADER = 20,
	LATE = 61, /* seconds after which nobody waits for the rest */
};

struct piece {
	unsigned offset, len;
	bool more;
};

/* The piece of a packet that is whole. What lies beyond its end is made up. */
static void cut(struct packet *packet, struct piece piece)
{
	size_t payload = packet->len - HEADER;

	if (piece.offset + piece.len > payload)
		packet_fill(packet, piece.offset + piece.len - payload);
	memmove(packet->data + HEADER, packet->data + HEADER + piece.offset, piece.len);
	packet->len = HEADER + piece.len;
	packet_set16(packet->data + AT_IDENT, 4711);
	packet_set16(packet->data + AT_FRAGMENT,
		     (piece.offset / 8) % 0x2000 | (piece.more ? MORE : 0));
	packet_set_lengths(packet);
	packet_sum_header(packet);
}

/* The request's piece of a datagram of 40 bytes with its header. */
static void piece_of_datagram(const struct corpus_request *request, struct packet *packet,
			      const struct piece *pieces)
{
	corpus_datagram(request, packet, 32);
	cut(packet, pieces[request->index]);
}

static void smallest(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {
		{0, 8, true}, {8, 8, true}, {16, 8, true}, {24, 8, true}, {32, 8, false}};

	piece_of_datagram(request, packet, pieces);
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

static void overlap_from_behind(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{16, 16, true}, {8, 16, true}};

	piece_of_datagram(request, packet, pieces);
}

static void within(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 40, true}, {24, 8, true}};

	piece_of_datagram(request, packet, pieces);
}

/* The last piece lies inside the first: lengths that go negative in those who subtract. */
static void teardrop(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 40, true}, {24, 4, false}};

	piece_of_datagram(request, packet, pieces);
}

static void two_ends(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{32, 8, false}, {40, 8, false}};

	piece_of_datagram(request, packet, pieces);
}

static void beyond_the_end(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{32, 8, false}, {40, 8, true}};

	piece_of_datagram(request, packet, pieces);
}

static void end_before_the_rest(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{32, 8, true}, {16, 8, false}};

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

/* The ping of death: its last byte lies beyond the largest packet. */
static void beyond_the_largest(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{65528, 8, false}, {65512, 8, false}, {65504, 1480, true}};

	piece_of_datagram(request, packet, pieces);
}

/* The largest that there can be, in pieces of 1480 bytes. */
static void largest(const struct corpus_request *request, struct packet *packet)
{
	unsigned offset = request->index * 1480;
	struct piece piece = {offset, 1480, true};

	corpus_datagram(request, packet, 65535 - HEADER - 8);
	if (offset + piece.len >= 65515) {
		piece.len = 65515 - offset;
		piece.more = false;
	}
	cut(packet, piece);
}

static void one_only(const struct corpus_request *request, struct packet *packet)
{
	const struct piece piece = {request->value, 8, true};

	corpus_datagram(request, packet, 32);
	cut(packet, piece);
}

static void first_of_an_error(const struct corpus_request *request, struct packet *packet)
{
	const struct piece piece = {0, 40, true};

	corpus_to_self(request, packet, PACKET_ICMP);
	packet_icmp(packet, 3, 1, 0);
	packet_fill(packet, 60);
	packet_seal(packet);
	cut(packet, piece);
}

static void crumbs(const struct corpus_request *request, struct packet *packet)
{
	const struct piece piece = {request->index * 8, 8, true};

	corpus_datagram(request, packet, 2000);
	cut(packet, piece);
}

/* Each the beginning of a datagram of its own. */
static void beginnings(const struct corpus_request *request, struct packet *packet)
{
	const struct piece piece = {0, 8, true};

	corpus_datagram(request, packet, 32);
	cut(packet, piece);
	packet_set16(packet->data + AT_IDENT, request->index);
	packet_sum_header(packet);
}

static void lying_datagram(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 16, true}, {16, 16, false}};

	piece_of_datagram(request, packet, pieces);
}

/* The flags of a SYN are in the second piece, where a filter would not look. */
static void split_syn(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 8, true}, {8, 12, false}};

	corpus_to_self(request, packet, PACKET_TCP);
	packet_tcp(packet, 31000, SCENE_CLOSED, 1, 0, PACKET_SYN);
	packet_seal(packet);
	cut(packet, pieces[request->index]);
}

static void no_fragments(const struct corpus_request *request, struct packet *packet)
{
	const struct piece pieces[] = {{0, 16, true}, {16, 24, false}};

	piece_of_datagram(request, packet, pieces);
	packet->data[AT_FRAGMENT] |= 0x40;
	packet_sum_header(packet);
}

static void to_everybody(const struct corpus_request *request, struct packet *packet)
{
	const struct piece piece = {0, 16, true};

	corpus_datagram(request, packet, 32);
	packet_set32(packet->data + 16, 0xffffffff);
	cut(packet, piece);
}

#define REASSEMBLED(n)                                                                             \
	.frames = (n), .counts = {COUNT(fragments_in, n), COUNT(reassembled, 1), COUNT(udp_in, 1), \
				  COUNT(udp_out, 1), COUNT(frames_out, 1)}
#define FAILED(n) .frames = (n), .counts = {COUNT(fragments_in, n), COUNT(reassembly_failed, 1)}

static const struct corpus_case cases[] = {
	{"the smallest fragments", smallest, REASSEMBLED(5)},
	{"fragments from the last to the first", backwards, REASSEMBLED(3)},
	{"don't fragment on fragments", no_fragments, REASSEMBLED(2)},
	{"the same fragment twice", same_twice, REASSEMBLED(3)},
	{"overlapping fragments", overlap, FAILED(2)},
	{"fragments that overlap from behind", overlap_from_behind, FAILED(2)},
	{"a fragment within another", within, FAILED(2)},
	{"a last fragment within the first (teardrop)", teardrop, FAILED(2)},
	{"two last fragments with different ends", two_ends, FAILED(2)},
	{"a fragment behind the last", beyond_the_end, FAILED(2)},
	{"a last fragment before another", end_before_the_rest, FAILED(2)},
	{"fragments without payload", empty, .frames = 2, .counts = {COUNT(ip_bad_header, 2)}},
	{"a fragment cut at no multiple of eight", not_of_eights,
	 .counts = {COUNT(ip_bad_header, 1)}},
	{"fragments beyond 65,535 bytes (ping of death)", beyond_the_largest, .frames = 3,
	 .counts = {COUNT(ip_bad_header, 3)}},
	{"the largest datagram", largest, .frames = 45,
	 .counts = {COUNT(fragments_in, 45), COUNT(reassembled, 1), COUNT(udp_in, 1),
		    COUNT(udp_out, 1), COUNT(frames_out, 45), COUNT(fragments_out, 45)}},
	{"a first fragment alone", one_only, .value = 0, .seconds = LATE,
	 .counts = {COUNT(fragments_in, 1), COUNT(reassembly_failed, 1), COUNT(icmp_errors_out, 1),
		    COUNT(frames_out, 1)}},
	{"a later fragment alone", one_only, .value = 800, .seconds = LATE,
	 .counts = {COUNT(fragments_in, 1), COUNT(reassembly_failed, 1)}},
	{"the beginning of an ICMP error alone", first_of_an_error, .seconds = LATE,
	 .counts = {COUNT(fragments_in, 1), COUNT(reassembly_failed, 1)}},
	{"more pieces than a datagram may have", crumbs, FAILED(129)},
	{"more datagrams begun than are kept", beginnings, .frames = 1030,
	 .counts = {COUNT(fragments_in, 1030), COUNT(reassembly_failed, 6),
		    COUNT(reassembly_evicted, 6)}},
	{"a datagram shorter than its UDP length", lying_datagram, .frames = 2,
	 .counts = {COUNT(fragments_in, 2), COUNT(reassembled, 1), COUNT(udp_in, 1),
		    COUNT(udp_bad, 1)}},
	{"a SYN whose flags are in the second fragment", split_syn, .frames = 2,
	 .counts = {COUNT(fragments_in, 2), COUNT(reassembled, 1), COUNT(tcp_in, 1),
		    COUNT(tcp_refused, 1), COUNT(tcp_closed, 1), COUNT(tcp_resets_out, 1),
		    COUNT(tcp_out, 1), COUNT(frames_out, 1)}},
	{"a fragment for everybody", to_everybody, .counts = {COUNT(ip_not_ours, 1)}},
};

CORPUS_GROUP(corpus_ipv4_fragments, "IPv4 fragments", CORPUS_V4, cases);
