/* SPDX-License-Identifier: MIT */
#include "corpus.h"

enum {
	PROHIBITED = 13,
	ECHO = 8, /* of ICMP; ICMPv6: */
	ECHO_V6 = 128,
	ECHO_REPLY = 0,
	ECHO_REPLY_V6 = 129,
	UNREACHABLE = 3,
	UNREACHABLE_V6 = 1,
	TOO_BIG_V6 = 2,
	NEEDS_FRAGMENTING = 4, /* the code */
};

static bool ipv4(const struct corpus_request *request)
{
	return request->family == SCENE_V4;
}

static void begin(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_self(request, packet, corpus_icmp_protocol(request));
}

static void echo(const struct corpus_request *request, struct packet *packet, size_t len)
{
	begin(request, packet);
	packet_icmp(packet, ipv4(request) ? ECHO : ECHO_V6, 0, SCENE_ECHO_IDENT << 16 | 1);
	packet_fill(packet, len);
	packet_seal(packet);
}

static void cut(const struct corpus_request *request, struct packet *packet)
{
	echo(request, packet, 32);
	packet->len = packet->transport + request->value;
	packet_set_lengths(packet);
	packet_sum_header(packet);
}

static void checksum(const struct corpus_request *request, struct packet *packet)
{
	echo(request, packet, 32);
	packet->data[packet->transport + 2] ^= 1;
}

static void empty_echo(const struct corpus_request *request, struct packet *packet)
{
	echo(request, packet, 0);
}

static void reply(const struct corpus_request *request, struct packet *packet)
{
	begin(request, packet);
	packet_icmp(packet, ipv4(request) ? ECHO_REPLY : ECHO_REPLY_V6, 0,
		    SCENE_ECHO_IDENT << 16 | 1);
	packet_fill(packet, 32);
	packet_seal(packet);
}

/* A message of a type that is nothing to a stack: the type of ICMP, and that of ICMPv6. */
static void other(const struct corpus_request *request, struct packet *packet)
{
	begin(request, packet);
	packet_icmp(packet, (uint8_t)(ipv4(request) ? request->value >> 8 : request->value), 0,
		    0xffffffff);
	packet_fill(packet, 32);
	packet_seal(packet);
}

static void nobody(const struct corpus_request *request, struct packet *packet)
{
	corpus_to_outside(request, packet, corpus_icmp_protocol(request));
	packet->data[packet->len - 1] = 77;
	packet_icmp(packet, ipv4(request) ? ECHO : ECHO_V6, 0, SCENE_ECHO_IDENT << 16 | 1);
	packet_seal(packet);
}

/* Errors */

/* The header of a packet of ours to the peer, put behind the ICMP header as its quote. */
static void quote_ip(const struct corpus_request *request, struct packet *packet, uint8_t protocol)
{
	struct packet quote;

	packet_ip(&quote, &request->scene->self[request->family],
		  &request->scene->peer[request->family], protocol);
	packet_set_lengths(&quote);
	packet_sum_header(&quote);
	packet_put(packet, quote.data, quote.len);
}

static void begin_error(const struct corpus_request *request, struct packet *packet, bool too_big,
			uint32_t word)
{
	begin(request, packet);
	if (ipv4(request))
		packet_icmp(packet, UNREACHABLE, too_big ? NEEDS_FRAGMENTING : PROHIBITED, word);
	else
		packet_icmp(packet, too_big ? TOO_BIG_V6 : UNREACHABLE_V6, !too_big, word);
}

/* The beginning of a segment of the stack's, `off` from the oldest in flight. */
static void quote_segment(const struct corpus_request *request, struct packet *packet,
			  const struct scene_flow *flow, uint32_t off)
{
	quote_ip(request, packet, PACKET_TCP);
	packet_put16(packet, flow->port);
	packet_put16(packet, flow->peer_port);
	packet_put32(packet, flow->una + off);
	packet_seal(packet);
}

/* That a segment of the flow that has data in flight was too big for an MTU of `value`. */
static void too_big(const struct corpus_request *request, struct packet *packet)
{
	begin_error(request, packet, true, request->value);
	quote_segment(request, packet, &request->scene->sending[request->family], 0);
}

static void unreachable(const struct corpus_request *request, struct packet *packet)
{
	begin_error(request, packet, false, 0);
	quote_segment(request, packet, &request->scene->sending[request->family], 0);
}

/* About a sequence number that is not in flight. */
static void forged(const struct corpus_request *request, struct packet *packet)
{
	begin_error(request, packet, request->index % 2, 576);
	quote_segment(request, packet, &request->scene->sending[request->family],
		      request->index < 2 ? 0xffffffff : 0x10000000);
}

static void unknown_flow(const struct corpus_request *request, struct packet *packet)
{
	const struct scene_flow flow = {.peer_port = 1, .port = 2};

	begin_error(request, packet, false, 0);
	quote_segment(request, packet, &flow, 0);
}

/* The quote ends after `value` bytes. */
static void quote_cut(const struct corpus_request *request, struct packet *packet)
{
	begin_error(request, packet, true, 576);
	quote_segment(request, packet, &request->scene->sending[request->family], 0);
	packet->len = packet->transport + 8 + request->value;
	packet_seal(packet);
}

