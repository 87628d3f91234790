/* SPDX-License-Identifier: MIT */
#ifndef CLI_RUN_OPTIONS_H
#define CLI_RUN_OPTIONS_H

/* The command line of `cothon run`. */

#include "cli/capture_options.h"
#include "cli/cli.h"
#include "cli/limit.h"
#include "cli/network.h"
#include "cli/options.h"
#include "control/log.h"
#include "relay/relay.h"
#include "sandbox/listen.h"

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
	struct cothon_rule *rules; /* in the order given; NULL when there is none */
	size_t rule_count;
	const char *log; /* as for control_log_open() */
	enum control_log_level log_level;
	struct cli_capture_options capture;
	struct cothon_endpoint metrics; /* of the host, for Prometheus; port 0: none */
	struct cli_limits limits;
	unsigned threads; /* 1 to RELAY_QUEUES_MAX */
	bool on_demand;
	uint64_t idle; /* microseconds; 0: none */
	struct sandbox_listen sockets[SANDBOX_LISTEN_MAX];
	unsigned socket_count;
	char **command; /* ends with NULL */
};

/*
 * Reads argv[1 ..] and checks that everything fits together. Returns 1; 0 when only the help is
 * wanted; or -EINVAL with *error filled in. The texts that *options points to are argv's.
 */
int cli_run_options_read(int argc, char **argv, struct cli_run_options *options,
			 struct cli_error *error);
/* What holds when no option is given. */
void cli_run_options_begin(struct cli_run_options *options);
/* The option of that name, whose target is a struct cli_run_options; NULL: there is none. */
const struct cli_option *cli_run_option(const char *name);
/* Checks whether options->network fits all else. Returns 0, or -EINVAL with *error filled in. */
int cli_run_options_check(const struct cli_run_options *options, struct cli_error *error);
/* Releases what was allocated, whatever the reading has returned; zeroed options hold nothing. */
void cli_run_options_release(struct cli_run_options *options);
/* Prints the help on standard output. */
void cli_run_options_help(void);

#endif
