/* SPDX-License-Identifier: MIT */
#include "cli/explain.h"

#include "../host/fresh.h"
#include "cli/publish.h"
#include "host/namespace.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_failures(void **state)
{
	static const struct {
		enum sandbox_step step;
		int error;
		const char *text;
	} cases[] = {
		{SANDBOX_STEP_TUN_OPEN, -ENOENT,
		 "cannot open /dev/net/tun: it is not there; load the driver (modprobe tun), or "
		 "in a container give it the device (--device /dev/net/tun)"},
		{SANDBOX_STEP_TUN_OPEN, -EACCES,
		 "cannot open /dev/net/tun: its mode keeps you out; let everyone open it, as is "
		 "usual: chmod 0666 /dev/net/tun"},
		{SANDBOX_STEP_TUN_OPEN, -EPERM,
		 "cannot open /dev/net/tun: this container may not use the device; start it with "
		 "--device /dev/net/tun"},
		{SANDBOX_STEP_TUN_OPEN, -ENODEV,
		 "cannot open /dev/net/tun: the driver is not loaded; load it: modprobe tun"},
		{SANDBOX_STEP_CHANNEL, -EMFILE,
		 "cannot make the channel to the sandbox: too many files are open; raise the "
		 "limit: ulimit -n"},
		/* What nobody has foreseen says at least what was tried. */
		{SANDBOX_STEP_NETWORK, -ENOBUFS,
		 "cannot set up addresses and routes in the sandbox: No buffer space available"},
	};
	struct cli_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct sandbox_failure failure = {cases[i].step, cases[i].error};

		assert_string_equal(cli_explain_failure(&failure, &error), cases[i].text);
	}
}

/* The setting that is to blame is named: this one is switched off here, the others are not. */
static int blame_network_namespaces(void)
{
	const struct sandbox_failure failure = {SANDBOX_STEP_NAMESPACES, -ENOSPC};

	CHECK(strstr(cli_explain_reason(&failure), "the limits are in /proc/sys/user"));
	CHECK(host_proc_write("/proc/sys/user/max_net_namespaces", "0") == 0);
	CHECK(strstr(cli_explain_reason(&failure), "sysctl user.max_net_namespaces=15000"));
	CHECK(host_proc_write("/proc/sys/user/max_user_namespaces", "0") == 0);
	CHECK(strstr(cli_explain_reason(&failure), "sysctl user.max_user_namespaces=15000"));
	return 0;
}

static void test_settings(void **state)
{
	(void)state;
	ASSERT_FRESH(0, blame_network_namespaces);
}

static void assert_publish(const char *spec, uint16_t port, int reason, const char *expected)
{
	struct relay_publication publication;
	struct relay_publish_error why = {.error = reason, .port = port};
	struct cli_error error;

	assert_int_equal(cli_publish_parse(spec, &publication, &error), 0);
	why.addr = publication.addr;
	assert_string_equal(cli_explain_publish(&publication, &why, &error), expected);
}

static void test_publish(void **state)
{
	(void)state;
	assert_publish("8080:80", 8080, -EADDRINUSE,
		       "cannot publish port 8080/tcp: another program has it; publish another (-p "
		       "9104:80), or find the program with: ss -ltnp sport = :8080");
	assert_publish(
		"127.0.0.1:65000-65009:100-109/udp", 65003, -EADDRINUSE,
		"cannot publish port 65003/udp of 127.0.0.1: another program has it; publish "
		"another (-p 63979:103/udp), or find the program with: ss -lunp sport = :65003");
	assert_publish(
		"80:8000", 80, -EACCES,
		"cannot publish port 80/tcp: it is below those that ordinary users may open; "
		"publish another (-p 8080:8000), or allow it: sysctl "
		"net.ipv4.ip_unprivileged_port_start=80");
	assert_publish(
		"192.0.2.77:81:81", 81, -EADDRNOTAVAIL,
		"cannot publish port 81/tcp of 192.0.2.77: this host does not have that address; "
		"`ip address` lists those it has, and without an address all serve");
	assert_publish(
		"81:81", 81, -EMFILE,
		"cannot publish port 81/tcp: too many files are open; publish fewer ports, or "
		"raise the limit: ulimit -n");
	assert_publish("81:81", 81, -ENOMEM, "cannot publish port 81/tcp: Cannot allocate memory");
}

static void test_command(void **state)
{
	const char *script = "/some/script";
	struct cli_error error;

	(void)state;
	assert_string_equal(
		cli_explain_command("shpi", -ENOENT, false, &error),
		"there is no command \"shpi\" in the PATH; install it, or write where it is");
	assert_string_equal(cli_explain_command("/no/ship", -ENOENT, false, &error),
			    "there is no file /no/ship");
	/* It is there; so what execve(2) did not find is its interpreter. */
	assert_non_null(strstr(cli_explain_command(script, -ENOENT, true, &error), "interpreter"));
	assert_non_null(
		strstr(cli_explain_command(script, -EACCES, true, &error), "not executable"));
	assert_non_null(strstr(cli_explain_command("x", -ELOOP, false, &error), "symbolic links"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_publish),
		cmocka_unit_test(test_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
