/* SPDX-License-Identifier: MIT */
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const uint8_t seed[32] = "thirty-two bytes make one seed.";

static void test_same_seed_same_numbers(void **state)
{
	struct cothon_random a, b, other;
	unsigned differing = 0;

	(void)state;
	cothon_random_init(&a, seed, 7);
	cothon_random_init(&b, seed, 7);
	cothon_random_init(&other, seed, 8);
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t n = cothon_random_u64(&a);

		assert_int_equal(n, cothon_random_u64(&b));
		differing += n != cothon_random_u64(&other);
	}
	assert_int_equal(differing, 1000);
}

static void test_numbers_are_hashes_of_a_counter(void **state)
{
	struct cothon_random random;
	const uint8_t counter[2][8] = {{0}, {1}};

	(void)state;
	cothon_random_init(&random, seed, 1);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(cothon_random_u64(&random),
				 cothon_siphash24(&random.key, counter[i], 8));
}

static void test_every_bit_is_even(void **state)
{
	enum {
		DRAWS = 20000
	};
	struct cothon_random random;
	unsigned ones[32] = {0};

	(void)state;
	cothon_random_init(&random, seed, 2);
	for (unsigned i = 0; i < DRAWS; i++) {
		uint32_t n = cothon_random_u32(&random);

		for (unsigned bit = 0; bit < 32; bit++)
			ones[bit] += n >> bit & 1;
	}
	/* Six standard deviations: 6 * sqrt(20000) / 2. */
	for (unsigned bit = 0; bit < 32; bit++)
		assert_in_range(ones[bit], DRAWS / 2 - 424, DRAWS / 2 + 424);
}

static void test_below_is_uniform(void **state)
{
	enum {
		BOUND = 10,
		DRAWS = 50000
	};
	struct cothon_random random;
	unsigned counts[BOUND] = {0};

	(void)state;
	cothon_random_init(&random, seed, 3);
	for (unsigned i = 0; i < DRAWS; i++) {
		uint32_t n = cothon_random_below(&random, BOUND);

		assert_true(n < BOUND);
		counts[n]++;
	}
	/* Six standard deviations: 6 * sqrt(50000 * 0.1 * 0.9). */
	for (unsigned i = 0; i < BOUND; i++)
		assert_in_range(counts[i], DRAWS / BOUND - 403, DRAWS / BOUND + 403);
}

static void test_below_edges(void **state)
{
	/*
	 * With this bound a quarter of all numbers has to be drawn again: without that, one number
	 * in three would come twice as often as the others.
	 */
	enum {
		DRAWS = 30000
	};
	const uint32_t bound = UINT32_C(3) << 30;
	struct cothon_random random;
	unsigned thirds[3] = {0};
	uint64_t drawn;

	(void)state;
	cothon_random_init(&random, seed, 4);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(cothon_random_below(&random, 1), 0);
	drawn = random.counter;
	assert_int_equal(drawn, 100);
	for (unsigned i = 0; i < DRAWS; i++) {
		uint32_t n = cothon_random_below(&random, bound);

		assert_true(n < bound);
		thirds[n % 3]++;
	}
	drawn = random.counter - drawn;
	assert_in_range(drawn, DRAWS * 5 / 4, DRAWS * 17 / 12);
	/* Six standard deviations: 6 * sqrt(30000 * 2 / 9). */
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(thirds[i], DRAWS / 3 - 490, DRAWS / 3 + 490);
	for (unsigned i = 0; i < 100; i++)
		assert_true(cothon_random_below(&random, UINT32_MAX) < UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_seed_same_numbers),
		cmocka_unit_test(test_numbers_are_hashes_of_a_counter),
		cmocka_unit_test(test_every_bit_is_even),
		cmocka_unit_test(test_below_is_uniform),
		cmocka_unit_test(test_below_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
