/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/health.h"

enum {
	SECOND = 1000000
};

static const struct config_health health = {
	.port = 80,
	.interval = 5 * SECOND,
	.timeout = SECOND,
	.start_period = 10 * SECOND,
	.retries = 3,
};

/* Looks as soon as it is due, and finds `answered`. Returns when that was. */
static uint64_t look(struct config_checkup *checkup, bool answered)
{
	uint64_t now = checkup->next;

	assert_false(config_checkup_is_due(checkup, now - 1));
	assert_true(config_checkup_is_due(checkup, now));
	/* One look at a time. */
	assert_false(config_checkup_is_due(checkup, UINT64_MAX - 1));
	config_checkup_take(checkup, &health, answered, now);
	return now;
}

static void test_the_first_answer_counts_at_once(void **state)
{
	struct config_checkup checkup;

	(void)state;
	config_checkup_start(&checkup, SECOND);
	assert_int_equal(checkup.wellness, CONFIG_WELLNESS_STARTING);
	assert_int_equal(look(&checkup, false), SECOND);
	assert_int_equal(look(&checkup, false), SECOND + CONFIG_HEALTH_EAGER);
	look(&checkup, true);
	assert_int_equal(checkup.wellness, CONFIG_WELLNESS_HEALTHY);
	assert_int_equal(checkup.next, SECOND + 2 * CONFIG_HEALTH_EAGER + health.interval);
}

static void test_the_start_period_is_not_held_against_it(void **state)
{
	struct config_checkup checkup;
	uint64_t now = 0;
	unsigned late = 0;

	(void)state;
	config_checkup_start(&checkup, SECOND);
	while (checkup.wellness == CONFIG_WELLNESS_STARTING) {
		now = look(&checkup, false);
		late += now >= SECOND + health.start_period;
	}
	assert_int_equal(late, health.retries);
	assert_int_equal(checkup.wellness, CONFIG_WELLNESS_UNHEALTHY);
}

static void test_so_many_failures_in_a_row(void **state)
{
	struct config_checkup checkup;

	(void)state;
	config_checkup_start(&checkup, SECOND);
	look(&checkup, true);
	/* Once it has answered, its start is over. */
	look(&checkup, false);
	look(&checkup, false);
	look(&checkup, true);
	look(&checkup, false);
	look(&checkup, false);
	assert_int_equal(checkup.wellness, CONFIG_WELLNESS_HEALTHY);
	look(&checkup, false);
	assert_int_equal(checkup.wellness, CONFIG_WELLNESS_UNHEALTHY);
	look(&checkup, true);
	assert_int_equal(checkup.wellness, CONFIG_WELLNESS_HEALTHY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_first_answer_counts_at_once),
		cmocka_unit_test(test_the_start_period_is_not_held_against_it),
		cmocka_unit_test(test_so_many_failures_in_a_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
