/* SPDX-License-Identifier: MIT */
#ifndef CLI_PORTS_VIEW_H
#define CLI_PORTS_VIEW_H

/* What `cothon ports` shows of a sandbox's answer to GET /v1/ports. */

#include "cli/cli.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* What is to be shown; of each that is set, all must be so. */
struct cli_ports_filter {
	uint16_t port;         /* 0: any; a flow has it at either end */
	const char *service;   /* NULL: any */
	const char *app;       /* NULL: any; a command's name or a process's number */
	const char *transport; /* NULL: any; "tcp", "udp" or "echo" */
};

/* Takes out of an answer what is not to be shown. */
void cli_ports_filter(json_t *answer, const struct cli_ports_filter *filter);

/*
 * Prints an answer: a line that names the sandbox, a table of bindings, a table of flows. `width` 0:
 * as wide as need be; `lines` 0: as long as need be, else at most that many. Returns 0, or -ENOMEM.
 */
int cli_ports_print(const json_t *answer, FILE *out, unsigned width, unsigned lines);

#endif
