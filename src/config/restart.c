/* SPDX-License-Identifier: MIT */
#include "config/restart.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int config_restart_parse(const char *text, struct config_restart *restart)
{
	static const char on_failure[] = "on-failure";
	size_t len = sizeof(on_failure) - 1;
	unsigned long most;
	char *end;

	*restart = (struct config_restart){0};
	if (strcmp(text, "no") == 0)
		return 0;
	if (strcmp(text, "always") == 0) {
		restart->when = CONFIG_RESTART_ALWAYS;
		return 0;
	}
	if (strncmp(text, on_failure, len) != 0)
		return -EINVAL;
	restart->when = CONFIG_RESTART_ON_FAILURE;
	if (text[len] == '\0')
		return 0;
	most = strtoul(text + len + 1, &end, 10);
	if (text[len] != ':' || !isdigit((unsigned char)text[len + 1]) || *end || most == 0 ||
	    most > CONFIG_RESTART_MOST)
		return -EINVAL;
	restart->most = (unsigned)most;
	return 0;
}

static uint64_t wait_before(unsigned row)
{
	uint64_t wait = CONFIG_RESTART_FIRST;

	while (row-- > 0 && wait < CONFIG_RESTART_LONGEST)
		wait *= 2;
	return wait < CONFIG_RESTART_LONGEST ? wait : CONFIG_RESTART_LONGEST;
}

uint64_t config_restart_wait(const struct config_restart *restart, struct config_restarts *restarts,
			     bool failed, uint64_t ran)
{
	if (restart->when == CONFIG_RESTART_NO ||
	    (restart->when == CONFIG_RESTART_ON_FAILURE && !failed))
		return UINT64_MAX;
	if (ran >= CONFIG_RESTART_WELL)
		restarts->row = 0;
	if (restart->most && restarts->row >= restart->most)
		return UINT64_MAX;
	restarts->total++;
	return wait_before(restarts->row++);
}
