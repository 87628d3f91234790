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
	/* Looks at who connects, and removes the socket at the end. */
	struct host_steward steward;
	struct control_instance instance;
	struct control_server *server; /* NULL: nobody is answered */
};

/*
 * Takes the sandbox's name, and starts the steward. A sandbox that was given none runs without, where there is no
 * place for a control socket. Returns CLI_OK or CLI_FAILED; then there is neither. What goes wrong is said on standard
 * error.
 */
int cli_presence_take(struct cli_presence *presence, const struct cli_run_options *options);
/* Starts to answer. Returns 0, -ENOMEM, or the errno of epoll_ctl(2). */
int cli_presence_serve(struct cli_presence *presence, const struct cli_run_options *options,
		       struct host_loop *loop, struct relay *relay, struct sandbox *sandbox);
/* Answers nobody any more: before relay and sandbox end. */
void cli_presence_stop(struct cli_presence *presence);
/* Ends the steward, and with it the name is given up. */
void cli_presence_end(struct cli_presence *presence);

#endif
