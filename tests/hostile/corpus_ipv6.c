/* SPDX-License-Identifier: MIT */
#include "corpus.h"

#include <string.h>

enum {
	AT_PAYLOAD = 4,
	AT_NEXT = 6,
	AT_HOPS = 7,
	AT_SOURCE = 8,
	AT_DESTINATION = 24,
	HEADER = 40,

	AUTHENTICATION = 51,
	MOBILITY = 135,
	OPTION_JUMBO = 0xc2,
	OPTION_PADN = 1,
};

static void cut(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet->len = request->value;
}

static void version(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet->data[0] = (uint8_t)(request->value << 4);
}

static void payload_length(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet_set16(packet->data + AT_PAYLOAD, request->value);
}

static void trailer(const struct corpus_request *request, struct packet *packet)
{
	corpus_datagram(request, packet, 32);
	packet_fill(packet, 18);
}

static void datagram_behind(struct packet *packet)
{
	packet_udp(packet, SCENE_DATAGRAM_PORT, SCENE_ECHO);
	packet_fill(packet, 32);
	packet_seal(packet);
}

/* `value` extension headers with destination options, and a datagram. */
static void chain(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, PACKET_DESTINATION_OPTIONS);
	for (unsigned i = 1; i < request->value; i++)
		packet_extension(packet, PACKET_DESTINATION_OPTIONS, NULL, 0);
	packet_extension(packet, PACKET_UDP, NULL, 0);
	datagram_behind(packet);
}

/* A chain of headers that each name one like themselves, to the packet's end. */
static void endless(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, (uint8_t)request->value);
	while (packet->len < 1400)
		packet_extension(packet, (uint8_t)request->value, NULL, 0);
	packet_seal(packet);
}

/* An atomic fragment in an atomic fragment, `value` deep. */
static void atomic(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, PACKET_FRAGMENT);
	for (unsigned i = 1; i < request->value; i++)
		packet_fragment_header(packet, PACKET_FRAGMENT, 0, false, i);
	packet_fragment_header(packet, PACKET_UDP, 0, false, 99);
	datagram_behind(packet);
}

/* One extension header that is larger than all of them may be together. */
static void large(const struct corpus_request *request, struct packet *packet)
{
	uint8_t padding[2046] = {0};

	corpus_to_self(request, packet, PACKET_DESTINATION_OPTIONS);
	for (size_t at = 0; at + 257 < sizeof(padding); at += 257) {
		padding[at] = OPTION_PADN;
		padding[at + 1] = 255;
	}
	packet_extension(packet, PACKET_DESTINATION_OPTIONS, NULL, 0);
	packet_extension(packet, PACKET_UDP, padding, sizeof(padding));
	datagram_behind(packet);
}

/* An extension header whose own length is a lie. */
static void extension_length(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, PACKET_DESTINATION_OPTIONS);
	packet_extension(packet, PACKET_UDP, NULL, 0);
	datagram_behind(packet);
	packet->data[HEADER + 1] = (uint8_t)request->value;
}

/* The packet ends in an extension header. */
static void extension_cut(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, PACKET_DESTINATION_OPTIONS);
	packet_extension(packet, PACKET_UDP, NULL, 0);
	packet->len = HEADER + request->value;
	packet_set_lengths(packet);
}

static void option(const struct corpus_request *request, struct packet *packet, uint8_t header)
{
	uint8_t options[6] = {(uint8_t)request->value, (uint8_t)(request->value >> 8), 0, 0, 0, 0};

	corpus_to_self(request, packet, header);
	packet_extension(packet, PACKET_UDP, options, sizeof(options));
	datagram_behind(packet);
}

static void destination_option(const struct corpus_request *request, struct packet *packet)
{
	option(request, packet, PACKET_DESTINATION_OPTIONS);
}

static void hop_by_hop_option(const struct corpus_request *request, struct packet *packet)
{
	option(request, packet, PACKET_HOP_BY_HOP);
}

