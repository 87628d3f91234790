/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_LINE_H
#define EXAMPLES_LINE_H

/* Lines of a text protocol, as a flow brings and takes them. */

#include <cothon/tcp.h>

enum {
	LINE_SIZE = 1024
};

/* Zeroed before the first line. */
struct line {
	char text[LINE_SIZE];
	size_t len;
	bool whole;
};

/*
 * Takes the next line off a flow, as far as it is there. Returns 1 when line->text holds a whole one, ended by NUL and
 * without its CR LF (a bare LF ends one as well); 0 when more has to arrive; -EPIPE when the end of the stream came
 * first; -EMSGSIZE when it is longer than fits; -EBADMSG when it holds a NUL.
 */
int line_read(struct line *line, struct cothon_tcp *tcp);
/* Sends a line and its CR LF. Returns 0, -EMSGSIZE, -EAGAIN when there is no room for all of it, or the flow's error. */
__attribute__((format(printf, 2, 3))) int line_write(struct cothon_tcp *tcp, const char *format,
						     ...);

#endif
