/* SPDX-License-Identifier: MIT */
#include "cli/capture_options.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/running.h"
#include "cli/units.h"
#include "host/scribe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RESOURCE "/v1/capture"

struct settings {
	struct cli_capture_options capture;
	bool json;
};

static int take_size(void *target, const char *value, struct cli_error *error)
{
	return cli_capture_take_size(&((struct settings *)target)->capture, value, error);
}

static int take_time(void *target, const char *value, struct cli_error *error)
{
	return cli_capture_take_time(&((struct settings *)target)->capture, value, error);
}

static int take_snap(void *target, const char *value, struct cli_error *error)
{
	return cli_capture_take_snap(&((struct settings *)target)->capture, value, error);
}

static int take_filter(void *target, const char *value, struct cli_error *error)
{
	return cli_capture_take_filter(&((struct settings *)target)->capture, value, error);
}

CLI_OPTION_FLAG(take_json, struct settings, json)

static const struct cli_option options[] = {
	{"size", 0, "BYTES", "start: end when the file has so many, as in 100M", take_size},
	{"for", 0, "TIME", "start: end after this time, as in 60s or 5m", take_time},
	{"snap", 0, "BYTES", "start: keep so many of each packet [all]", take_snap},
	{"filter", 0, "RULE",
	 "start: only what goes to or comes from where RULE says; may be repeated, then any of "
	 "them",
	 take_filter},
	{"json", 0, NULL, "print as JSON", take_json},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "capture",
	.examples = "  cothon capture web start web.pcapng\n"
		    "  cothon capture web start web.pcapng --for 60s --filter example.org:443\n"
		    "  cothon capture web start - | wireshark -k -i -\n"
		    "  cothon capture web stop\n"
		    "  cothon capture web",
	.usage = "cothon capture [NAME] [start|stop|status] [OPTIONS] [FILE]",
	.summary =
		"Writes the packets of a running sandbox to FILE, as pcapng, which Wireshark reads; "
		"to standard output, when it is \"-\", until the capture ends. Each packet is as "
		"on a wire, whatever was left to offloads, and its comment names the application. "
		"RULE is DEST[:PORTS][/tcp|/udp] as for `cothon run`, about the end that is not in "
		"the sandbox; the port may be that of either end. NAME may be left out when one "
		"sandbox runs.",
	.options = options,
};

/* --- what is answered --- */

static uint64_t number(const json_t *answer, const char *field)
{
	return (uint64_t)json_integer_value(json_object_get(answer, field));
}

/* "4 packets, 1.2 kB, none dropped" */
static void print_figures(const json_t *answer)
{
	char bytes[CLI_UNITS_TEXT];
	uint64_t packets = number(answer, "packets"), dropped = number(answer, "dropped");

	printf("%llu packet%s, %s", (unsigned long long)packets, packets == 1 ? "" : "s",
	       cli_units_bytes(number(answer, "bytes"), bytes));
	if (dropped)
		printf("; %llu more were dropped, for the file is written too slowly",
		       (unsigned long long)dropped);
	putchar('\n');
}

static void print_state(const json_t *answer)
{
	const char *ended = json_string_value(json_object_get(answer, "ended"));
	const char *error = json_string_value(json_object_get(answer, "error"));

	if (json_is_true(json_object_get(answer, "running"))) {
		printf("captures: ");
	} else if (!ended) {
		puts("nothing was captured");
		return;
	} else if (error) {
		printf("ended, for the file cannot be written (%s): ", error);
	} else {
		printf("ended (%s): ", strcmp(ended, "writer") == 0 ? "nobody reads it" : ended);
	}
	print_figures(answer);
}

static void print(const struct settings *settings, const json_t *answer)
{
	if (settings->json)
		cli_print_json(answer);
	else
		print_state(answer);
}

/* --- what is asked --- */

static json_t *make_body(const struct cli_capture_options *wanted)
{
	const struct control_capture_limits *limits = &wanted->limits;
	json_t *body = json_object(), *filter = json_array();

	if (limits->size)
		json_object_set_new(body, "size", json_integer((json_int_t)limits->size));
	if (limits->seconds)
		json_object_set_new(body, "seconds", json_integer((json_int_t)limits->seconds));
	if (limits->snap)
		json_object_set_new(body, "snap", json_integer((json_int_t)limits->snap));
	for (size_t i = 0; i < limits->filter_count; i++)
		json_array_append_new(filter, json_string(wanted->texts[i]));
	json_object_set_new(body, "filter", filter);
	return body;
}

/* Has the sandbox write to `scribe`'s other end. */
static int ask_start(struct cli_running *running, const struct settings *settings, int engine,
		     struct cli_error *error)
{
	json_t *body = make_body(&settings->capture), *answer;
	int result =
		cli_running_give(running, HTTP_POST, RESOURCE, body, &engine, 1, &answer, error);

	json_decref(answer);
	json_decref(body);
	return result;
}

