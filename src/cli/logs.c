/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/running.h"
#include "config/document.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	SANDBOXES_MAX = 64,
};

struct settings {
	bool follow, times;
	uint64_t since; /* microseconds before now; 0: from the oldest that is kept */
};

CLI_OPTION_FLAG(take_follow, struct settings, follow)
CLI_OPTION_FLAG(take_times, struct settings, times)

static int take_since(void *target, const char *value, struct cli_error *error)
{
	struct settings *settings = target;

	if (config_parse_duration(value, 1, UINT64_MAX, &settings->since) < 0)
		return cli_error(error, "write a number with its unit: 30s, 10m or 2h");
	return 0;
}

static const struct cli_option options[] = {
	{"follow", 'f', NULL, "show what is written as it comes, until the sandboxes end",
	 take_follow},
	{"since", 0, "TIME", "only what was written so long ago at most: 30s, 10m, 2h", take_since},
	{"times", 't', NULL, "put the time before each line", take_times},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "logs",
	.examples = "  cothon logs web\n"
		    "  cothon logs -f web db\n"
		    "  cothon logs --since 10m -t web",
	.usage = "cothon logs [OPTIONS] NAME...",
	.summary = "Shows what the commands of `cothon up` have written: their standard output on "
		   "standard output, their standard error and what Cothon says of them on standard "
		   "error. The newest megabyte of each sandbox is kept as long as it runs.",
	.options = options,
};

struct view {
	struct cli_running running;
	uint64_t next;
};

struct viewer {
	const struct settings *settings;
	struct view views[SANDBOXES_MAX];
	size_t count;
	int width; /* of the longest name, when there are several */
	char since[40];
};

/* Times of RFC 3339 in UTC, as the lines have them, are in order as texts are. */
static void write_since(struct viewer *viewer)
{
	uint64_t since = viewer->settings->since;
	struct timespec now;
	struct tm parts;
	time_t seconds;

	if (!since)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	seconds = now.tv_sec - (time_t)(since / 1000000);
	gmtime_r(&seconds, &parts);
	strftime(viewer->since, sizeof(viewer->since), "%Y-%m-%dT%H:%M:%S", &parts);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void show_line(const struct viewer *viewer, const struct view *view, const json_t *line)
{
	const char *source = text_of(line, "source"), *at = text_of(line, "at");
	FILE *out = strcmp(source, "stdout") == 0 ? stdout : stderr;

	if (strcmp(at, viewer->since) < 0)
		return;
	if (viewer->settings->times)
		fprintf(out, "%s ", at);
	if (viewer->count > 1)
		fprintf(out, "%-*s | ", viewer->width, view->running.name);
	fprintf(out, "%s%s\n", strcmp(source, "cothon") == 0 ? "cothon: " : "",
		text_of(line, "text"));
}

/* Asks for what there is, and shows it. Returns how many lines that were, or a negative value. */
static int show_some(const struct viewer *viewer, struct view *view, struct cli_error *error)
{
	char target[64];
	json_t *answer, *line;
	int result, count = 0;
	size_t i;

	snprintf(target, sizeof(target), "/v1/output?from=%" PRIu64, view->next);
	result = cli_running_ask(&view->running, HTTP_GET, target, NULL, &answer, error);
	if (result == 0) {
		json_array_foreach(json_object_get(answer, "lines"), i, line)
		{
			show_line(viewer, view, line);
		}
		count = (int)json_array_size(json_object_get(answer, "lines"));
		view->next = (uint64_t)json_integer_value(json_object_get(answer, "next"));
	}
	json_decref(answer);
	fflush(stdout);
	return result < 0 ? result : count;
}

static int show_all(const struct viewer *viewer, struct view *view, struct cli_error *error)
{
	int count;

	do {
		count = show_some(viewer, view, error);
	} while (count > 0);
	return count;
}

/* --- as it comes --- */

/* Waits for the next line of a sandbox. Returns 1 when there may be one, 0 when the sandbox has ended. */
static int await_line(const struct view *view)
{
	char target[64];
	unsigned status;
	json_t *answer;
	int result;

	snprintf(target, sizeof(target), "/v1/output?after=%" PRIu64, view->next);
	/* An answer that is long in coming is given up by the sandbox, and asked for again. */
	result = control_client_ask(view->running.fd, HTTP_GET, target, NULL, CONTROL_WAIT, &status,
				    &answer);
	json_decref(answer);
	return result == 0;
}

static int follow_one(const struct viewer *viewer, struct view *view, struct cli_error *error)
{
	while (await_line(view)) {
		if (show_all(viewer, view, error) < 0)
			return -EINVAL;
	}
	return 0;
}

/* A process for each, since each waits for a sandbox of its own. */
static int follow(struct viewer *viewer, struct cli_error *error)
{
	int status, result = 0;

	if (viewer->count == 1)
		return follow_one(viewer, &viewer->views[0], error);
	fflush(stdout);
	for (size_t i = 0; i < viewer->count; i++) {
		pid_t child = fork();

		if (child == 0) {
			prctl(PR_SET_PDEATHSIG, SIGTERM);
			exit(follow_one(viewer, &viewer->views[i], error) < 0);
		}
		if (child < 0)
			result = cli_error(error, "cannot make a process: %s",
					   strerrordesc_np(errno));
	}
	while (wait(&status) > 0)
		continue;
	return result;
}

static int logs(struct viewer *viewer, struct cli_error *error)
{
	int result = 0;

	write_since(viewer);
	for (size_t i = 0; result >= 0 && i < viewer->count; i++)
		result = show_all(viewer, &viewer->views[i], error);
	if (result >= 0 && viewer->settings->follow)
		result = follow(viewer, error);
	return result;
}

static int connect_all(struct viewer *viewer, char **names, struct cli_error *error)
{
	for (; *names; names++) {
		int len = (int)strlen(*names);
		int result;

		if (viewer->count == SANDBOXES_MAX)
			return cli_error(error, "these are more than %d sandboxes", SANDBOXES_MAX);
		result = cli_running_find(&viewer->views[viewer->count].running, *names, error);
		if (result < 0)
			return result;
		viewer->width = len > viewer->width ? len : viewer->width;
		viewer->count++;
	}
	return 0;
}

int cli_logs(int argc, char **argv)
{
	static struct viewer viewer;
	static struct settings settings;
	struct cli_error error;
	int operand = cli_options_read(&syntax, argc, argv, &settings, &error);

	if (operand == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (operand == argc)
		operand = cli_error(&error, "which sandbox? write `cothon logs [OPTIONS] NAME...`; "
					    "`cothon ps` lists them");
	viewer.settings = &settings;
	if (operand < 0 || connect_all(&viewer, argv + operand, &error) < 0 ||
	    logs(&viewer, &error) < 0) {
		cli_message("logs", "%s", error.text);
		return CLI_FAILED;
	}
	return CLI_OK;
}
