/* SPDX-License-Identifier: MIT */
#include "wire/tcp.h"

#include "wire/checksum.h"
#include "wire/options.h"
#include <errno.h>

enum {
	AT_SOURCE_PORT = 0,
	AT_DESTINATION_PORT = 2,
	AT_SEQ = 4,
	AT_ACK = 8,
	AT_DATA_OFFSET = 12,
	AT_FLAGS = 13,
	AT_WINDOW = 14,
	AT_CHECKSUM = 16,
	AT_URGENT = 18,

	/* Kinds of options (IANA), and the lengths that go with them. */
	OPTION_MSS = 2,
	OPTION_WINDOW_SCALE = 3,
	OPTION_SACK_PERMITTED = 4,
	OPTION_SACK = 5,
	OPTION_TIMESTAMP = 8,
	LEN_MSS = 4,
	LEN_WINDOW_SCALE = 3,
	LEN_SACK_PERMITTED = 2,
	LEN_TIMESTAMP = 10,
	LEN_SACK_BLOCK = 8,
};

static void parse_sack(const uint8_t *option, uint8_t len, struct cothon_tcp_header *tcp)
{
	unsigned count = (len - 2U) / LEN_SACK_BLOCK;

	_Static_assert((COTHON_TCP_HEADER_MAX - COTHON_TCP_HEADER - 2) / LEN_SACK_BLOCK ==
			       COTHON_TCP_MAX_SACK,
		       "a header has no room for more blocks");
	if ((len - 2U) % LEN_SACK_BLOCK != 0)
		return;
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *block = option + 2 + LEN_SACK_BLOCK * i;

		tcp->sack[i].start.v = cothon_get32(block);
		tcp->sack[i].end.v = cothon_get32(block + 4);
	}
	tcp->sack_count = (uint8_t)count;
}

/*
 * One option that is whole. One of a known kind with another length than its own counts as unknown.
 */
static void parse_option(const uint8_t *option, uint8_t len, struct cothon_tcp_header *tcp)
{
	bool syn = tcp->flags & COTHON_TCP_SYN;

	switch (option[0]) {
	case OPTION_MSS:
		if (!syn || len != LEN_MSS)
			return;
		tcp->has_mss = true;
		tcp->mss = cothon_get16(option + 2);
		return;
	case OPTION_WINDOW_SCALE:
		if (!syn || len != LEN_WINDOW_SCALE)
			return;
		tcp->has_window_scale = true;
		tcp->window_scale = option[2];
		if (tcp->window_scale > COTHON_TCP_MAX_WINDOW_SCALE)
			tcp->window_scale = COTHON_TCP_MAX_WINDOW_SCALE;
		return;
	case OPTION_SACK_PERMITTED:
		if (syn && len == LEN_SACK_PERMITTED)
			tcp->sack_permitted = true;
		return;
	case OPTION_SACK:
		parse_sack(option, len, tcp);
		return;
	case OPTION_TIMESTAMP:
		if (len != LEN_TIMESTAMP)
			return;
		tcp->has_timestamp = true;
		tcp->ts_value = cothon_get32(option + 2);
		tcp->ts_echo = cothon_get32(option + 6);
		return;
	}
}

static int parse_options(struct cothon_bytes options, struct cothon_tcp_header *tcp)
{
	struct cothon_bytes option;
	size_t at = 0;
	int found;

	while ((found = cothon_option_next(options, &at, &option)) > 0)
		parse_option(option.data, (uint8_t)option.len, tcp);
	return found;
}

static bool checksum_right(struct cothon_bytes segment, const struct cothon_ip *ip)
{
	uint64_t sum = cothon_checksum_pseudo(&ip->source, &ip->destination, COTHON_IPPROTO_TCP,
					      (uint32_t)segment.len);

	return cothon_checksum_finish(cothon_checksum_add(sum, segment.data, segment.len)) == 0;
}

int cothon_tcp_parse(struct cothon_bytes segment, const struct cothon_ip *ip, bool csum_valid,
		     struct cothon_tcp_header *tcp)
{
	const uint8_t *p = segment.data;
	size_t header_len;

	if (segment.len < COTHON_TCP_HEADER)
		return -EBADMSG;
	header_len = (size_t)(p[AT_DATA_OFFSET] >> 4) * 4;
	if (header_len < COTHON_TCP_HEADER || header_len > segment.len)
		return -EBADMSG;
	if (!csum_valid && !checksum_right(segment, ip))
		return -EILSEQ;

