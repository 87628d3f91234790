/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "host/descriptors.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	const struct cli_command *command;
	int status;

	if (host_descriptors_guard() < 0) {
		cli_message(NULL, "cannot open /dev/null");
		return CLI_FAILED;
	}
	if (argc < 2) {
		cli_message(NULL,
			    "which subcommand? `cothon run COMMAND` runs a command; `cothon help` "
			    "lists all");
		return CLI_FAILED;
	}
	if (strcmp(argv[1], "--version") == 0) {
		printf("cothon %s\n", COTHON_VERSION);
		return CLI_OK;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return cli_help(1, argv + 1);
	if (strcmp(argv[1], "__complete") == 0)
		return cli_complete(argc - 1, argv + 1);
	command = cli_command_find(argv[1]);
	if (!command)
		return cli_command_unknown(NULL, argv[1]);
	status = command->run(argc - 1, argv + 1);
	if (fflush(stdout) != 0 && status == CLI_OK) {
		cli_message(NULL, "cannot write the output");
		status = CLI_FAILED;
	}
	return status;
}
