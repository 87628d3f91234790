/* SPDX-License-Identifier: MIT */
#include "cli/watch.h"

#include "base/list.h"
#include "cli/flow_view.h"

#include <errno.h>

/* Microseconds between two looks. */
enum {
	LOOK_EVERY = 250000
};

static uint64_t take_a_look(struct host_hook *hook, uint64_t now)
{
	struct cli_watch *watch = cothon_container(hook, struct cli_watch, hook);

	if (now >= watch->look_at) {
		flow_view_update(watch->view, relay_stack(watch->relay), now);
		watch->look_at = now + LOOK_EVERY;
	}
	return watch->look_at;
}

static void flow_ended(void *context, const struct cothon_tcp_info *info)
{
	const struct cli_watch *watch = context;

	flow_view_ended(watch->view, info);
}

int cli_watch_start(struct cli_watch *watch, struct host_loop *loop, struct relay *relay)
{
	uint64_t now = host_now();

	*watch = (struct cli_watch){
		.loop = loop,
		.hook = {.turn = take_a_look},
		.relay = relay,
		.view = flow_view_create(stderr, now),
		.look_at = now + LOOK_EVERY,
	};
	if (!watch->view)
		return -ENOMEM;
	relay_observe(relay, flow_ended, watch);
	host_loop_hook(loop, &watch->hook);
	return 0;
}

void cli_watch_finish(struct cli_watch *watch)
{
	host_loop_unhook(watch->loop, &watch->hook);
	flow_view_finish(watch->view, host_now());
	flow_view_destroy(watch->view);
}
