/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/helper.h"
#include "cli/options.h"
#include "top/view.h"

#include <stddef.h>

struct settings {
	bool flat;
	const char *sort;
};

CLI_OPTION_FLAG(take_flat, struct settings, flat)

static int take_sort(void *target, const char *value, struct cli_error *error)
{
	enum top_sort sort = top_sort_find(value);

	if (sort == TOP_SORTS)
		return cli_error(error, "the orders are rate, in, out, bytes, delay and name");
	((struct settings *)target)->sort = top_sort_names[sort];
	return 0;
}

static const struct cli_option options[] = {
	{"sort", 's', "ORDER",
	 "rate (as long as nothing else is said), in, out, bytes, delay or name", take_sort},
	{"flat", 0, NULL, "all flows in one list, not below their applications", take_flat},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "top",
	.examples = "  cothon top                  all running sandboxes\n"
		    "  cothon top web\n"
		    "  cothon top --flat --sort delay",
	.usage = "cothon top [OPTIONS] [NAME]",
	.summary =
		"Shows applications with their ports and flows, and how fast they are, once a "
		"second over the whole screen. ? shows the keys: sort, filter, fold, end a flow, "
		"deny a destination. It needs a terminal that can move its cursor; colours, which "
		"NO_COLOR switches off, and UTF-8 are used where there are any.",
	.options = options,
};

int cli_top(int argc, char **argv)
{
	struct settings settings = {.sort = top_sort_names[TOP_BY_RATE]};
	struct cli_error error;
	char *arguments[5] = {"cothon-top"};
	const char *name = NULL;
	int result = cli_options_name(&syntax, argc, argv, &settings, &name, &error);

	if (result == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (result > 0) {
		arguments[1] = (char *)(uintptr_t)settings.sort;
		arguments[2] = settings.flat ? "flat" : "tree";
		arguments[3] = (char *)(uintptr_t)name;
		cli_helper_exec("cothon-top", arguments, &error);
	}
	cli_message("top", "%s", error.text);
	return CLI_FAILED;
}
