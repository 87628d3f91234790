/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/publish.h"
#include "cli/running.h"
#include "cli/table.h"
#include "cli/units.h"
#include "control/publications.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	/* Milliseconds that a sandbox has for its answer; one that is stopped gives none. */
	PATIENCE = 1000,
	COMMAND_WIDTH = 30,
};

struct settings {
	bool json;
};

CLI_OPTION_FLAG(take_json, struct settings, json)

static const struct cli_option options[] = {
	{.name = "json", .help = "as JSON, with all that is known", .take = take_json},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "ps",
	.examples = "  cothon ps\n"
		    "  cothon ps --json | jq -r '.sandboxes[].name'",
	.usage = "cothon ps [--json]",
	.summary =
		"Lists your running sandboxes, in the order in which they were started: the name,\n"
		"Cothon's process, the command, how long ago it was started, its address and what "
		"is published, written as for -p; of those of `cothon up`, how the command is, and "
		"the network. One that is stopped is listed with \"?\".",
	.options = options,
};

/* --- what is known --- */

static bool ask(int fd, const char *target, json_t **answer)
{
	unsigned status;

	if (control_client_ask(fd, HTTP_GET, target, NULL, PATIENCE, &status, answer) < 0)
		return false;
	if (status == HTTP_STATUS_OK)
		return true;
	json_decref(*answer);
	return false;
}

/* Removes a socket that nobody listens on: whose process was killed together with its steward. */
static void clear(const struct control_directory *directory, const char *name)
{
	struct control_claim claim = {.directory = *directory, .holder = -1};

	snprintf(claim.name, sizeof(claim.name), "%s", name);
	control_claim_remove(&claim);
}

/* All about one sandbox; NULL for one that has ended. One that does not answer has its name only. */
static json_t *look_at(const struct control_directory *directory, const char *name)
{
	int fd = control_directory_connect(directory, name);
	json_t *sandbox = NULL, *published = NULL;
	bool asked = fd >= 0 && ask(fd, "/v1/sandbox", &sandbox);

	if (asked && ask(fd, "/v1/publications", &published)) {
		json_object_set(sandbox, "publications",
				json_object_get(published, "publications"));
		json_decref(published);
	}
	if (fd >= 0)
		close(fd);
	if (fd == -ECONNREFUSED)
		clear(directory, name);
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		return NULL;
	return asked ? sandbox : json_pack("{ss}", "name", name);
}

static int compare_ages(const void *a, const void *b)
{
	const json_t *const *first = a, *const *second = b;
	const char *earlier = json_string_value(json_object_get(*first, "started"));
	const char *later = json_string_value(json_object_get(*second, "started"));

	/* Times of RFC 3339 in UTC are in order as texts are. */
	return strcmp(earlier ? earlier : "~", later ? later : "~");
}

/* Puts them in the order in which they were started. */
static json_t *in_order(json_t **sandboxes, size_t count)
{
	json_t *array = json_array();

	if (count > 0)
		qsort(sandboxes, count, sizeof(*sandboxes), compare_ages);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(array, sandboxes[i]);
	return array;
}

/* All running sandboxes, an array; NULL with *error filled in. */
static json_t *look(const struct control_directory *directory, struct cli_error *error)
{
	char(*names)[CONTROL_NAME_MAX + 1] = NULL;
	int count = cli_running_names(directory, &names, error);
	json_t **sandboxes, *array = NULL;
	size_t found = 0;

	if (count < 0)
		return NULL;
	sandboxes = calloc((size_t)count + 1, sizeof(json_t *));
	for (int i = 0; sandboxes && i < count; i++) {
		sandboxes[found] = look_at(directory, names[i]);
		found += sandboxes[found] != NULL;
	}
	if (sandboxes)
		array = in_order(sandboxes, found);
	if (!array)
		cli_error(error, "not enough memory");
	free(sandboxes);
	free(names);
	return array;
}

/* --- the table --- */

enum column {
	NAME,
	PID,
	COMMAND,
	STARTED,
	ADDRESS,
	PUBLISHED,
	COLUMNS_ALONE, /* what follows is of `cothon up` */
	STATE = COLUMNS_ALONE,
	NETWORK,
	COLUMNS,
};

static const struct cli_column columns[COLUMNS] = {
	[NAME] = {.heading = "NAME"},       [PID] = {.heading = "PID"},
	[COMMAND] = {.heading = "COMMAND"}, [STARTED] = {.heading = "STARTED"},
	[ADDRESS] = {.heading = "ADDRESS"}, [PUBLISHED] = {.heading = "PUBLISHED"},
	[STATE] = {.heading = "STATE"},     [NETWORK] = {.heading = "NETWORK"},
};

/* A line that is put together of pieces; what it has no room for is cut. */
struct line {
	char text[512];
	size_t len;
};

static void append(struct line *line, const char *before, const char *piece)
{
	size_t room = sizeof(line->text) - line->len;
	size_t len = (size_t)snprintf(line->text + line->len, room, "%s%s", line->len ? before : "",
				      piece);

	line->len += len < room ? len : room - 1;
}

static void write_command(const json_t *command, char cell[static CLI_TABLE_CELL])
{
	struct line line = {.len = 0};
	json_t *argument;
	size_t i;

	json_array_foreach(command, i, argument) append(&line, " ", json_string_value(argument));
	cli_table_write(cell, line.len > COMMAND_WIDTH ? "%.*s..." : "%.*s",
			line.len > COMMAND_WIDTH ? COMMAND_WIDTH - 3 : COMMAND_WIDTH, line.text);
}

