/* SPDX-License-Identifier: MIT */
#include "generate.h"

#include "corpus.h"
#include "generate_flow.h"
#include "mutate.h"
#include <stdlib.h>
#include <string.h>

enum {
	V4_HEADER = 20,
	V6_HEADER = 40,
	V4_FRAGMENT = 6,
	V4_IDENT = 4,
	V6_NEXT = 6,
	ECHO = 8,
	ECHO_V6 = 128,
};

static uint32_t below(struct generator *generator, uint32_t bound)
{
	return cothon_random_below(&generator->random, bound);
}

static enum scene_family any_family(struct generator *generator)
{
	return below(generator, 2) ? SCENE_V6 : SCENE_V4;
}

/* Mostly small, rarely as large as can be. */
static size_t any_length(struct generator *generator)
{
	switch (below(generator, 10)) {
	case 0:
		return 0;
	case 1:
		return below(generator, 60000);
	case 2:
	case 3:
		return below(generator, 1460);
	default:
		return below(generator, 100);
	}
}

/* An IP header from the peer, or somebody near it, to the stack or to the host outside. */
static void begin(struct generator *generator, struct packet *packet, enum scene_family family,
		  uint8_t protocol)
{
	const struct scene *scene = generator->scene;
	struct cothon_addr source = scene->peer[family];
	struct cothon_addr destination = below(generator, 2) ? scene->self[family]
							     : scene->outside[family];

	if (below(generator, 10) == 0)
		source.b[15] = (uint8_t)(100 + below(generator, 20));
	if (below(generator, 20) == 0)
		destination.b[15] ^= (uint8_t)below(generator, 8);
	packet_ip(packet, &source, &destination, protocol);
}

static uint16_t any_port(struct generator *generator)
{
	static const uint16_t ports[] = {
		SCENE_ECHO,   SCENE_DISCARD,  SCENE_STALL,      SCENE_HANG_UP, SCENE_TALK,
		SCENE_CLOSED, SCENE_ANSWERED, SCENE_OPEN,       SCENE_HELD,    SCENE_REFUSED,
		SCENE_NO_NET, SCENE_NO_HOST,  SCENE_PROHIBITED, SCENE_SILENT,  SCENE_GIVEN_BACK,
	};

	return ports[below(generator, sizeof(ports) / sizeof(*ports))];
}

/* One of the scene's numbers from `first` up. */
static uint16_t any_source(struct generator *generator, uint16_t first)
{
	return (uint16_t)(first + below(generator, generator->scene->datagram_ports));
}

/* What may be sent by anybody */

static void make_syn(struct generator *generator, struct packet *packet)
{
	uint8_t options[40];
	size_t len = generate_syn_options(&generator->random, options);

	begin(generator, packet, any_family(generator), PACKET_TCP);
	packet_tcp(packet, (uint16_t)(20000 + below(generator, 100)), any_port(generator),
		   cothon_random_u32(&generator->random), 0, PACKET_SYN);
	packet_tcp_options(packet, options, len);
	if (below(generator, 10) == 0)
		packet_fill(packet, below(generator, 100));
}

static void make_datagram(struct generator *generator, struct packet *packet)
{
	begin(generator, packet, any_family(generator), PACKET_UDP);
	packet_udp(packet, any_source(generator, generator->scene->datagram_port),
		   any_port(generator));
	packet_fill(packet, any_length(generator));
}

static void make_message(struct generator *generator, struct packet *packet)
{
	enum scene_family family = any_family(generator);
	bool ipv4 = family == SCENE_V4;
	uint8_t type = ipv4 ? ECHO : ECHO_V6;

	if (below(generator, 4) == 0)
		type = (uint8_t)below(generator, 256);
	begin(generator, packet, family, ipv4 ? PACKET_ICMP : PACKET_ICMPV6);
	packet_icmp(packet, type, (uint8_t)(below(generator, 4) ? 0 : below(generator, 20)),
		    (uint32_t)any_source(generator, SCENE_ECHO_IDENT) << 16 |
			    below(generator, 65536));
	packet_fill(packet, any_length(generator));
}

/* IPv6 extension headers or IPv4 options, and something behind them. */
static void make_extended(struct generator *generator, struct packet *packet)
{
	static const uint8_t headers[] = {PACKET_HOP_BY_HOP, PACKET_ROUTING, PACKET_FRAGMENT,
					  PACKET_DESTINATION_OPTIONS};
	enum scene_family family = any_family(generator);
	uint8_t data[64];
	unsigned count = 1 + below(generator, 9);

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(below(generator, 3) ? below(generator, 6)
							: below(generator, 256));
	begin(generator, packet, family, PACKET_UDP);
	if (family == SCENE_V4) {
		packet_put(packet, data, count * 4U);
		packet->data[0] = (uint8_t)(0x45 + count);
	} else {
		size_t at = V6_NEXT;

		for (unsigned i = 0; i < count; i++) {
			packet->data[at] = headers[below(generator, sizeof(headers))];
			at = packet->len;
			packet_extension(packet, PACKET_UDP, data, below(generator, 3) * 8);
		}
	}
	packet_udp(packet, generator->scene->datagram_port, any_port(generator));
	packet_fill(packet, below(generator, 64));
}

static void make_corpus(struct generator *generator, struct packet *packet)
{
	struct corpus_request request = {.scene = generator->scene,
					 .family = any_family(generator)};
	const struct corpus_group *group;
	const struct corpus_case *case_;
	unsigned groups = 0, families;

	while (corpus[groups])
		groups++;
	group = corpus[below(generator, groups)];
	case_ = &group->cases[below(generator, (uint32_t)group->count)];
	families = case_->families ? case_->families : group->families;
	if (!(families & 1U << request.family))
		request.family = !request.family;
	request.index = below(generator, case_->frames ? case_->frames : 1);
	request.value = case_->value;
	case_->build(&request, packet);
}

