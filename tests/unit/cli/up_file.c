/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/up_file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *const environment[] = {"HOME=/home", "FLEET=none", NULL};

static struct cli_up_file file;
static struct config_error error;

static int read_file(const char *text)
{
	return cli_up_file_read(text, strlen(text), "/srv/shop.yaml", environment, &file, &error);
}

static void take(const char *text)
{
	if (read_file(text) < 0)
		fail_msg("%u:%u: %s", error.line, error.column, error.text);
}

/* The text is refused with words that hold `part`, at that place. */
static void refuse(const char *text, unsigned line, unsigned column, const char *part)
{
	if (read_file(text) != -EINVAL)
		fail_msg("accepted: %s", text);
	cli_up_file_release(&file);
	if (error.line != line || error.column != column || !strstr(error.text, part))
		fail_msg("%u:%u: %s\n not %u:%u: %s\n of %s", error.line, error.column, error.text,
			 line, column, part, text);
}

static const char *address_of(size_t member)
{
	static char text[COTHON_ADDR_TEXT];

	return cothon_addr_format(&file.members[member].options.network.ipv4.sandbox, text);
}

static const char *variable(size_t member, const char *name)
{
	for (char **each = file.members[member].environment; *each; each++) {
		if (strncmp(*each, name, strlen(name)) == 0)
			return *each;
	}
	return NULL;
}

static void test_the_least(void **state)
{
	(void)state;
	take("sandboxes:\n  web:\n    command: nginx -g 'daemon off;'\n");
	assert_string_equal(file.network, "shop");
	assert_int_equal(file.member_count, 1);
	assert_string_equal(file.members[0].options.name, "web");
	assert_string_equal(file.members[0].options.command[2], "daemon off;");
	assert_null(file.members[0].options.command[3]);
	assert_string_equal(address_of(0), "10.0.2.100");
	assert_true(file.members[0].options.network.shared);
	assert_string_equal(variable(0, "HOME="), "HOME=/home");
	cli_up_file_release(&file);
}

static void test_everything(void **state)
{
	const struct cli_up_member *web;

	(void)state;
	take("name: market\n"
	     "mtu: 9000\n"
	     "dns: [9.9.9.9, '2620:fe::fe']\n"
	     "sandboxes:\n"
	     "  web:\n"
	     "    command: [nginx, -g, '']\n"
	     "    directory: site\n"
	     "    user: true\n"
	     "    host_loopback: false\n"
	     "    environment: {FLEET: three ships, EMPTY: ''}\n"
	     "    publish: [8080:80, '127.0.0.1:5353:domain/udp']\n"
	     "    allow: '*.debian.org:https'\n"
	     "    deny: [10.0.0.0/8]\n"
	     "    address: 10.0.2.7\n"
	     "    depends_on: {db: healthy}\n"
	     "    restart: on-failure:5\n"
	     "    stop_grace: 500ms\n"
	     "  db:\n"
	     "    shell: exec database\n"
	     "    environment: [FLEET=one]\n"
	     "    health: {port: postgresql, interval: 1m, timeout: 1s, retries: 2, start_period: 0s}\n"
	     "    restart: always\n"
	     "  job:\n"
	     "    command: job\n"
	     "    depends_on: [web, db]\n"
	     "    publish: 9000:9000\n"
	     "    on_demand: true\n"
	     "    idle: 60s\n"
	     "    start_timeout: 5s\n"
	     "    listen_fds: [9000, stat=9001/udp, telnet]\n"
	     "  cat:\n"
	     "    command: cat\n"
	     "    inetd: {port: echo, most: 3}\n");
	assert_string_equal(file.network, "market");
	assert_int_equal(file.member_count, 4);
	web = &file.members[0];
	assert_string_equal(web->options.command[2], "");
	assert_string_equal(web->directory, "site");
	assert_true(web->options.user);
	assert_false(web->options.host_loopback);
	assert_string_equal(variable(0, "FLEET="), "FLEET=three ships");
	assert_string_equal(variable(0, "EMPTY="), "EMPTY=");
	assert_int_equal(web->options.publication_count, 2);
	assert_int_equal(web->options.publications[1].inside, 53);
	assert_int_equal(web->options.rule_count, 2);
	assert_int_equal(web->options.network.mtu, 9000);
	assert_int_equal(web->options.resolver_count, 2);
	assert_int_equal(web->restart.most, 5);
	assert_int_equal(web->stop_grace, 500000);
	assert_string_equal(address_of(0), "10.0.2.7");
	assert_string_equal(address_of(1), "10.0.2.100");
	assert_string_equal(address_of(2), "10.0.2.101");
	assert_string_equal(file.members[1].options.command[0], "/bin/sh");
	assert_string_equal(variable(1, "FLEET="), "FLEET=one");
	assert_int_equal(file.members[1].health.port, 5432);
	assert_int_equal(file.members[1].health.interval, 60000000);
	assert_int_equal(file.members[1].health.retries, 2);
	assert_int_equal(file.members[2].listening.count, 3);
	assert_string_equal(file.members[2].sockets[1].name, "stat");
	assert_int_equal(file.members[2].sockets[1].transport, COTHON_UDP);
	assert_string_equal(file.members[2].sockets[2].name, "telnet");
	assert_int_equal(file.members[2].idle, 60000000);
	assert_int_equal(file.members[3].listening.most, 3);
	assert_int_equal(file.members[3].sockets[0].port, 7);
	assert_int_equal(file.dependency_count, 3);
	assert_true(file.dependencies[0].healthy);
	assert_int_equal(file.plan.order[0], 1);
	assert_int_equal(file.plan.order[1], 0);
	assert_int_equal(file.plan.order[2], 2);
	cli_up_file_release(&file);
}

