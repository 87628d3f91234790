/* SPDX-License-Identifier: MIT */
#include "cli/run_on_demand.h"

#include "cli/up_front.h"

#include <string.h>

enum {
	SECOND = 1000000,
};

/* The same as a file with one sandbox that is alone in its network. */
int cli_run_on_demand(struct cli_run_options *options)
{
	static struct cli_up_file file = {.member_count = 1};
	static struct cli_up_member member = {
		.on_demand = true,
		.stop_grace = 10 * SECOND,
		.start_timeout = 30 * SECOND,
	};
	struct cli_up_task task = {.file = &file, .path = "run", .alone = true};

	member.options = *options;
	member.idle = options->idle;
	member.listening.sockets = options->sockets;
	member.listening.count = options->socket_count;
	file.members = &member;
	memcpy(file.network, "run", sizeof("run"));
	return cli_up_front(&task, false);
}
