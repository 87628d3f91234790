/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/network_running.h"
#include "cli/options.h"
#include "cli/rule_argument.h"
#include "cli/up_front.h"
#include "cli/up_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct settings {
	bool detach, check;
};

CLI_OPTION_FLAG(take_detach, struct settings, detach)
CLI_OPTION_FLAG(take_check, struct settings, check)

static const struct cli_option options[] = {
	{"detach", 'd', NULL,
	 "return when all are started, and healthy where they can tell; they go on", take_detach},
	{"check", 0, NULL, "only say whether the file is right", take_check},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "up",
	.examples = "  cothon up shop.yaml\n"
		    "  cothon up -d shop.yaml && cothon logs -f web\n"
		    "  cothon up --check shop.yaml",
	.usage = "cothon up [OPTIONS] FILE",
	.summary =
		"Starts the sandboxes that a file describes: they share a network, in which each is "
		"NAME.internal to the others. In front of it, what their commands write is shown, and "
		"Ctrl-C ends all in order; a second Ctrl-C at once. The exit status is 0 when no "
		"command has failed, 1 when one has, 125 when Cothon itself failed.",
	.options = options,
};

/* --- the subcommand --- */

static int refuse_running(const struct cli_up_task *task, const struct cli_network_running *running,
			  struct cli_error *error)
{
	char digest[17];
	bool same;

	snprintf(digest, sizeof(digest), "%016" PRIx64, task->digest);
	same = strcmp(digest, running->digest) == 0;
	return cli_error(
		error,
		"the network %s is running already, as process %d with %u sandboxes%s; end it "
		"first: cothon down %s",
		task->file->network, (int)running->pid, running->count,
		same ? "" : ", of another file or of this one before it was changed",
		task->file->network);
}

static int up(const struct settings *settings, const char *path, struct cli_up_text *text,
	      struct cli_error *error)
{
	struct cli_up_task task = {.file = &text->file, .path = path, .digest = text->digest};
	struct cli_network_running running;
	int result;

	for (size_t i = 0; i < text->file.member_count; i++) {
		const struct cli_run_options *member = &text->file.members[i].options;

		cli_rules_warn(member->name, member->rules, member->rule_count);
	}
	if (settings->check)
		return CLI_OK;
	result = cli_network_running_find(text->file.network, &running, error);
	if (result > 0)
		result = refuse_running(&task, &running, error);
	return result < 0 ? result : cli_up_front(&task, settings->detach);
}

int cli_up(int argc, char **argv)
{
	static struct cli_up_text text;
	struct settings settings = {0};
	struct cli_error error;
	int operand = cli_options_read(&syntax, argc, argv, &settings, &error);
	int status = CLI_FAILED;

	if (operand == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (operand > 0 && operand != argc - 1)
		operand = cli_error(&error, "which file? write `cothon up [OPTIONS] FILE`");
	if (operand < 0) {
		cli_message("up", "%s", error.text);
		return CLI_FAILED;
	}
	if (cli_up_text_read(argv[operand], &text) == 0) {
		status = up(&settings, argv[operand], &text, &error);
		if (status < 0) {
			cli_message("up", "%s", error.text);
			status = CLI_FAILED;
		}
	}
	cli_up_text_release(&text);
	return status;
}
