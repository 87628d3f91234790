/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_PAGE_PAGE_H
#define CONTROL_PAGE_PAGE_H

/* The files of the page that `cothon web` shows, made from this folder while building. */

#include <stddef.h>

struct control_page_file {
	const char *path, *type;
	const char *bytes;
	size_t len;
};

/* Ends with a NULL path. */
extern const struct control_page_file control_page_files[];

#endif
