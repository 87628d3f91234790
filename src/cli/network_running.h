/* SPDX-License-Identifier: MIT */
#ifndef CLI_NETWORK_RUNNING_H
#define CLI_NETWORK_RUNNING_H

/* The sandboxes of a network that `cothon up` has started, as others find them. */

#include "cli/cli.h"
#include "control/directory.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct cli_network_running {
	pid_t pid;      /* the process that has all its sandboxes */
	unsigned count; /* of sandboxes */
	char digest[17];
	char file[256];
};

/*
 * Looks for a network. Returns 1 with *found filled in, 0 when it does not run, or a negative value with *error filled
 * in.
 */
int cli_network_running_find(const char *name, struct cli_network_running *found,
			     struct cli_error *error);
/*
 * Calls `each` with every running sandbox of a network (NULL: of any) and what it says of itself. Returns 0, or a
 * negative value with *error filled in.
 */
int cli_network_running_each(const char *name,
			     void (*each)(void *context, const char *sandbox, const json_t *told,
					  pid_t pid),
			     void *context, struct cli_error *error);

#endif
