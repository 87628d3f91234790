/* SPDX-License-Identifier: MIT */
#ifndef CLI_UP_FRONT_H
#define CLI_UP_FRONT_H

/* The process in front of the sandboxes: it shows what they write, and hands on what a terminal says. */

#include "cli/up_engine.h"

/*
 * Starts the engine with a task, whose `screen`, `colours` and `ready` are filled in here. Returns the exit status for
 * this process: when all have ended, or, with `detach`, as soon as all are up. What goes wrong is said on standard error.
 */
int cli_up_front(struct cli_up_task *task, bool detach);

#endif
