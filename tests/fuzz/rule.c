/* SPDX-License-Identifier: MIT */

/*
 * The text of a rule: what is read is written in a form that is read as the same, and makes a set
 * that decides about itself; what is refused is refused with a place inside the text and words that
 * can be printed.
 */

#include "fuzz.h"
#include <cothon/rule.h>

static void check_error(const struct cothon_rule_error *error, size_t size)
{
	size_t len = strnlen(error->text, sizeof(error->text));

	fuzz_check(error->at <= size && error->len <= size - error->at);
	fuzz_check(len > 0 && len < sizeof(error->text));
	for (size_t i = 0; i < len; i++)
		fuzz_check(error->text[i] >= ' ' && error->text[i] <= '~');
}

/* A destination that the rule is about. */
static struct cothon_destination destination_of(const struct cothon_rule *rule,
						char name[static COTHON_NAME_MAX + 3])
{
	struct cothon_destination destination = {
		.transport = rule->echo  ? 0
			     : rule->tcp ? COTHON_TCP
					 : COTHON_UDP,
		.port = rule->port_count ? rule->ports[rule->port_count - 1].last : 0,
	};

	if (rule->kind == COTHON_RULE_PREFIX)
		destination.addr = &rule->addr;
	if (rule->kind == COTHON_RULE_NAME || rule->kind == COTHON_RULE_BELOW) {
		snprintf(name, COTHON_NAME_MAX + 3, "%s%s",
			 rule->kind == COTHON_RULE_BELOW ? "a." : "", rule->name);
		/* No name is below the longest ones. */
		if (strlen(name) <= COTHON_NAME_MAX)
			destination.name = name;
	}
	return destination;
}

static void check_set(const struct cothon_rule *rule)
{
	char name[COTHON_NAME_MAX + 3];
	struct cothon_destination destination = destination_of(rule, name);
	struct cothon_verdict verdict;
	struct cothon_rules *rules;
	size_t by;

	fuzz_check(cothon_rules_create(&cothon_memory_malloc, rule, 1, &rules) == 0);
	verdict = cothon_rules_decide(rules, &destination);
	if (rule->kind == COTHON_RULE_ANY || destination.addr || destination.name)
		fuzz_check(verdict.rule == 0 && verdict.allowed == rule->allow);
	if (destination.name)
		fuzz_check(cothon_rules_decide_name(rules, name).allowed || !rule->allow);
	cothon_rules_oddity(rules, 0, &by);
	cothon_rules_destroy(rules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cothon_rule rule, again;
	struct cothon_rule_error error;
	char text[COTHON_RULE_TEXT];
	/* Whether it allows does not matter to the reading. */
	bool allow = size % 2;

	if (cothon_rule_parse((const char *)data, size, allow, &rule, &error) < 0) {
		check_error(&error, size);
		return 0;
	}
	cothon_rule_format(&rule, text);
	if (strlen(text) < COTHON_RULE_TEXT - 1) {
		fuzz_check(cothon_rule_parse(text, strlen(text), allow, &again, &error) == 0);
		fuzz_check(cothon_rule_equal(&rule, &again));
	}
	check_set(&rule);
	return 0;
}
