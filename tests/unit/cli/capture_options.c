/* SPDX-License-Identifier: MIT */
#include "cli/capture_options.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct cli_capture_options options;
static struct cli_error error;

static void assert_size(const char *text, uint64_t bytes)
{
	assert_int_equal(cli_capture_take_size(&options, text, &error), 0);
	assert_int_equal(options.limits.size, bytes);
}

static void assert_time(const char *text, uint64_t seconds)
{
	assert_int_equal(cli_capture_take_time(&options, text, &error), 0);
	assert_int_equal(options.limits.seconds, seconds);
}

static void test_sizes(void **state)
{
	static const char *const wrong[] = {"", "many", "-1", "1", "5KB", "99999999999999999G"};

	(void)state;
	assert_size("100000", 100000);
	assert_size("100000B", 100000);
	assert_size("64k", 64 << 10);
	assert_size("100M", 100 << 20);
	assert_size("2G", UINT64_C(2) << 30);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(cli_capture_take_size(&options, wrong[i], &error), -EINVAL);
		assert_non_null(strstr(error.text, "as in 100M or 2G"));
	}
}

/* As everywhere on the command line, a time has its unit; the capture counts seconds. */
static void test_times(void **state)
{
	static const char *const wrong[] = {"",   "60",  "0s", "500ms",       "1500ms",  "-1s",
					    "1d", "1 s", "s",  "9999999999s", "9999999h"};

	(void)state;
	assert_time("1s", 1);
	assert_time("2000ms", 2);
	assert_time("60s", 60);
	assert_time("5m", 300);
	assert_time("2h", 7200);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		assert_int_equal(cli_capture_take_time(&options, wrong[i], &error), -EINVAL);
		assert_non_null(strstr(error.text, "as in 60s, 5m or 2h"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
