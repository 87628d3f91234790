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
	struct cothon_endpoint destination = {.port = 80};
	struct relay_decision decision;
	int error;

	assert_int_equal(cothon_addr_parse(addr, &destination.addr), 0);
	error = relay_policy_decide(policy, COTHON_TCP, &destination, &decision);
	cothon_endpoint_format(&decision.target, target);
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

/* A policy under rules, which are to be destroyed. */
static struct relay_policy ruled(struct cothon_rules **rules, const char *const *texts)
{
	struct relay_policy ruled = policy();
	struct cothon_rule list[8];
	size_t count = 0;

	for (; texts[count]; count++) {
		const char *text = strchr(texts[count], ' ') + 1;
		struct cothon_rule_error error;

		assert_int_equal(cothon_rule_parse(text, strlen(text), texts[count][0] == 'a',
						   &list[count], &error),
				 0);
	}
	assert_int_equal(cothon_rules_create(&cothon_memory_malloc, list, count, rules), 0);
	relay_policy_follow(&ruled, *rules);
	return ruled;
}

enum {
	OPEN = -1,
	UNNOTED = -2
};

/* Who denies a port of an address; OPEN, or UNNOTED where no rule is asked. */
static int denied_by(const struct relay_policy *policy, uint8_t transport, const char *addr,
		     uint16_t port)
{
	struct cothon_endpoint destination = {.port = port};
	struct relay_decision decision;

	assert_int_equal(cothon_addr_parse(addr, &destination.addr), 0);
	if (relay_policy_decide(policy, transport, &destination, &decision) == 0)
		return OPEN;
	return decision.denied ? (int)decision.by : UNNOTED;
}

static void rules_decide_about_addresses(void **state)
{
	const char *const texts[] = {"allow 192.0.2.0/24:80,443/tcp", "allow 2001:db8::/32",
				     "deny 192.0.2.9", NULL};
	struct cothon_rules *rules;
	struct relay_policy by = ruled(&rules, texts);

	(void)state;
	assert_int_equal(denied_by(&by, COTHON_TCP, "192.0.2.1", 80), OPEN);
	assert_int_equal(denied_by(&by, COTHON_UDP, "192.0.2.1", 80), RELAY_DENIED_BY_NONE);
	assert_int_equal(denied_by(&by, COTHON_TCP, "192.0.2.1", 81), RELAY_DENIED_BY_NONE);
	assert_int_equal(denied_by(&by, 0, "192.0.2.1", 0), RELAY_DENIED_BY_NONE);
	assert_int_equal(denied_by(&by, 0, "2001:db8::1", 0), OPEN);
	assert_int_equal(denied_by(&by, COTHON_TCP, "192.0.2.9", 80), RELAY_DENIED_BY_RULE);
	assert_int_equal(denied_by(&by, COTHON_TCP, "198.51.100.1", 80), RELAY_DENIED_BY_NONE);
	/* What no rule can open is no matter of rules. */
	assert_int_equal(denied_by(&by, COTHON_TCP, "127.0.0.1", 80), UNNOTED);
	assert_int_equal(denied_by(&by, COTHON_UDP, "224.0.0.251", 5353), UNNOTED);
	/* Other servers' ports, as long as no rule is about a name. */
	assert_int_equal(denied_by(&by, COTHON_TCP, "2001:db8::1", 853), OPEN);
	cothon_rules_destroy(rules);
}

static void what_is_closed_by_nature_takes_a_rule_of_its_own(void **state)
{
	const char *const wide[] = {"allow any",         "allow 0.0.0.0/0", "allow 169.0.0.0/8",
				    "allow 10.0.2.0/24", "allow ::/0",      NULL};
	const char *const exact[] = {"allow 169.254.169.254:80", "allow 10.0.2.2:5432",
				     "allow [fe80::/10]:22", NULL};
	struct cothon_rules *rules;
	struct relay_policy by = policy();

	(void)state;
	assert_int_equal(denied_by(&by, COTHON_TCP, "169.254.169.254", 80), RELAY_DENIED_BY_NATURE);
	assert_int_equal(denied_by(&by, COTHON_TCP, "10.0.2.2", 80), RELAY_DENIED_BY_NATURE);
	by = ruled(&rules, wide);
	assert_int_equal(denied_by(&by, COTHON_TCP, "169.254.169.254", 80), RELAY_DENIED_BY_NATURE);
	assert_int_equal(denied_by(&by, COTHON_TCP, "fe80::1", 22), RELAY_DENIED_BY_NATURE);
	assert_int_equal(denied_by(&by, COTHON_TCP, "10.0.2.2", 80), RELAY_DENIED_BY_NATURE);
	assert_int_equal(denied_by(&by, COTHON_TCP, "10.0.2.7", 80), OPEN);
	cothon_rules_destroy(rules);
	by = ruled(&rules, exact);
	assert_int_equal(denied_by(&by, COTHON_TCP, "169.254.169.254", 80), OPEN);
	assert_int_equal(denied_by(&by, COTHON_TCP, "169.254.169.254", 81), RELAY_DENIED_BY_NATURE);
	assert_int_equal(denied_by(&by, COTHON_TCP, "fe80::1", 22), OPEN);
	assert_int_equal(denied_by(&by, COTHON_TCP, "10.0.2.2", 5432), OPEN);
	assert_int_equal(denied_by(&by, COTHON_TCP, "10.0.2.2", 5433), RELAY_DENIED_BY_NATURE);
	cothon_rules_destroy(rules);
}