/* A jumbogram that says so by RFC 2675: a payload length of 0. */
static void jumbogram(const struct corpus_request *request, struct packet *packet)
{
	const uint8_t jumbo[6] = {OPTION_JUMBO, 4, 0, 1, 0, 0};

	corpus_to_self(request, packet, PACKET_HOP_BY_HOP);
	packet_extension(packet, PACKET_UDP, jumbo, sizeof(jumbo));
	datagram_behind(packet);
	packet_set16(packet->data + AT_PAYLOAD, 0);
}

static void hop_by_hop_late(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, PACKET_DESTINATION_OPTIONS);
	packet_extension(packet, PACKET_HOP_BY_HOP, NULL, 0);
	packet_extension(packet, PACKET_UDP, NULL, 0);
	datagram_behind(packet);
}

/* A routing header of type 0 with one address, and `value` segments left. */
static void routing(const struct corpus_request *request, struct packet *packet)
{
	uint8_t data[22] = {0, (uint8_t)request->value};

	memcpy(data + 6, request->scene->outside[SCENE_V6].b, 16);
	corpus_to_self(request, packet, PACKET_ROUTING);
	packet_extension(packet, PACKET_UDP, data, sizeof(data));
	datagram_behind(packet);
}

static void next_header(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, (uint8_t)request->value);
	packet_fill(packet, 40);
	packet_seal(packet);
}

/* Addresses as text, by the case's value. */
static struct cothon_addr address(unsigned value)
{
	static const char *const texts[] = {"::",           "::1",
					    "ff02::1",      "::ffff:10.0.2.100",
					    "fd00:c070::2", "fe80::1",
					    "2001:db8::2"};
	struct cothon_addr parsed = {0};

	cothon_addr_parse(texts[value], &parsed);
	return parsed;
}

enum {
	ANY,
	LOOPBACK,
	MULTICAST,
	MAPPED,
	OWN,
};

static void source(const struct corpus_request *request, struct packet *packet)
{
	struct cothon_addr from = address(request->value);

	corpus_datagram(request, packet, 32);
	memcpy(packet->data + AT_SOURCE, from.b, 16);
	packet_seal(packet);
}

static void destination(const struct corpus_request *request, struct packet *packet)
{
	struct cothon_addr to = address(request->value);

	corpus_datagram(request, packet, 32);
	memcpy(packet->data + AT_DESTINATION, to.b, 16);
	packet_seal(packet);
}

static void last_hop(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_outside(request, packet, PACKET_UDP);
	packet_udp(packet, SCENE_DATAGRAM_PORT, SCENE_ANSWERED);
	packet->data[AT_HOPS] = (uint8_t)request->value;
	packet_seal(packet);
}

#define BAD_HEADER  .counts = {COUNT(ip_bad_header, 1)}
#define ANSWERED    .counts = {COUNT(udp_in, 1), COUNT(udp_out, 1), COUNT(frames_out, 1)}
#define BAD_ADDRESS .counts = {COUNT(ip_bad_address, 1)}
#define UNKNOWN     .counts = {COUNT(ip_unknown_protocol, 1)}
#define ANSWERED_UNKNOWN \
	.counts = {COUNT(ip_unknown_protocol, 1), COUNT(icmp_errors_out, 1), COUNT(frames_out, 1)}

