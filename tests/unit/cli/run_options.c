/* SPDX-License-Identifier: MIT */
#include "cli/run_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct cli_run_options options;
static struct cli_error error;

/* Reads a command line; its words are parted by spaces. */
static int read_line(const char *line)
{
	static char copy[512];
	static char *argv[40];
	char *rest = NULL;
	int argc = 0;

	cli_run_options_release(&options);
	memset(argv, 0, sizeof(argv));
	memset(&error, 0, sizeof(error));
	snprintf(copy, sizeof(copy), "run %s", line);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	return cli_run_options_read(argc, argv, &options, &error);
}

static void assert_addr(const struct cothon_addr *addr, const char *expected)
{
	char text[COTHON_ADDR_TEXT];

	assert_string_equal(cothon_addr_format(addr, text), expected);
}

static void assert_family(const struct relay_family *family, const char *sandbox,
			  const char *gateway, const char *dns, unsigned prefix)
{
	assert_true(family->enabled);
	assert_addr(&family->sandbox, sandbox);
	assert_addr(&family->gateway, gateway);
	assert_addr(&family->dns, dns);
	assert_int_equal(family->prefix, prefix);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(read_line("true"), 1);
	assert_string_equal(options.command[0], "true");
	assert_null(options.command[1]);
	assert_null(options.name);
	assert_false(options.user || options.host_loopback);
	assert_int_equal(options.resolver_count, 0);
	assert_int_equal(options.publication_count, 0);
	assert_int_equal(options.network.mtu, 1500);
	assert_family(&options.network.ipv4, "10.0.2.100", "10.0.2.2", "10.0.2.3", 24);
	assert_family(&options.network.ipv6, "fd00:c070::100", "fd00:c070::2", "fd00:c070::3", 64);
}

static void test_everything(void **state)
{
	(void)state;
	assert_int_equal(
		read_line("-p 8080:80 --publish=127.0.0.1:53:53/udp --name web-1 --mtu 65535 "
			  "--address 10.1.0.7/16 --gateway 10.1.0.1 --user --host-loopback "
			  "--dns 192.0.2.53 --dns ::1 -- ls -la --mtu x"),
		1);
	assert_string_equal(options.command[0], "ls");
	assert_string_equal(options.command[2], "--mtu");
	assert_null(options.command[4]);
	assert_string_equal(options.name, "web-1");
	assert_true(options.user && options.host_loopback);
	assert_int_equal(options.publication_count, 2);
	assert_int_equal(options.publications[0].outside, 8080);
	assert_int_equal(options.publications[1].transport, COTHON_UDP);
	assert_int_equal(options.resolver_count, 2);
	assert_addr(&options.resolvers[0].addr, "192.0.2.53");
	assert_int_equal(options.resolvers[0].port, 53);
	assert_addr(&options.resolvers[1].addr, "::1");
	assert_int_equal(options.network.mtu, 65535);
	assert_family(&options.network.ipv4, "10.1.0.7", "10.1.0.1", "10.1.0.3", 16);
	assert_family(&options.network.ipv6, "fd00:c070::100", "fd00:c070::2", "fd00:c070::3", 64);
}

/* The addresses that are chosen beside those that are given. */
static void test_addresses(void **state)
{
	static const struct {
		const char *line, *sandbox, *gateway, *dns;
		unsigned prefix;
	} cases[] = {
		{"--address 192.168.7.9", "192.168.7.9", "192.168.7.2", "192.168.7.3", 24},
		{"--address 192.168.7.2", "192.168.7.2", "192.168.7.3", "192.168.7.4", 24},
		{"--address 192.168.7.3", "192.168.7.3", "192.168.7.2", "192.168.7.4", 24},
		{"--gateway 192.168.7.1", "192.168.7.100", "192.168.7.1", "192.168.7.3", 24},
		{"--gateway 192.168.7.100", "192.168.7.101", "192.168.7.100", "192.168.7.3", 24},
		{"--gateway 192.168.7.3", "192.168.7.100", "192.168.7.3", "192.168.7.4", 24},
		/* The smallest network: .8 and .15 are not for hosts. */
		{"--address 10.0.0.10/29", "10.0.0.10", "10.0.0.11", "10.0.0.12", 29},
		{"--address 10.0.0.14/29 --gateway 10.0.0.9", "10.0.0.14", "10.0.0.9", "10.0.0.11",
		 29},
		{"--address 10.200.3.4/8", "10.200.3.4", "10.0.0.2", "10.0.0.3", 8},
		{"--address fd01::5", "fd01::5", "fd01::2", "fd01::3", 64},
		{"--address fd01::2/125", "fd01::2", "fd01::3", "fd01::4", 125},
		{"--gateway fd01::1", "fd01::64", "fd01::1", "fd01::3", 64},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char line[128];

		snprintf(line, sizeof(line), "%s true", cases[i].line);
		if (read_line(line) != 1)
			fail_msg("%s: %s", line, error.text);
		assert_family(strchr(cases[i].sandbox, ':') ? &options.network.ipv6
							    : &options.network.ipv4,
			      cases[i].sandbox, cases[i].gateway, cases[i].dns, cases[i].prefix);
	}
}

