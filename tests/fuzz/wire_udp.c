/* SPDX-License-Identifier: MIT */

/* A UDP datagram behind its IP header: what is accepted lies in it. */

#include "segment.h"
#include "wire/udp.h"

enum {
	CHECKSUM_AT = 6
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cothon_udp_header udp;
	struct segment segment;
	uint8_t header[COTHON_UDP_HEADER];
	bool valid, gso;

	if (!segment_read(&segment, data, size, COTHON_IPPROTO_UDP, CHECKSUM_AT))
		return 0;
	valid = segment.flags & SEGMENT_VALID;
	gso = segment.flags & SEGMENT_GSO;
	if (cothon_udp_parse(segment.bytes, &segment.ip, valid, gso, &udp) == 0) {
		fuzz_check(udp.payload_len <= segment.bytes.len - COTHON_UDP_HEADER);
		fuzz_check(valid || udp.checksum != 0 || segment.ip.version == 4);
		cothon_udp_emit(&udp, header);
		fuzz_check(gso || memcmp(header, segment.copy, sizeof(header)) == 0);
	}
	free(segment.copy);
	return 0;
}
