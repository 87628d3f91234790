/* SPDX-License-Identifier: MIT */
#ifndef CLI_SEEN_H
#define CLI_SEEN_H

/*
 * How a sandbox is seen from outside while it runs: its capture, its metrics, and what its log says of
 * bounds that were met.
 */

#include "cli/run_options.h"
#include "control/applications.h"
#include "control/capture.h"
#include "control/log.h"
#include "control/metrics.h"

enum {
	CLI_SEEN_LIMITS = 32
};

struct cli_seen {
	const struct cli_run_options *options;
	struct control_applications *applications;
	struct control_capture *capture;
	struct control_metrics *metrics;
	/* For the log: which bounds were met, and how often, when it was last looked. */
	struct control_log *log;
	struct host_loop *loop;
	struct relay *relay;
	struct host_hook hook;
	uint64_t look_at;
	uint64_t met[CLI_SEEN_LIMITS];
	unsigned limit;
	struct control_server *server; /* of --metrics; NULL: none */
	int listener;                  /* its socket; -1: none */
	/* The scribe of --capture, and the engine's end of the way to it; 0 and -1: none. */
	pid_t scribe;
	int socket;
};

/*
 * Opens what is to be written, as long as this process may open files; it may make processes. Returns
 * CLI_OK or CLI_FAILED; what goes wrong is said on standard error.
 */
int cli_seen_open(struct cli_seen *seen, const struct cli_run_options *options);
/*
 * Starts to look. `device` is the sandbox's link; `name` may be NULL. All outlive cli_seen_stop(). Returns 0, -ENOMEM, or the
 * errno of a call that a capture needs.
 */
int cli_seen_start(struct cli_seen *seen, struct host_loop *loop, struct relay *relay,
		   struct sandbox *sandbox, struct cothon_link *device, const char *name);
/*
 * Shows all that to the control socket of `instance`, and serves what --metrics asks for. Returns 0, -ENOMEM, or the
 * errno of epoll_ctl(2).
 */
int cli_seen_show(struct cli_seen *seen, struct control_instance *instance);
/* Stops, before relay and sandbox end. Does nothing when it was not started. */
void cli_seen_stop(struct cli_seen *seen);
/* Closes what was opened, and waits until it is written. */
void cli_seen_close(struct cli_seen *seen);

#endif
