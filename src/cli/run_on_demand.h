/* SPDX-License-Identifier: MIT */
#ifndef CLI_RUN_ON_DEMAND_H
#define CLI_RUN_ON_DEMAND_H

/* `cothon run --on-demand`: the command runs while somebody uses it, until this process is asked to end. */

#include "cli/run_options.h"

/* Returns the exit status; what goes wrong is said on standard error. */
int cli_run_on_demand(struct cli_run_options *options);

#endif
