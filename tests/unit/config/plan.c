/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/plan.h"
#include <errno.h>

static struct config_plan plan;

static void expect_order(const size_t *order, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(plan.order[i], order[i]);
}

static void test_without_dependencies(void **state)
{
	(void)state;
	assert_int_equal(config_plan_make(3, NULL, 0, &plan), 0);
	expect_order((const size_t[]){0, 1, 2}, 3);
	assert_int_equal(config_plan_make(0, NULL, 0, &plan), 0);
}

static void test_what_is_needed_comes_first(void **state)
{
	/* 0 needs 3 and 2, 3 needs 2, 1 needs nothing. */
	static const struct config_dependency dependencies[] = {{0, 3}, {0, 2}, {3, 2}};

	(void)state;
	assert_int_equal(config_plan_make(4, dependencies, 3, &plan), 0);
	expect_order((const size_t[]){2, 3, 0, 1}, 4);
}

static void test_the_same_twice(void **state)
{
	static const struct config_dependency dependencies[] = {{0, 1}, {0, 1}};

	(void)state;
	assert_int_equal(config_plan_make(2, dependencies, 2, &plan), 0);
	expect_order((const size_t[]){1, 0}, 2);
}

static void test_a_chain_of_all(void **state)
{
	struct config_dependency dependencies[CONFIG_PLAN_MAX - 1];

	(void)state;
	for (size_t i = 0; i + 1 < CONFIG_PLAN_MAX; i++)
		dependencies[i] = (struct config_dependency){i, i + 1};
	assert_int_equal(
		config_plan_make(CONFIG_PLAN_MAX, dependencies, CONFIG_PLAN_MAX - 1, &plan), 0);
	for (size_t i = 0; i < CONFIG_PLAN_MAX; i++)
		assert_int_equal(plan.order[i], CONFIG_PLAN_MAX - 1 - i);
}

static void test_a_loop(void **state)
{
	/* 0 leads to the loop of 1, 3 and 2, and is not in it. */
	static const struct config_dependency dependencies[] = {{0, 1}, {1, 3}, {3, 2}, {2, 1}};

	(void)state;
	assert_int_equal(config_plan_make(4, dependencies, 4, &plan), -ELOOP);
	assert_int_equal(plan.loop_len, 3);
	assert_int_equal(plan.loop[0], 1);
	assert_int_equal(plan.loop[1], 3);
	assert_int_equal(plan.loop[2], 2);
}

static void test_a_loop_of_one(void **state)
{
	static const struct config_dependency dependencies[] = {{1, 1}};

	(void)state;
	assert_int_equal(config_plan_make(2, dependencies, 1, &plan), -ELOOP);
	assert_int_equal(plan.loop_len, 1);
	assert_int_equal(plan.loop[0], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_dependencies),
		cmocka_unit_test(test_what_is_needed_comes_first),
		cmocka_unit_test(test_the_same_twice),
		cmocka_unit_test(test_a_chain_of_all),
		cmocka_unit_test(test_a_loop),
		cmocka_unit_test(test_a_loop_of_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
