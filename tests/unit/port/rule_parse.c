/* SPDX-License-Identifier: MIT */
#include <cothon/rule.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static struct cothon_rule rule;
static struct cothon_rule_error error;

static int parse(const char *text)
{
	memset(&error, 0, sizeof(error));
	return cothon_rule_parse(text, strlen(text), true, &rule, &error);
}

/* What is read, and the form in which it is written; without one it is as it was read. */
static void rules_are_read(void **state)
{
	static const struct {
		const char *text, *form;
		enum cothon_rule_kind kind;
		bool tcp, udp, echo;
	} cases[] = {
		{"any", NULL, COTHON_RULE_ANY, true, true, true},
		{"ANY", "any", COTHON_RULE_ANY, true, true, true},
		{"any/tcp", NULL, COTHON_RULE_ANY, true, false, false},
		{"any:80", NULL, COTHON_RULE_ANY, true, true, false},
		{"any:1-65535", NULL, COTHON_RULE_ANY, true, true, false},
		{"any:443,80/UDP", "any:80,443/udp", COTHON_RULE_ANY, false, true, false},
		/* Addresses and prefixes. */
		{"192.0.2.1", NULL, COTHON_RULE_PREFIX, true, true, true},
		{"192.0.2.1/32", "192.0.2.1", COTHON_RULE_PREFIX, true, true, true},
		{"0.0.0.0/0", NULL, COTHON_RULE_PREFIX, true, true, true},
		{"10.0.0.0/8/tcp", NULL, COTHON_RULE_PREFIX, true, false, false},
		{"10.128.0.0/9:22", NULL, COTHON_RULE_PREFIX, true, true, false},
		{"10.0.0.0/8:1-3,80/udp", NULL, COTHON_RULE_PREFIX, false, true, false},
		{"::ffff:10.0.0.1", "10.0.0.1", COTHON_RULE_PREFIX, true, true, true},
		{"2001:DB8::1", "2001:db8::1", COTHON_RULE_PREFIX, true, true, true},
		{"::/0", NULL, COTHON_RULE_PREFIX, true, true, true},
		{"fd00::/8", NULL, COTHON_RULE_PREFIX, true, true, true},
		{"[fd00::/8]", "fd00::/8", COTHON_RULE_PREFIX, true, true, true},
		{"[fd00::/8]:443", NULL, COTHON_RULE_PREFIX, true, true, false},
		{"[2001:db8::1]:443/tcp", NULL, COTHON_RULE_PREFIX, true, false, false},
		{"fd00::/8/tcp", "[fd00::/8]/tcp", COTHON_RULE_PREFIX, true, false, false},
		/* All of it is the address. */
		{"fd00::1:443", NULL, COTHON_RULE_PREFIX, true, true, true},
		/* Names. */
		{"example.com", NULL, COTHON_RULE_NAME, true, true, true},
		{"WWW.Example.COM.", "www.example.com", COTHON_RULE_NAME, true, true, true},
		{"xn--bcher-kva.example:443", NULL, COTHON_RULE_NAME, true, true, false},
		{"_sip._tcp.example.com/udp", NULL, COTHON_RULE_NAME, false, true, false},
		{"db", NULL, COTHON_RULE_NAME, true, true, true},
		{"10.0.0.1.example", NULL, COTHON_RULE_NAME, true, true, true},
		{"any.", NULL, COTHON_RULE_NAME, true, true, true},
		{"*.any", NULL, COTHON_RULE_BELOW, true, true, true},
		{"any.example", NULL, COTHON_RULE_NAME, true, true, true},
		{"*.example.com", NULL, COTHON_RULE_BELOW, true, true, true},
		{"*.com:443/tcp", NULL, COTHON_RULE_BELOW, true, false, false},
		/* Ports: in order, joined where they touch. */
		{"any:3,1,2", "any:1-3", COTHON_RULE_ANY, true, true, false},
		{"any:10-20,5,15-30,31,4", "any:4-5,10-31", COTHON_RULE_ANY, true, true, false},
		{"any:1,3,5,2-4", "any:1-5", COTHON_RULE_ANY, true, true, false},
		{"any:65535,1", "any:1,65535", COTHON_RULE_ANY, true, true, false},
		{"any:7,7,7", "any:7", COTHON_RULE_ANY, true, true, false},
		/* Services. */
		{"any:http,https", "any:80,443", COTHON_RULE_ANY, true, true, false},
		{"any:HTTP/tcp", "any:80/tcp", COTHON_RULE_ANY, true, false, false},
		{"any:syslog", "any:514", COTHON_RULE_ANY, true, true, false},
		{"any:x11/tcp", "any:6000-6063/tcp", COTHON_RULE_ANY, true, false, false},
		{"any:http-alt", "any:591,8008,8080", COTHON_RULE_ANY, true, true, false},
		{"any:ftp-data-telnet", "any:20-23", COTHON_RULE_ANY, true, true, false},
		{"any:whois++/tcp", "any:63/tcp", COTHON_RULE_ANY, true, false, false},
		{"any:914c/g", "any:211", COTHON_RULE_ANY, true, true, false},
		{"any:80,914c/g/udp", "any:80,211/udp", COTHON_RULE_ANY, false, true, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char text[COTHON_RULE_TEXT];
		struct cothon_rule again;

		if (parse(cases[i].text) < 0)
			fail_msg("%s: %s", cases[i].text, error.text);
		assert_true(rule.allow);
		assert_string_equal(cothon_rule_format(&rule, text),
				    cases[i].form ? cases[i].form : cases[i].text);
		assert_int_equal(rule.kind, cases[i].kind);
		assert_int_equal(rule.tcp, cases[i].tcp);
		assert_int_equal(rule.udp, cases[i].udp);
		assert_int_equal(rule.echo, cases[i].echo);
		/* What is written is read as the same. */
		assert_int_equal(cothon_rule_parse(text, strlen(text), true, &again, &error), 0);
		assert_true(cothon_rule_equal(&rule, &again));
		/* One that denies is another. */
		assert_int_equal(cothon_rule_parse(text, strlen(text), false, &again, &error), 0);
		assert_false(again.allow);
		assert_false(cothon_rule_equal(&rule, &again));
	}
}

/* What is refused, and why; `wrong` is the part of it that the error points at. */
static void errors_are_exact(void **state)
{
	static const struct {
		const char *text, *wrong, *reason;
	} cases[] = {
		{"", "", "it is empty; write DEST[:PORTS][/tcp|/udp], as in example.com:https"},
		{":80", ":80",
		 "the destination is missing; write `any` for all, or DEST[:PORTS][/tcp|/udp]"},
		{"a b", " ",
		 "a rule has neither spaces nor control characters in it; quote each rule by "
		 "itself"},
		{"a\033[31m", "\033",
		 "a rule has neither spaces nor control characters in it; quote each rule by "
		 "itself"},
		{"b\303\274cher.example", "\303",
		 "a rule is written in ASCII, a name with other letters in its A-label form "
		 "(xn--...), which idn2(1) prints"},
		{"https://example.com/", "://",
		 "a rule is no URL: write its host and port, as in example.com:https"},
		/* Addresses. */
		{"192.0.2.256", "192.0.2.256",
		 "\"192.0.2.256\" is no IPv4 address; write one such as 192.0.2.1"},
		{"10.0:80", "10.0", "\"10.0\" is no IPv4 address; write one such as 192.0.2.1"},
		{"127.1", "127.1", "\"127.1\" is no IPv4 address; write one such as 192.0.2.1"},
		{"0x7f.1", "0x7f.1",
		 "\"0x7f.1\" is no domain name: it ends in a number, and it is no address "
		 "either"},
		{"fd00::g", "fd00::g",
		 "\"fd00::g\" is no IPv6 address; write one such as 2001:db8::1"},
		{"fd00:::1", "fd00:::1",
		 "\"fd00:::1\" is no IPv6 address; write one such as 2001:db8::1"},
		{"[example.com]:80", "example.com",
		 "\"example.com\" is no IPv6 address; write one such as 2001:db8::1"},
		{"[fd00::1", "[fd00::1", "the bracket is not closed"},
		{"[fd00::]/8", "/8", "a prefix has its bits inside the brackets: [fd00::/8]"},
		{"[fd00::1]443", "443",
		 "behind a bracket come only ports, as in :443, and /tcp or /udp"},
		{"fe80::1%eth0", "%eth0",
		 "rules are about addresses without a zone; leave \"%eth0\" out"},
		{"fd00::/8:443", "fd00::/8",
		 "an IPv6 prefix with ports stands in brackets: [fd00::/8]:443"},
		/* Prefixes. */
		{"10.1.2.3/8:80", "10.1.2.3/8",
		 "10.1.2.3/8 has bits beyond its prefix; write 10.0.0.0/8, or the address alone"},
		{"10.0.0.128/24", "10.0.0.128/24",
		 "10.0.0.128/24 has bits beyond its prefix; write 10.0.0.0/24, or the address "
		 "alone"},
		{"fd00::1/127", "fd00::1/127",
		 "fd00::1/127 has bits beyond its prefix; write fd00::/127, or the address alone"},
		{"10.0.0.0/33", "33", "an IPv4 prefix has 0 to 32 bits, not \"33\""},
		{"fd00::/129", "129", "an IPv6 prefix has 0 to 128 bits, not \"129\""},
		{"10.0.0.0/8x", "8x", "\"8x\" is no number of bits; a prefix has 0 to 32"},
		{"10.0.0.0/4294967304", "4294967304",
		 "\"4294967304\" is no number of bits; a prefix has 0 to 32"},
		{"::ffff:10.0.0.0/104", "104", "an IPv4 prefix has 0 to 32 bits, not \"104\""},
		{"example.com/24", "example.com/24",
		 "only an address has a prefix; \"example.com\" is none, write it without /24"},
		{"any/0", "any/0", "`any` has no prefix; write it without, or an address"},
		/* Names. */
		{"*", "*",
		 "the star stands only in front of a name, as in *.example.com; all "
		 "destinations are `any`"},
		{"www.*.com", "www.*.com",
		 "the star stands only in front of a name, as in *.example.com; all "
		 "destinations are `any`"},
		{"*.*.com", "*.com",
		 "the star stands only in front of a name, as in *.example.com; all "
		 "destinations are `any`"},
		{"*.", "", "\"\" is no domain name: there is nothing in it"},
		{".", ".", "\".\" is no domain name: there is nothing in it"},
		{"a..b", "a..b",
		 "\"a..b\" is no domain name: there is nothing between two of its dots"},
		{"-a.b", "-a.b",
		 "\"-a.b\" is no domain name: what is between its dots neither begins nor ends "
		 "with a hyphen"},
		{"me@a.b", "me@a.b",
		 "\"me@a.b\" is no domain name: it has other characters than letters, digits, "
		 "hyphens and dots"},
		/* Ports. */
		{"any:", "",
		 "a port is missing; write numbers, ranges and services, as in "
		 "80,8000-8099,https"},
		{"any:80,,81", "80,,81",
		 "a port is missing; write numbers, ranges and services, as in "
		 "80,8000-8099,https"},
		{"any:0", "0", "there is no port 0; ports are 1 to 65535"},
		{"any:80,65536/tcp", "65536", "there is no port 65536; ports are 1 to 65535"},
		{"any:80-70", "80-70", "the range 80-70 ends before it begins; write 70-80"},
		{"any:8000-", "8000-",
		 "a port is missing; write numbers, ranges and services, as in "
		 "80,8000-8099,https"},
		{"any:8000-htpp", "htpp",
		 "there is no service called \"htpp\"; did you mean http?"},
		{"any:htpp", "htpp", "there is no service called \"htpp\"; did you mean http?"},
		{"any:qqqqqqqq", "qqqqqqqq",
		 "there is no service called \"qqqqqqqq\"; write a number, or a name that "
		 "`cothon services` knows"},
		{"any:syslog/tcp", "syslog",
		 "the service syslog has no port on tcp, only on udp; write its number"},
		{"any:80:90", "80:90",
		 "there is no service called \"80:90\"; write a number, or a name that `cothon "
		 "services` knows"},
		/* Transports. */
		{"any/sctp", "sctp",
		 "\"sctp\" is no transport that rules know; write /tcp or /udp, or neither for "
		 "both"},
		{"any:80/tpc", "tpc",
		 "\"tpc\" is no transport that rules know; write /tcp or /udp, or neither for "
		 "both"},
		{"10.0.0.0/", "",
		 "\"\" is no transport that rules know; write /tcp or /udp, or neither for both"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char wrong[64];

		if (parse(cases[i].text) != -EINVAL)
			fail_msg("%s is read", cases[i].text);
		assert_string_equal(error.text, cases[i].reason);
		assert_true(error.at + error.len <= strlen(cases[i].text));
		snprintf(wrong, sizeof(wrong), "%.*s", (int)error.len, cases[i].text + error.at);
		assert_string_equal(wrong, cases[i].wrong);
	}
}

/* "a.a. ... a.b", so many characters long, an odd number. */
static void write_long_name(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		text[i] = i % 2 ? '.' : i + 1 < len ? 'a' : 'b';
	text[len] = '\0';
}

static void as_many_ranges_as_fit(void **state)
{
	char text[512] = "any:";
	size_t len = strlen(text);

	(void)state;
	for (int i = 0; i <= COTHON_RULE_PORTS; i++) {
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%d", i ? "," : "",
					2 * i + 1);
		assert_int_equal(parse(text), i < COTHON_RULE_PORTS ? 0 : -EINVAL);
	}
	assert_string_equal(error.text,
			    "these are more than 32 ranges of ports; make two rules of this one");
	/* One that joins others needs no room of its own. */
	len = (size_t)snprintf(text, sizeof(text), "any:2");
	for (int i = 0; i < COTHON_RULE_PORTS; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, ",%d", 2 * i + 1);
	assert_int_equal(parse(text), 0);
	assert_int_equal(rule.port_count, COTHON_RULE_PORTS - 1);
}

static void long_texts_end(void **state)
{
	static char text[1 << 16];
	char name[COTHON_RULE_TEXT];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_int_equal(cothon_rule_parse(text, sizeof(text), true, &rule, &error), -EINVAL);
	memset(text, '1', sizeof(text));
	assert_int_equal(cothon_rule_parse(text, sizeof(text), true, &rule, &error), -EINVAL);
	memset(text, ':', sizeof(text));
	assert_int_equal(cothon_rule_parse(text, sizeof(text), true, &rule, &error), -EINVAL);
	/* As long as a rule may be, with as many ways to take it as there are. */
	memset(text, '-', sizeof(text));
	text[0] = 'a';
	text[1] = ':';
	assert_int_equal(cothon_rule_parse(text, COTHON_RULE_LEN, true, &rule, &error), -EINVAL);
	assert_non_null(strstr(error.text, "there is no service"));
	assert_int_equal(cothon_rule_parse(text, COTHON_RULE_LEN + 1, true, &rule, &error),
			 -EINVAL);
	assert_string_equal(error.text, "a rule has at most 4096 characters; make several of it");
	/* The end is where `len` says, not at a NUL. */
	assert_int_equal(cothon_rule_parse("any:8080", 6, true, &rule, &error), 0);
	assert_string_equal(cothon_rule_format(&rule, name), "any:80");
	assert_int_equal(cothon_rule_parse("any\0", 4, true, &rule, &error), -EINVAL);
}

/* The longest rule is cut, and says so. */
static void the_longest_rule_is_cut(void **state)
{
	char text[1024] = "*.", written[COTHON_RULE_TEXT];
	size_t len;

	(void)state;
	write_long_name(text + 2, 253);
	assert_int_equal(parse(text), 0);
	assert_string_equal(cothon_rule_format(&rule, written), text);
	len = strlen(text);
	for (int i = 0; i < COTHON_RULE_PORTS; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%c%d-%d", i ? ',' : ':',
					20000 + 10 * i, 20005 + 10 * i);
	assert_int_equal(parse(text), 0);
	cothon_rule_format(&rule, written);
	assert_int_equal(strlen(written), COTHON_RULE_TEXT - 1);
	assert_int_equal(strncmp(written, text, COTHON_RULE_TEXT - 4), 0);
	assert_string_equal(written + COTHON_RULE_TEXT - 4, "...");
}

static void names_have_one_form(void **state)
{
	static const struct {
		const char *name, *normal; /* NULL: it is none */
	} cases[] = {
		{"example.com", "example.com"},
		{"Example.COM.", "example.com"},
		{"a", "a"},
		{"_a.b-c.d1", "_a.b-c.d1"},
		{"1.0.0.127.in-addr.arpa", "1.0.0.127.in-addr.arpa"},
		{"10.0.0.1", "10.0.0.1"},
		{"a12345678901234567890123456789012345678901234567890123456789012.b",
		 "a12345678901234567890123456789012345678901234567890123456789012.b"},
		{"a123456789012345678901234567890123456789012345678901234567890123.b", NULL},
		{"", NULL},
		{".", NULL},
		{"a..", NULL},
		{".a", NULL},
		{"a..b", NULL},
		{"a-.b", NULL},
		{"a.-b", NULL},
		{"a b", NULL},
		{"a\\.b", NULL},
		{"*.a", NULL},
		{"\303\274.a", NULL},
	};
	char normal[COTHON_NAME_MAX + 1], text[512] = "";

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int result = cothon_name_normalize(cases[i].name, strlen(cases[i].name), normal);
		assert_int_equal(result, cases[i].normal ? 0 : -EINVAL);
		if (cases[i].normal)
			assert_string_equal(normal, cases[i].normal);
	}
	/* 253 characters, with and without the last dot, and one more. */
	write_long_name(text, 253);
	text[253] = '.';
	assert_int_equal(cothon_name_normalize(text, 253, normal), 0);
	assert_int_equal(cothon_name_normalize(text, 254, normal), 0);
	assert_int_equal(strlen(normal), 253);
	text[254] = 'c';
	assert_int_equal(cothon_name_normalize(text, 255, normal), -EINVAL);
	assert_int_equal(cothon_name_normalize("a\0b", 3, normal), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_read),          cmocka_unit_test(errors_are_exact),
		cmocka_unit_test(as_many_ranges_as_fit),   cmocka_unit_test(long_texts_end),
		cmocka_unit_test(the_longest_rule_is_cut), cmocka_unit_test(names_have_one_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
