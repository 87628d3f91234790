/* SPDX-License-Identifier: MIT */
#ifndef CLI_UP_MEMBER_H
#define CLI_UP_MEMBER_H

/* One sandbox of a file, as it is read. */

#include "cli/up_file.h"

/*
 * Reads a sandbox: its name from `key`, all else from `value`. `environment` is what its own begins with.
 * Returns 0, -EINVAL by config_fail(), or -ENOMEM; *member, which was zeroed, is to be released in any case.
 */
int cli_up_member_read(struct config_document *document, const struct config_node *key,
		       const struct config_node *value, char *const *environment,
		       struct cli_up_member *member);
void cli_up_member_release(struct cli_up_member *member);
/*
 * Takes a value as the option of `cothon run` of that name takes it: true for an option without an argument,
 * one value, or a list of them for one that may be repeated. Returns 0 or -EINVAL.
 */
int cli_up_take_option(struct config_document *document, const struct config_node *value,
		       struct cli_run_options *options, const char *name);

/* up_listen.c: the values of `listen_fds` and `inetd`, into a struct cli_up_member. */
config_take cli_up_take_listen_fds, cli_up_take_inetd;

#endif
