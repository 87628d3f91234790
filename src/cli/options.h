/* SPDX-License-Identifier: MIT */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

/*
 * A subcommand's options as a table, from which they are read and from which the help is printed.
 */

#include "cli/cli.h"

#include <stdbool.h>

struct cli_option {
	const char *name; /* after "--" */
	char letter;      /* after "-"; 0 when there is none */
	/* Its argument's name, NULL when it takes none: what it is, as an operand's, or words to choose from. */
	const char *argument;
	const char *help; /* is filled anew */
	/*
	 * Takes the option into `target`; `value` is NULL when it has no argument, and stays
	 * argv's. Returns 0, or -EINVAL with *error filled in.
	 */
	int (*take)(void *target, const char *value, struct cli_error *error);
};

/* Defines `name`, the `take` of an option without an argument that sets a bool of `type`. */
#define CLI_OPTION_FLAG(name, type, member)                                       \
	static int name(void *target, const char *value, struct cli_error *error) \
	{                                                                         \
		(void)value;                                                      \
		(void)error;                                                      \
		((type *)target)->member = true;                                  \
		return 0;                                                         \
	}

struct cli_syntax {
	const char *name; /* the subcommand's */
	/*
	 * "cothon NAME ..." in a line. What stands behind the name are options in brackets and operands; an
	 * operand's name says what it is, and what a shell completes: NAME a running sandbox, SERVICE
	 * a service, FILE a file, COMMAND a command; add|rm|ls are words to choose from.
	 */
	const char *usage;
	const char *examples; /* lines that begin with two spaces, of at most 79 characters */
	const char *summary;  /* paragraphs, filled anew; lines that begin with two spaces stay */
	const struct cli_option *options; /* ends with a NULL name */
};

/*
 * Reads the options in front of the first operand. Returns the index of the first operand, argc
 * when there is none; 0 when --help is among the options; or -EINVAL with *error filled in.
 */
int cli_options_read(const struct cli_syntax *syntax, int argc, char **argv, void *target,
		     struct cli_error *error);
/*
 * Reads options and at most one name, which may stand before, between and behind them; *name stays as it is where there is
 * none. Returns 1 or more; 0 when --help is among the options; or -EINVAL with *error filled in.
 */
int cli_options_name(const struct cli_syntax *syntax, int argc, char **argv, void *target,
		     const char **name, struct cli_error *error);
/* Prints the help on standard output, in lines of at most 79 characters. */
void cli_options_help(const struct cli_syntax *syntax);

typedef void cli_options_viewer(const struct cli_syntax *syntax, void *context);
/* From now on cli_options_help() prints nothing and calls `see` instead. */
void cli_options_view(cli_options_viewer *see, void *context);

#endif
