/* SPDX-License-Identifier: MIT */
#ifndef CLI_RULE_ARGUMENT_H
#define CLI_RULE_ARGUMENT_H

/* A rule as an argument: read, and looked at for what is odd about it. */

#include "cli/cli.h"

#include <cothon/rule.h>

#define CLI_RULE_FORM "DEST[:PORTS][/tcp|/udp]"

/* Reads a rule. Returns 0, or -EINVAL with *error filled in. */
int cli_rule_parse(const char *text, bool allow, struct cothon_rule *rule, struct cli_error *error);
/*
 * Whether something is odd about the rule at `i`; then *odd says what, and what to do. It names the
 * rules as "allow RULE" and "deny RULE".
 */
bool cli_rule_is_odd(const struct cothon_rules *rules, size_t i, struct cli_error *odd);
/* Warns of what is odd about any of the rules; `subject` is as for cli_message(). */
void cli_rules_warn(const char *subject, const struct cothon_rule *list, size_t count);

#endif
