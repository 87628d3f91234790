/* SPDX-License-Identifier: MIT */
#include "base/siphash.h"

#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The key of the reference vectors: bytes 0 to 15. */
static const struct cothon_siphash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

/* SipHash-2-4 of the bytes 0, 1, ... n - 1, for n from 0 to 63. */
static const uint64_t vectors[64] = {
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
	0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
	0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
	0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
	0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
	0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
	0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad,
	0xde4daaaca71dc9a5, 0xa6a2506687956571, 0xad87a3535c49ef28, 0x32d892fad841c342,
	0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
	0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
	0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95,
	0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
	0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a,
	0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea, 0x245731c13ca42499,
	0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
	0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

/* SipHash-1-3 of the first n * 8 of the same bytes, as OpenSSL computes it. */
static const uint64_t word_vectors[8] = {
	0xabac0158050fc4dc, 0x369095118d299a8e, 0xcc4fdd1a7d908b66, 0xf464aeb267349c8c,
	0x81157b6c16a7b60d, 0xc1d2363299e41531, 0x9f3143f8df074c46, 0xb4bcc0db243c6d75,
};

static void test_siphash24_vectors(void **state)
{
	(void)state;
	for (size_t len = 0; len < 64; len++) {
		/* An exact-size buffer shows a read of one byte too many. */
		uint8_t *bytes = malloc(len + (len == 0));

		assert_non_null(bytes);
		for (size_t i = 0; i < len; i++)
			bytes[i] = (uint8_t)i;
		assert_int_equal(cothon_siphash24(&key, bytes, len), vectors[len]);
		free(bytes);
	}
}

static void test_siphash13_vectors(void **state)
{
	(void)state;
	for (size_t count = 0; count < 8; count++) {
		uint64_t words[8] = {0};

		/*
		 * Words that hold the same bytes in this machine's order give the portable hash's
		 * value.
		 */
		for (size_t i = 0; i < count; i++) {
			for (unsigned b = 0; b < 8; b++)
				words[i] |= (uint64_t)(8 * i + b) << (8 * b);
		}
		assert_int_equal(cothon_siphash13_words(&key, words, count), word_vectors[count]);
	}
}

static void test_every_bit_counts(void **state)
{
	uint64_t words[5] = {1, 2, 3, 4, 5};
	uint64_t hash = cothon_siphash13_words(&key, words, 5);

	(void)state;
	for (unsigned bit = 0; bit < 5 * 64; bit++) {
		words[bit / 64] ^= UINT64_C(1) << bit % 64;
		assert_int_not_equal(cothon_siphash13_words(&key, words, 5), hash);
		words[bit / 64] ^= UINT64_C(1) << bit % 64;
	}
}

static void test_keys_of_a_seed(void **state)
{
	uint8_t seed[32] = {0};
	struct cothon_siphash_key first = cothon_siphash_key(seed, 1);
	struct cothon_siphash_key again = cothon_siphash_key(seed, 1);
	struct cothon_siphash_key other = cothon_siphash_key(seed, 2);

	(void)state;
	assert_memory_equal(&first, &again, sizeof(first));
	assert_int_not_equal(first.k[0], other.k[0]);
	assert_int_not_equal(first.k[1], other.k[1]);

	/* A key is two hashes of the purpose, one under each half of the seed. */
	for (size_t i = 0; i < sizeof(seed); i++)
		seed[i] = (uint8_t)(i % 16);

	struct cothon_siphash_key derived = cothon_siphash_key(seed, 0x0706050403020100);

	assert_int_equal(derived.k[0], vectors[8]);
	assert_int_equal(derived.k[1], vectors[8]);

	/* Every byte of the seed makes another key. */
	for (size_t i = 0; i < sizeof(seed); i++) {
		seed[i] ^= 0x80;
		other = cothon_siphash_key(seed, 0x0706050403020100);
		assert_memory_not_equal(&derived, &other, sizeof(derived));
		seed[i] ^= 0x80;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_siphash24_vectors),
		cmocka_unit_test(test_siphash13_vectors),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_keys_of_a_seed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
