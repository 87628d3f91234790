/* SPDX-License-Identifier: MIT */
#include "cli/denied.h"

#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct relay_denial denial(uint8_t transport, const char *source, const char *destination,
				  const char *name)
{
	struct relay_denial denial = {
		.by = RELAY_DENIED_BY_NONE,
		.transport = transport,
		.source.port = 49152,
		.destination.port = transport ? 443 : 0,
	};

	assert_int_equal(cothon_addr_parse(source, &denial.source.addr), 0);
	assert_int_equal(cothon_addr_parse(destination, &denial.destination.addr), 0);
	snprintf(denial.name, sizeof(denial.name), "%s", name);
	return denial;
}

static void assert_what(const struct relay_denial *denial, bool source, const char *wanted)
{
	char text[CLI_DENIED_TEXT];

	assert_string_equal(cli_denied_what(denial, source, text), wanted);
}

static void what_was_denied(void **state)
{
	struct relay_denial tcp = denial(COTHON_TCP, "10.0.2.100", "198.18.0.1", "example.org");
	struct relay_denial udp = denial(COTHON_UDP, "fd00::1", "2001:db8::1", "");
	struct relay_denial ping = denial(0, "10.0.2.100", "192.0.2.1", "");
	struct relay_denial query = denial(COTHON_UDP, "10.0.2.100", "10.0.2.3", "example.org");

	(void)state;
	query.query = true;
	assert_what(&tcp, true, "tcp 10.0.2.100:49152 -> example.org:443");
	assert_what(&tcp, false, "tcp -> example.org:443");
	assert_what(&udp, true, "udp [fd00::1]:49152 -> [2001:db8::1]:443");
	assert_what(&ping, true, "ping 10.0.2.100 -> 192.0.2.1");
	assert_what(&query, true, "the question for example.org");
}

static void why_it_was_denied(void **state)
{
	struct relay_denial some = denial(COTHON_TCP, "10.0.2.100", "192.0.2.1", "");
	struct cothon_rule_error error;
	char text[CLI_DENIED_TEXT];

	(void)state;
	assert_string_equal(cli_denied_why(&some, text), "no rule allows it");
	some.by = RELAY_DENIED_BY_NATURE;
	assert_string_equal(cli_denied_why(&some, text), "it is closed to every sandbox");
	some.by = RELAY_DENIED_REBINDING;
	assert_string_equal(cli_denied_why(&some, text),
			    "the name leads only to addresses that are closed");
	some.by = RELAY_DENIED_BY_RULE;
	assert_int_equal(cothon_rule_parse("192.0.2.0/24:80/tcp", 19, false, &some.rule, &error),
			 0);
	assert_string_equal(cli_denied_why(&some, text),
			    "the rule `deny 192.0.2.0/24:80/tcp` forbids it");
}

/* The longest there is of everything. */
static void nothing_is_too_long(void **state)
{
	struct relay_denial some = denial(COTHON_TCP, "2001:db8:1111:2222:3333:4444:5555:6666",
					  "2001:db8:1111:2222:3333:4444:5555:6666", "");
	char text[CLI_DENIED_TEXT];

	(void)state;
	memset(some.name, 'a', COTHON_NAME_MAX);
	assert_non_null(strstr(cli_denied_what(&some, true, text), ":443"));
	assert_int_equal(strlen(text), strlen("tcp [2001:db8:1111:2222:3333:4444:5555:6666]:49152 "
					      "-> :443") +
					       COTHON_NAME_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_denied),
		cmocka_unit_test(why_it_was_denied),
		cmocka_unit_test(nothing_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
