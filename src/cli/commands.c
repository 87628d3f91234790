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

int cli_command_unknown(const char *subject, const char *name)
{
	const char *names[sizeof(cli_commands) / sizeof(*cli_commands)] = {NULL};
	const char *nearest;

	for (size_t i = 0; cli_commands[i].name; i++)
		names[i] = cli_commands[i].name;
	nearest = cli_nearest(name, names);
	if (nearest)
		cli_message(subject, "there is no subcommand \"%s\"; did you mean `cothon %s`?",
			    name, nearest);
	else
		cli_message(subject, "there is no subcommand \"%s\"; `cothon help` lists them",
			    name);
	return CLI_FAILED;
}