static const struct corpus_case cases[] = {
	{"a header cut after 39 bytes", cut, .value = 39, BAD_HEADER},
	{"a packet cut in its payload", cut, .value = 60, BAD_HEADER},
	{"version 4 on an IPv6 header", version, .value = 4, BAD_HEADER},
	{"version 7", version, .value = 7, BAD_HEADER},
	{"a payload length of 0", payload_length, .value = 0,
	 .counts = {COUNT(udp_in, 1), COUNT(udp_bad, 1)}},
	{"a payload length that cuts a datagram", payload_length, .value = 30,
	 .counts = {COUNT(udp_in, 1), COUNT(udp_bad, 1)}},
	{"a payload length one byte beyond the frame", payload_length, .value = 41, BAD_HEADER},
	{"a payload length of 65535", payload_length, .value = 65535, BAD_HEADER},
	{"bytes behind the packet", trailer, ANSWERED},
	{"eight extension headers", chain, .value = 8, ANSWERED},
	{"nine extension headers", chain, .value = 9, BAD_HEADER},
	{"destination options without end", endless, .value = PACKET_DESTINATION_OPTIONS,
	 BAD_HEADER},
	{"routing headers without end", endless, .value = PACKET_ROUTING, BAD_HEADER},
	{"fragment headers without end", endless, .value = PACKET_FRAGMENT, BAD_HEADER},
	{"hop-by-hop options without end", endless, .value = PACKET_HOP_BY_HOP, UNKNOWN},
	{"more than 2 KiB of extension headers", large, BAD_HEADER},
	{"an extension header beyond the packet", extension_length, .value = 5, BAD_HEADER},
	{"an extension header of 2 KiB beyond the packet", extension_length, .value = 255,
	 BAD_HEADER},
	{"a packet that ends before an extension header", extension_cut, .value = 0, BAD_HEADER},
	{"a packet that ends in an extension header", extension_cut, .value = 7, BAD_HEADER},
	{"a packet that ends behind an extension header", extension_cut, .value = 8,
	 .counts = {COUNT(udp_in, 1), COUNT(udp_bad, 1)}},
	{"an unknown option to be skipped", destination_option, .value = 0x043e, ANSWERED},
	{"an unknown option to be dropped", destination_option, .value = 0x047e, BAD_HEADER},
	{"an unknown option to be told of", destination_option, .value = 0x04be, BAD_HEADER},
	{"an option that overruns its header", destination_option, .value = 0x0501, BAD_HEADER},
	{"a router alert", hop_by_hop_option, .value = 0x0205, ANSWERED},
	{"a jumbo option in a small packet", hop_by_hop_option, .value = 0x0400 | OPTION_JUMBO,
	 BAD_HEADER},
	{"a jumbogram", jumbogram, BAD_HEADER},
	{"hop-by-hop options that are not first", hop_by_hop_late, UNKNOWN},
	{"a routing header with segments left", routing, .value = 1, UNKNOWN},
	{"a routing header with 255 segments left", routing, .value = 255, UNKNOWN},
	{"a routing header with no segment left", routing, .value = 0, ANSWERED},
	{"an atomic fragment", atomic, .value = 1, ANSWERED},
	{"atomic fragments within one another", atomic, .value = 8, ANSWERED},
	{"too many atomic fragments within one another", atomic, .value = 9, BAD_HEADER},
	{"no next header", next_header, .value = PACKET_NONE},
	{"protocol 253", next_header, .value = 253, ANSWERED_UNKNOWN},
	{"an authentication header", next_header, .value = AUTHENTICATION, UNKNOWN},
	{"a mobility header", next_header, .value = MOBILITY, UNKNOWN},
	{"from ::", source, .value = ANY, BAD_ADDRESS},
	{"from ::1", source, .value = LOOPBACK, BAD_ADDRESS},
	{"from a multicast address", source, .value = MULTICAST, BAD_ADDRESS},
	{"from a mapped address", source, .value = MAPPED, BAD_HEADER},
	{"from the stack's own address", source, .value = OWN, BAD_ADDRESS},
	{"to ::", destination, .value = ANY, BAD_ADDRESS},
	{"to ::1", destination, .value = LOOPBACK, BAD_ADDRESS},
	{"to a multicast address", destination, .value = MULTICAST,
	 .counts = {COUNT(ip_not_ours, 1)}},
	{"to a mapped address", destination, .value = MAPPED, BAD_HEADER},
	{"on its last hop, to be forwarded", last_hop, .value = 1,
	 .counts = {COUNT(ip_hops_exceeded, 1), COUNT(icmp_errors_out, 1), COUNT(frames_out, 1)}},
};

CORPUS_GROUP(corpus_ipv6, "IPv6", CORPUS_V6, cases);
