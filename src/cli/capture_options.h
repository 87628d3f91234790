/* SPDX-License-Identifier: MIT */
#ifndef CLI_CAPTURE_OPTIONS_H
#define CLI_CAPTURE_OPTIONS_H

/* What `cothon run --capture` and `cothon capture start` are told of a capture. */

#include "cli/cli.h"
#include "control/capture.h"

struct cli_capture_options {
	const char *file; /* NULL: none */
	struct control_capture_limits limits;
	struct cothon_rule *filters;                /* the limits', NULL when there is none */
	const char *texts[CONTROL_CAPTURE_FILTERS]; /* as they were written */
};

/* Each takes an option's argument. Returns 0, or -EINVAL with *error filled in. */
int cli_capture_take_size(struct cli_capture_options *options, const char *value,
			  struct cli_error *error);
int cli_capture_take_time(struct cli_capture_options *options, const char *value,
			  struct cli_error *error);
int cli_capture_take_snap(struct cli_capture_options *options, const char *value,
			  struct cli_error *error);
int cli_capture_take_filter(struct cli_capture_options *options, const char *value,
			    struct cli_error *error);
void cli_capture_options_release(struct cli_capture_options *options);
/*
 * Opens a file to capture to, which is made for its owner only. Returns a descriptor, closed on exec, or
 * the errno of open(2).
 */
int cli_capture_open(const char *file);
/* Forgets what was in the file, once something is to be written. */
void cli_capture_empty(int fd);

#endif
