/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_SEGMENT_H
#define FUZZ_SEGMENT_H

/*
 * The input of targets that read what follows an IP header: a byte of flags, and the segment, in
 * memory of just its size.
 */

#include "fuzz.h"
#include "wire/ip.h"

enum segment_flag {
	SEGMENT_IPV6 = 1,
	SEGMENT_VALID = 2,  /* its checksum counts as verified */
	SEGMENT_REPAIR = 4, /* its checksum is set right */
	SEGMENT_GSO = 8,
};

struct segment {
	unsigned flags;
	uint8_t *copy;
	struct cothon_bytes bytes;
	struct cothon_ip ip; /* in front of it */
};

/* Reads the input of a protocol whose checksum is at that place. Returns false when it is none. */
bool segment_read(struct segment *segment, const uint8_t *data, size_t size, uint8_t protocol,
		  size_t checksum_at);
/* Sets the checksum in `len` bytes behind the header that `segment` has in front of it. */
void segment_sum(const struct segment *segment, uint8_t *data, size_t len, size_t checksum_at);

#endif
