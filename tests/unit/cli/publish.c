/* SPDX-License-Identifier: MIT */
#include "cli/publish.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum {
	TCP = COTHON_TCP,
	UDP = COTHON_UDP
};

static void test_good(void **state)
{
	static const struct {
		const char *text;
		uint8_t transport;
		const char *addr; /* NULL: none */
		uint16_t outside, inside, count;
	} cases[] = {
		{"8080:80", TCP, NULL, 8080, 80, 1},
		{"8080:80/tcp", TCP, NULL, 8080, 80, 1},
		{"5353:53/udp", UDP, NULL, 5353, 53, 1},
		{"1:65535", TCP, NULL, 1, 65535, 1},
		{"8000-8010:80-90", TCP, NULL, 8000, 80, 11},
		{"1-65535:1-65535/udp", UDP, NULL, 1, 1, 65535},
		{"127.0.0.1:8080:80", TCP, "127.0.0.1", 8080, 80, 1},
		{"0.0.0.0:8080:80", TCP, "0.0.0.0", 8080, 80, 1},
		{"[::1]:8080:80", TCP, "::1", 8080, 80, 1},
		{"[2001:db8::1]:100-101:200-201/udp", UDP, "2001:db8::1", 100, 200, 2},
		{"[127.0.0.1]:8080:80", TCP, "127.0.0.1", 8080, 80, 1},
		/* Names of services, with hyphens in them or between them. */
		{"8021:ftp", TCP, NULL, 8021, 21, 1},
		{"http:http", TCP, NULL, 80, 80, 1},
		{"5353:domain/udp", UDP, NULL, 5353, 53, 1},
		{"ftp-data:ftp-data", TCP, NULL, 20, 20, 1},
		{"ftp-data-ftp:2020-2021", TCP, NULL, 20, 2020, 2},
		{"2020-2021:20-ftp", TCP, NULL, 2020, 20, 2},
		{"127.0.0.1:ftp:ftp", TCP, "127.0.0.1", 21, 21, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct relay_publication publication;
		struct cli_error error = {"nothing"};
		char addr[COTHON_ADDR_TEXT];

		if (cli_publish_parse(cases[i].text, &publication, &error) < 0)
			fail_msg("%s: %s", cases[i].text, error.text);
		assert_int_equal(publication.transport, cases[i].transport);
		assert_int_equal(publication.has_addr, cases[i].addr != NULL);
		if (cases[i].addr)
			assert_string_equal(cothon_addr_format(&publication.addr, addr),
					    cases[i].addr);
		assert_int_equal(publication.outside, cases[i].outside);
		assert_int_equal(publication.inside, cases[i].inside);
		assert_int_equal(publication.count, cases[i].count);
	}
}

static void test_bad(void **state)
{
	static const char *const cases[][2] = {
		{"",
		 "a port outside and a port inside belong together; write :, or " CLI_PUBLISH_FORM},
		{"8080",
		 "a port outside and a port inside belong together; write 8080:8080, or " CLI_PUBLISH_FORM},
		{"/tcp",
		 "a port outside and a port inside belong together; write :, or " CLI_PUBLISH_FORM},
		{"8080:", "a port is missing; write " CLI_PUBLISH_FORM},
		{":80", "a port is missing; write " CLI_PUBLISH_FORM},
		{"127.0.0.1::80", "a port is missing; write " CLI_PUBLISH_FORM},
		{"8080:80/sctp",
		 "\"sctp\" is no transport that can be published; write /tcp or /udp"},
		{"8080:80/", "\"\" is no transport that can be published; write /tcp or /udp"},
		{"8080/tcp:80",
		 "\"tcp:80\" is no transport that can be published; write /tcp or /udp"},
		{"0:80", "there is no port 0; ports are 1 to 65535"},
		{"80:65536", "there is no port 65536; ports are 1 to 65535"},
		{"80-70000:80-90", "there is no port 70000; ports are 1 to 65535"},
		{"99999999999999999999:80",
		 "there is no port 99999999999999999999; ports are 1 to 65535"},
		{"8080:htttp", "there is no tcp service called \"htttp\"; did you mean http?"},
		{"90-80:90-80", "the range 90-80 ends before it begins; write 80-90"},
		{"ftp-ftp-data:1-2", "the range ftp-ftp-data ends before it begins; write 20-21"},
		{"1-2:3", "2 ports outside and 1 inside; both must be as many"},
		{"1:3-65535", "1 ports outside and 65533 inside; both must be as many"},
		{"::1:8080:80", "an IPv6 address is written in brackets: [::1]"},
		{"1.2.3:8080:80",
		 "\"1.2.3\" is no address; write one of this machine's, or none for all"},
		{":8080:80", "\"\" is no address; write one of this machine's, or none for all"},
		{"[]:8080:80",
		 "\"[]\" is no address; write one of this machine's, or none for all"},
		{"[::g]:8080:80",
		 "\"[::g]\" is no address; write one of this machine's, or none for all"},
		{"a:b:c:zzzzzzzzzz",
		 "there is no tcp service called \"zzzzzzzzzz\"; write a number, or a name that "
		 "`cothon services` knows"},
		{"a:b:1:2", "\"a:b\" is no address; write " CLI_PUBLISH_FORM},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct relay_publication publication;
		struct cli_error error = {"nothing"};

		assert_int_equal(cli_publish_parse(cases[i][0], &publication, &error), -EINVAL);
		assert_string_equal(error.text, cases[i][1]);
	}
}

/* Texts of any length end in an error that fits. */
static void test_long(void **state)
{
	static char text[100000];
	struct relay_publication publication;
	struct cli_error error;

	(void)state;
	for (size_t i = 0; i < sizeof("1:-/[].a") - 1; i++) {
		memset(text, "1:-/[].a"[i], sizeof(text) - 1);
		assert_int_equal(cli_publish_parse(text, &publication, &error), -EINVAL);
		assert_true(strlen(error.text) < sizeof(error.text));
		snprintf(text + sizeof(text) - 4, 4, ":80");
		assert_int_equal(cli_publish_parse(text, &publication, &error), -EINVAL);
	}
}

static void test_conflicts(void **state)
{
	static const struct {
		const char *a, *b;
		uint16_t port; /* 0: none */
	} cases[] = {
		{"80:80", "80:81", 80},
		{"80:80", "81:80", 0},
		{"80:80", "80:80/udp", 0},
		{"70-90:70-90", "80:1", 80},
		{"70-79:70-79", "80:1", 0},
		{"70-80:70-80", "80-90:180-190", 80},
		{"127.0.0.1:80:80", "80:80", 80},
		{"127.0.0.1:80:80", "0.0.0.0:80:80", 80},
		{"127.0.0.1:80:80", "127.0.0.2:80:80", 0},
		{"127.0.0.1:80:80", "127.0.0.1:80:81", 80},
		{"[::1]:80:80", "127.0.0.1:80:80", 0},
		{"[::]:80:80", "0.0.0.0:80:80", 0},
		{"[::]:80:80", "[::1]:80:80", 80},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct relay_publication a, b;
		struct cli_error error;
		uint16_t port = 0;

		assert_int_equal(cli_publish_parse(cases[i].a, &a, &error), 0);
		assert_int_equal(cli_publish_parse(cases[i].b, &b, &error), 0);
		assert_int_equal(cli_publish_conflict(&a, &b, &port), cases[i].port != 0);
		assert_int_equal(port, cases[i].port);
		port = 0;
		assert_int_equal(cli_publish_conflict(&b, &a, &port), cases[i].port != 0);
		assert_int_equal(port, cases[i].port);
	}
}

/* What is written is what is read. */
static void test_format(void **state)
{
	static const struct {
		const char *read, *written;
	} cases[] = {
		{"8080:80", "8080:80"},
		{"8080:http/tcp", "8080:80"},
		{"5353:domain/udp", "5353:53/udp"},
		{"8000-8009:80-89", "8000-8009:80-89"},
		{"127.0.0.1:2121:ftp", "127.0.0.1:2121:21"},
		{"[2001:DB8::1]:8000-8001:80-81/udp", "[2001:db8::1]:8000-8001:80-81/udp"},
		{"[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65534-65535:65534-65535/udp",
		 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65534-65535:65534-65535/udp"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct relay_publication publication;
		char text[CLI_PUBLISH_TEXT];
		struct cli_error reason;

		assert_int_equal(cli_publish_parse(cases[i].read, &publication, &reason), 0);
		assert_string_equal(cli_publish_format(&publication, text), cases[i].written);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),   cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long),   cmocka_unit_test(test_conflicts),
		cmocka_unit_test(test_format),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