static void test_anchors(void **state)
{
	(void)state;
	take("sandboxes:\n"
	     "  a: &a\n    command: sleep 1\n    publish: [8001:1/udp]\n"
	     "  b: *a\n");
	assert_string_equal(file.members[1].options.command[1], "1");
	assert_string_equal(address_of(1), "10.0.2.101");
	cli_up_file_release(&file);
}

static void test_no_yaml(void **state)
{
	(void)state;
	refuse("", 0, 0, "nothing");
	refuse("a: b: c\n", 1, 5, "no YAML");
	refuse("sandboxes:\n\tweb: x\n", 2, 1, "no YAML");
	refuse("sandboxes: {web: {command: x}\n", 2, 1, "no YAML");
	refuse("sandboxes: {web: {command: x}}\n---\nsandboxes: 1\n", 3, 1, "second document");
	refuse("sandboxes: *none\n", 1, 12, "no YAML");
	refuse("sandboxes: \xff\n", 0, 0, "UTF-8");
	refuse("just text\n", 1, 1, "KEY: VALUE");
	refuse("[a, b]\n", 1, 1, "a list where KEY: VALUE");
}

static void test_keys(void **state)
{
	(void)state;
	refuse("sandboxs: {}\n", 1, 1, "did you mean sandboxes?");
	refuse("nonsense: 1\n", 1, 1, "there are: name, mtu");
	refuse("sandboxes:\n  web:\n    comand: x\n", 3, 5, "did you mean command?");
	refuse("sandboxes:\n  web:\n    command: x\n    command: y\n", 4, 5, "line 3");
	refuse("sandboxes:\n  web: {command: x}\n  web: {command: y}\n", 3, 3, "second time");
	refuse("sandboxes:\n  web:\n    command: x\n    health: {prt: 1}\n", 4, 14, "mean port?");
	refuse("sandboxes:\n  web:\n    [a]: x\n", 3, 5, "a list where a single");
	/* A terminal takes nothing of it for a command. */
	refuse("sandboxes:\n  web:\n    \"co\\e[31m\\x7f\\n\": x\n", 3, 5, "no key \"co?[31m??\"");
	refuse("name: shop\n", 1, 1, "no sandbox");
	refuse("sandboxes: {}\n", 1, 1, "no sandbox");
	refuse("sandboxes: web\n", 1, 12, "KEY: VALUE");
	refuse("sandboxes:\n  web: nginx\n", 2, 8, "KEY: VALUE");
}

