/* SPDX-License-Identifier: MIT */
#include "cli/capture_options.h"

#include "cli/rule_argument.h"
#include "cli/units.h"
#include "config/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000) /* in microseconds */

int cli_capture_take_size(struct cli_capture_options *options, const char *value,
			  struct cli_error *error)
{
	if (!cli_units_read_bytes(value, &options->limits.size) ||
	    options->limits.size < CONTROL_CAPTURE_SIZE_MIN || options->limits.size > INT64_MAX)
		return cli_error(error, "a size is a number of bytes, %d or more, as in 100M or 2G",
				 CONTROL_CAPTURE_SIZE_MIN);
	return 0;
}

int cli_capture_take_time(struct cli_capture_options *options, const char *value,
			  struct cli_error *error)
{
	uint64_t time;

	if (config_parse_duration(value, SECOND, UINT32_MAX * SECOND, &time) < 0 || time % SECOND)
		return cli_error(error,
				 "a time is whole seconds, one or more, as in 60s, 5m or 2h");
	options->limits.seconds = time / SECOND;
	return 0;
}

int cli_capture_take_snap(struct cli_capture_options *options, const char *value,
			  struct cli_error *error)
{
	uint64_t snap;

	if (!cli_units_read_bytes(value, &snap) || snap < 1 || snap > UINT32_MAX)
		return cli_error(error, "this is a number of bytes, 1 or more, as in 128");
	options->limits.snap = (uint32_t)snap;
	return 0;
}

int cli_capture_take_filter(struct cli_capture_options *options, const char *value,
			    struct cli_error *error)
{
	size_t *count = &options->limits.filter_count;
	int reason;

	if (*count == CONTROL_CAPTURE_FILTERS)
		return cli_error(error, "these are more than %d; write prefixes and lists of ports",
				 CONTROL_CAPTURE_FILTERS);
	if (!options->filters)
		options->filters = calloc(CONTROL_CAPTURE_FILTERS, sizeof(*options->filters));
	if (!options->filters)
		return cli_error(error, "there is no memory left for it; free some");
	options->limits.filters = options->filters;
	reason = cli_rule_parse(value, true, &options->filters[*count], error);
	if (reason == 0)
		options->texts[(*count)++] = value;
	return reason;
}

void cli_capture_options_release(struct cli_capture_options *options)
{
	free(options->filters);
	options->filters = NULL;
	options->limits.filters = NULL;
	options->limits.filter_count = 0;
}

int cli_capture_open(const char *file)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);

	return fd < 0 ? -errno : fd;
}

void cli_capture_empty(int fd)
{
	/* A pipe or a terminal has nothing to be forgotten. */
	(void)!ftruncate(fd, 0);
}
