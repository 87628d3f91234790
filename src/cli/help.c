/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/options.h"

#include <stdio.h>
#include <string.h>

static const struct cli_option options[] = {
	{0},
};

static const struct cli_syntax syntax = {
	.name = "help",
	.examples = "  cothon help            all subcommands\n"
		    "  cothon help run        the same as `cothon run --help`",
	.usage = "cothon help [SUBCOMMAND]",
	.summary =
		"Prints what a subcommand does, with examples; without one, all of them in a line\n"
		"each. `man cothon` has more.",
	.options = options,
};

static void print_overview(void)
{
	fputs("Cothon gives every program its own IP address and its own 65,536 ports.\n"
	      "\n"
	      "  cothon run curl http://example.org/              reach the world from inside\n"
	      "  cothon run -p 8080:80 python3 -m http.server 80  port 8080 here is 80 inside\n"
	      "  cothon run bash                                  look around\n"
	      "  cothon doctor                                    what this machine allows\n"
	      "\n",
	      stdout);
	for (const struct cli_command *command = cli_commands; command->name; command++)
		printf("  cothon %-10s %s\n", command->name, command->summary);
	printf("\n`cothon SUBCOMMAND --help` says more, `cothon --version` which version it is.\n");
}

/* The help of the subcommand `name`; returns the exit status. */
static int show(char *name)
{
	static char option[] = "--help";
	const struct cli_command *command = cli_command_find(name);
	char *arguments[] = {name, option, NULL};

	if (command)
		return command->run(2, arguments);
	return cli_command_unknown("help", name);
}

int cli_help(int argc, char **argv)
{
	struct cli_error error;
	int operand = cli_options_read(&syntax, argc, argv, NULL, &error);

	if (operand < 0) {
		cli_message("help", "%s", error.text);
		return CLI_FAILED;
	}
	if (operand == 0)
		cli_options_help(&syntax);
	else if (operand < argc)
		/* What stands behind it, such as the verb of `publish`, is in the same help. */
		return show(argv[operand]);
	else
		print_overview();
	return CLI_OK;
}
