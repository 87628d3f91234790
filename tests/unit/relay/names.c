/* SPDX-License-Identifier: MIT */
#include "relay/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static const uint8_t seed[COTHON_SEED_LEN] = {1, 2, 3};

static int setup(void **state)
{
	struct relay_names *names = malloc(sizeof(*names));

	assert_non_null(names);
	relay_names_init(names, seed, 1);
	*state = names;
	return 0;
}

static int teardown(void **state)
{
	relay_names_finish(*state);
	free(*state);
	return 0;
}

/* The name numbered i. */
static struct relay_name *obtain(struct relay_names *names, unsigned i)
{
	char text[32];

	snprintf(text, sizeof(text), "name-%u.example", i);
	return relay_names_obtain(names, text);
}

static void assert_address(const struct relay_name *name, bool ipv6, const char *text)
{
	struct cothon_addr addr = relay_names_address(name, ipv6);
	char got[COTHON_ADDR_TEXT];

	assert_string_equal(cothon_addr_format(&addr, got), text);
}

static void a_name_has_an_address_of_each_family_and_keeps_it(void **state)
{
	struct relay_names *names = *state;
	struct relay_name *a = relay_names_obtain(names, "a.example");
	struct relay_name *b = relay_names_obtain(names, "b.example");

	assert_address(a, false, "198.18.0.1");
	assert_address(a, true, "fd00:c071::1");
	assert_address(b, false, "198.18.0.2");
	assert_address(b, true, "fd00:c071::2");
	assert_ptr_equal(relay_names_obtain(names, "a.example"), a);
	assert_int_equal(names->count, 2);
}

static void an_address_finds_its_name(void **state)
{
	const char *const nobodys[] = {"198.18.0.0",   "198.18.0.3", "198.19.255.255",
				       "fd00:c071::",  "192.0.2.1",  "fd00:c071::3",
				       "fd00:c070::1", "198.20.0.1", "fd00:c071::ffff:ffff",
				       "10.0.2.2",     "198.17.0.1"};
	struct relay_names *names = *state;
	struct cothon_addr addr;

	assert_int_equal(cothon_addr_parse("198.18.0.1", &addr), 0);
	assert_null(relay_names_find(names, &addr));
	for (unsigned i = 0; i < 2; i++) {
		struct relay_name *name = obtain(names, i);

		for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
			addr = relay_names_address(name, ipv6);
			assert_true(relay_names_is_synthetic(&addr));
			assert_ptr_equal(relay_names_find(names, &addr), name);
		}
	}
	for (size_t i = 0; i < sizeof(nobodys) / sizeof(nobodys[0]); i++) {
		assert_int_equal(cothon_addr_parse(nobodys[i], &addr), 0);
		assert_null(relay_names_find(names, &addr));
	}
}

static void all_addresses_are_different_and_in_range(void **state)
{
	struct relay_names *names = *state;

	for (unsigned i = 0; i < RELAY_NAMES_MAX; i++)
		assert_non_null(obtain(names, i));
	for (unsigned i = 0; i < RELAY_NAMES_MAX; i++) {
		struct relay_name *name = obtain(names, i);
		struct cothon_addr addr = relay_names_address(name, i % 2);

		assert_ptr_equal(relay_names_find(names, &addr), name);
	}
	assert_int_equal(names->count, RELAY_NAMES_MAX);
}

static void the_longest_unused_makes_room(void **state)
{
	struct relay_names *names = *state;
	struct relay_name *used, *name;
	struct cothon_addr first;

	for (unsigned i = 0; i < RELAY_NAMES_MAX; i++)
		obtain(names, i);
	/* 0 is in use, 1 was asked for again: 2 goes. */
	used = relay_names_take(obtain(names, 0));
	for (unsigned i = 3; i < RELAY_NAMES_MAX; i++)
		obtain(names, i);
	obtain(names, 1);
	first = relay_names_address(obtain(names, 2), false);
	/* 0 is the oldest now, and then 3. */
	name = obtain(names, RELAY_NAMES_MAX);
	assert_int_equal(names->count, RELAY_NAMES_MAX);
	assert_int_equal(name->number, 4);
	assert_string_equal(used->text, "name-0.example");
	assert_string_equal(relay_names_find(names, &first)->text, "name-2.example");
	relay_names_put(names, used);
}

static void what_does_not_exist_goes_first(void **state)
{
	struct relay_names *names = *state;
	struct relay_name *name;

	for (unsigned i = 0; i < RELAY_NAMES_MAX; i++)
		obtain(names, i);
	name = obtain(names, 500);
	relay_names_discount(names, name);
	assert_int_equal(obtain(names, RELAY_NAMES_MAX)->number, 501);
}

static void when_all_are_in_use_there_is_no_room(void **state)
{
	struct relay_names *names = *state;

	for (unsigned i = 0; i < RELAY_NAMES_MAX; i++)
		relay_names_take(obtain(names, i));
	assert_null(obtain(names, RELAY_NAMES_MAX));
	assert_non_null(obtain(names, 7));
	relay_names_put(names, obtain(names, 7));
	assert_int_equal(obtain(names, RELAY_NAMES_MAX)->number, 8);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_name_has_an_address_of_each_family_and_keeps_it),
		TEST(an_address_finds_its_name),
		TEST(all_addresses_are_different_and_in_range),
		TEST(the_longest_unused_makes_room),
		TEST(what_does_not_exist_goes_first),
		TEST(when_all_are_in_use_there_is_no_room),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
