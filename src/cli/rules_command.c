/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/denied.h"
#include "cli/rule_argument.h"
#include "cli/verbs.h"
#include "control/denials.h"
#include <cothon/service.h>

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESOURCE "/v1/rules"

struct settings {
	bool json;
	json_t *rules; /* those of the command line, an array */
};

/* --- options --- */

CLI_OPTION_FLAG(take_json, struct settings, json)

static int take_rule(struct settings *settings, const char *text, bool allow,
		     struct cli_error *error)
{
	struct cothon_rule rule;
	int result = cli_rule_parse(text, allow, &rule, error);

	if (result == 0)
		json_array_append_new(settings->rules,
				      json_pack("{sb, ss}", "allow", (int)allow, "rule", text));
	return result;
}

static int take_allow(void *target, const char *value, struct cli_error *error)
{
	return take_rule(target, value, true, error);
}

static int take_deny(void *target, const char *value, struct cli_error *error)
{
	return take_rule(target, value, false, error);
}

static const struct cli_option options[] = {
	{.name = "allow", .argument = "RULE", .help = "a rule that allows", .take = take_allow},
	{.name = "deny", .argument = "RULE", .help = "a rule that denies", .take = take_deny},
	{.name = "json", .help = "print as JSON", .take = take_json},
	{0},
};

/* Of the same table: only --json. */
static const struct cli_option *const json_option = &options[2];

static const struct cli_syntax help = {
	.name = "rules",
	.examples = "  cothon rules add web --allow example.org:443 --deny any:25\n"
		    "  cothon rules rm web --deny any:25\n"
		    "  cothon rules ls web\n"
		    "  cothon rules rm web 1                the first that `ls` shows\n"
		    "  cothon rules denied web              what was not let through",
	.usage = "cothon rules add|rm|ls|denied [--json] [NAME] [--allow RULE | --deny RULE]...",
	.summary =
		"Changes what a running sandbox may reach. RULE is " CLI_RULE_FORM ", as\n"
		"for `cothon run`. Of several all are added or removed at once, or none; the next\n"
		"packet meets the new rules, and connections that they forbid are closed. NAME may\n"
		"be left out when one sandbox runs.",
	.options = options,
};

/* --- answers --- */

/* The rules of an answer; the caller's. NULL without memory. */
static struct cothon_rule *read_rules(const json_t *answer, size_t *count)
{
	const json_t *list = json_object_get(answer, "rules");
	struct cothon_rule *rules = calloc(json_array_size(list) + 1, sizeof(*rules));
	struct cothon_rule_error ignored;
	size_t i;
	json_t *json;

	*count = 0;
	json_array_foreach(list, i, json)
	{
		const char *text = json_string_value(json_object_get(json, "rule"));
		bool allow = json_is_true(json_object_get(json, "allow"));

		if (rules && text &&
		    cothon_rule_parse(text, strlen(text), allow, &rules[*count], &ignored) == 0)
			++*count;
	}
	return rules;
}

/* Says what is odd about what was added. */
static void warn(const struct cli_running *running, const json_t *answer)
{
	const json_t *oddities = json_object_get(answer, "oddities");
	struct cothon_rules *rules = NULL;
	struct cothon_rule *list;
	size_t count, i;
	json_t *oddity;

	if (json_array_size(oddities) == 0)
		return;
	list = read_rules(answer, &count);
	/* Without memory, or of another version, it cannot be explained. */
	if (list && count == json_array_size(json_object_get(answer, "rules")) &&
	    cothon_rules_create(&cothon_memory_malloc, list, count, &rules) == 0) {
		json_array_foreach(oddities, i, oddity)
		{
			size_t at = (size_t)json_integer_value(json_object_get(oddity, "index"));
			struct cli_error odd;

			if (at < count && cli_rule_is_odd(rules, at, &odd))
				cli_message(running->name, "%s", odd.text);
		}
		cothon_rules_destroy(rules);
	}
	free(list);
}

static void print_rules(const json_t *answer)
{
	const json_t *list = json_object_get(answer, "rules");
	size_t i;
	json_t *rule;

	if (json_array_size(list) == 0)
		puts("no rules: everything may be reached but what is closed to every sandbox");
	json_array_foreach(list, i, rule)
	{
		const char *text = json_string_value(json_object_get(rule, "rule"));

		printf("%3zu  %-5s  %s\n", i + 1,
		       json_is_true(json_object_get(rule, "allow")) ? "allow" : "deny",
		       text ? text : "?");
	}
}

/* --- verbs --- */

/* Rules by their numbers in the list, as the operands name them. */
static int take_numbers(struct cli_running *running, struct settings *settings, char **operands,
			struct cli_error *error)
{
	json_t *answer;
	const json_t *list;
	int result = cli_running_ask(running, HTTP_GET, RESOURCE, NULL, &answer, error);

