/* SPDX-License-Identifier: MIT */
#ifndef CLI_SUPERVISE_H
#define CLI_SUPERVISE_H

/*
 * Several sandboxes under supervision: each command is started when what it depends on is there, looked at whether it
 * is well, started again when it has ended, and ended when all end: those that others depend on come first and go last.
 */

#include "cli/instance.h"
#include "cli/up_file.h"
#include "cli/up_output.h"
#include "relay/knock.h"
#include "relay/neighbour.h"

enum cli_phase {
	CLI_WAITING,  /* for others, before it is started for the first time */
	CLI_RUNNING,
	CLI_STOPPING, /* it was asked to end */
	CLI_IDLE,     /* it is started when somebody connects */
	CLI_PAUSED,   /* it has ended, and is started again after a while */
	CLI_ENDED,    /* for good */
};

struct cli_supervisor;

struct cli_ward {
	struct cli_supervisor *supervisor;
	const struct cli_up_member *member;
	struct cli_instance instance;
	struct sandbox_listener listener;
	struct cli_output output;
	struct control_journal *journal;
	struct control_supervision supervision;
	enum cli_phase phase;
	uint64_t since;    /* when the phase began */
	uint64_t deadline; /* of the phase, if it has one */
	bool started;      /* it was, once at least */
	bool killed;       /* more than asked to end */
	bool unwell;       /* why it was asked to end: it was not well */
	bool drained;
	int status; /* the last exit status; negative: it has not ended yet */
	struct config_restarts restarts;
	struct config_checkup checkup;
	struct relay_knock knock;
	uint64_t knock_deadline; /* 0: nobody is waited for */
	/* On demand: the port that somebody waits at, and since when; 0: nobody does. */
	uint16_t wanted;
	uint64_t wanted_at;
	bool admitted;    /* clients are */
	uint64_t busy_at; /* when there was a flow last */
};

struct cli_supervisor {
	struct host_loop *loop;
	const struct cli_up_file *file;
	struct cli_ward *wards; /* as many as the file has members, in its order */
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