/* Rules keep the order in which they were given, whatever they do. */
static void test_rules(void **state)
{
	static const char *const rules[] = {"*.example.com:443/tcp", "any/udp", "10.0.0.0/8",
					    "[fd00::/8]:80"};
	char text[COTHON_RULE_TEXT];

	(void)state;
	assert_int_equal(read_line("--allow *.example.com:https/tcp --deny any/udp "
				   "--allow=10.0.0.0/8 --deny [fd00::/8]:http true"),
			 1);
	assert_int_equal(options.rule_count, 4);
	for (size_t i = 0; i < 4; i++) {
		assert_string_equal(cothon_rule_format(&options.rules[i], text), rules[i]);
		assert_int_equal(options.rules[i].allow, i % 2 == 0);
	}
	assert_int_equal(read_line("true"), 1);
	assert_int_equal(options.rule_count, 0);
	assert_null(options.rules);
}

static void test_families(void **state)
{
	(void)state;
	assert_int_equal(read_line("--ipv4-only true"), 1);
	assert_true(options.network.ipv4.enabled && !options.network.ipv6.enabled);
	assert_int_equal(read_line("--ipv6-only -p [::1]:80:80 -p 81:81 true"), 1);
	assert_true(options.network.ipv6.enabled && !options.network.ipv4.enabled);
}

static void test_help(void **state)
{
	(void)state;
	assert_int_equal(read_line("--help"), 0);
	assert_int_equal(read_line("-p 80:80 -h true"), 0);
	assert_int_equal(read_line("true --help"), 1);
}

