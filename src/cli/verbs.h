/* SPDX-License-Identifier: MIT */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

/* The command line of subcommands with verbs: SUBCOMMAND VERB [NAME] [OPTIONS] [OPERAND...]. */

#include "cli/options.h"
#include "cli/running.h"

struct cli_verb {
	const char *name;
	/* Ends with a NULL name; what is taken from options goes to the `target` of cli_verbs_run(). */
	const struct cli_option *options;
	/* Operands behind the sandbox's name are allowed. */
	bool operands;
	/* Does it. `operands` ends with NULL. Returns 0, or a negative value with *error filled in. */
	int (*run)(struct cli_running *running, void *target, char **operands,
		   struct cli_error *error);
};

struct cli_verbs {
	const char *subcommand;
	const struct cli_verb *verbs; /* ends with a NULL name */
	const struct cli_syntax *help;
	/* Whether an operand cannot be a sandbox's name: then the only one that runs is meant. */
	bool (*is_operand)(const char *text);
};

/*
 * Reads argv, connects to the sandbox that is meant, and runs the verb. Returns the exit status;
 * what goes wrong is said on standard error.
 */
int cli_verbs_run(const struct cli_verbs *verbs, int argc, char **argv, void *target);

#endif
