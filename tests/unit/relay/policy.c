/* SPDX-License-Identifier: MIT */
#include "relay/policy.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct relay_policy policy(void)
{
	return (struct relay_policy){.network = relay_network_default()};
}

/* The decision about a port of an address; where it leads stands in `target` as text. */
static int decide(const struct relay_policy *policy, const char *addr,
		  char target[COTHON_ENDPOINT_TEXT])
{
	struct cothon_endpoint destination = {.port = 80}, to;
	int error;

	assert_int_equal(cothon_addr_parse(addr, &destination.addr), 0);
	error = relay_policy_decide(policy, &destination, &to);
	cothon_endpoint_format(&to, target);
	return error;
}

static void the_world_is_reached_as_it_is(void **state)
{
	const char *const addrs[] = {"192.0.2.1",   "8.8.8.8",      "10.0.2.7", "172.16.0.1",
				     "2001:db8::1", "fd00:c070::7", "fc00::1"};
	struct relay_policy plain = policy();

	(void)state;
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		char target[COTHON_ENDPOINT_TEXT], wanted[COTHON_ENDPOINT_TEXT];
		struct cothon_endpoint endpoint = {.port = 80};

		cothon_addr_parse(addrs[i], &endpoint.addr);
		assert_int_equal(decide(&plain, addrs[i], target), 0);
		assert_string_equal(target, cothon_endpoint_format(&endpoint, wanted));
	}
}

static void some_places_are_never_reached(void **state)
{
	const char *const addrs[] = {
		"127.0.0.1", "127.255.0.9", "0.0.0.0",     "0.1.2.3",          "169.254.169.254",
		"224.0.0.1", "239.1.2.3",   "240.0.0.1",   "255.255.255.255",  "10.0.2.255",
		"::",        "::1",         "::127.0.0.1", "::ffff:127.0.0.1", "::7",
		"fe80::1",   "febf::1",     "ff02::1",     "ff0e::1",
	};
	struct relay_policy open = policy();

	(void)state;
	/* Not even where the host's loopback is open by the gateway's address. */
	open.host_loopback = true;
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		char target[COTHON_ENDPOINT_TEXT];

		if (decide(&open, addrs[i], target) != -EACCES)
			fail_msg("%s is reached", addrs[i]);
	}
}

static void the_gateway_is_closed_or_the_hosts_loopback(void **state)
{
	struct relay_policy open = policy(), closed = policy();
	char target[COTHON_ENDPOINT_TEXT];

	(void)state;
	open.host_loopback = true;
	assert_int_equal(decide(&closed, "10.0.2.2", target), -ECONNREFUSED);
	assert_int_equal(decide(&closed, "fd00:c070::2", target), -ECONNREFUSED);
	assert_int_equal(decide(&open, "10.0.2.2", target), 0);
	assert_string_equal(target, "127.0.0.1:80");
	assert_int_equal(decide(&open, "fd00:c070::2", target), 0);
	assert_string_equal(target, "[::1]:80");
}

static void other_inside_addresses_lead_nowhere(void **state)
{
	struct relay_policy open = policy();
	char target[COTHON_ENDPOINT_TEXT];

	(void)state;
	open.host_loopback = true;
	assert_int_equal(decide(&open, "10.0.2.3", target), -ECONNREFUSED);
	assert_int_equal(decide(&open, "fd00:c070::3", target), -ECONNREFUSED);
	assert_int_equal(decide(&open, "10.0.2.100", target), -EHOSTUNREACH);
	assert_int_equal(decide(&open, "fd00:c070::100", target), -EHOSTUNREACH);
}

static void a_family_that_is_off_has_no_route(void **state)
{
	struct relay_policy one = policy();
	char target[COTHON_ENDPOINT_TEXT];

	(void)state;
	one.network.ipv6.enabled = false;
	assert_int_equal(decide(&one, "2001:db8::1", target), -ENETUNREACH);
	assert_int_equal(decide(&one, "fd00:c070::2", target), -ENETUNREACH);
	assert_int_equal(decide(&one, "192.0.2.1", target), 0);
	one = policy();
	one.network.ipv4.enabled = false;
	assert_int_equal(decide(&one, "192.0.2.1", target), -ENETUNREACH);
	/* Its prefix is then no concern of anybody. */
	assert_int_equal(decide(&one, "10.0.2.255", target), -ENETUNREACH);
}

static bool is_broadcast(unsigned prefix, const char *text)
{
	struct relay_network network = relay_network_default();
	struct cothon_addr addr;

	network.ipv4.prefix = prefix;
	assert_int_equal(cothon_addr_parse(text, &addr), 0);
	return relay_network_broadcast(&network, &addr);
}

static void the_prefix_has_one_broadcast_address(void **state)
{
	(void)state;
	assert_true(is_broadcast(24, "10.0.2.255"));
	assert_false(is_broadcast(24, "10.0.3.255"));
	assert_false(is_broadcast(24, "10.0.2.254"));
	assert_true(is_broadcast(8, "10.255.255.255"));
	assert_false(is_broadcast(8, "10.0.2.255"));
	assert_true(is_broadcast(30, "10.0.2.103"));
	assert_false(is_broadcast(31, "10.0.2.101"));
	assert_false(is_broadcast(32, "10.0.2.100"));
	assert_true(is_broadcast(24, "255.255.255.255"));
	assert_false(is_broadcast(24, "fd00:c070::ffff"));
}

static void only_three_addresses_are_inside(void **state)
{
	const char *const inside[] = {"10.0.2.100", "10.0.2.2", "10.0.2.3", "fd00:c070::3"};
	const char *const outside[] = {"10.0.2.1", "192.0.2.1", "fd00:c070::4"};
	struct relay_network network = relay_network_default();
	struct cothon_addr addr;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(cothon_addr_parse(inside[i], &addr), 0);
		assert_true(relay_network_inside(&network, &addr));
	}
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(cothon_addr_parse(outside[i], &addr), 0);
		assert_false(relay_network_inside(&network, &addr));
	}
	network.ipv6.enabled = false;
	assert_int_equal(cothon_addr_parse("fd00:c070::3", &addr), 0);
	assert_false(relay_network_inside(&network, &addr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_world_is_reached_as_it_is),
		cmocka_unit_test(some_places_are_never_reached),
		cmocka_unit_test(the_gateway_is_closed_or_the_hosts_loopback),
		cmocka_unit_test(other_inside_addresses_lead_nowhere),
		cmocka_unit_test(a_family_that_is_off_has_no_route),
		cmocka_unit_test(the_prefix_has_one_broadcast_address),
		cmocka_unit_test(only_three_addresses_are_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
