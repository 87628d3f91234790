/* SPDX-License-Identifier: MIT */
#include "cli/rule_argument.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum {
	RULES = 8
};

static struct cli_error error;

static void rules_are_read(void **state)
{
	char text[COTHON_RULE_TEXT];
	struct cothon_rule rule;

	(void)state;
	assert_int_equal(cli_rule_parse("*.Example.com:https", false, &rule, &error), 0);
	assert_false(rule.allow);
	assert_string_equal(cothon_rule_format(&rule, text), "*.example.com:443");
	assert_int_equal(cli_rule_parse("any:htpp", true, &rule, &error), -EINVAL);
	assert_string_equal(error.text, "there is no service called \"htpp\"; did you mean http?");
}

/* Reads rules, "+" in front of those that allow and "-" of those that deny; returns how many. */
static size_t read_rules(const char *text, struct cothon_rule list[static RULES])
{
	char copy[1024], *rest = NULL;
	size_t count = 0;

	assert_true(strlen(text) < sizeof(copy));
	memcpy(copy, text, strlen(text) + 1);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_true(count < RULES);
		if (cli_rule_parse(word + 1, *word == '+', &list[count++], &error) < 0)
			fail_msg("%s: %s", word, error.text);
	}
	return count;
}

static const struct {
	const char *rules;
	size_t i;
	const char *words; /* NULL: nothing is odd */
} oddities[] = {
	{"+any", 0, NULL},
	{"+any -any:25", 0, NULL},
	{"+any:80 +any:http", 1, "allow any:80 is there twice; leave one out"},
	{"-a.example +a.example:80", 1,
	 "allow a.example:80 allows nothing, because deny a.example is about all of it, and what "
	 "denies goes first; leave one out"},
	{"-*.example -a.example/udp", 1,
	 "deny a.example/udp changes nothing, because deny *.example is about all of it already; "
	 "leave it out"},
	{"+any +*.example", 1,
	 "allow *.example changes nothing, because allow any is about all of it already; leave it "
	 "out"},
	{"+224.0.0.251:mdns", 0,
	 "allow 224.0.0.251:5353 changes nothing, because nothing is ever reached there; leave it "
	 "out"},
	{"-0.0.0.0", 0,
	 "deny 0.0.0.0 changes nothing, because no host has this address; for all destinations "
	 "write `any`"},
};

static void oddities_are_said_in_words(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(oddities); i++) {
		struct cothon_rule list[RULES];
		struct cothon_rules *rules;
		size_t count = read_rules(oddities[i].rules, list);

		assert_int_equal(cothon_rules_create(&cothon_memory_malloc, list, count, &rules),
				 0);
		assert_int_equal(cli_rule_is_odd(rules, oddities[i].i, &error),
				 oddities[i].words != NULL);
		if (oddities[i].words)
			assert_string_equal(error.text, oddities[i].words);
		cothon_rules_destroy(rules);
	}
}

/* However long the rules are, what to do about them is in the words. */
static void long_rules_leave_room(void **state)
{
	struct cothon_rule list[RULES];
	char text[1024];
	struct cothon_rules *rules;
	size_t len = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", i ? ".a" : "+a");
	for (int i = 0; i < COTHON_RULE_PORTS; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%c%d", i ? ',' : ':',
					20000 + 10 * i);
	assert_int_equal(read_rules(text, list), 1);
	list[1] = list[0];
	list[1].allow = false;
	assert_int_equal(cothon_rules_create(&cothon_memory_malloc, list, 2, &rules), 0);
	assert_true(cli_rule_is_odd(rules, 0, &error));
	assert_non_null(strstr(error.text, "goes first; leave one out"));
	cothon_rules_destroy(rules);
	assert_int_equal(cothon_rules_create(&cothon_memory_malloc,
					     (struct cothon_rule[]){list[0], list[0]}, 2, &rules),
			 0);
	assert_true(cli_rule_is_odd(rules, 1, &error));
	assert_non_null(strstr(error.text, "is there twice; leave one out"));
	cothon_rules_destroy(rules);
}

static void warnings_go_to_standard_error(void **state)
{
	struct cothon_rule list[RULES];
	char text[1024] = "";
	size_t count = read_rules("+any:80 -any +any:http -10.0.0.0/8", list);
	int file = memfd_create("output", MFD_CLOEXEC), kept = dup(STDERR_FILENO);

	(void)state;
	assert_true(file >= 0 && kept >= 0);
	assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
	cli_rules_warn("web", list, count);
	cli_rules_warn("web", NULL, 0);
	assert_int_equal(dup2(kept, STDERR_FILENO), STDERR_FILENO);
	close(kept);
	assert_true(pread(file, text, sizeof(text) - 1, 0) > 0);
	close(file);
	assert_string_equal(
		text,
		"cothon: web: allow any:80 allows nothing, because deny any is about all of it, "
		"and what denies goes first; leave one out\n"
		"cothon: web: allow any:80 allows nothing, because deny any is about all of it, "
		"and what denies goes first; leave one out\n"
		"cothon: web: deny 10.0.0.0/8 changes nothing, because deny any is about all of it "
		"already; leave it out\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_read),
		cmocka_unit_test(oddities_are_said_in_words),
		cmocka_unit_test(long_rules_leave_room),
		cmocka_unit_test(warnings_go_to_standard_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
