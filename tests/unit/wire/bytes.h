/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_WIRE_BYTES_H
#define TESTS_UNIT_WIRE_BYTES_H

/* What the suites of this folder share. To be included after <cmocka.h>. */

#include "base/bytes.h"
#include <cothon/addr.h>
#include <stdlib.h>
#include <string.h>

/*
 * A copy of `len` bytes in memory of just that size, so that the sanitizers see one byte too many.
 * The caller frees it.
 */
static inline uint8_t *exact(const void *data, size_t len)
{
	uint8_t *copy = malloc(len);

	assert_non_null(copy);
	memcpy(copy, data, len);
	return copy;
}

static inline struct cothon_addr addr_of(const char *text)
{
	struct cothon_addr addr;

	assert_int_equal(cothon_addr_parse(text, &addr), 0);
	return addr;
}

/* The Internet checksum, in host order, by the letter of RFC 1071: sixteen bits at a time. */
static inline uint32_t naive_sum(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* The sum of the pseudo header, spelled out for each family. */
static inline uint32_t naive_pseudo(const struct cothon_addr *source,
				    const struct cothon_addr *destination, uint8_t protocol,
				    size_t len)
{
	uint8_t header[40] = {0};

	if (cothon_addr_is_ipv4(destination)) {
		memcpy(header, source->b + 12, 4);
		memcpy(header + 4, destination->b + 12, 4);
		header[9] = protocol;
		cothon_put16(header + 10, (uint16_t)len);
		return naive_sum(0, header, 12);
	}
	memcpy(header, source->b, 16);
	memcpy(header + 16, destination->b, 16);
	cothon_put32(header + 32, (uint32_t)len);
	header[39] = protocol;
	return naive_sum(0, header, 40);
}

#endif
