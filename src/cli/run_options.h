/* SPDX-License-Identifier: MIT */
#ifndef CLI_RUN_OPTIONS_H
#define CLI_RUN_OPTIONS_H

/* The command line of `cothon run`. */

#include "cli/cli.h"
#include "cli/network.h"
#include "relay/relay.h"

enum {
	CLI_RUN_PUBLICATIONS = 256, /* a publication may be a range of ports */
	CLI_RUN_RESOLVERS = 8,
};

struct cli_run_options {
	const char *name; /* NULL: none */
	struct cli_network wanted;
	struct relay_network network; /* made of `wanted` */
	bool user, host_loopback, watch;
	struct cothon_endpoint resolvers[CLI_RUN_RESOLVERS];
	unsigned resolver_count;
	struct relay_publication publications[CLI_RUN_PUBLICATIONS];
	unsigned publication_count;
	char **command; /* ends with NULL */
};

/*
 * Reads argv[1 ..] and checks that everything fits together. Returns 1; 0 when only the help is
 * wanted; or -EINVAL with *error filled in. What *options points to is argv's.
 */
int cli_run_options_read(int argc, char **argv, struct cli_run_options *options,
			 struct cli_error *error);
/* Prints the help on standard output. */
void cli_run_options_help(void);

#endif
