/* SPDX-License-Identifier: MIT */
#include "cli/isolate.h"

#include "cli/cli.h"
#include "cli/explain.h"
#include "host/isolation.h"
#include "relay/relay.h"

#include <jansson.h>
#include <time.h>

static int start_threads(void *context)
{
	return relay_start_lanes(context);
}

int cli_isolate(const char *name, struct relay *relay)
{
	enum host_isolation_step step;
	int error;

	/* What the C library and jansson read of the system once, when they first need it, is read now. */
	tzset();
	json_object_seed(0);
	error = host_isolate(relay ? start_threads : NULL, relay, &step);
	if (error < 0)
		cli_message(name, "cannot %s: %s; `cothon doctor` shows what this machine refuses",
			    host_isolation_text(step), cli_explain_error(error));
	return error;
}
