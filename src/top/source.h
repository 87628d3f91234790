/* SPDX-License-Identifier: MIT */
#ifndef TOP_SOURCE_H
#define TOP_SOURCE_H

/* The running sandboxes that are looked at, asked over their control sockets. */

#include "cli/cli.h"
#include "cli/running.h"
#include "top/model.h"

enum {
	TOP_SOURCES = 64, /* sandboxes looked at; more are left out */
	/* Looks after which the ports are asked for again; sooner when there are flows of nobody known. */
	TOP_PORTS_EVERY = 4,
	TOP_PORTS_SOONEST = 2,
};

struct top_connection {
	struct cli_running running;
	unsigned looks; /* since the ports were asked for */
};

struct top_source {
	const char *only; /* the sandbox's name, or NULL for all */
	struct control_directory directory;
	bool opened;
	struct top_connection connections[TOP_SOURCES];
	size_t count;
	char trouble[TOP_NAME + 64]; /* what went wrong in the last look, or "" */
};

/* Finds what there is to look at. Returns 0, or a negative value with *error filled in. */
int top_source_open(struct top_source *source, const char *only, struct cli_error *error);
void top_source_close(struct top_source *source);
/*
 * Looks at all of them, and takes the answers into the model. Returns how many answered; 0: none runs
 * any longer.
 */
size_t top_source_look(struct top_source *source, struct top_model *model);
/*
 * Ends a flow; denies a destination, by a rule more. Each returns 0, or a negative value with *error filled
 * in.
 */
int top_source_end(struct top_source *source, const struct top_flow *flow, struct cli_error *error);
int top_source_deny(struct top_source *source, const struct top_flow *flow,
		    struct cli_error *error);

#endif
