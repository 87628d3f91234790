/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/explain.h"
#include "cli/options.h"
#include "cli/ports_view.h"
#include "cli/running.h"
#include <cothon/service.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct settings {
	bool json, watch;
	struct cli_ports_filter filter;
};

CLI_OPTION_FLAG(take_json, struct settings, json)

CLI_OPTION_FLAG(take_watch, struct settings, watch)

static int take_port(void *target, const char *value, struct cli_error *error)
{
	struct settings *settings = target;

	if (cothon_port_parse(value, strlen(value), 0, &settings->filter.port) == 0)
		return 0;
	return cli_error(error, "this is neither a port (1 to 65535) nor a service's name");
}

static int take_service(void *target, const char *value, struct cli_error *error)
{
	struct settings *settings = target;

	settings->filter.service = value;
	if (cothon_service_by_name(value, 0))
		return 0;
	return cli_error(error, "there is no such service; `cothon services` lists all");
}

static int take_app(void *target, const char *value, struct cli_error *error)
{
	struct settings *settings = target;

	settings->filter.app = value;
	return *value ? 0 : cli_error(error, "write a command's name or a process's number");
}

static int take_transport(void *target, const char *value, struct cli_error *error)
{
	struct settings *settings = target;

	settings->filter.transport = value;
	if (strcmp(value, "tcp") == 0 || strcmp(value, "udp") == 0 || strcmp(value, "echo") == 0)
		return 0;
	return cli_error(error, "the transports are tcp, udp and echo (ping)");
}

static const struct cli_option options[] = {
	{"port", 0, "PORT", "only this port, at either end of a flow; a service's name serves too",
	 take_port},
	{"service", 0, "SERVICE", "only this service", take_service},
	{"app", 0, "COMMAND|PID", "only what this application holds; the PID inside or outside",
	 take_app},
	{"transport", 0, "tcp|udp|echo", "only this transport; echo is ping", take_transport},
	{"json", 0, NULL, "as JSON, with all that is known; with --watch one line each second",
	 take_json},
	{"watch", 0, NULL, "again each second, until the sandbox ends", take_watch},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "ports",
	.examples = "  cothon ports                       of all running sandboxes\n"
		    "  cothon ports web --watch\n"
		    "  cothon ports web --app nginx\n"
		    "  cothon ports --port https --json",
	.usage = "cothon ports [OPTIONS] [NAME] [OPTIONS]",
	.summary =
		"Shows every binding in a sandbox with the application that holds it, by command and\n"
		"PID inside, every flow, and what Cothon itself holds: \"gateway\" is inside, \"host\"\n"
		"this host's own port that leads inside. -> is a flow that the sandbox opened, <- one\n"
		"that came by a published port or from a sandbox of the same network, -- one within\n"
		"the sandbox. A binding at * takes both families.",
	.options = options,
};

/* --- asking --- */

static int ask(struct cli_running *running, const struct settings *settings, json_t *sandboxes,
	       struct cli_error *error)
{
	json_t *answer;
	int result = cli_running_ask(running, HTTP_GET, "/v1/ports", NULL, &answer, error);

	if (result < 0) {
		json_decref(answer);
		return result;
	}
	cli_ports_filter(answer, &settings->filter);
	json_array_append_new(sandboxes, answer);
	return 0;
}

/* Asks all that run. What ends meanwhile is left out, and so is what does not answer. */
static int ask_all(const struct settings *settings, json_t *sandboxes, struct cli_error *error)
{
	struct control_directory directory;
	char(*names)[CONTROL_NAME_MAX + 1] = NULL;
	int count, result = control_directory_open(&directory, false);

	if (result < 0)
		return 0;
	count = cli_running_names(&directory, &names, error);
	for (int i = 0; i < count; i++) {
		struct cli_running running = {
			.fd = control_directory_connect(&directory, names[i])};

		if (running.fd < 0)
			continue;
		snprintf(running.name, sizeof(running.name), "%s", names[i]);
		if (ask(&running, settings, sandboxes, error) == -ETIMEDOUT)
			cli_message("ports", "%s", error->text);
		cli_running_close(&running);
	}
	free(names);
	control_directory_close(&directory);
	return count < 0 ? count : 0;
}

