/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

static void print_overview(void)
{
	fputs("Cothon gives every program its own IP address and its own 65,536 ports.\n"
	      "\n"
	      "  cothon run curl http://example.org/            reach the world from inside\n"
	      "  cothon run -p 8080:80 nginx -g 'daemon off;'   port 8080 here is 80 inside\n"
	      "  cothon run bash                                look around\n"
	      "  cothon doctor                                  what does this machine allow?\n"
	      "\n",
	      stdout);
	for (const struct cli_command *command = cli_commands; command->name; command++)
		printf("  cothon %-10s %s\n", command->name, command->summary);
	printf("\n`cothon SUBCOMMAND --help` says more, `cothon --version` which version it is.\n");
}

int cli_help(int argc, char **argv)
{
	char option[] = "--help";

	if (argc > 1) {
		const struct cli_command *command = cli_command_find(argv[1]);
		char *arguments[] = {argv[1], option, NULL};

		if (!command) {
			cli_message("help",
				    "there is no subcommand \"%s\"; `cothon help` lists them",
				    argv[1]);
			return CLI_FAILED;
		}
		if (command->run != cli_help)
			return command->run(2, arguments);
	}
	print_overview();
	return CLI_OK;
}