	list = json_object_get(answer, "rules");
	for (; result == 0 && *operands; operands++) {
		char *end;
		unsigned long number = strtoul(*operands, &end, 10);

		if (!isdigit((unsigned char)**operands) || *end || number < 1 ||
		    number > json_array_size(list))
			result = cli_error(error,
					   "there is no rule number \"%s\"; `cothon rules ls %s` "
					   "numbers them",
					   *operands, running->name);
		else
			json_array_append(settings->rules, json_array_get(list, number - 1));
	}
	json_decref(answer);
	return result;
}

static int change(struct cli_running *running, struct settings *settings, const char *field,
		  struct cli_error *error)
{
	json_t *answer, *body;
	int result;

	if (json_array_size(settings->rules) == 0)
		return cli_error(error, "which rules? write --allow " CLI_RULE_FORM
					" or --deny " CLI_RULE_FORM);
	body = json_pack("{sO}", field, settings->rules);
	if (!body)
		return cli_error(error, "not enough memory");
	result = cli_running_ask(running, HTTP_POST, RESOURCE, body, &answer, error);
	json_decref(body);
	if (result == 0)
		warn(running, answer);
	if (result == 0 && settings->json)
		cli_print_json(answer);
	json_decref(answer);
	return result;
}

static int add(struct cli_running *running, void *target, char **operands, struct cli_error *error)
{
	(void)operands;
	return change(running, target, "add", error);
}

static int rm(struct cli_running *running, void *target, char **operands, struct cli_error *error)
{
	int result = 0;

	if (*operands)
		result = take_numbers(running, target, operands, error);
	return result < 0 ? result : change(running, target, "remove", error);
}

static int ls(struct cli_running *running, void *target, char **operands, struct cli_error *error)
{
	const struct settings *settings = target;
	json_t *answer;
	int result = cli_running_ask(running, HTTP_GET, RESOURCE, NULL, &answer, error);

	(void)operands;
	if (result == 0 && settings->json)
		cli_print_json(answer);
	else if (result == 0)
		print_rules(answer);
	json_decref(answer);
	return result;
}

static struct cothon_endpoint read_endpoint(const json_t *json)
{
	const char *addr = json_string_value(json_object_get(json, "address"));
	struct cothon_endpoint endpoint = {
		.port = (uint16_t)json_integer_value(json_object_get(json, "port")),
	};

	if (addr)
		cothon_addr_parse(addr, &endpoint.addr);
	return endpoint;
}

/* A denial as the relay has told it. Returns false for one that is not understood. */
static bool read_denial(const json_t *json, struct relay_denial *denial)
{
	const char *by = json_string_value(json_object_get(json, "by"));
	const char *transport = json_string_value(json_object_get(json, "transport"));
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *rule = json_string_value(json_object_get(json, "rule"));
	struct cothon_rule_error ignored;
	int reason = by ? control_denial_reason(by) : -EINVAL;

	if (reason < 0 || !transport ||
	    (rule && cothon_rule_parse(rule, strlen(rule), false, &denial->rule, &ignored) < 0))
		return false;
	denial->by = (enum relay_denied_by)reason;
	denial->transport = (uint8_t)cothon_transport_by_name(transport, strlen(transport));
	denial->query = json_is_true(json_object_get(json, "query"));
	denial->source = read_endpoint(json_object_get(json, "source"));
	denial->destination = read_endpoint(json_object_get(json, "destination"));
	snprintf(denial->name, sizeof(denial->name), "%s", name ? name : "");
	return true;
}

/* A line: when, what, why. */
static void print_denial(const json_t *json)
{
	char what[CLI_DENIED_TEXT], why[CLI_DENIED_TEXT];
	const char *at = json_string_value(json_object_get(json, "at"));
	struct relay_denial denial = {0};

	if (at && read_denial(json, &denial))
		printf("%.19sZ  %s: %s\n", at, cli_denied_what(&denial, true, what),
		       cli_denied_why(&denial, why));
}

static int denied(struct cli_running *running, void *target, char **operands,
		  struct cli_error *error)
{
	const struct settings *settings = target;
	json_t *answer, *denial;
	int result = cli_running_ask(running, HTTP_GET, "/v1/denials", NULL, &answer, error);
	size_t i;

	(void)operands;
	if (result == 0 && settings->json)
		cli_print_json(answer);
	else if (result == 0)
		json_array_foreach(json_object_get(answer, "denials"), i, denial)
			print_denial(denial);
	json_decref(answer);
	return result;
}

/* Any operand may be a name. */
static bool is_operand(const char *text)
{
	(void)text;
	return false;
}

int cli_rules(int argc, char **argv)
{
	const struct cli_verb list[] = {
		{"add", options, false, add},
		{"rm", options, true, rm},
		{"ls", json_option, false, ls},
		{"denied", json_option, false, denied},
		{0},
	};
	const struct cli_verbs verbs = {"rules", list, &help, is_operand};
	struct settings settings = {.rules = json_array()};
	int status = cli_verbs_run(&verbs, argc, argv, &settings);

	json_decref(settings.rules);
	return status;
}
