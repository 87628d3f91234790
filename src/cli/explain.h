/* SPDX-License-Identifier: MIT */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

/* What a machine's refusal means, and how to mend it. */

#include "cli/cli.h"
#include "relay/relay.h"
#include "sandbox/sandbox.h"

/* Why a sandbox could not be made: "cannot ...: ...". Returns error->text. */
const char *cli_explain_failure(const struct sandbox_failure *failure, struct cli_error *error);
/*
 * The reason alone, without what was tried. Looks at the machine's settings, so that it names the
 * one that is to blame. Returns a text that stays.
 */
const char *cli_explain_reason(const struct sandbox_failure *failure);
/*
 * What a negative errno of the host means that has no better explanation. Returns a text that
 * stays.
 */
const char *cli_explain_error(int error);
/* Why a port could not be published. Returns error->text. */
const char *cli_explain_publish(const struct relay_publication *publication,
				const struct relay_publish_error *reason, struct cli_error *error);
/*
 * Why a command did not run: `reason` is the negative errno of execve(2), `there` says that there is a file of that
 * name. Returns error->text.
 */
const char *cli_explain_command(const char *command, int reason, bool there,
				struct cli_error *error);

#endif
