/* SPDX-License-Identifier: MIT */
#include "wire/checksum.h"

#include "base/bytes.h"
#include <arpa/inet.h>
#include <stdbool.h>

/*
 * Sums are kept in the byte order of memory, which the ones' complement allows (RFC 1071 section 2,
 * B), and in 64 bits: 2^64 - 1 is a multiple of 2^16 - 1, so folding at the end gives the same sum.
 */

static inline uint64_t load(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Addition with the carry brought round. */
static inline uint64_t add(uint64_t a, uint64_t b)
{
	uint64_t sum = a + b;

	return sum + (sum < b);
}

uint64_t cothon_checksum_add(uint64_t sum, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (len >= 32) {
		/*
		 * Four sums: each addition waits for the carry of the one before in its own sum
		 * only.
		 */
		uint64_t a = 0, b = 0, c = 0, d = 0;

		for (; len >= 32; len -= 32, p += 32) {
			a = add(a, load(p));
			b = add(b, load(p + 8));
			c = add(c, load(p + 16));
			d = add(d, load(p + 24));
		}
		sum = add(sum, add(add(a, b), add(c, d)));
	}
	for (; len >= 8; len -= 8, p += 8)
		sum = add(sum, load(p));
	if (len > 0) {
		uint64_t last = 0;

		memcpy(&last, p, len);
		sum = add(sum, last);
	}
	return sum;
}

uint64_t cothon_checksum_add_iov(uint64_t sum, const struct iovec *iov, unsigned count, size_t skip)
{
	bool odd = false;

	for (unsigned i = 0; i < count; i++) {
		size_t len = iov[i].iov_len;

		if (skip >= len) {
			skip -= len;
			continue;
		}

		uint64_t piece =
			cothon_checksum_add(0, (const uint8_t *)iov[i].iov_base + skip, len - skip);

		/* Behind an odd number of bytes the bytes of each pair have changed places. */
		sum = add(sum, odd ? piece << 8 | piece >> 56 : piece);
		odd ^= (len - skip) & 1;
		skip = 0;
	}
	return sum;
}

uint64_t cothon_checksum_pseudo(const struct cothon_addr *source,
				const struct cothon_addr *destination, uint8_t protocol,
				uint32_t len)
{
	/*
	 * Both families at once: the ffff in front of an IPv4 address counts as nothing in this
	 * sum, and a length or protocol of 16 or of 32 bits adds the same.
	 */
	uint64_t sum =
		add(add(source->q[0], source->q[1]), add(destination->q[0], destination->q[1]));

	return add(sum, (uint64_t)htonl(len) + htonl(protocol));
}

uint16_t cothon_checksum_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return ntohs((uint16_t)sum);
}

uint16_t cothon_checksum_finish(uint64_t sum)
{
	return (uint16_t)~cothon_checksum_fold(sum);
}
