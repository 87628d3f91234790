/* SPDX-License-Identifier: MIT */
#ifndef CLI_UP_OUTPUT_H
#define CLI_UP_OUTPUT_H

/*
 * What commands write: taken from their pipes line by line, kept in a journal, and shown on the screen of who waits in
 * front of `cothon up`, with the sandbox's name before it. As long as the screen does not take what there is, nothing
 * is read, and the commands wait as they would for any slow reader.
 */

#include "control/journal.h"
#include "host/loop.h"

enum {
	CLI_SCREEN_BYTES = 256 << 10, /* that wait to be shown */
};

/* A pipe to somebody who shows what comes. */
struct cli_screen {
	struct host_loop *loop;
	struct host_watch watch;
	void (*gone)(struct cli_screen *screen); /* called when nobody reads it any more */
	bool open, watched, stalled;
	bool colours;
	int width;                  /* of the longest name */
	struct cli_output *outputs; /* those that rest while it is stalled, and all others */
	size_t len;
	char text[CLI_SCREEN_BYTES];
};

/* A command's standard output, or its standard error. */
struct cli_output_pipe {
	struct cli_output *output;
	struct host_watch watch;
	enum control_source source;
	bool watched;
	size_t len; /* of the line as far as it has come */
	char line[CONTROL_JOURNAL_LINE];
};

struct cli_output {
	struct host_loop *loop;
	struct cli_output *next; /* of the screen's */
	struct cli_output_pipe pipes[2];
	struct control_journal *journal;
	struct cli_screen *screen; /* NULL: there is none */
	const char *name;
	unsigned number; /* decides its colour */
};

/* `fd` becomes the screen's, not blocking. Returns 0, or the errno of epoll_ctl(2). */
int cli_screen_open(struct cli_screen *screen, struct host_loop *loop, int fd,
		    void (*gone)(struct cli_screen *screen));
/* Shows what is left as far as it is taken at once, and closes it. */
void cli_screen_close(struct cli_screen *screen);

/*
 * Begins to read two pipes, which become the output's, not blocking. `journal` and `screen`, which may be NULL, outlive
 * it. Returns 0, or the errno of epoll_ctl(2).
 */
int cli_output_open(struct cli_output *output, struct host_loop *loop, const char *name,
		    const int pipes[static 2], struct control_journal *journal,
		    struct cli_screen *screen);
/*
 * Takes what is in the pipes, and a line without an end for a line: the command has ended. Returns false when there is
 * no room for all of it: it is to be called again.
 */
bool cli_output_finish_line(struct cli_output *output);
void cli_output_close(struct cli_output *output);

#endif
