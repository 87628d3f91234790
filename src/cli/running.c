/* SPDX-License-Identifier: MIT */
#include "cli/running.h"

#include "cli/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef char name_text[CONTROL_NAME_MAX + 1];

/* --- names --- */

struct names {
	name_text *list;
	size_t count, room;
	bool no_memory;
};

static bool add_name(void *context, const char *name)
{
	struct names *names = context;

	if (names->count == names->room) {
		size_t room = names->room ? 2 * names->room : 16;
		name_text *list = realloc(names->list, room * sizeof(*list));

		if (!list) {
			names->no_memory = true;
			return false;
		}
		names->list = list;
		names->room = room;
	}
	snprintf(names->list[names->count++], sizeof(name_text), "%s", name);
	return true;
}

static int compare_names(const void *a, const void *b)
{
	return strverscmp(a, b);
}

int cli_running_names(const struct control_directory *directory, name_text **list,
		      struct cli_error *error)
{
	struct names names = {0};
	int result = control_directory_names(directory, add_name, &names);

	if (result == 0 && names.no_memory)
		result = -ENOMEM;
	if (result < 0) {
		free(names.list);
		cli_error(error, "cannot read %s: %s", directory->path, cli_explain_error(result));
		return result;
	}
	if (names.count > 0)
		qsort(names.list, names.count, sizeof(*names.list), compare_names);
	*list = names.list;
	return (int)names.count;
}

/* --- one of them --- */

static int none_runs(struct cli_error *error)
{
	return cli_error(error, "no sandbox of yours is running; `cothon run COMMAND` starts one");
}

static int not_known(const char *name, const name_text *names, int count, struct cli_error *error)
{
	const char **list = calloc((size_t)count + 1, sizeof(*list));
	const char *nearest = NULL;

	for (int i = 0; list && i < count; i++)
		list[i] = names[i];
	if (list)
		nearest = cli_nearest(name, list);
	if (nearest)
		cli_error(error, "no sandbox called \"%s\" is running; did you mean %s?", name,
			  nearest);
	else
		cli_error(error,
			  "no sandbox called \"%s\" is running; `cothon ps` lists those that are",
			  name);
	free(list);
	return -ENOENT;
}

/* The sockets of sandboxes that still run stay in the list. Returns how many. */
static int keep_running(const struct control_directory *directory, name_text *names, int count)
{
	int kept = 0;

	for (int i = 0; i < count; i++) {
		int fd = control_directory_connect(directory, names[i]);

		if (fd == -ENOENT || fd == -ECONNREFUSED)
			continue;
		if (fd >= 0)
			close(fd);
		if (kept != i)
			memcpy(names[kept], names[i], sizeof(*names));
		kept++;
	}
	return kept;
}

static int several(const name_text *names, int count, struct cli_error *error)
{
	char list[256];
	size_t len = 0;

	for (int i = 0; i < count && len < sizeof(list); i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "",
					names[i]);
	if (len >= sizeof(list))
		memcpy(list + sizeof(list) - 4, "...", 4);
	return cli_error(error, "%d sandboxes are running; say which: %s", count, list);
}

static int connect_to(const struct control_directory *directory, const char *name,
		      struct cli_running *running, struct cli_error *error)
{
	int fd = control_directory_connect(directory, name);

	if (fd < 0 && fd != -ENOENT && fd != -ECONNREFUSED)
		cli_error(error, "cannot connect to the sandbox: %s", cli_explain_error(fd));
	if (fd < 0)
		return fd;
	running->fd = fd;
	snprintf(running->name, sizeof(running->name), "%s", name);
	return 0;
}

static int find(const struct control_directory *directory, const char *name,
		struct cli_running *running, struct cli_error *error)
{
	name_text *names = NULL;
	int count = 0, result = -ENOENT;

	if (name) {
		result = connect_to(directory, name, running, error);
		if (result != -ENOENT && result != -ECONNREFUSED)
			return result;
	}
	count = cli_running_names(directory, &names, error);
	if (count < 0)
		return count;
	count = keep_running(directory, names, count);
	if (count == 0)
		result = none_runs(error);
	else if (name)
		result = not_known(name, names, count, error);
	else if (count > 1)
		result = several(names, count, error);
	else
		result = connect_to(directory, names[0], running, error);
	/* It has ended at this moment. */
	if (!name && count == 1 && (result == -ENOENT || result == -ECONNREFUSED))
		result = none_runs(error);
	free(names);
	return result;
}

