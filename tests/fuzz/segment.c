/* SPDX-License-Identifier: MIT */
#include "segment.h"

#include "wire/checksum.h"

bool segment_read(struct segment *segment, const uint8_t *data, size_t size, uint8_t protocol,
		  size_t checksum_at)
{
	static const uint8_t source[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
	static const uint8_t destination[16] = {0xfd, 0, 0xc0, 0x70, [15] = 100};
	bool ipv6;

	if (size == 0)
		return false;
	ipv6 = data[0] & SEGMENT_IPV6;
	*segment = (struct segment){
		.flags = data[0],
		.copy = fuzz_copy(data + 1, size - 1),
		.ip = {.source = ipv6 ? cothon_addr_ipv6(source) : cothon_addr_ipv4(source),
		       .destination = ipv6 ? cothon_addr_ipv6(destination)
					   : cothon_addr_ipv4(destination),
		       .version = ipv6 ? 6 : 4,
		       .protocol = protocol,
		       .payload_len = (uint32_t)(size - 1)},
	};
	segment->bytes = (struct cothon_bytes){segment->copy, size - 1};
	if (segment->flags & SEGMENT_REPAIR)
		segment_sum(segment, segment->copy, size - 1, checksum_at);
	return true;
}

void segment_sum(const struct segment *segment, uint8_t *data, size_t len, size_t checksum_at)
{
	uint64_t sum = 0;

	if (len < checksum_at + 2)
		return;
	cothon_put16(data + checksum_at, 0);
	if (segment->ip.protocol != COTHON_IPPROTO_ICMP)
		sum = cothon_checksum_pseudo(&segment->ip.source, &segment->ip.destination,
					     segment->ip.protocol, (uint32_t)len);
	cothon_put16(data + checksum_at,
		     cothon_checksum_finish(cothon_checksum_add(sum, data, len)));
}