/*
 * The answers of the sandbox called `name`, or of all that run for NULL: {"sandboxes": [...]}; NULL
 * with *error filled in.
 */
static json_t *look(const char *name, const struct settings *settings, struct cli_error *error)
{
	json_t *sandboxes = json_array();
	struct cli_running running;
	int result = 0;

	if (!name)
		result = ask_all(settings, sandboxes, error);
	if (result == 0 && json_array_size(sandboxes) == 0) {
		/* Where none runs this says so. */
		result = cli_running_find(&running, name, error);
		if (result == 0) {
			result = ask(&running, settings, sandboxes, error);
			cli_running_close(&running);
		}
	}
	if (result == 0)
		return json_pack("{so}", "sandboxes", sandboxes);
	json_decref(sandboxes);
	return NULL;
}

/* --- showing --- */

static struct winsize terminal_size(void)
{
	struct winsize size = {0};

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return (struct winsize){0};
	return size;
}

static void print(const json_t *seen, FILE *out, unsigned width, unsigned lines)
{
	const json_t *sandboxes = json_object_get(seen, "sandboxes"), *sandbox;
	size_t count = json_array_size(sandboxes), i;

	/* An empty line between two sandboxes. */
	if (lines && count > 0)
		lines = (lines - (unsigned)count + 1) / (unsigned)count;
	json_array_foreach(sandboxes, i, sandbox)
	{
		if (i > 0)
			fputc('\n', out);
		cli_ports_print(sandbox, out, width, lines);
	}
}

static void show(const json_t *seen, const struct settings *settings)
{
	if (settings->json)
		cli_print_json(seen);
	else
		print(seen, stdout, terminal_size().ws_col, 0);
}

/* Each line with what erases the rest of the one that was there before. */
static void write_over(const char *text, FILE *out)
{
	fputs("\033[H", out);
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\033[K", out);
		fputc(*text, out);
	}
	fputs("\033[J", out);
}

/* Draws over what was drawn before, with one write: so nothing flickers. */
static void draw(const json_t *seen)
{
	struct winsize size = terminal_size();
	FILE *picture;
	char *text;
	size_t len;

	picture = open_memstream(&text, &len);
	if (!picture)
		return;
	/* The last line is for the cursor. */
	print(seen, picture, size.ws_col, size.ws_row > 1 ? size.ws_row - 1U : 0);
	if (fclose(picture) == 0)
		write_over(text, stdout);
	free(text);
}

static void show_again(const json_t *seen, const struct settings *settings, bool first)
{
	if (settings->json) {
		json_dumpf(seen, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (isatty(STDOUT_FILENO)) {
		if (first)
			fputs("\033[2J", stdout);
		draw(seen);
	} else {
		if (!first)
			putchar('\n');
		print(seen, stdout, 0, 0);
	}
	fflush(stdout);
}

static int watch(const char *name, const struct settings *settings, struct cli_error *error)
{
	struct timespec next;
	bool first = true;
	json_t *seen;

	clock_gettime(CLOCK_MONOTONIC, &next);
	while ((seen = look(name, settings, error))) {
		show_again(seen, settings, first);
		json_decref(seen);
		if (ferror(stdout))
			return cli_error(error, "cannot write the output");
		first = false;
		next.tv_sec++;
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL) == EINTR)
			;
	}
	/* That a sandbox ends is what was waited for. */
	return first ? -EINVAL : 0;
}

static int look_once(const char *name, const struct settings *settings, struct cli_error *error)
{
	json_t *seen = look(name, settings, error);

	if (!seen)
		return -EINVAL;
	show(seen, settings);
	json_decref(seen);
	return 0;
}

int cli_ports(int argc, char **argv)
{
	struct settings settings = {0};
	const char *name = NULL;
	struct cli_error error;
	int result = cli_options_name(&syntax, argc, argv, &settings, &name, &error);

	if (result == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (result > 0)
		result = settings.watch ? watch(name, &settings, &error)
					: look_once(name, &settings, &error);
	if (result < 0) {
		cli_message("ports", "%s", error.text);
		return CLI_FAILED;
	}
	return CLI_OK;
}
