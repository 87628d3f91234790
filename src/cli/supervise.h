/* SPDX-License-Identifier: MIT */
#ifndef CLI_SUPERVISE_H
#define CLI_SUPERVISE_H

/*
 * Several sandboxes under supervision: each command is started when what it depends on is there, looked at whether it
 * is well, started again when it has ended, and ended when all end: those that others depend on come first and go last.
 */

#include "cli/ward.h"

struct cli_supervisor {
	struct host_loop *loop;
	const struct cli_up_file *file;
	struct cli_ward *wards;    /* as many as the file has members, in its order */
	struct cli_screen *screen; /* NULL: nobody waits in front of it */
	/* Called once, when all are up; or with false when one has ended in failure before. */
	void (*ready)(struct cli_supervisor *supervisor, bool up);

	/* From here on the supervisor's own. */
	struct host_hook hook;
	bool told_ready;
	bool ending; /* all */
	bool failed; /* some command has, for good */
	uint64_t began, progress_at, give_up_at;
	char progress[256]; /* what was said last of what is waited for */
};

/*
 * Begins: all sandboxes are joined, and the process is isolated. The loop is stopped when all have ended. Returns 0
 * or the errno of epoll_ctl(2).
 */
int cli_supervise_start(struct cli_supervisor *supervisor);
/* Ends all in order; a second time, at once. */
void cli_supervise_end(struct cli_supervisor *supervisor);
void cli_supervise_stop(struct cli_supervisor *supervisor);

#endif
