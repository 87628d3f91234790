/* SPDX-License-Identifier: MIT */
#ifndef CLI_LIMIT_H
#define CLI_LIMIT_H

/* The argument of --limit, NAME=N: the bound of one of an instance's resources. */

#include "cli/cli.h"
#include "relay/limits.h"

/* As RELAY_LIMITS: those that are not the relay's. */
#define CLI_LIMITS(X)                                              \
	X(descriptors, "descriptors", 0, 64, INT64_C(1) << 30,     \
	  "descriptors, all sockets included")                     \
	X(control_connections, "control-connections", 16, 1, 1024, \
	  "clients of the control socket")                         \
	X(log_lines, "log-lines", 1000, 1, 1000000, "lines a second in the file of --log")

/* 0: the default. */
struct cli_limits {
	struct relay_limits relay;
#define CLI_LIMIT(member, name, otherwise, least, most, text) uint64_t member;
	CLI_LIMITS(CLI_LIMIT)
#undef CLI_LIMIT
};

/* The help of --limit, which lists the names. */
extern const char cli_limit_help[];

/*
 * Reads NAME=N into *limits; N may end with K, M or G, of 1024 each. Returns 0, or -EINVAL with
 * *error filled in.
 */
int cli_limit_parse(const char *text, struct cli_limits *limits, struct cli_error *error);

#endif
