/* SPDX-License-Identifier: MIT */
#include "segment.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char segment_flags[] = "FSRPAUEW";

static uint8_t parse_flags(struct play *play, const char *text)
{
	uint8_t flags = 0;

	for (; *text; text++) {
		const char *at = strchr(segment_flags, *text);

		if (!at)
			play_fail(play, "\"%c\" is no flag: they are %s", *text, segment_flags);
		flags |= (uint8_t)(1u << (at - segment_flags));
	}
	return flags;
}

/* The number at the front of a text; `end` is where it stopped. */
static uint32_t parse_seq(struct play *play, const char *text, const char **end)
{
	char *stop = (char *)(uintptr_t)text;
	uint32_t value = 0;

	if (*text == 'p' || *text == 'h') {
		value = *text == 'p' ? play->flow->peer_next : play->flow->host_next;
		stop++;
	}
	if (stop == text || *stop == '+' || *stop == '-')
		value += (uint32_t)strtoll(stop, &stop, 10);
	if (stop == text)
		play_fail(play, "\"%s\" is not a sequence number", text);
	*end = stop;
	return value;
}

uint32_t segment_seq(struct play *play, const char *text)
{
	uint32_t value = parse_seq(play, text, &text);

	if (*text)
		play_fail(play, "\"%s\" is not understood", text);
	return value;
}

void segment_range(struct play *play, const char *text, uint32_t *start, uint32_t *end)
{
	*start = *end = parse_seq(play, text, &text);
	if (*text == ':')
		*end = parse_seq(play, text + 1, &text);
	if (*text)
		play_fail(play, "\"%s\" is not understood", text);
}

static void parse_sack(struct play *play, char *text, struct cothon_tcp_header *tcp)
{
	for (char *block = strtok(text, ","); block; block = strtok(NULL, ",")) {
		struct cothon_tcp_sack *sack = &tcp->sack[tcp->sack_count];

		if (tcp->sack_count++ == COTHON_TCP_MAX_SACK)
			play_fail(play, "more than %d blocks", COTHON_TCP_MAX_SACK);
		segment_range(play, block, &sack->start.v, &sack->end.v);
	}
}

static void parse_raw(struct play *play, const char *hex, struct segment *segment)
{
	for (; *hex; hex += 2) {
		char byte[3] = {hex[0], hex[1]}, *end;

		if (segment->raw_len == sizeof(segment->raw))
			play_fail(play, "more options than a header holds");
		segment->raw[segment->raw_len++] = (uint8_t)strtoul(byte, &end, 16);
		if (end != byte + 2)
			play_fail(play, "\"%s\" is not bytes in hexadecimal", hex);
	}
	if (segment->raw_len % 4)
		play_fail(play, "options are a multiple of four bytes");
}

/* The peer's clock now, moved by what is written: +5, -5, or just a value. */
static uint32_t parse_timestamp(struct play *play, const char *text)
{
	uint32_t clock = play->peer.ts_base + (uint32_t)(play->now / 1000);

	if (*text == '+' || *text == '-')
		return clock + (uint32_t)strtol(text, NULL, 10);
	return (uint32_t)words_parse_number(play, text);
}

/* What is echoed: the host's last timestamp, or one so much before it: h, h-5; or just a value. */
static uint32_t parse_echo(struct play *play, const char *text)
{
	if (*text == 'h')
		return play->flow->host_ts + (uint32_t)strtol(text + 1, NULL, 10);
	return (uint32_t)words_parse_number(play, text);
}

static bool parse_option(struct play *play, struct words *words, struct segment *segment)
{
	struct cothon_tcp_header *tcp = &segment->tcp;

	if (words_if(words, "mss")) {
		tcp->has_mss = true;
		tcp->mss = (uint16_t)words_number(play, words);
	} else if (words_if(words, "scale")) {
		tcp->has_window_scale = true;
		tcp->window_scale = (uint8_t)words_number(play, words);
	} else if (words_if(words, "sackok")) {
		tcp->sack_permitted = true;
	} else if (words_if(words, "ts")) {
		tcp->has_timestamp = true;
	} else if (words_if(words, "tsval")) {
		tcp->has_timestamp = segment->has_ts_value = true;
		tcp->ts_value = parse_timestamp(play, words_take(play, words, "a value"));
	} else if (words_if(words, "tsecr")) {
		tcp->has_timestamp = segment->has_ts_echo = true;
		tcp->ts_echo = parse_echo(play, words_take(play, words, "an echo"));
	} else if (words_if(words, "nots")) {
		segment->no_timestamp = true;
	} else if (words_if(words, "noopt")) {
		segment->no_options = true;
	} else if (words_if(words, "sack")) {
		parse_sack(play, words_take(play, words, "a block"), tcp);
	} else if (words_if(words, "opt")) {
		parse_raw(play, words_take(play, words, "options"), segment);
	} else {
		return false;
	}
	return true;
}

static uint8_t parse_ecn(const char *word)
{
	static const char *const names[] = {"notect", "ect1", "ect0", "ce"};

	for (uint8_t i = 0; i < 4; i++) {
		if (strcmp(word, names[i]) == 0)
			return i;
	}
	return 4;
}

struct segment segment_parse(struct play *play, struct words *words)
{
	struct segment segment = {.source = packet_address(play, "peer"),
				  .destination = packet_address(play, "host")};
	struct cothon_tcp_header *tcp = &segment.tcp;
	const char *flags = words_take(play, words, "flags");
	uint32_t end;
	char *word;

	tcp->flags = parse_flags(play, flags);
	segment.psh_matters = tcp->flags & COTHON_TCP_PSH;
	segment_range(play, words_take(play, words, "a sequence number"), &tcp->seq.v, &end);
	segment.len = end - tcp->seq.v;
	if (segment.len > 65000)
		play_fail(play, "a segment of %u bytes", segment.len);
	while (words->at < words->count) {
		if (parse_option(play, words, &segment))
			continue;
		word = words_next(words);
		if (strcmp(word, "ack") == 0) {
			segment.has_ack = true;
			tcp->ack.v = segment_seq(play, words_take(play, words, "a number"));
		} else if (strcmp(word, "win") == 0) {
			segment.has_window = true;
			tcp->window = (uint16_t)words_number(play, words);
		} else if (strcmp(word, "urg") == 0) {
			segment.has_urgent = true;
			tcp->urgent = (uint16_t)words_number(play, words);
		} else if (parse_ecn(word) < 4) {
			segment.has_ecn = true;
			segment.ecn = parse_ecn(word);
		} else if (strcmp(word, "from") == 0) {
			segment.source =
				packet_address(play, words_take(play, words, "an address"));
		} else if (strcmp(word, "to") == 0) {
			segment.destination =
				packet_address(play, words_take(play, words, "an address"));
		} else if (strcmp(word, "bad") == 0) {
			segment.bad = true;
		} else if (strcmp(word, "nopsh") == 0) {
			segment.psh_matters = true;
		} else {
			play_fail(play, "\"%s\" is not understood here", word);
		}
	}
	if (!(tcp->flags & COTHON_TCP_ACK) == segment.has_ack)
		play_fail(play, "the flag A and \"ack N\" go together");
	return segment;
}
