/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <stddef.h>
#include <string.h>

const struct cli_command cli_commands[] = {
#define CLI_COMMAND(name, summary) {#name, summary, cli_##name},
	CLI_COMMANDS(CLI_COMMAND)
#undef CLI_COMMAND
		{NULL, NULL, NULL},
};

const struct cli_command *cli_command_find(const char *name)
{
	for (const struct cli_command *command = cli_commands; command->name; command++) {
		if (strcmp(command->name, name) == 0)
			return command;
	}
	return NULL;
}
