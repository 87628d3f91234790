/* SPDX-License-Identifier: MIT */
#include "corpus.h"

#include <string.h>

enum {
	PEER_PORT = 33000,
	NOP = 1,
	MSS = 2,
	SCALE = 3,
	SACK_PERMITTED = 4,
	SACK = 5,
	TIMESTAMP = 8,
};

/* A SYN to the echo with `len` bytes of options. */
static void syn(const struct corpus_request *request, struct packet *packet, const uint8_t *options,
		size_t len)
{
	corpus_to_self(request, packet, PACKET_TCP);
	packet_tcp(packet, PEER_PORT, SCENE_ECHO, 1, 0, PACKET_SYN);
	packet_tcp_options(packet, options, len);
	packet_seal(packet);
}

/* An option of kind `value >> 8` that says its length is `value & 0xff`, last of eight bytes. */
static void last_option(const struct corpus_request *request, struct packet *packet)
{
	uint8_t options[8] = {
		NOP, NOP, NOP, NOP, (uint8_t)(request->value >> 8), (uint8_t)request->value};

	syn(request, packet, options, sizeof(options));
}

static void kind_alone(const struct corpus_request *request, struct packet *packet)
{
	const uint8_t options[4] = {NOP, NOP, NOP, MSS};

	syn(request, packet, options, sizeof(options));
}

static void mss(const struct corpus_request *request, struct packet *packet)
{
	uint8_t options[4] = {MSS, 4, (uint8_t)(request->value >> 8), (uint8_t)request->value};

	syn(request, packet, options, sizeof(options));
}

static void scale(const struct corpus_request *request, struct packet *packet)
{
	uint8_t options[4] = {SCALE, 3, (uint8_t)request->value, 0};

	syn(request, packet, options, sizeof(options));
}

static void contradiction(const struct corpus_request *request, struct packet *packet)
{
	const uint8_t options[20] = {MSS,
				     4,
				     0,
				     1,
				     SCALE,
				     3,
				     255,
				     SCALE,
				     3,
				     0,
				     MSS,
				     4,
				     255,
				     255,
				     SACK_PERMITTED,
				     2,
				     SACK_PERMITTED,
				     2,
				     0,
				     7};

	syn(request, packet, options, sizeof(options));
}

static void full(const struct corpus_request *request, struct packet *packet)
{
	uint8_t options[40];

	memset(options, (int)request->value, sizeof(options));
	syn(request, packet, options, sizeof(options));
}

/* An ACK on the flow that has data in flight, with options. */
static void ack(const struct corpus_request *request, struct packet *packet, const uint8_t *options,
		size_t len)
{
	const struct scene_flow *flow = &request->scene->sending[request->family];

	corpus_to_self(request, packet, PACKET_TCP);
	packet_tcp(packet, flow->peer_port, flow->port, flow->seq, flow->una, PACKET_ACK);
	packet_tcp_options(packet, options, len);
	packet_seal(packet);
}

/* One SACK block, its edges counted from the oldest byte in flight. */
static void block(const struct corpus_request *request, struct packet *packet, uint32_t start,
		  uint32_t end)
{
	uint32_t una = request->scene->sending[request->family].una;
	uint8_t options[12] = {NOP, NOP, SACK, 10};

	packet_set32(options + 4, una + start);
	packet_set32(options + 8, una + end);
	ack(request, packet, options, sizeof(options));
}

static void sack_backwards(const struct corpus_request *request, struct packet *packet)
{
	block(request, packet, 3000, 1000);
}

static void sack_nothing(const struct corpus_request *request, struct packet *packet)
{
	block(request, packet, 1000, 1000);
}

static void sack_old(const struct corpus_request *request, struct packet *packet)
{
	block(request, packet, 0U - 1000, 0U - 500);
}

static void sack_across(const struct corpus_request *request, struct packet *packet)
{
	block(request, packet, 0U - 1000, 1000);
}

static void sack_first(const struct corpus_request *request, struct packet *packet)
{
	block(request, packet, 0, 1000);
}

static void sack_unsent(const struct corpus_request *request, struct packet *packet)
{
	block(request, packet, 1000, 0x100000);
}

static void sack_everything(const struct corpus_request *request, struct packet *packet)
{
	block(request, packet, 1, 0x80000000);
}

/* Every second byte, one by one: holes of one byte, more than are remembered. */
static void sack_crumbs(const struct corpus_request *request, struct packet *packet)
{
	block(request, packet, 1 + 2 * request->index, 2 + 2 * request->index);
}

