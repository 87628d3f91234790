/* SPDX-License-Identifier: MIT */
#include "cli/limit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct cli_limits limits;
static struct cli_error error;

static int parse(const char *text)
{
	memset(&error, 0, sizeof(error));
	return cli_limit_parse(text, &limits, &error);
}

static void assert_refused(const char *text, const char *why)
{
	struct cli_limits before = limits;

	assert_int_equal(parse(text), -EINVAL);
	assert_non_null(strstr(error.text, why));
	assert_memory_equal(&before, &limits, sizeof(limits));
}

static void test_numbers(void **state)
{
	(void)state;
	memset(&limits, 0, sizeof(limits));
	assert_int_equal(parse("tcp-flows=1"), 0);
	assert_int_equal(limits.relay.tcp_flows, 1);
	assert_int_equal(parse("tcp-flows=1000"), 0);
	assert_int_equal(limits.relay.tcp_flows, 1000);
	assert_int_equal(parse("buffers=64M"), 0);
	assert_int_equal(limits.relay.buffers, 64 << 20);
	assert_int_equal(parse("buffers=1g"), 0);
	assert_int_equal(limits.relay.buffers, 1 << 30);
	assert_int_equal(parse("waiting=64k"), 0);
	assert_int_equal(limits.relay.waiting, 64 << 10);
	assert_int_equal(parse("waiting=65536B"), 0);
	assert_int_equal(limits.relay.waiting, 64 << 10);
	assert_int_equal(parse("descriptors=64"), 0);
	assert_int_equal(limits.descriptors, 64);
	assert_int_equal(parse("log-lines=5"), 0);
	assert_int_equal(limits.log_lines, 5);
}

static void test_refused(void **state)
{
	(void)state;
	memset(&limits, 0, sizeof(limits));
	assert_refused("tcp-flow=1", "did you mean tcp-flows?");
	assert_refused("bananas=1", "`cothon run --help` lists them");
	assert_refused("", "there is no limit \"\"");
	assert_refused("=5", "there is no limit \"\"");
	assert_refused("a-name-that-is-longer-than-any-limit-has-ever-been=5", "no limit");
	assert_refused("tcp-flows", "as in tcp-flows=1000");
	assert_refused("tcp-flows=", "is no number");
	assert_refused("tcp-flows=many", "is no number");
	assert_refused("tcp-flows=-1", "is no number");
	assert_refused("tcp-flows= 1", "is no number");
	assert_refused("tcp-flows=1KK", "is no number");
	assert_refused("tcp-flows=1T", "is no number");
	assert_refused("tcp-flows=99999999999999999999", "is no number");
	assert_refused("tcp-flows=99999999999999999G", "is no number");
	assert_refused("tcp-flows=0", "tcp-flows is 1 to 16777216");
	assert_refused("names=65537", "names is 16 to 65536");
}

/* The help names each of them. */
static void test_help(void **state)
{
	(void)state;
#define LISTED(member, name, ...) assert_non_null(strstr(cli_limit_help, name));
	RELAY_LIMITS(LISTED)
	CLI_LIMITS(LISTED)
#undef LISTED
}

/* Every bound that may be asked for can be kept, by a least and a most on either side of the default. */
static void test_ranges(void **state)
{
	char text[64];

	(void)state;
	memset(&limits, 0, sizeof(limits));
#define EDGES(member, name, otherwise, least, most, what)                           \
	snprintf(text, sizeof(text), name "=%llu", (unsigned long long)(least));    \
	assert_int_equal(parse(text), 0);                                           \
	snprintf(text, sizeof(text), name "=%llu", (unsigned long long)(most));     \
	assert_int_equal(parse(text), 0);                                           \
	snprintf(text, sizeof(text), name "=%llu", (unsigned long long)(least)-1);  \
	assert_int_equal(parse(text), -EINVAL);                                     \
	snprintf(text, sizeof(text), name "=%llu", (unsigned long long)(most) + 1); \
	assert_int_equal(parse(text), -EINVAL);
	RELAY_LIMITS(EDGES)
	CLI_LIMITS(EDGES)
#undef EDGES
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_help),
		cmocka_unit_test(test_ranges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