int cli_running_find(struct cli_running *running, const char *name, struct cli_error *error)
{
	struct control_directory directory;
	int result;

	if (name && !control_name_is_valid(name))
		return cli_error(error,
				 "\"%s\" is no sandbox's name; `cothon ps` lists those that run",
				 name);
	result = control_directory_open(&directory, false);
	if (result == -ENOENT)
		return none_runs(error);
	if (result == -EPERM) {
		cli_error(error, "%s is not yours alone, as it must be; see who made it: ls -ld %s",
			  directory.path, directory.path);
		return result;
	}
	if (result < 0) {
		cli_error(error, "cannot open %s: %s", directory.path, cli_explain_error(result));
		return result;
	}
	result = find(&directory, name, running, error);
	control_directory_close(&directory);
	return result;
}

void cli_running_close(struct cli_running *running)
{
	close(running->fd);
}

/* --- questions --- */

static const char *say_why(const char *name, int reason, struct cli_error *error)
{
	switch (reason) {
	case -EPIPE:
		cli_error(error, "%s ended before it answered, or you may not ask it", name);
		break;
	case -ETIMEDOUT:
		cli_error(error, "%s does not answer; it may be stopped: `cothon ps` shows its PID",
			  name);
		break;
	case -EBADMSG:
		cli_error(error,
			  "%s gave an answer that makes no sense here; is it of another version?",
			  name);
		break;
	default:
		cli_error(error, "cannot ask %s: %s", name, cli_explain_error(reason));
	}
	return error->text;
}

/* `result`, `status` and `said` are how it went. */
static int take_answer(const struct cli_running *running, int result, unsigned status, json_t *said,
		       json_t **answer, struct cli_error *error)
{
	if (answer)
		*answer = NULL;
	if (result < 0) {
		say_why(running->name, result, error);
		return result;
	}
	if (status < 200 || status > 299) {
		const char *hint = json_string_value(json_object_get(said, "hint"));
		const char *what = json_string_value(json_object_get(said, "error"));

		result = cli_error(error, "%s%s%s", what ? what : "refused", hint ? "; " : "",
				   hint ? hint : "");
	}
	if (answer)
		*answer = said;
	else
		json_decref(said);
	return result;
}

int cli_running_ask(struct cli_running *running, enum http_method method, const char *target,
		    const json_t *body, json_t **answer, struct cli_error *error)
{
	json_t *said = NULL;
	unsigned status = 0;
	int result =
		control_client_ask(running->fd, method, target, body, CONTROL_WAIT, &status, &said);

	return take_answer(running, result, status, said, answer, error);
}

int cli_running_text(struct cli_running *running, const char *target, char **text,
		     struct cli_error *error)
{
	unsigned status = 0;
	int result = control_client_text(running->fd, target, CONTROL_WAIT, &status, text);

	if (result == 0 && status == HTTP_STATUS_OK)
		return 0;
	free(*text);
	*text = NULL;
	/* What it says is for those who know the resource; one that does not is of another version. */
	say_why(running->name, result < 0 ? result : -EBADMSG, error);
	return result < 0 ? result : -EBADMSG;
}

int cli_running_give(struct cli_running *running, enum http_method method, const char *target,
		     const json_t *body, const int *descriptors, unsigned count, json_t **answer,
		     struct cli_error *error)
{
	json_t *said = NULL;
	unsigned status = 0;
	int result = control_client_give(running->fd, method, target, body, descriptors, count,
					 CONTROL_WAIT, &status, &said);

	return take_answer(running, result, status, said, answer, error);
}

int cli_running_take(struct cli_running *running, const char *target, json_t **answer,
		     int descriptors[static HOST_PASSING_MAX], unsigned *count,
		     struct cli_error *error)
{
	json_t *said = NULL;
	unsigned status = 0;
	int result = control_client_take(running->fd, target, CONTROL_WAIT, &status, &said,
					 descriptors, count);

	return take_answer(running, result, status, said, answer, error);
}

void cli_print_json(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
}
