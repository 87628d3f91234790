/* SPDX-License-Identifier: MIT */
#include "wire/checksum.h"

#include "base/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "bytes.h"

static const uint8_t seed[32] = "checksums";

static void fill(struct cothon_random *random, uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)cothon_random_u32(random);
}

static void test_known(void **state)
{
	/* The example of RFC 1071 section 3, and an IPv4 header whose own checksum is right. */
	static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	static const uint8_t header[] = {0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40,
					 0x00, 0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8,
					 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7};

	(void)state;
	assert_int_equal(cothon_checksum_fold(cothon_checksum_add(0, example, 8)), 0xddf2);
	assert_int_equal(cothon_checksum_finish(cothon_checksum_add(0, example, 8)), 0x220d);
	assert_int_equal(cothon_checksum_finish(cothon_checksum_add(0, header, 20)), 0);
	assert_int_equal(cothon_checksum_fold(0), 0);
	assert_int_equal(cothon_checksum_finish(0), 0xffff);
	assert_int_equal(cothon_checksum_add(0, NULL, 0), 0);
}

static void test_every_length_and_alignment(void **state)
{
	struct cothon_random random;

	(void)state;
	cothon_random_init(&random, seed, 1);
	for (size_t len = 0; len < 300; len++) {
		for (size_t offset = 0; offset < 9; offset++) {
			uint8_t *p = malloc(offset + len);

			assert_non_null(p);
			fill(&random, p, offset + len);
			assert_int_equal(
				cothon_checksum_fold(cothon_checksum_add(0, p + offset, len)),
				naive_sum(0, p + offset, len));
			free(p);
		}
	}
}

static void test_carries(void **state)
{
	static uint8_t ones[65536];

	(void)state;
	/* All ones make a carry of every addition; one more word tells a lost carry. */
	memset(ones, 0xff, sizeof(ones));
	for (size_t len = 65400; len <= sizeof(ones); len++) {
		ones[0] = (uint8_t)len;
		assert_int_equal(cothon_checksum_fold(cothon_checksum_add(0, ones, len)),
				 naive_sum(0, ones, len));
	}
	for (uint64_t sum = UINT64_MAX - 3; sum != 3; sum++) {
		uint8_t word[8];

		for (unsigned i = 0; i < 4; i++)
			memcpy(word + 2 * i, (uint8_t *)&sum + 2 * i, 2);
		assert_int_equal(cothon_checksum_fold(sum), naive_sum(0, word, 8));
		assert_int_equal(cothon_checksum_fold(cothon_checksum_add(sum, ones, 8)),
				 naive_sum(naive_sum(0, word, 8), ones, 8));
	}
}

static void test_fold(void **state)
{
	static const uint16_t words[] = {0, 1, 2, 0x7fff, 0x8000, 0xfffe, 0xffff};

	(void)state;
	/* Sums whose folding makes carries of every kind. */
	for (unsigned n = 0; n < 7 * 7 * 7 * 7; n++) {
		uint16_t sum16[4] = {words[n % 7], words[n / 7 % 7], words[n / 49 % 7],
				     words[n / 343]};
		uint64_t sum;

		memcpy(&sum, sum16, sizeof(sum));
		assert_int_equal(cothon_checksum_fold(sum), naive_sum(0, (uint8_t *)sum16, 8));
	}
}

static void test_pieces(void **state)
{
	struct cothon_random random;

	(void)state;
	cothon_random_init(&random, seed, 2);
	for (unsigned round = 0; round < 3000; round++) {
		size_t len = cothon_random_below(&random, 2000);
		uint8_t *p = malloc(len);
		size_t even = len > 0 ? cothon_random_below(&random, (uint32_t)len) & ~1U : 0;
		uint64_t sum;

		assert_non_null(p);
		fill(&random, p, len);
		sum = cothon_checksum_add(0, p, even);
		sum = cothon_checksum_add(sum, p + even, len - even);
		assert_int_equal(cothon_checksum_fold(sum), naive_sum(0, p, len));
		free(p);
	}
}

static void test_vectors(void **state)
{
	struct cothon_random random;

	(void)state;
	cothon_random_init(&random, seed, 3);
	for (unsigned round = 0; round < 5000; round++) {
		struct iovec iov[12];
		unsigned count = cothon_random_below(&random, 13);
		uint8_t whole[12 * 128];
		size_t len = 0, skip;
		uint16_t before = (uint16_t)cothon_random_u32(&random);
		uint8_t word[2] = {(uint8_t)(before >> 8), (uint8_t)before};

		for (unsigned i = 0; i < count; i++) {
			size_t piece = cothon_random_below(&random, 128) *
				       (cothon_random_below(&random, 4) != 0);

			fill(&random, whole + len, piece);
			iov[i] = (struct iovec){piece ? exact(whole + len, piece) : NULL, piece};
			len += piece;
		}
		skip = cothon_random_below(&random, (uint32_t)len + 10);
		if (skip > len)
			skip = len;
		assert_int_equal(cothon_checksum_fold(cothon_checksum_add_iov(
					 cothon_checksum_add(0, word, 2), iov, count, skip)),
				 naive_sum(naive_sum(0, word, 2), whole + skip, len - skip));
		for (unsigned i = 0; i < count; i++)
			free(iov[i].iov_base);
	}
}

static void test_pseudo(void **state)
{
	static const char *const pairs[][2] = {
		{"10.0.2.100", "10.0.2.2"},
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "0.0.0.1"},
		{"fd00:c070::100", "2001:db8::1"},
		{"::", "::"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::"},
	};
	static const uint8_t protocols[] = {1, 6, 17, 58, 255};
	static const uint32_t lens[] = {0, 1, 8, 1480, 65535};

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		struct cothon_addr a = addr_of(pairs[i][0]), b = addr_of(pairs[i][1]);

		for (size_t p = 0; p < sizeof(protocols); p++) {
			for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++)
				assert_int_equal(cothon_checksum_fold(cothon_checksum_pseudo(
							 &a, &b, protocols[p], lens[l])),
						 naive_pseudo(&a, &b, protocols[p], lens[l]));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known),   cmocka_unit_test(test_every_length_and_alignment),
		cmocka_unit_test(test_carries), cmocka_unit_test(test_fold),
		cmocka_unit_test(test_pieces),  cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_pseudo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
