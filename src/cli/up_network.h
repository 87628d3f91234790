/* SPDX-License-Identifier: MIT */
#ifndef CLI_UP_NETWORK_H
#define CLI_UP_NETWORK_H

/* The network that the sandboxes of a file share: an address for each. */

#include "cli/up_file.h"

/*
 * Gives every member its network: the one that it names, else the next that is free, from .100 and ::100 up. Returns 0, or
 * -EINVAL by config_fail().
 */
int cli_up_network_make(struct cli_up_file *file);

#endif
