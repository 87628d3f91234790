/* SPDX-License-Identifier: MIT */
#ifndef WIRE_TCP_H
#define WIRE_TCP_H

/*
 * The TCP header (RFC 9293 section 3.1) with the options that are spoken here: MSS, window scale
 * and timestamps (RFC 7323), SACK permitted and SACK (RFC 2018).
 */

#include "base/bytes.h"
#include "wire/ip.h"

/* Sequence numbers are compared only through these functions (RFC 9293 section 3.4). */
struct cothon_seq {
	uint32_t v;
};

static inline struct cothon_seq cothon_seq_add(struct cothon_seq a, uint32_t n)
{
	return (struct cothon_seq){a.v + n};
}

/* Bytes from b to a, modulo 2^32. */
static inline uint32_t cothon_seq_sub(struct cothon_seq a, struct cothon_seq b)
{
	return a.v - b.v;
}

static inline int32_t cothon_seq_compare(struct cothon_seq a, struct cothon_seq b)
{
	return (int32_t)(a.v - b.v);
}

static inline bool cothon_seq_equal(struct cothon_seq a, struct cothon_seq b)
{
	return a.v == b.v;
}

static inline bool cothon_seq_before(struct cothon_seq a, struct cothon_seq b)
{
	return cothon_seq_compare(a, b) < 0;
}

static inline bool cothon_seq_after(struct cothon_seq a, struct cothon_seq b)
{
	return cothon_seq_compare(a, b) > 0;
}

/* True if a is in [start, start + len). */
static inline bool cothon_seq_in(struct cothon_seq a, struct cothon_seq start, uint32_t len)
{
	return cothon_seq_sub(a, start) < len;
}

static inline struct cothon_seq cothon_seq_max(struct cothon_seq a, struct cothon_seq b)
{
	return cothon_seq_after(a, b) ? a : b;
}

static inline struct cothon_seq cothon_seq_min(struct cothon_seq a, struct cothon_seq b)
{
	return cothon_seq_before(a, b) ? a : b;
}

enum {
	COTHON_TCP_HEADER = 20,
	COTHON_TCP_HEADER_MAX = 60,
	COTHON_TCP_MAX_SACK = 4,
	COTHON_TCP_MAX_WINDOW_SCALE = 14, /* RFC 7323 section 2.3: larger ones count as 14 */

	COTHON_TCP_FIN = 0x01,
	COTHON_TCP_SYN = 0x02,
	COTHON_TCP_RST = 0x04,
	COTHON_TCP_PSH = 0x08,
	COTHON_TCP_ACK = 0x10,
	COTHON_TCP_URG = 0x20,
	COTHON_TCP_ECE = 0x40,
	COTHON_TCP_CWR = 0x80,
};

struct cothon_tcp_sack {
	struct cothon_seq start, end; /* [start, end) */
};

struct cothon_tcp_header {
	uint16_t source_port, destination_port;
	struct cothon_seq seq, ack;
	uint16_t window; /* as it stands in the header, not scaled */
	uint16_t urgent;
	uint8_t flags;
	uint8_t header_len; /* bytes, options included */
	/* Options; those with a has_ field are there only if it is true. */
	bool has_mss, has_window_scale, has_timestamp, sack_permitted;
	uint16_t mss;
	uint8_t window_scale;
	uint32_t ts_value, ts_echo;
	uint8_t sack_count;
	struct cothon_tcp_sack sack[COTHON_TCP_MAX_SACK];
};

/*
 * Parses header and options and, unless `csum_valid`, verifies the checksum. `segment` is the IP
 * payload. Unknown options are skipped by their length (MUST-6); MSS, window scale and SACK
 * permitted count only with SYN. Returns 0, -EBADMSG for a data offset below 5 or beyond the
 * segment or an option whose length is 0, 1 or overruns the header (MUST-7), or -EILSEQ for a wrong
 * checksum.
 */
int cothon_tcp_parse(struct cothon_bytes segment, const struct cothon_ip *ip, bool csum_valid,
		     struct cothon_tcp_header *tcp);
/*
 * Writes the header and its options, padded to a multiple of four; the checksum field is 0. `out`
 * has room for COTHON_TCP_HEADER_MAX bytes. SACK blocks that do not fit beside the timestamp are
 * left out. Returns the bytes written, which a caller finds in no other way than this.
 */
size_t cothon_tcp_emit(const struct cothon_tcp_header *tcp, uint8_t *out);

#endif
