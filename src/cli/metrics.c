/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/running.h"

#include <stdio.h>
#include <stdlib.h>

static const struct cli_option options[] = {{0}};

static const struct cli_syntax syntax = {
	.name = "metrics",
	.examples = "  cothon metrics web\n"
		    "  cothon metrics web | grep cothon_denied\n"
		    "  cothon run --metrics 9100 ./server        for Prometheus to scrape",
	.usage = "cothon metrics [NAME]",
	.summary = "Prints the metrics of a running sandbox as OpenMetrics text, which Prometheus "
		   "reads: flows, bytes, packets, drops, round trips, what was denied by which "
		   "rule, resources and their bounds. NAME may be left out when one sandbox runs.",
	.options = options,
};

static int print(const char *name, struct cli_error *error)
{
	struct cli_running running;
	char *text;
	int result = cli_running_find(&running, name, error);

	if (result < 0)
		return result;
	result = cli_running_text(&running, "/v1/metrics", &text, error);
	if (result == 0)
		fputs(text, stdout);
	free(text);
	cli_running_close(&running);
	return result;
}

int cli_metrics(int argc, char **argv)
{
	struct cli_error error;
	int operand = cli_options_read(&syntax, argc, argv, NULL, &error);

	if (operand == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (operand > 0 && argc - operand > 1)
		operand = cli_error(&error, "\"%s\" is one too many; write `cothon metrics NAME`",
				    argv[operand + 1]);
	if (operand > 0)
		operand = print(argv[operand], &error);
	if (operand < 0)
		cli_message("metrics", "%s", error.text);
	return operand < 0 ? CLI_FAILED : CLI_OK;
}