/* A list of blocks that has no whole number of them. */
static void sack_crooked(const struct corpus_request *request, struct packet *packet)
{
	uint8_t options[20] = {NOP, NOP, SACK, (uint8_t)request->value};
	uint32_t una = request->scene->sending[request->family].una;

	if (request->value > 2) {
		packet_set32(options + 4, una + 1000);
		packet_set32(options + 8, una + 2000);
	}
	ack(request, packet, options, sizeof(options));
}

/* SYN's options where there is no SYN. */
static void options_of_syn(const struct corpus_request *request, struct packet *packet)
{
	const uint8_t options[12] = {MSS, 4, 0, 1, SCALE, 3, 14, SACK_PERMITTED, 2, 0, 0, 0};

	ack(request, packet, options, sizeof(options));
}

/* A timestamp on a flow that has not agreed to any. */
static void timestamp(const struct corpus_request *request, struct packet *packet)
{
	const uint8_t options[12] = {NOP, NOP, TIMESTAMP, 10, 0xff, 0xff, 0xff, 0xff, 0xff};

	ack(request, packet, options, sizeof(options));
}

#define BAD      .counts = {COUNT(tcp_in, 1), COUNT(tcp_bad, 1)}
#define ANSWERED .counts = {COUNT(tcp_in, 1), COUNT(tcp_out, 1), COUNT(frames_out, 1)}
#define IGNORED  .sending = true, .counts = {COUNT(tcp_in, 1)}

static const struct corpus_case cases[] = {
	{"an option of length 0", last_option, .value = 99 << 8 | 0, BAD},
	{"an option of length 1", last_option, .value = 99 << 8 | 1, BAD},
	{"an option that overruns the header", last_option, .value = 99 << 8 | 5, BAD},
	{"an option of length 255", last_option, .value = 99 << 8 | 255, BAD},
	{"an option that ends with the header", last_option, .value = 99 << 8 | 4, ANSWERED},
	{"an option cut after its kind", kind_alone, BAD},
	{"an MSS of length 3", last_option, .value = MSS << 8 | 3, ANSWERED},
	{"a window scale of length 2", last_option, .value = SCALE << 8 | 2, ANSWERED},
	{"a timestamp of length 4", last_option, .value = TIMESTAMP << 8 | 4, ANSWERED},
	{"SACK blocks in a SYN", last_option, .value = SACK << 8 | 2, ANSWERED},
	{"an MSS of 0", mss, .value = 0, ANSWERED},
	{"an MSS of 1", mss, .value = 1, ANSWERED},
	{"an MSS of 65535", mss, .value = 65535, ANSWERED},
	{"a window scale of 15", scale, .value = 15, ANSWERED},
	{"a window scale of 255", scale, .value = 255, ANSWERED},
	{"options that contradict each other", contradiction, ANSWERED},
	{"40 bytes of nothing", full, .value = NOP, ANSWERED},
	{"40 bytes behind the end", full, .value = 0, ANSWERED},
	{"40 bytes of 255", full, .value = 255, BAD},
	{"a SACK block whose end is before its start", sack_backwards, IGNORED},
	{"a SACK block of nothing", sack_nothing, IGNORED},
	{"a SACK block of what was acknowledged", sack_old, IGNORED},
	{"a SACK block across what was acknowledged", sack_across, IGNORED},
	{"a SACK block of the first byte in flight", sack_first, IGNORED},
	{"a SACK block of what was never sent", sack_unsent, IGNORED},
	{"a SACK block of half the numbers", sack_everything, IGNORED},
	{"SACK blocks of every second byte", sack_crumbs, .frames = 300, .sending = true,
	 /* What is lost is found once, and its first byte sent again; the rest waits for room. */
	 .counts = {COUNT(tcp_in, 300), COUNT(tcp_fast_recoveries, 1), COUNT(tcp_retransmits, 1),
		    COUNT(tcp_out, 1), COUNT(frames_out, 1)}},
	{"SACK blocks of a length in between", sack_crooked, .value = 14, IGNORED},
	{"a SACK option without blocks", sack_crooked, .value = 2, IGNORED},
	{"SYN's options without SYN", options_of_syn, IGNORED},
	{"a timestamp that was not agreed on", timestamp, IGNORED},
};

CORPUS_GROUP(corpus_tcp_options, "TCP options", CORPUS_BOTH, cases);
