/* SPDX-License-Identifier: MIT */
#ifndef CLI_INSTANCE_H
#define CLI_INSTANCE_H

/*
 * A sandbox with all that belongs to it: its relay, its name and control socket, its log. `cothon run`
 * has one of them, `cothon up` as many as its file describes.
 *
 *	cli_instance_start()	the sandbox sets itself up; several do so at the same time
 *	cli_instance_claim()	its name is taken
 *	cli_instance_join()	relay and published ports are there, and it can be asked
 *	cli_instance_leave()
 *	cli_instance_end()
 *
 * What goes wrong is said on standard error.
 */

#include "cli/denied.h"
#include "cli/presence.h"
#include "cli/run_options.h"
#include "cli/seen.h"
#include "host/loop.h"
#include "host/steward.h"
#include "relay/relay.h"
#include "sandbox/sandbox.h"

struct cli_instance {
	const struct cli_run_options *options;
	/* What it is part of, if it is: to be set before cli_instance_join(). */
	struct relay_neighbourhood *neighbourhood;
	const struct control_supervision *supervision;
	struct sandbox *sandbox;    /* NULL: not started, or ended */
	struct relay *relay;        /* NULL: not joined */
	struct cothon_link *device; /* its first queue, as a link, which is the relay's */
	struct cli_presence presence;
	struct cli_denied denied;
	struct cli_seen seen;
	bool telling; /* what was denied */
};

/* What to do about an error that is the machine's, not the user's; a text that stays. */
const char *cli_instance_remedy(int error);
/* Says that this process cannot do `what`. Returns CLI_FAILED. */
int cli_instance_say(const struct cli_instance *instance, const char *what, int error);

/*
 * Begins the sandbox of *instance, which is zeroed. `options` outlive it; `config` is read before this
 * returns. Returns CLI_OK or CLI_FAILED; then there is nothing to end.
 */
int cli_instance_start(struct cli_instance *instance, const struct cli_run_options *options,
		       const struct sandbox_config *config);
/* Takes the name and opens the log, while the sandbox sets itself up. Returns CLI_OK or CLI_FAILED. */
int cli_instance_claim(struct cli_instance *instance);
/* Makes the relay, publishes, and starts to answer. Returns CLI_OK or CLI_FAILED. */
int cli_instance_join(struct cli_instance *instance, struct host_loop *loop,
		      const struct host_steward *steward);
/* Starts to tell what was denied, when all is joined. */
void cli_instance_tell(struct cli_instance *instance, struct host_loop *loop);
/* Ends what cli_instance_join() and cli_instance_tell() have made, if they have. */
void cli_instance_leave(struct cli_instance *instance);
/* Ends the sandbox; the steward, when it ends after this, removes the name. */
void cli_instance_end(struct cli_instance *instance);

#endif
