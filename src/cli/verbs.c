/* SPDX-License-Identifier: MIT */
#include "cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	VERBS_MAX = 8
};

static const struct cli_verb *find_verb(const struct cli_verbs *verbs, const char *name)
{
	for (const struct cli_verb *verb = verbs->verbs; verb->name; verb++) {
		if (strcmp(verb->name, name) == 0)
			return verb;
	}
	return NULL;
}

static int refuse_verb(const struct cli_verbs *verbs, const char *typed, struct cli_error *error)
{
	const char *names[VERBS_MAX + 1] = {NULL}, *nearest;
	char list[64] = "";
	size_t len = 0;

	for (size_t i = 0; verbs->verbs[i].name && i < VERBS_MAX; i++) {
		names[i] = verbs->verbs[i].name;
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
					names[i]);
	}
	if (!typed)
		return cli_error(error, "what is to be done? write one of: %s", list);
	nearest = cli_nearest(typed, names);
	if (nearest)
		return cli_error(error, "there is no \"%s\"; did you mean `cothon %s %s`?", typed,
				 verbs->subcommand, nearest);
	return cli_error(error, "there is no \"%s\"; write one of: %s", typed, list);
}

/* What a command line means. */
struct meaning {
	const struct cli_verb *verb;
	const char *name; /* of the sandbox; NULL: the only one */
	char **operands;
};

/* Reads argv[1 ..]. Returns 1, 0 when only the help is wanted, or -EINVAL. */
static int read_line(const struct cli_verbs *verbs, int argc, char **argv, void *target,
		     struct meaning *meaning, struct cli_error *error)
{
	struct cli_syntax syntax = {.name = verbs->subcommand};
	int at = 1, operand;

	if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return 0;
	meaning->verb = argc > 1 ? find_verb(verbs, argv[1]) : NULL;
	if (!meaning->verb)
		return refuse_verb(verbs, argc > 1 ? argv[1] : NULL, error);
	/* The name may stand before the options, or behind them. */
	if (argc > 2 && argv[2][0] != '-' && !verbs->is_operand(argv[2])) {
		meaning->name = argv[2];
		at = 2;
	}
	syntax.options = meaning->verb->options;
	operand = cli_options_read(&syntax, argc - at, argv + at, target, error);
	if (operand <= 0)
		return operand;
	meaning->operands = argv + at + operand;
	if (!meaning->name && meaning->operands[0] && !verbs->is_operand(meaning->operands[0]))
		meaning->name = *meaning->operands++;
	if (meaning->operands[0] && !meaning->verb->operands)
		return cli_error(error, "\"%s\" is one too many; `cothon %s --help` says more",
				 meaning->operands[0], verbs->subcommand);
	return 1;
}

int cli_verbs_run(const struct cli_verbs *verbs, int argc, char **argv, void *target)
{
	struct cli_running running;
	struct meaning meaning = {0};
	struct cli_error error;
	int result = read_line(verbs, argc, argv, target, &meaning, &error);

	if (result == 0) {
		cli_options_help(verbs->help);
		return CLI_OK;
	}
	if (result > 0)
		result = cli_running_find(&running, meaning.name, &error);
	if (result == 0 && meaning.verb) {
		result = meaning.verb->run(&running, target, meaning.operands, &error);
		cli_running_close(&running);
	}
	if (result < 0) {
		cli_message(verbs->subcommand, "%s", error.text);
		return CLI_FAILED;
	}
	return CLI_OK;
}