static void test_names(void **state)
{
	(void)state;
	refuse("sandboxes:\n  a.b: {command: x}\n", 2, 3, "NAME.internal");
	refuse("sandboxes:\n  -a: {command: x}\n", 2, 3, "NAME.internal");
	refuse("sandboxes:\n  a_b: {command: x}\n", 2, 3, "NAME.internal");
	refuse("name: a/b\nsandboxes:\n  a: {command: x}\n", 1, 7, "network's name");
}

static void test_commands(void **state)
{
	(void)state;
	refuse("sandboxes:\n  web: {publish: 1:1}\n", 2, 3, "no command");
	refuse("sandboxes:\n  web:\n    command: a\n    shell: b\n", 4, 12, "contradict");
	refuse("sandboxes:\n  web:\n    command:\n", 3, 13, "nothing here");
	refuse("sandboxes:\n  web:\n    command: []\n", 3, 14, "no command");
	refuse("sandboxes:\n  web:\n    command: a > b\n", 3, 14, "character 3");
	refuse("sandboxes:\n  web:\n    command: a 'b\n", 3, 14, "quote missing");
	refuse("sandboxes:\n  web:\n    command: \"a\\0b\"\n", 3, 14, "zero byte");
	refuse("sandboxes:\n  web:\n    command: x\n    environment: [A]\n", 4, 19, "NAME=VALUE");
	refuse("sandboxes:\n  web:\n    command: x\n    environment: {A=B: c}\n", 4, 19, "'='");
	refuse("sandboxes:\n  web:\n    command: x\n    directory: [a]\n", 4, 16, "a list");
}

#define WEB "sandboxes:\n  web:\n    command: x\n    "

static void test_values(void **state)
{
	(void)state;
	refuse(WEB "publish: [8080:80, 80]\n", 4, 24, "80");
	refuse(WEB "publish: 99999:80\n", 4, 14, "99999");
	refuse(WEB "allow: 10.0.0.0/33\n", 4, 12, "10.0.0.0/33");
	refuse(WEB "user: yes\n", 4, 11, "neither true nor false");
	refuse(WEB "limit: nonsense=1\n", 4, 12, "nonsense");
	refuse(WEB "restart: sometimes\n", 4, 14, "on-failure");
	refuse(WEB "restart: on-failure:x\n", 4, 14, "how many times");
	refuse(WEB "stop_grace: 10\n", 4, 17, "with its unit");
	refuse(WEB "stop_grace: 2h\n", 4, 17, "within 0ms and 1h");
	refuse(WEB "health: 0\n", 4, 13, "no TCP port");
	refuse(WEB "health: {interval: 1s}\n", 4, 13, "which port");
	refuse(WEB "health: {port: 1, retries: 0}\n", 4, 32, "from 1 to 1000");
	refuse("mtu: 100\n", 1, 6, "MTU");
	refuse("dns: x\n", 1, 6, "no address");
	refuse("ipv4_only: true\nipv6_only: true\n" WEB "user: false\n", 1, 1, "contradict");
}

static void test_addresses(void **state)
{
	(void)state;
	refuse(WEB "address: 10.9.0.1\n", 4, 14, "not in the network");
	refuse(WEB "address: 10.0.2.2\n", 4, 14, "taken");
	refuse(WEB "address: 10.0.2.7/16\n", 4, 14, "prefix of 24");
	refuse("ipv4_only: true\n" WEB "address: 'fd00:c070::7'\n", 5, 14, "family");
	refuse("sandboxes:\n  a: {command: x, address: 10.0.2.7}\n"
	       "  b: {command: x, address: 10.0.2.7}\n",
	       3, 28, "taken");
	take("gateway: 10.9.0.1\nsandboxes:\n  a: {command: x}\n"
	     "  b: {command: x, address: 10.9.0.100}\n");
	assert_string_equal(address_of(0), "10.9.0.101");
	cli_up_file_release(&file);
}