static void write_age(const char *started, char cell[static CLI_TABLE_CELL])
{
	char age[CLI_UNITS_TEXT];
	struct tm utc = {0};
	double seconds;

	if (!strptime(started, "%Y-%m-%dT%H:%M:%S", &utc))
		return;
	seconds = difftime(time(NULL), timegm(&utc));
	cli_table_write(cell, "%s ago", cli_units_age(seconds > 0 ? seconds : 0, age));
}

static void write_published(const json_t *publications, char cell[static CLI_TABLE_CELL])
{
	struct line line = {.len = 0};
	json_t *json;
	size_t i;

	json_array_foreach(publications, i, json)
	{
		char text[CLI_PUBLISH_TEXT];
		struct control_fields fields;
		struct relay_publication publication;

		control_fields_begin(&fields, json, "a publication");
		publication = control_publication_read(&fields);
		if (!fields.failed)
			append(&line, ", ", cli_publish_format(&publication, text));
	}
	cli_table_write(cell, line.len < CLI_TABLE_CELL ? "%s" : "%.90s...", line.text);
}

static const char *text_at(const json_t *object, const char *name, const char *otherwise)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : otherwise;
}

/* How a command of `cothon up` is, with the number that goes with it, and its network. */
static void write_state(const json_t *up, struct cli_row *row)
{
	const char *state = text_at(up, "state", "");
	const json_t *status = json_object_get(up, "status"), *number = NULL;

	if (strcmp(state, "restarting") == 0)
		number = json_object_get(up, "restarts");
	else if (strcmp(state, "exited") == 0 && json_is_integer(status))
		number = status;
	if (number)
		cli_table_write(row->cells[STATE], "%s %lld", state,
				(long long)json_integer_value(number));
	else
		cli_table_write(row->cells[STATE], "%s", state);
	cli_table_write(row->cells[NETWORK], "%s", text_at(up, "network", ""));
}

static void write_row(const json_t *sandbox, struct cli_row *row)
{
	const json_t *ipv4 = json_object_get(sandbox, "ipv4");
	const json_t *ipv6 = json_object_get(sandbox, "ipv6");

	cli_table_write(row->cells[NAME], "%s", text_at(sandbox, "name", "?"));
	if (!json_object_get(sandbox, "pid")) {
		for (int i = PID; i < COLUMNS_ALONE; i++)
			cli_table_write(row->cells[i], "?");
		return;
	}
	cli_table_write(row->cells[PID], "%lld",
			(long long)json_integer_value(json_object_get(sandbox, "pid")));
	write_command(json_object_get(sandbox, "command"), row->cells[COMMAND]);
	write_age(text_at(sandbox, "started", ""), row->cells[STARTED]);
	cli_table_write(row->cells[ADDRESS], "%s",
			text_at(ipv4, "address", text_at(ipv6, "address", "?")));
	write_published(json_object_get(sandbox, "publications"), row->cells[PUBLISHED]);
	write_state(json_object_get(sandbox, "up"), row);
}

/* Whether `cothon up` has started one of them. */
static bool has_network(const json_t *sandboxes)
{
	const json_t *sandbox;
	size_t i;

	json_array_foreach(sandboxes, i, sandbox)
	{
		if (json_is_object(json_object_get(sandbox, "up")))
			return true;
	}
	return false;
}

static int print_table(const json_t *sandboxes, struct cli_error *error)
{
	struct cli_table table;
	struct cli_row *row;
	json_t *sandbox;
	size_t i;
	int result = 0;

	cli_table_init(&table, columns, has_network(sandboxes) ? COLUMNS : COLUMNS_ALONE);
	json_array_foreach(sandboxes, i, sandbox)
	{
		row = cli_table_add(&table);
		if (row)
			write_row(sandbox, row);
		else
			result = cli_error(error, "not enough memory");
	}
	if (result == 0)
		cli_table_print(&table, stdout, 0, 0);
	cli_table_free(&table);
	return result;
}

/* --- the subcommand --- */

static int list(const struct settings *settings, struct cli_error *error)
{
	struct control_directory directory;
	int result = control_directory_open(&directory, false);
	json_t *sandboxes;

	if (result == -EPERM) {
		cli_error(error, "%s is not yours alone, as it must be; see who made it: ls -ld %s",
			  directory.path, directory.path);
		return result;
	}
	/* Without a directory nothing has ever run. */
	sandboxes = result < 0 ? json_array() : look(&directory, error);
	if (result == 0)
		control_directory_close(&directory);
	if (!sandboxes)
		return -ENOMEM;
	result = 0;
	if (settings->json) {
		json_t *all = json_pack("{sO}", "sandboxes", sandboxes);

		cli_print_json(all);
		json_decref(all);
	} else {
		result = print_table(sandboxes, error);
	}
	json_decref(sandboxes);
	return result;
}

int cli_ps(int argc, char **argv)
{
	struct settings settings = {0};
	struct cli_error error;
	int operand = cli_options_read(&syntax, argc, argv, &settings, &error);

	if (operand == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (operand > 0 && operand < argc)
		operand = cli_error(&error, "takes no operand; `cothon ps` lists all");
	if (operand < 0 || list(&settings, &error) < 0) {
		cli_message("ps", "%s", error.text);
		return CLI_FAILED;
	}
	return CLI_OK;
}
