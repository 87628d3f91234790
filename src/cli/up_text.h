/* SPDX-License-Identifier: MIT */
#ifndef CLI_UP_TEXT_H
#define CLI_UP_TEXT_H

/* A file of `cothon up`, read from where it is. */

#include "cli/up_file.h"

struct cli_up_text {
	struct cli_up_file file;
	uint64_t digest; /* of its text: another one for another text */
};

/*
 * Reads the file at `path`. Returns 0; or a negative value, and it was said on standard error what is wrong, as
 * FILE:LINE:COLUMN: for what is in it. *text is to be released in any case.
 */
int cli_up_text_read(const char *path, struct cli_up_text *text);
void cli_up_text_release(struct cli_up_text *text);

#endif