static void make_noise(struct generator *generator, struct packet *packet)
{
	begin(generator, packet, any_family(generator), (uint8_t)below(generator, 256));
	if (below(generator, 4) == 0)
		packet->len = below(generator, 2);
	for (size_t len = below(generator, 200); len > 0; len--)
		packet_put8(packet, below(generator, 256));
}

/* Fragments */

/* The bytes [from, from + len) of a packet's payload as a fragment of its own. */
static struct packet *cut(const struct packet *whole, size_t from, size_t len, bool more,
			  uint32_t ident)
{
	bool ipv4 = packet_is_ipv4(whole);
	size_t header = ipv4 ? V4_HEADER : V6_HEADER;
	struct packet *piece = malloc(sizeof(*piece));

	if (!piece)
		abort();
	memset(piece->vnet, 0, sizeof(piece->vnet));
	piece->len = 0;
	packet_put(piece, whole->data, header);
	if (ipv4) {
		packet_set16(piece->data + V4_IDENT, ident);
		packet_set16(piece->data + V4_FRAGMENT, (unsigned)(from / 8) | (more ? 0x2000 : 0));
	} else {
		piece->data[V6_NEXT] = PACKET_FRAGMENT;
		packet_fragment_header(piece, whole->data[V6_NEXT], (unsigned)from, more, ident);
	}
	packet_put(piece, whole->data + header + from, len);
	packet_set_lengths(piece);
	packet_sum_header(piece);
	return piece;
}

/*
 * Keeps a packet's pieces, in any order, one perhaps missing, twice there, or overlapping the next.
 */
static void split(struct generator *generator, const struct packet *whole)
{
	size_t header = packet_is_ipv4(whole) ? V4_HEADER : V6_HEADER;
	size_t payload = whole->len - header;
	unsigned count = 2 + below(generator, GENERATE_PIECES - 2);
	size_t size = (payload / count / 8 + 1) * 8;
	uint32_t ident = below(generator, 8);
	uint32_t fault = below(generator, 12);

	for (unsigned i = 0; i < count && i * size < payload; i++) {
		size_t from = i * size;
		size_t len = payload - from < size ? payload - from : size;
		bool more = from + len < payload;
		unsigned place = below(generator, generator->piece_count + 1);
		struct packet **pieces = generator->pieces;

		if (fault == i)
			continue;
		if (fault == i + GENERATE_PIECES && more && from + len + 8 <= payload)
			len += 8;
		pieces[generator->piece_count] = pieces[place];
		pieces[place] = cut(whole, from, len, more, ident);
		generator->piece_count++;
	}
}

/* Putting it together */

static void make_good(struct generator *generator, struct packet *packet)
{
	uint32_t kind = below(generator, 92);

	if (kind < 45 && generator->stack &&
	    generate_segment(&generator->random, generator->stack, packet))
		return;
	if (kind < 53 && generator->stack &&
	    generate_error(&generator->random, generator->stack, packet))
		return;
	if (kind < 70)
		make_syn(generator, packet);
	else if (kind < 78)
		make_datagram(generator, packet);
	else if (kind < 86)
		make_message(generator, packet);
	else
		make_extended(generator, packet);
}

static void make(struct generator *generator, struct packet *packet)
{
	switch (below(generator, 25)) {
	case 0:
		make_corpus(generator, packet);
		break;
	case 1:
		make_noise(generator, packet);
		break;
	default:
		make_good(generator, packet);
		packet_seal(packet);
		break;
	}
}

/* What a virtio-net header says that fits the frame, or not. */
static void make_offload(struct generator *generator, struct packet *packet)
{
	bool large = packet->len > 1500;

	switch (below(generator, 10)) {
	case 0:
		packet_offload(packet, true, 0);
		break;
	case 1:
		packet_offload(packet, true, (uint16_t)(1 + below(generator, 2000)));
		break;
	case 2:
		for (size_t i = 0; i < PACKET_VNET && below(generator, 4) == 0; i++)
			packet->vnet[i] = (uint8_t)below(generator, 256);
		break;
	default:
		if (large)
			packet_offload(packet, true, 1400);
		break;
	}
}

static void take_piece(struct generator *generator, struct packet *packet)
{
	struct packet *piece = generator->pieces[--generator->piece_count];

	memcpy(packet->vnet, piece->vnet, sizeof(packet->vnet));
	packet->len = 0;
	packet_put(packet, piece->data, piece->len);
	free(piece);
}

void generator_next(struct generator *generator, struct packet *packet)
{
	if (generator->piece_count == 0) {
		make(generator, packet);
		if (below(generator, 12) == 0 && packet->len > V6_HEADER && packet->len < 65535)
			split(generator, packet);
		else
			make_offload(generator, packet);
	}
	if (generator->piece_count > 0)
		take_piece(generator, packet);
	if (below(generator, 3))
		return;
	for (unsigned changes = 1 + below(generator, 3); changes > 0; changes--)
		mutate(&generator->random, packet);
	if (below(generator, 10)) {
		packet_sum_header(packet);
		packet_sum_transport(packet);
	}
}

void generator_init(struct generator *generator, uint64_t seed, const struct scene *scene,
		    struct cothon_stack *stack)
{
	uint8_t bytes[32] = {0};

	memcpy(bytes, &seed, sizeof(seed));
	*generator = (struct generator){.scene = scene, .stack = stack};
	cothon_random_init(&generator->random, bytes, 2000);
}

void generator_finish(struct generator *generator)
{
	while (generator->piece_count > 0)
		free(generator->pieces[--generator->piece_count]);
}
