/* SPDX-License-Identifier: MIT */
#ifndef CLI_WARD_H
#define CLI_WARD_H

/* A sandbox under supervision: its command is started and ended, looked at, and started by who connects. */

#include "cli/instance.h"
#include "cli/up_file.h"
#include "cli/up_output.h"
#include "control/journal.h"
#include "relay/knock.h"
#include "relay/neighbour.h"

enum cli_phase {
	CLI_WAITING, /* for others, before it is started for the first time */
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
	bool executed;     /* the command runs, and not only its process */
	bool refused;      /* it cannot be run */
	bool started;      /* it ran, once at least, or waits for who connects */
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

const char *cli_ward_name(const struct cli_ward *ward);
/* Says something about it, to who waits in front of it and in its journal. */
__attribute__((format(printf, 2, 3))) void cli_ward_say(struct cli_ward *ward, const char *format,
							...);
/* Begins a phase, without a deadline. */
void cli_ward_enter(struct cli_ward *ward, enum cli_phase phase, uint64_t now);
/* Starts the command, which does not run. */
void cli_ward_start(struct cli_ward *ward, uint64_t now);
/* Asks the command to end; it has the phase's deadline for that. */
void cli_ward_stop(struct cli_ward *ward, uint64_t now);

bool cli_ward_is_well(const struct cli_ward *ward);
/* Looks at a running command when it is time. Returns when that is next. */
uint64_t cli_ward_check_up(struct cli_ward *ward, uint64_t now);
/* Ends a look that is under way. */
void cli_ward_end_checkup(struct cli_ward *ward);

/* demand.c: what is started by who connects */

/* Whoever connects waits from now on. */
void cli_ward_hold(struct cli_ward *ward);
/*
 * Lets clients go in when the running command accepts, and ends one that nobody has used for long. Returns when it is
 * to be called again.
 */
uint64_t cli_ward_serve_demand(struct cli_ward *ward, uint64_t now);
/* Who has waited long enough for a command that is not started just now is refused. Returns when that is. */
uint64_t cli_ward_refuse_late(struct cli_ward *ward, uint64_t now);

#endif
