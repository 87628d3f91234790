/* SPDX-License-Identifier: MIT */
#ifndef CLI_LISTEN_H
#define CLI_LISTEN_H

/* A socket that a command is given, in words: [NAME=]PORT[/tcp|/udp]. */

#include "cli/cli.h"
#include "sandbox/listen.h"

#define CLI_LISTEN_FORM "[NAME=]PORT[/tcp|/udp]"

/*
 * Reads one; without a name it has the port's, as that is written. Returns 0, or -EINVAL with *error filled in.
 */
int cli_listen_parse(const char *text, struct sandbox_listen *socket, struct cli_error *error);

#endif
