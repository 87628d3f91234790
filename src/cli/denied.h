/* SPDX-License-Identifier: MIT */
#ifndef CLI_DENIED_H
#define CLI_DENIED_H

/*
 * Tells of what a sandbox was not let through to: on standard error as long as there are rules, and
 * in a log.
 */

#include "cli/cli.h"
#include "control/applications.h"
#include "control/log.h"
#include "host/loop.h"
#include "relay/relay.h"

#include <stdint.h>

enum {
	CLI_DENIED_TEXT = 1024,
	/* Lines per second; of those beyond it only the number is told. */
	CLI_DENIED_SAID = 10,
	/* Denials that wait for the name of their application; the log has others without. */
	CLI_DENIED_WAITING = 256,
	/* What was said is not said again for so many seconds, if it is among the last so many. */
	CLI_DENIED_QUIET = 5,
	CLI_DENIED_RECENT = 32,
};

/* Lines that go one way, so many per second. */
struct cli_denied_lines {
	unsigned limit;
	uint64_t second; /* in which `written` were */
	unsigned written, left_out;
};

struct cli_denied_recent {
	uint64_t at; /* microseconds since 1970; 0: none */
	char what[CLI_DENIED_TEXT];
};

struct cli_denied {
	const char *name; /* of the sandbox, or NULL */
	struct host_loop *loop;
	struct relay *relay;
	struct control_applications *applications; /* NULL: they are not told */
	struct control_log log;
	bool silent; /* nothing is said beside the log */
	/* Of cli_denied_say_by(); NULL: standard error is told. */
	void (*say)(void *owner, const char *text);
	void *owner;
	unsigned waiting;
	struct host_hook hook;
	struct cli_denied_lines said;
	struct cli_denied_recent recent[CLI_DENIED_RECENT];
	unsigned next_recent;
};

/* Gets ready as long as this process may open files. `log` and result are those of control_log_open(). */
int cli_denied_open(struct cli_denied *denied, const char *log, enum control_log_level level);
/* Closes the log, if one was opened. */
void cli_denied_close(struct cli_denied *denied);
/* From now on `told` gets what standard error would be, for it knows more places. */
void cli_denied_say_by(struct cli_denied *denied, void (*told)(void *owner, const char *text),
		       void *owner);
/* Starts to tell. What `denied` and `name` point to lives until cli_denied_stop(). */
void cli_denied_start(struct cli_denied *denied, const char *name, struct host_loop *loop,
		      struct relay *relay, struct control_applications *applications);
/* How many lines may go to the log in a second, and how many were left out; as control_instance's `limits`. */
void cli_denied_limits(void *denied, void (*each)(const struct relay_limit *limit, void *context),
		       void *context);
/* Ends it, before the relay does; tells how much was left out last. */
void cli_denied_stop(struct cli_denied *denied);
/*
 * Writes what was not let through, as "tcp 10.0.2.100:49152 -> example.org:443"; returns `text`.
 * With `source` false, without whom it came from.
 */
char *cli_denied_what(const struct relay_denial *denial, bool source,
		      char text[static CLI_DENIED_TEXT]);
/* Writes why, as "no rule allows it"; returns `text`. */
char *cli_denied_why(const struct relay_denial *denial, char text[static CLI_DENIED_TEXT]);

#endif