	tcp->source_port = cothon_get16(p + AT_SOURCE_PORT);
	tcp->destination_port = cothon_get16(p + AT_DESTINATION_PORT);
	tcp->seq.v = cothon_get32(p + AT_SEQ);
	tcp->ack.v = cothon_get32(p + AT_ACK);
	tcp->window = cothon_get16(p + AT_WINDOW);
	tcp->urgent = cothon_get16(p + AT_URGENT);
	tcp->flags = p[AT_FLAGS];
	tcp->header_len = (uint8_t)header_len;
	tcp->has_mss = tcp->has_window_scale = tcp->has_timestamp = tcp->sack_permitted = false;
	tcp->sack_count = 0;
	return parse_options(
		(struct cothon_bytes){p + COTHON_TCP_HEADER, header_len - COTHON_TCP_HEADER}, tcp);
}

/*
 * The options that go with SYN or with every segment; each begins on a multiple of four, for speed.
 */
static uint8_t *emit_options(const struct cothon_tcp_header *tcp, uint8_t *p)
{
	if (tcp->has_mss) {
		*p++ = OPTION_MSS;
		*p++ = LEN_MSS;
		cothon_put16(p, tcp->mss);
		p += 2;
	}
	if (tcp->has_window_scale) {
		*p++ = COTHON_OPTION_NOP;
		*p++ = OPTION_WINDOW_SCALE;
		*p++ = LEN_WINDOW_SCALE;
		*p++ = tcp->window_scale;
	}
	if (tcp->sack_permitted || tcp->has_timestamp) {
		*p++ = tcp->sack_permitted ? OPTION_SACK_PERMITTED : COTHON_OPTION_NOP;
		*p++ = tcp->sack_permitted ? LEN_SACK_PERMITTED : COTHON_OPTION_NOP;
	}
	if (tcp->has_timestamp) {
		*p++ = OPTION_TIMESTAMP;
		*p++ = LEN_TIMESTAMP;
		cothon_put32(p, tcp->ts_value);
		cothon_put32(p + 4, tcp->ts_echo);
		p += 8;
	} else if (tcp->sack_permitted) {
		*p++ = COTHON_OPTION_NOP;
		*p++ = COTHON_OPTION_NOP;
	}
	return p;
}

static uint8_t *emit_sack(const struct cothon_tcp_header *tcp, uint8_t *p, size_t room)
{
	unsigned count = tcp->sack_count;

	if (count > (room - 4) / LEN_SACK_BLOCK)
		count = (unsigned)(room - 4) / LEN_SACK_BLOCK;
	*p++ = COTHON_OPTION_NOP;
	*p++ = COTHON_OPTION_NOP;
	*p++ = OPTION_SACK;
	*p++ = (uint8_t)(2 + LEN_SACK_BLOCK * count);
	for (unsigned i = 0; i < count; i++) {
		cothon_put32(p, tcp->sack[i].start.v);
		cothon_put32(p + 4, tcp->sack[i].end.v);
		p += LEN_SACK_BLOCK;
	}
	return p;
}

size_t cothon_tcp_emit(const struct cothon_tcp_header *tcp, uint8_t *out)
{
	uint8_t *end = emit_options(tcp, out + COTHON_TCP_HEADER);

	/*
	 * What goes in front takes at most 20 of the 40 bytes for options: there is room for two
	 * blocks.
	 */
	if (tcp->sack_count > 0)
		end = emit_sack(tcp, end, (size_t)(out + COTHON_TCP_HEADER_MAX - end));

	size_t len = (size_t)(end - out);

	cothon_put16(out + AT_SOURCE_PORT, tcp->source_port);
	cothon_put16(out + AT_DESTINATION_PORT, tcp->destination_port);
	cothon_put32(out + AT_SEQ, tcp->seq.v);
	cothon_put32(out + AT_ACK, tcp->ack.v);
	out[AT_DATA_OFFSET] = (uint8_t)(len / 4 << 4);
	out[AT_FLAGS] = tcp->flags;
	cothon_put16(out + AT_WINDOW, tcp->window);
	cothon_put16(out + AT_CHECKSUM, 0);
	cothon_put16(out + AT_URGENT, tcp->urgent);
	return len;
}
