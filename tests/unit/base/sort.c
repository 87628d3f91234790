/* SPDX-License-Identifier: MIT */
#include "base/sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum {
	MOST = 300
};

static bool is_less(const void *context, uint32_t a, uint32_t b)
{
	(void)context;
	return a < b;
}

static bool is_more(const void *context, uint32_t a, uint32_t b)
{
	return is_less(context, b, a);
}

/* By what the numbers stand for. */
static bool stands_before(const void *context, uint32_t a, uint32_t b)
{
	const char *const *words = context;

	return strcmp(words[a], words[b]) < 0;
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return (left > right) - (left < right);
}

/* Every length up to a bound, with few and with many different numbers. */
static void numbers_come_in_order(void **state)
{
	uint32_t numbers[MOST], expected[MOST], dice = 1;

	(void)state;
	for (size_t count = 0; count <= MOST; count++) {
		for (size_t i = 0; i < count; i++) {
			dice = dice * 1664525 + 1013904223;
			numbers[i] = count % 2 ? dice >> 29 : dice;
		}
		memcpy(expected, numbers, count * sizeof(*numbers));
		qsort(expected, count, sizeof(*expected), compare);
		cothon_sort(numbers, count, is_less, NULL);
		assert_memory_equal(numbers, expected, count * sizeof(*numbers));
		cothon_sort(numbers, count, is_more, NULL);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(numbers[i], expected[count - 1 - i]);
	}
}

static void the_caller_says_what_order_is(void **state)
{
	static const char *const words[] = {"pear", "fig", "apple", "plum", "date"};
	static const uint32_t expected[] = {2, 4, 1, 0, 3};
	uint32_t numbers[] = {0, 1, 2, 3, 4};

	(void)state;
	cothon_sort(numbers, 5, stands_before, words);
	assert_memory_equal(numbers, expected, sizeof(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_in_order),
		cmocka_unit_test(the_caller_says_what_order_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