static void test_bad(void **state)
{
	static const char *const cases[][2] = {
		{"", "which command? write `cothon run [OPTIONS] [--] COMMAND [ARG...]`"},
		{"--", "which command? write `cothon run [OPTIONS] [--] COMMAND [ARG...]`"},
		{"--mtu 1279 x",
		 "--mtu 1279: an MTU is 1280 to 65535 bytes; the usual one is 1500"},
		{"--mtu 65536 x",
		 "--mtu 65536: an MTU is 1280 to 65535 bytes; the usual one is 1500"},
		{"--mtu 1500x x",
		 "--mtu 1500x: an MTU is 1280 to 65535 bytes; the usual one is 1500"},
		{"--mtu +1500 x",
		 "--mtu +1500: an MTU is 1280 to 65535 bytes; the usual one is 1500"},
		{"--name -x y",
		 "--name -x: a name is 1 to 63 letters, digits, '_', '.' and '-', and begins with "
		 "a letter or a digit"},
		{"--name a/b y",
		 "--name a/b: a name is 1 to 63 letters, digits, '_', '.' and '-', and begins "
		 "with a letter or a digit"},
		{"--address 10.0.2.300 x",
		 "--address 10.0.2.300: this is no address; write one such as 10.0.2.100 or "
		 "fd00:c070::100"},
		{"--address 127.0.0.1 x",
		 "--address 127.0.0.1: no host of a network can have this address; use a private "
		 "one, such as 10.0.2.100 or fd00:c070::100"},
		{"--address 198.19.0.5 x",
		 "--address 198.19.0.5: names have addresses of this range inside a sandbox; use "
		 "another, such as 10.0.2.100 or fd00:c070::100"},
		{"--gateway fd00:c071::7 x",
		 "--gateway fd00:c071::7: names have addresses of this range inside a sandbox; use "
		 "another, such as 10.0.2.100 or fd00:c070::100"},
		{"--address ff02::1 x",
		 "--address ff02::1: no host of a network can have this address; use a private "
		 "one, such as 10.0.2.100 or fd00:c070::100"},
		{"--address 10.0.0.1/30 x",
		 "--address 10.0.0.1/30: a prefix here has 8 to 29 bits, as in /24"},
		{"--address 10.0.0.1/ x",
		 "--address 10.0.0.1/: a prefix here has 8 to 29 bits, as in /24"},
		{"--address fd00::1/126 x",
		 "--address fd00::1/126: a prefix here has 16 to 125 bits, as in /64"},
		{"--address 10.0.0.255 x",
		 "10.0.0.255 in a network of /24 stands for the network, not for a host in it; "
		 "choose another"},
		{"--address 10.0.0.0 x",
		 "10.0.0.0 in a network of /24 stands for the network, not for a host in it; "
		 "choose another"},
		{"--address 10.0.0.5 --gateway 10.0.0.5 x",
		 "the sandbox and its gateway cannot both be 10.0.0.5; choose another --address "
		 "or --gateway"},
		{"--address 10.0.0.5 --gateway 10.0.1.1 x",
		 "the gateway 10.0.1.1 is not in the sandbox's network, 10.0.0.5/24; choose one "
		 "of it, or write --address ADDR/PREFIX"},
		{"--gateway 10.0.0.1/24 x",
		 "--gateway 10.0.0.1/24: this is no address; write one such as 10.0.2.100 or "
		 "fd00:c070::100"},
		{"--dns localhost x",
		 "--dns localhost: this is no address of a host; write a DNS server's, such as "
		 "9.9.9.9"},
		{"--dns 224.0.0.1 x",
		 "--dns 224.0.0.1: this is no address of a host; write a DNS server's, such as "
		 "9.9.9.9"},
		{"--ipv4-only --ipv6-only x",
		 "--ipv4-only and --ipv6-only contradict each other; leave one out"},
		{"--ipv4-only --address fd00::9 x",
		 "--address fd00::9 and --ipv4-only contradict each other; leave one out"},
		{"--ipv6-only --gateway 10.0.0.1 x",
		 "--gateway 10.0.0.1 and --ipv6-only contradict each other; leave one out"},
		{"--ipv4-only -p [::1]:80:80 x",
		 "-p with ::1 and --ipv4-only contradict each other; leave one out"},
		{"-p 80:80 -p 79-81:1-3 x",
		 "-p 79-81:1-3: port 80/tcp outside is in an earlier -p already; leave one out"},
		{"--allow any:htpp x",
		 "--allow any:htpp: there is no service called \"htpp\"; did you mean http?"},
		{"--allow any --deny 10.0.0.1/8 x",
		 "--deny 10.0.0.1/8: 10.0.0.1/8 has bits beyond its prefix; write 10.0.0.0/8, or "
		 "the address alone"},
		{"--allow", "--allow needs an argument: RULE"},
		/* What later versions may know is not accepted before. */
		{"--zebra f x", "unknown option --zebra; `cothon run --help` lists the options"},
		{"--json x", "unknown option --json; `cothon run --help` lists the options"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		assert_int_equal(read_line(cases[i][0]), -EINVAL);
		assert_string_equal(error.text, cases[i][1]);
	}
}

static void test_bounds(void **state)
{
	char specs[CLI_RUN_PUBLICATIONS + 1][16], option[] = "-p", name[] = "run", command[] = "x";
	char *argv[2 * (CLI_RUN_PUBLICATIONS + 1) + 3];
	int argc = 0;

	(void)state;
	argv[argc++] = name;
	for (int i = 0; i <= CLI_RUN_PUBLICATIONS; i++) {
		snprintf(specs[i], sizeof(specs[i]), "%d:80", 1000 + i);
		argv[argc++] = option;
		argv[argc++] = specs[i];
	}
	argv[argc] = command;
	argv[argc + 1] = NULL;
	assert_int_equal(cli_run_options_read(argc + 1, argv, &options, &error), -EINVAL);
	assert_non_null(strstr(error.text, "more than 256"));
	argv[argc - 2] = command;
	argv[argc - 1] = NULL;
	assert_int_equal(cli_run_options_read(argc - 1, argv, &options, &error), 1);
	assert_int_equal(options.publication_count, CLI_RUN_PUBLICATIONS);

	cli_run_options_release(&options);

	assert_int_equal(
		read_line("--dns 1.1.1.1 --dns 1.1.1.2 --dns 1.1.1.3 --dns 1.1.1.4 --dns 1.1.1.5 "
			  "--dns 1.1.1.6 --dns 1.1.1.7 --dns 1.1.1.8 x"),
		1);
	assert_int_equal(
		read_line("--dns 1.1.1.1 --dns 1.1.1.2 --dns 1.1.1.3 --dns 1.1.1.4 --dns 1.1.1.5 "
			  "--dns 1.1.1.6 --dns 1.1.1.7 --dns 1.1.1.8 --dns 1.1.1.9 x"),
		-EINVAL);
}

/* As many rules as a set takes. */
static void test_rule_bound(void **state)
{
	char option[] = "--deny=any", name[] = "run", command[] = "x";
	char **argv = calloc(COTHON_RULES_MAX + 4, sizeof(*argv));

	(void)state;
	assert_non_null(argv);
	cli_run_options_release(&options);
	argv[0] = name;
	for (int i = 1; i <= COTHON_RULES_MAX; i++)
		argv[i] = option;
	argv[COTHON_RULES_MAX + 1] = command;
	assert_int_equal(cli_run_options_read(COTHON_RULES_MAX + 2, argv, &options, &error), 1);
	assert_int_equal(options.rule_count, COTHON_RULES_MAX);
	cli_run_options_release(&options);
	argv[COTHON_RULES_MAX + 1] = option;
	argv[COTHON_RULES_MAX + 2] = command;
	assert_int_equal(cli_run_options_read(COTHON_RULES_MAX + 3, argv, &options, &error),
			 -EINVAL);
	assert_string_equal(error.text,
			    "--deny any: these are more than 65536 rules; write prefixes, "
			    "*.names and lists of ports");
	cli_run_options_release(&options);
	free(argv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),   cmocka_unit_test(test_everything),
		cmocka_unit_test(test_addresses),  cmocka_unit_test(test_families),
		cmocka_unit_test(test_help),       cmocka_unit_test(test_bad),
		cmocka_unit_test(test_bounds),     cmocka_unit_test(test_rules),
		cmocka_unit_test(test_rule_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
