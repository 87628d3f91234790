/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/restart.h"
#include <errno.h>

static void test_policies(void **state)
{
	static const char *const wrong[] = {
		"",
		"never",
		"on-failure:",
		"on-failure:0",
		"on-failure:x",
		"on-failure:1x",
		"on-failure:-1",
		"on-failures",
		"always:1",
		"on-failure:1000001",
	};
	struct config_restart restart;

	(void)state;
	assert_int_equal(config_restart_parse("no", &restart), 0);
	assert_int_equal(restart.when, CONFIG_RESTART_NO);
	assert_int_equal(config_restart_parse("always", &restart), 0);
	assert_int_equal(restart.when, CONFIG_RESTART_ALWAYS);
	assert_int_equal(config_restart_parse("on-failure", &restart), 0);
	assert_int_equal(restart.when, CONFIG_RESTART_ON_FAILURE);
	assert_int_equal(restart.most, 0);
	assert_int_equal(config_restart_parse("on-failure:5", &restart), 0);
	assert_int_equal(restart.most, 5);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(config_restart_parse(wrong[i], &restart), -EINVAL);
}

static void test_who_is_started_again(void **state)
{
	static const struct config_restart no = {.when = CONFIG_RESTART_NO};
	static const struct config_restart failure = {.when = CONFIG_RESTART_ON_FAILURE};
	static const struct config_restart always = {.when = CONFIG_RESTART_ALWAYS};
	struct config_restarts restarts = {0};

	(void)state;
	assert_true(config_restart_wait(&no, &restarts, true, 0) == UINT64_MAX);
	assert_true(config_restart_wait(&failure, &restarts, false, 0) == UINT64_MAX);
	assert_int_equal(restarts.total, 0);
	assert_int_equal(config_restart_wait(&failure, &restarts, true, 0), CONFIG_RESTART_FIRST);
	assert_int_equal(config_restart_wait(&always, &restarts, false, 0),
			 2 * CONFIG_RESTART_FIRST);
	assert_int_equal(restarts.total, 2);
}

static void test_waits_double_up_to_the_longest(void **state)
{
	static const struct config_restart always = {.when = CONFIG_RESTART_ALWAYS};
	struct config_restarts restarts = {0};
	uint64_t expected = CONFIG_RESTART_FIRST;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(config_restart_wait(&always, &restarts, true, 0), expected);
		expected = expected < CONFIG_RESTART_LONGEST / 2 ? 2 * expected
								 : CONFIG_RESTART_LONGEST;
	}
}

static void test_what_was_well_begins_anew(void **state)
{
	static const struct config_restart twice = {.when = CONFIG_RESTART_ON_FAILURE, .most = 2};
	struct config_restarts restarts = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(config_restart_wait(&twice, &restarts, true, CONFIG_RESTART_WELL),
				 CONFIG_RESTART_FIRST);
		assert_int_equal(config_restart_wait(&twice, &restarts, true,
						     CONFIG_RESTART_WELL - 1),
				 2 * CONFIG_RESTART_FIRST);
	}
	assert_true(config_restart_wait(&twice, &restarts, true, CONFIG_RESTART_WELL - 1) ==
		    UINT64_MAX);
	assert_int_equal(restarts.total, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_policies),
		cmocka_unit_test(test_who_is_started_again),
		cmocka_unit_test(test_waits_double_up_to_the_longest),
		cmocka_unit_test(test_what_was_well_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