/* The quoted header lies: about its version, its length, and the packet's. */
static void quote_lies(const struct corpus_request *request, struct packet *packet)
{
	static const uint8_t firsts[] = {0x00, 0x40, 0x4f, 0x44, 0x75, 0xff};
	uint8_t *quote;

	begin_error(request, packet, true, 576);
	quote_segment(request, packet, &request->scene->sending[request->family], 0);
	quote = packet->data + packet->transport + 8;
	quote[0] = firsts[request->index];
	quote[2] = quote[3] = quote[4] = quote[5] = 0xff;
	packet_seal(packet);
}

/* The quoted packet is an ICMP error itself, which quotes one, and so on. */
static void error_about_errors(const struct corpus_request *request, struct packet *packet)
{
	begin_error(request, packet, false, 0);
	while (packet->len < 1200) {
		quote_ip(request, packet, corpus_icmp_protocol(request));
		packet_put32(packet, ipv4(request) ? 0x03010000 : 0x01000000);
		packet_put32(packet, 0);
	}
	packet_seal(packet);
}

static void extensions_in_quote(const struct corpus_request *request, struct packet *packet)
{
	begin_error(request, packet, true, 1280);
	quote_ip(request, packet, PACKET_DESTINATION_OPTIONS);
	while (packet->len < 1200) {
		packet_put32(packet, 0x3c000000);
		packet_put32(packet, 0);
	}
	packet_seal(packet);
}

#define HEARD    .counts = {COUNT(icmp_in, 1)}
#define BAD      .counts = {COUNT(icmp_in, 1), COUNT(icmp_bad, 1)}
#define ANSWERED .counts = {COUNT(icmp_in, 1), COUNT(echo_in, 1), COUNT(frames_out, 1)}
/* The segments in flight go out again, in smaller pieces: one frame, which the link cuts. */
#define SENT_AGAIN                                                        \
	.sending = true, .counts = {COUNT(icmp_in, 1), COUNT(tcp_out, 1), \
				    COUNT(tcp_retransmits, 1), COUNT(frames_out, 1)}

static const struct corpus_case cases[] = {
	{"no header", cut, .value = 0, BAD},
	{"a header cut after 7 bytes", cut, .value = 7, BAD},
	{"a wrong checksum", checksum, BAD},
	{"an echo request without data", empty_echo, ANSWERED},
	{"an echo request for nobody", nobody,
	 .counts = {COUNT(icmp_in, 1), COUNT(echo_in, 1), COUNT(icmp_errors_out, 1),
		    COUNT(frames_out, 1)}},
	{"an echo reply that nobody asked for", reply, HEARD},
	{"a redirect", other, .value = 5 << 8 | 137, HEARD},
	{"source quench, neighbour solicitation", other, .value = 4 << 8 | 135, HEARD},
	{"router advertisement", other, .value = 9 << 8 | 134, HEARD},
	{"parameter problem", other, .value = 12 << 8 | 4, HEARD},
	{"a timestamp request, a node query", other, .value = 13 << 8 | 139, HEARD},
	{"an address mask request, a private error", other, .value = 17 << 8 | 100, HEARD},
	{"type 255", other, .value = 255 << 8 | 255, HEARD},
	{"too big for an MTU of 0", too_big, .value = 0, SENT_AGAIN},
	{"too big for an MTU of 1", too_big, .value = 1, SENT_AGAIN},
	{"too big for an MTU of 68", too_big, .value = 68, SENT_AGAIN},
	{"too big for an MTU that is larger than the link's", too_big, .value = 65535,
	 .sending = true, HEARD},
	{"an error about a flow in use", unreachable, .sending = true, HEARD},
	{"errors about what is not in flight", forged, .frames = 4, .sending = true,
	 .counts = {COUNT(icmp_in, 4)}},
	{"an error about a flow that there is not", unknown_flow, HEARD},
	{"an error without a quote", quote_cut, .value = 0, .sending = true, HEARD},
	{"an error with one byte of quote", quote_cut, .value = 1, .sending = true, HEARD},
	{"an error whose quote ends in the IP header", quote_cut, .value = 19, .sending = true,
	 HEARD},
	{"an error whose IPv4 quote ends before the transport", quote_cut, CORPUS_V4, .value = 20,
	 .sending = true, HEARD},
	{"an error whose IPv4 quote ends in the transport", quote_cut, CORPUS_V4, .value = 27,
	 .sending = true, HEARD},
	{"an error whose IPv6 quote ends before the transport", quote_cut, CORPUS_V6, .value = 40,
	 .sending = true, HEARD},
	{"an error whose IPv6 quote ends in the transport", quote_cut, CORPUS_V6, .value = 47,
	 .sending = true, HEARD},
	{"errors whose quotes lie", quote_lies, .frames = 6, .sending = true,
	 .counts = {COUNT(icmp_in, 6)}},
	{"an error about errors about errors", error_about_errors, HEARD},
	{"a quote with extension headers without end", extensions_in_quote, HEARD},
};

CORPUS_GROUP(corpus_icmp, "ICMP", CORPUS_BOTH, cases);