/* Writes the stream: here, until it ends, to standard output; else in a process of its own. */
static int write_stream(const char *file, int scribe, int fd, struct cli_error *error)
{
	bool here = strcmp(file, "-") == 0;
	int result = here ? host_scribe_write(scribe, fd) : host_scribe_start(scribe, fd, true);

	if (result < 0)
		return cli_error(error, "cannot write %s: %s", here ? "to standard output" : file,
				 strerrordesc_np(-result));
	return 0;
}

static int start(struct cli_running *running, struct settings *settings, struct cli_error *error)
{
	const char *file = settings->capture.file;
	int fd, engine, scribe, result;

	if (!file)
		return cli_error(error, "into which file? write `cothon capture %s start FILE`",
				 running->name);
	if (strcmp(file, "-") == 0 && isatty(STDOUT_FILENO))
		return cli_error(error, "this is a terminal, and the capture is no text; write a "
					"file's name, or `| wireshark -k -i -`");
	fd = strcmp(file, "-") == 0 ? STDOUT_FILENO : cli_capture_open(file);
	if (fd < 0)
		return cli_error(error, "cannot write %s: %s", file, strerrordesc_np(-fd));
	result = host_scribe_join(&engine, &scribe);
	if (result < 0)
		return cli_error(error, "cannot make a socket: %s", strerrordesc_np(-result));
	result = ask_start(running, settings, engine, error);
	close(engine);
	if (result < 0)
		return result;
	if (fd != STDOUT_FILENO)
		cli_capture_empty(fd);
	return write_stream(file, scribe, fd, error);
}

static int ask(struct cli_running *running, const struct settings *settings,
	       enum http_method method, struct cli_error *error)
{
	json_t *answer;
	int result = cli_running_ask(running, method, RESOURCE, NULL, &answer, error);

	if (result == 0)
		print(settings, answer);
	json_decref(answer);
	return result;
}

/* --- the command line --- */

enum verb {
	STATUS,
	START,
	STOP,
	NO_VERB,
};

static enum verb find_verb(const char *text)
{
	static const char *const verbs[] = {"status", "start", "stop"};

	for (unsigned i = 0; text && i < NO_VERB; i++) {
		if (strcmp(text, verbs[i]) == 0)
			return (enum verb)i;
	}
	return NO_VERB;
}

enum {
	OPERANDS = 3
};

/*
 * Takes options and operands in any order. Returns how many operands there are, -1 when only the help
 * is wanted, or -EINVAL.
 */
static int read_line(int argc, char **argv, struct settings *settings,
		     const char *operands[static OPERANDS], struct cli_error *error)
{
	int count = 0;

	for (int at = 0; at + 1 < argc;) {
		int next = cli_options_read(&syntax, argc - at, argv + at, settings, error);

		if (next < 0)
			return next;
		if (next == 0)
			return -1;
		at += next;
		if (at == argc)
			break;
		if (count == OPERANDS)
			return cli_error(
				error, "\"%s\" is one too many; `cothon capture --help` says more",
				argv[at]);
		operands[count++] = argv[at];
	}
	return count;
}

/* What the operands mean: the verb may stand in front of the name, or behind it. */
static int understand(const char *operands[static OPERANDS], int count, struct settings *settings,
		      enum verb *verb, const char **name, struct cli_error *error)
{
	int at = 0;

	*verb = find_verb(operands[0]);
	if (*verb == NO_VERB && count > 0)
		*name = operands[at++];
	else if (*verb != NO_VERB && count > (*verb == START ? 2 : 1))
		*name = operands[1];
	if (*verb == NO_VERB)
		*verb = count > 1 ? find_verb(operands[at]) : STATUS;
	if (*verb == NO_VERB)
		return cli_error(error, "there is no \"%s\"; write start, stop or status",
				 operands[at]);
	/* Behind verb and name. */
	at = (count > 0 && (find_verb(operands[0]) != NO_VERB || count > 1)) + (*name != NULL);
	if (at < count && *verb == START)
		settings->capture.file = operands[at++];
	if (at < count)
		return cli_error(error, "\"%s\" is one too many; `cothon capture --help` says more",
				 operands[at]);
	return 0;
}

static int capture(int argc, char **argv, struct settings *settings, struct cli_error *error)
{
	const char *operands[OPERANDS] = {NULL}, *name = NULL;
	struct cli_running running;
	enum verb verb = STATUS;
	int result = read_line(argc, argv, settings, operands, error);

	if (result == -1) {
		cli_options_help(&syntax);
		return 0;
	}
	if (result >= 0)
		result = understand(operands, result, settings, &verb, &name, error);
	if (result == 0)
		result = cli_running_find(&running, name, error);
	if (result < 0)
		return result;
	if (verb == START)
		result = start(&running, settings, error);
	else
		result = ask(&running, settings, verb == STOP ? HTTP_DELETE : HTTP_GET, error);
	cli_running_close(&running);
	return result;
}

int cli_capture(int argc, char **argv)
{
	struct settings settings = {.json = false};
	struct cli_error error;
	int result = capture(argc, argv, &settings, &error);

	if (result < 0)
		cli_message("capture", "%s", error.text);
	cli_capture_options_release(&settings.capture);
	return result < 0 ? CLI_FAILED : CLI_OK;
}
