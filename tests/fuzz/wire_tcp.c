/* SPDX-License-Identifier: MIT */

/*
 * A TCP segment: what is accepted lies in it, and header and options are the same when they are
 * written and read again.
 */

#include "segment.h"
#include "wire/tcp.h"

enum {
	CHECKSUM_AT = 16
};

static void check_header(const struct cothon_tcp_header *tcp, size_t len)
{
	fuzz_check(tcp->header_len >= COTHON_TCP_HEADER && tcp->header_len <= len);
	fuzz_check(tcp->sack_count <= COTHON_TCP_MAX_SACK);
	fuzz_check(!tcp->has_window_scale || tcp->window_scale <= COTHON_TCP_MAX_WINDOW_SCALE);
	if (!(tcp->flags & COTHON_TCP_SYN))
		fuzz_check(!tcp->has_mss && !tcp->has_window_scale && !tcp->sack_permitted);
}

static void check_written(const struct segment *segment, const struct cothon_tcp_header *tcp)
{
	struct cothon_tcp_header again;
	uint8_t *header = malloc(COTHON_TCP_HEADER_MAX);
	size_t len;

	fuzz_check(header);
	len = cothon_tcp_emit(tcp, header);
	fuzz_check(len >= COTHON_TCP_HEADER && len <= COTHON_TCP_HEADER_MAX && len % 4 == 0);
	segment_sum(segment, header, len, CHECKSUM_AT);
	fuzz_check(cothon_tcp_parse((struct cothon_bytes){header, len}, &segment->ip, false,
				    &again) == 0);
	fuzz_check(again.source_port == tcp->source_port &&
		   again.destination_port == tcp->destination_port && again.seq.v == tcp->seq.v &&
		   again.ack.v == tcp->ack.v && again.flags == tcp->flags &&
		   again.window == tcp->window && again.urgent == tcp->urgent &&
		   again.header_len == len);
	fuzz_check(again.has_mss == tcp->has_mss &&
		   again.has_window_scale == tcp->has_window_scale &&
		   again.sack_permitted == tcp->sack_permitted &&
		   again.has_timestamp == tcp->has_timestamp);
	fuzz_check(!tcp->has_mss || again.mss == tcp->mss);
	fuzz_check(!tcp->has_window_scale || again.window_scale == tcp->window_scale);
	fuzz_check(!tcp->has_timestamp ||
		   (again.ts_value == tcp->ts_value && again.ts_echo == tcp->ts_echo));
	/* Of the blocks, those that there is room for. */
	fuzz_check(again.sack_count <= tcp->sack_count);
	fuzz_check(tcp->sack_count == 0 || (tcp->flags & COTHON_TCP_SYN) || again.sack_count > 0);
	fuzz_check(memcmp(again.sack, tcp->sack, again.sack_count * sizeof(*tcp->sack)) == 0);
	free(header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cothon_tcp_header tcp;
	struct segment segment;

	if (!segment_read(&segment, data, size, COTHON_IPPROTO_TCP, CHECKSUM_AT))
		return 0;
	if (cothon_tcp_parse(segment.bytes, &segment.ip, segment.flags & SEGMENT_VALID, &tcp) ==
	    0) {
		check_header(&tcp, segment.bytes.len);
		check_written(&segment, &tcp);
	}
	free(segment.copy);
	return 0;
}
