/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_INIT_H
#define SANDBOX_INIT_H

/* The sandbox's init: process 1 of its PID namespace. */

#include "sandbox/idmap.h"
#include "sandbox/sandbox.h"

/*
 * Sets up the sandbox that the caller is in, runs the command when the engine says so, and stays
 * until the engine ends it. `channel` leads to the engine. Never returns.
 */
_Noreturn void sandbox_init(const struct sandbox_config *config, const struct sandbox_idmaps *maps,
			    int channel);

#endif
