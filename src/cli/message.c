/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

void cli_message(const char *subject, const char *format, ...)
{
	/* One write: lines of several processes do not mix. */
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	if (subject)
		fprintf(stderr, "cothon: %s: %s\n", subject, text);
	else
		fprintf(stderr, "cothon: %s\n", text);
}

int cli_error(struct cli_error *error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	return -EINVAL;
}
