/* SPDX-License-Identifier: MIT */
#ifndef CLI_UP_FILE_H
#define CLI_UP_FILE_H

/* The file of `cothon up`: several sandboxes that share a network. docs/up.md describes it. */

#include "cli/run_options.h"
#include "config/document.h"
#include "config/health.h"
#include "config/plan.h"
#include "config/restart.h"
#include "control/directory.h"
#include "sandbox/listen.h"

enum {
	CLI_UP_MEMBERS = CONFIG_PLAN_MAX,
	CLI_UP_DEPENDENCIES = 1024,
};

/* A sandbox of the file. */
struct cli_up_member {
	/* Its name, command, network and all that `cothon run` has an option for. */
	struct cli_run_options options;
	const char *directory; /* NULL: that of the file */
	char **environment;    /* ends with NULL */
	struct config_restart restart;
	bool has_health;
	struct config_health health;
	uint64_t stop_grace; /* microseconds from SIGTERM to SIGKILL */
	/* The command is started when somebody connects to a published port. */
	bool on_demand;
	uint64_t idle; /* it is ended after so many microseconds without a TCP flow; 0: it is not */
	uint64_t start_timeout; /* so long whoever connects waits for it to accept */
	struct sandbox_listening listening;
	struct sandbox_listen sockets[SANDBOX_LISTEN_MAX];

	/* For the reading: where it stands, and what is still to be looked at when all is read. */
	const struct config_node *place, *address, *depends_on, *idle_at;
	char **words; /* allocated, of the command */
};

struct cli_up_dependency {
	struct config_dependency between;
	bool healthy; /* it is waited for until the other one is well, not only until it was started */
};

struct cli_up_file {
	char network[CONTROL_NAME_MAX + 1];
	/* What holds for all: mtu, gateway, DNS servers, families; `network` without addresses of their own. */
	struct cli_run_options shared;
	struct cli_up_member *members;
	size_t member_count;
	struct cli_up_dependency dependencies[CLI_UP_DEPENDENCIES];
	size_t dependency_count;
	struct config_plan plan;
	struct config_document *document; /* holds the texts that all this points to */
	/* For the reading. */
	char *const *environment;
	bool named;
};

/*
 * Reads a file's text and checks that everything fits together. `path` is the file's, for the network's name
 * where the file has none; `environment` is what the commands' begins with. Returns 0, and *file is to be
 * released; -EINVAL with *error filled in; or -ENOMEM.
 */
int cli_up_file_read(const char *text, size_t len, const char *path, char *const *environment,
		     struct cli_up_file *file, struct config_error *error);
/* Releases what was allocated, whatever the reading has returned; a zeroed file holds nothing. */
void cli_up_file_release(struct cli_up_file *file);

#endif
