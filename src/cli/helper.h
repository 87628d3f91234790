/* SPDX-License-Identifier: MIT */
#ifndef CLI_HELPER_H
#define CLI_HELPER_H

/* Programs beside this one, for what would make it slower to start if it were linked with it. */

#include "cli/cli.h"

/*
 * Becomes the program `name` ("cothon-top"), which is in this one's own folder or in the one for such
 * programs of the installation. argv[0] is its name. Returns only when that fails, with *error.
 */
int cli_helper_exec(const char *name, char *const *argv, struct cli_error *error);

#endif
