/* SPDX-License-Identifier: MIT */
#ifndef CLI_PRESENCE_H
#define CLI_PRESENCE_H

/* What makes a running sandbox be seen and changed from outside: its name and its control socket. */

#include "cli/run_options.h"
#include "control/directory.h"
#include "control/server.h"
#include "host/steward.h"

struct cli_presence {
	struct control_claim claim;
	bool claimed;
	bool guarded; /* the steward gives the name up */
	struct control_instance instance;
	struct control_server *server; /* NULL: nobody is answered */
};

/*
 * Takes the sandbox's name. A sandbox that was given none runs without, where there is no place for a control socket.
 * Returns CLI_OK or CLI_FAILED; what goes wrong is said on standard error.
 */
int cli_presence_take(struct cli_presence *presence, const struct cli_run_options *options);
/* The name that was taken, or NULL. */
const char *cli_presence_name(const struct cli_presence *presence);
/*
 * Starts the steward, which looks at who connects to any of `count` presences, and at the end removes their sockets.
 * Returns CLI_OK or CLI_FAILED, and then the names are given up; what goes wrong is said on standard error.
 */
int cli_presence_guard(struct cli_presence *const *presences, size_t count,
		       struct host_steward *steward);
/* Starts to answer. Returns 0, -ENOMEM, or the errno of epoll_ctl(2). */
int cli_presence_serve(struct cli_presence *presence, const struct cli_run_options *options,
		       const struct host_steward *steward, struct host_loop *loop,
		       struct relay *relay, struct sandbox *sandbox);
/* Answers nobody any more: before relay and sandbox end. */
void cli_presence_stop(struct cli_presence *presence);
/* Nobody listens any more: the name is given up, by the steward when that ends after this. */
void cli_presence_end(struct cli_presence *presence);

#endif
