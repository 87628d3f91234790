/* SPDX-License-Identifier: MIT */
#include "cli/rule_argument.h"

#include <string.h>

int cli_rule_parse(const char *text, bool allow, struct cothon_rule *rule, struct cli_error *error)
{
	struct cothon_rule_error reason;

	if (cothon_rule_parse(text, strlen(text), allow, rule, &reason) == 0)
		return 0;
	return cli_error(error, "%s", reason.text);
}

static const char *verb(const struct cothon_rule *rule)
{
	return rule->allow ? "allow" : "deny";
}

/* Nothing is reached there, whatever the rules are. */
static void explain_unreachable(const struct cothon_rule *rule, const char *text,
				struct cli_error *odd)
{
	if (cothon_addr_is_any(&rule->addr))
		cli_error(odd,
			  "%s %.300s changes nothing, because no host has this address; for all "
			  "destinations write `any`",
			  verb(rule), text);
	else
		cli_error(
			odd,
			"%s %.300s changes nothing, because nothing is ever reached there; leave it "
			"out",
			verb(rule), text);
}

static void explain_hidden(const struct cothon_rule *rule, const char *text,
			   const struct cothon_rule *by, struct cli_error *odd)
{
	char other[COTHON_RULE_TEXT];

	cothon_rule_format(by, other);
	if (rule->allow && !by->allow)
		cli_error(odd,
			  "allow %.180s allows nothing, because deny %.180s is about all of it, "
			  "and what denies goes first; leave one out",
			  text, other);
	else
		cli_error(
			odd,
			"%s %.180s changes nothing, because %s %.180s is about all of it already; "
			"leave it out",
			verb(rule), text, verb(by), other);
}

bool cli_rule_is_odd(const struct cothon_rules *rules, size_t i, struct cli_error *odd)
{
	const struct cothon_rule *rule = cothon_rules_at(rules, i);
	char text[COTHON_RULE_TEXT];
	size_t by = 0;

	cothon_rule_format(rule, text);
	switch (cothon_rules_oddity(rules, i, &by)) {
	case COTHON_RULE_TWICE:
		cli_error(odd, "%s %.400s is there twice; leave one out", verb(rule), text);
		return true;
	case COTHON_RULE_HIDDEN:
		explain_hidden(rule, text, cothon_rules_at(rules, by), odd);
		return true;
	case COTHON_RULE_UNREACHABLE:
		explain_unreachable(rule, text, odd);
		return true;
	default:
		return false;
	}
}

void cli_rules_warn(const char *subject, const struct cothon_rule *list, size_t count)
{
	struct cothon_rules *rules;
	struct cli_error odd;

	/* Without memory for it the run fails soon, and says so. */
	if (count == 0 || cothon_rules_create(&cothon_memory_malloc, list, count, &rules) < 0)
		return;
	for (size_t i = 0; i < count; i++) {
		if (cli_rule_is_odd(rules, i, &odd))
			cli_message(subject, "%s", odd.text);
	}
	cothon_rules_destroy(rules);
}
