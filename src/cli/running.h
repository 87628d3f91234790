/* SPDX-License-Identifier: MIT */
#ifndef CLI_RUNNING_H
#define CLI_RUNNING_H

/* The running sandboxes, as the subcommands that see and change them meet them. */

#include "cli/cli.h"
#include "control/client.h"
#include "control/directory.h"

/* One of them, connected to. */
struct cli_running {
	char name[CONTROL_NAME_MAX + 1];
	int fd;
};

/*
 * Connects to the sandbox called `name`; when that is NULL, to the only one that runs. Returns 0, or
 * a negative value with *error filled in: none runs, there are several, none has that name (and
 * which is the nearest), or it is not the user's.
 */
int cli_running_find(struct cli_running *running, const char *name, struct cli_error *error);
void cli_running_close(struct cli_running *running);

/*
 * Asks it, and waits. On success (a status of 2xx) *answer is the caller's. Returns 0; or a negative
 * value with *error filled in. Where the sandbox has refused the request, that is -EINVAL, and
 * *answer, unless `answer` is NULL, what it said, the caller's too; otherwise *answer is NULL.
 */
int cli_running_ask(struct cli_running *running, enum http_method method, const char *target,
		    const json_t *body, json_t **answer, struct cli_error *error);

/* Asks with GET for what is no JSON: *text, the caller's; NULL where something is wrong. */
int cli_running_text(struct cli_running *running, const char *target, char **text,
		     struct cli_error *error);

/* As cli_running_ask(), and sends copies of `count` descriptors along. */
int cli_running_give(struct cli_running *running, enum http_method method, const char *target,
		     const json_t *body, const int *descriptors, unsigned count, json_t **answer,
		     struct cli_error *error);

/*
 * Asks with GET, as cli_running_ask() does, and takes the descriptors that come along with the
 * answer: *count of them, the caller's.
 */
int cli_running_take(struct cli_running *running, const char *target, json_t **answer,
		     int descriptors[static HOST_PASSING_MAX], unsigned *count,
		     struct cli_error *error);

/*
 * The names that have a socket, in order; whether their sandboxes still run is not known. Returns
 * how many, or a negative value with *error filled in. *names is the caller's, in one piece.
 */
int cli_running_names(const struct control_directory *directory,
		      char (**names)[CONTROL_NAME_MAX + 1], struct cli_error *error);

/* Prints JSON for a program or a person to read: indented, and a newline. */
void cli_print_json(const json_t *json);

#endif
