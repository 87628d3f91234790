/* SPDX-License-Identifier: MIT */
#ifndef SCRIPT_SEGMENT_H
#define SCRIPT_SEGMENT_H

/* TCP segments in the notation of scripts. */

#include "play.h"

/* A segment as it is written: numbers are relative to the SYNs. */
struct segment {
	struct cothon_tcp_header tcp; /* numbers relative */
	uint32_t len;
	bool has_ack, has_window, has_urgent, has_ts_value, has_ts_echo;
	bool psh_matters, no_timestamp, no_options;
	uint8_t ecn;
	bool has_ecn, bad;
	struct cothon_addr source, destination;
	uint8_t raw[40];
	uint8_t raw_len;
};

/* The letters of flags, from the lowest bit on. */
extern const char segment_flags[];

/* FLAGS RANGE and what follows, in any order, up to the end of the words. */
struct segment segment_parse(struct play *play, struct words *words);
/* A sequence number: 5, -1, p (behind all that the peer has sent), h+10 (the same of the host). */
uint32_t segment_seq(struct play *play, const char *text);
/* SEQ or SEQ:SEQ. */
void segment_range(struct play *play, const char *text, uint32_t *start, uint32_t *end);

#endif