/* --host-loopback beside rules: as a rule that allows it, and one that denies beats that. */
static void host_loopback_is_short_for_a_rule(void **state)
{
	const char *const texts[] = {"allow 192.0.2.1", "deny 10.0.2.2:25", NULL};
	struct cothon_rules *rules;
	struct relay_policy by = ruled(&rules, texts);

	(void)state;
	by.host_loopback = true;
	assert_int_equal(denied_by(&by, COTHON_TCP, "10.0.2.2", 80), OPEN);
	assert_int_equal(denied_by(&by, COTHON_TCP, "10.0.2.2", 25), RELAY_DENIED_BY_RULE);
	cothon_rules_destroy(rules);
}

static void without_rules_about_names_all_may_be_asked_for_or_none(void **state)
{
	const char *const prefixes[] = {"allow 192.0.2.0/24", NULL};
	const char *const denials[] = {"deny 192.0.2.0/24", NULL};
	const char *const names[] = {"allow any", "deny *.example", NULL};
	struct cothon_rules *rules;
	struct relay_policy by = ruled(&rules, prefixes);

	(void)state;
	assert_false(by.names);
	assert_true(by.some_names_denied);
	cothon_rules_destroy(rules);
	by = ruled(&rules, denials);
	assert_false(by.some_names_denied);
	cothon_rules_destroy(rules);
	by = ruled(&rules, names);
	assert_true(by.names && by.some_names_denied);
	assert_int_equal(denied_by(&by, COTHON_TCP, "192.0.2.1", 853), RELAY_DENIED_BY_NATURE);
	assert_int_equal(denied_by(&by, COTHON_TCP, "192.0.2.1", 854), OPEN);
	cothon_rules_destroy(rules);
}

static void what_a_name_leads_to_is_decided_again(void **state)
{
	const char *const texts[] = {"allow www.example", "deny 192.0.2.9", "allow 192.0.2.8",
				     NULL};
	const struct {
		const char *addr;
		bool own;
		int by;
	} cases[] = {
		{"192.0.2.1", false, OPEN},
		{"192.0.2.9", false, RELAY_DENIED_BY_RULE},
		{"192.0.2.1", true, RELAY_DENIED_REBINDING},
		{"192.0.2.8", true, OPEN},
		{"127.0.0.1", false, RELAY_DENIED_REBINDING},
		{"::1", false, RELAY_DENIED_REBINDING},
		{"0.0.0.0", false, RELAY_DENIED_REBINDING},
		{"::", false, RELAY_DENIED_REBINDING},
		{"169.254.0.1", false, RELAY_DENIED_REBINDING},
		{"fe80::1", false, RELAY_DENIED_REBINDING},
		{"224.0.0.1", false, RELAY_DENIED_REBINDING},
		{"ff02::1", false, RELAY_DENIED_REBINDING},
		{"10.0.2.2", false, RELAY_DENIED_REBINDING},
		{"10.0.2.100", false, RELAY_DENIED_REBINDING},
		{"fd00:c070::3", false, RELAY_DENIED_REBINDING},
	};
	struct cothon_rules *rules;
	struct relay_policy by = ruled(&rules, texts);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cothon_endpoint real = {.port = 80};
		struct relay_decision decision;
		int error;

		assert_int_equal(cothon_addr_parse(cases[i].addr, &real.addr), 0);
		error = relay_policy_decide_resolved(&by, COTHON_TCP, "www.example", &real,
						     cases[i].own, &decision);
		assert_int_equal(error ? (int)decision.by : OPEN, cases[i].by);
	}
	cothon_rules_destroy(rules);
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

static void a_shared_network_is_inside_as_a_whole(void **state)
{
	const char *const addrs[] = {"10.0.2.100", "10.0.2.101", "10.0.2.7", "fd00:c070::7"};
	struct relay_policy shared = policy();
	char target[COTHON_ENDPOINT_TEXT];

	(void)state;
	shared.network.shared = true;
	for (size_t i = 0; i < sizeof(addrs) / sizeof(addrs[0]); i++) {
		struct cothon_addr addr;

		cothon_addr_parse(addrs[i], &addr);
		assert_true(relay_network_inside(&shared.network, &addr));
		assert_int_equal(decide(&shared, addrs[i], target), -EHOSTUNREACH);
	}
	assert_int_equal(decide(&shared, "10.0.3.7", target), 0);
	assert_int_equal(decide(&shared, "10.0.2.255", target), -EACCES);
	shared.network.ipv6.enabled = false;
	assert_int_equal(decide(&shared, "fd00:c070::7", target), -ENETUNREACH);
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
		cmocka_unit_test(a_shared_network_is_inside_as_a_whole),
		cmocka_unit_test(rules_decide_about_addresses),
		cmocka_unit_test(what_is_closed_by_nature_takes_a_rule_of_its_own),
		cmocka_unit_test(host_loopback_is_short_for_a_rule),
		cmocka_unit_test(without_rules_about_names_all_may_be_asked_for_or_none),
		cmocka_unit_test(what_a_name_leads_to_is_decided_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