static void test_dependencies(void **state)
{
	(void)state;
	refuse(WEB "depends_on: wep\n", 4, 17, "did you mean web?");
	refuse(WEB "depends_on: web\n", 4, 17, "web -> web");
	refuse("sandboxes:\n  a: {command: x, depends_on: b}\n  b: {command: x, depends_on: a}\n",
	       2, 31, "a -> b -> a");
	refuse("sandboxes:\n  a: {command: x}\n  b: {command: x, depends_on: {a: healthy}}\n", 3,
	       32, "no `health`");
	refuse("sandboxes:\n  a: {command: x}\n  b: {command: x, depends_on: {a: helthy}}\n", 3, 35,
	       "did you mean healthy?");
}

static void test_on_demand(void **state)
{
	(void)state;
	refuse(WEB "on_demand: true\n", 2, 3, "publish");
	refuse(WEB "publish: 53:53/udp\n    on_demand: true\n", 2, 3, "TCP port");
	refuse(WEB "idle: 5s\n", 4, 11, "on_demand");
	refuse(WEB "listen_fds: 99999\n", 4, 17, "no port");
	refuse(WEB "listen_fds: 80/sctp\n", 4, 17, "no port");
	refuse(WEB "listen_fds: 'a:b=80'\n", 4, 17, "none of them ':'");
	refuse(WEB "listen_fds: 80\n    inetd: 80\n", 5, 12, "contradict");
	refuse(WEB "inetd: {most: 3}\n", 4, 12, "which port");
	refuse(WEB "inetd: {port: 7, wait: maybe}\n", 4, 28, "neither true nor false");
	refuse(WEB "inetd: {port: 7, wait: []}\n", 4, 28, "a list where a single");
	refuse(WEB "publish: 80:80\n    inetd: 80\n    on_demand: true\n", 2, 3, "`on_demand` out");
}

static void test_inetd(void **state)
{
	static const struct {
		const char *text;
		enum sandbox_handing handing;
	} cases[] = {
		{WEB "inetd: 7\n", SANDBOX_HANDING_INETD},
		{WEB "inetd: {port: 7, wait: false}\n", SANDBOX_HANDING_INETD},
		{WEB "inetd: {port: 7, wait: true}\n", SANDBOX_HANDING_INETD_WAIT},
		{WEB "inetd: {port: 7/udp, wait: false}\n", SANDBOX_HANDING_INETD_WAIT},
		{WEB "inetd: 7/udp\n", SANDBOX_HANDING_INETD_WAIT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		take(cases[i].text);
		assert_int_equal(file.members[0].listening.handing, cases[i].handing);
		cli_up_file_release(&file);
	}
}

static void test_limits(void **state)
{
	(void)state;
	take(WEB "limit: [tcp-flows=10, log-lines=5]\n");
	assert_int_equal(file.members[0].options.limits.relay.tcp_flows, 10);
	assert_int_equal(file.members[0].options.limits.log_lines, 5);
	cli_up_file_release(&file);
	refuse(WEB "limit: [tcp-flow=10]\n", 4, 13, "did you mean tcp-flows?");
	/* It would hold for the others too. */
	refuse(WEB "limit: [tcp-flows=10, descriptors=100]\n", 4, 12, "`ulimit -n`");
}

/* As many as there may be, and one more. */
static void test_bounds(void **state)
{
	char text[CLI_UP_MEMBERS * 32 + 64] = "sandboxes:\n";
	size_t len = strlen(text);

	(void)state;
	for (int i = 0; i < CLI_UP_MEMBERS; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "  s%d: {command: x}\n", i);
	take(text);
	assert_string_equal(address_of(CLI_UP_MEMBERS - 1), "10.0.2.163");
	cli_up_file_release(&file);
	snprintf(text + len, sizeof(text) - len, "  more: {command: x}\n");
	refuse(text, CLI_UP_MEMBERS + 2, 3, "more than 64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_least), cmocka_unit_test(test_everything),
		cmocka_unit_test(test_anchors),   cmocka_unit_test(test_no_yaml),
		cmocka_unit_test(test_keys),      cmocka_unit_test(test_names),
		cmocka_unit_test(test_commands),  cmocka_unit_test(test_values),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_dependencies),
		cmocka_unit_test(test_on_demand), cmocka_unit_test(test_inetd),
		cmocka_unit_test(test_limits),    cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
