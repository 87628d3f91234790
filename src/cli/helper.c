/* SPDX-License-Identifier: MIT */
#include "cli/helper.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int cli_helper_exec(const char *name, char *const *argv, struct cli_error *error)
{
	char path[PATH_MAX + NAME_MAX + 2];
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX);
	char *slash = NULL;

	if (len > 0) {
		path[len] = '\0';
		slash = strrchr(path, '/');
	}
	if (slash) {
		snprintf(slash + 1, NAME_MAX + 1, "%s", name);
		execv(path, argv);
	}
	if (errno == ENOENT || !slash) {
		snprintf(path, sizeof(path), "%s/%s", COTHON_LIBEXEC, name);
		execv(path, argv);
	}
	return cli_error(error, "cannot run %s: %s; it belongs to the installation of cothon", path,
			 strerrordesc_np(errno));
}
