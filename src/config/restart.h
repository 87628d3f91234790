/* SPDX-License-Identifier: MIT */
#ifndef CONFIG_RESTART_H
#define CONFIG_RESTART_H

/* When a command that has ended is started again. */

#include <stdbool.h>
#include <stdint.h>

enum {
	/* Microseconds before the first time; each further wait is twice as long, up to the longest. */
	CONFIG_RESTART_FIRST = 100000,
	CONFIG_RESTART_LONGEST = 60000000,
	/* A command that has run so long was well: what was before is forgotten. */
	CONFIG_RESTART_WELL = 10000000,
	CONFIG_RESTART_MOST = 1000000, /* times that a policy may name */
};

enum config_restart_when {
	CONFIG_RESTART_NO,
	CONFIG_RESTART_ON_FAILURE, /* an exit status other than 0 */
	CONFIG_RESTART_ALWAYS,
};

struct config_restart {
	enum config_restart_when when;
	unsigned most; /* so many times in a row; 0: without bound */
};

/* What has happened to one command. */
struct config_restarts {
	unsigned row;   /* in a row */
	uint64_t total; /* ever */
};

/* Reads "no", "on-failure", "on-failure:N" or "always". Returns 0 or -EINVAL. */
int config_restart_parse(const char *text, struct config_restart *restart);
/*
 * The command has ended after `ran` microseconds, or did what counts as a failure. Returns after how many
 * microseconds it is to be started again, or UINT64_MAX: it is not.
 */
uint64_t config_restart_wait(const struct config_restart *restart, struct config_restarts *restarts,
			     bool failed, uint64_t ran);

#endif
