/* SPDX-License-Identifier: MIT */
#ifndef CLI_WATCH_H
#define CLI_WATCH_H

/* `cothon run --watch`: the flows of a sandbox, drawn while its command runs. */

#include "host/loop.h"
#include "relay/relay.h"

struct flow_view;

struct cli_watch {
	struct host_loop *loop;
	struct host_hook hook;
	struct relay *relay;
	struct flow_view *view;
	uint64_t look_at;
};

/* Begins to draw the relay's flows on standard error. Returns 0 or -ENOMEM. */
int cli_watch_start(struct cli_watch *watch, struct host_loop *loop, struct relay *relay);
/* Says what was seen. To be called when the relay is no more, and with it the last flow. */
void cli_watch_finish(struct cli_watch *watch);

#endif
