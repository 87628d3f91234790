/* SPDX-License-Identifier: MIT */
#include "cli/up_text.h"

#include "base/siphash.h"
#include "cli/explain.h"
#include "host/namespace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The compilers' way, which editors know. */
static void say_error(const char *path, const struct config_error *error)
{
	if (error->line)
		fprintf(stderr, "%s:%u:%u: %s\n", path, error->line, error->column, error->text);
	else
		fprintf(stderr, "%s: %s\n", path, error->text);
}

static int read_text(const char *path, char *bytes, size_t len, struct cli_up_text *text)
{
	static const struct cothon_siphash_key key;
	struct config_error error;
	int result = cli_up_file_read(bytes, len, path, environ, &text->file, &error);

	text->digest = cothon_siphash24(&key, bytes, len);
	if (result == -ENOMEM)
		cli_message("up", "%s: not enough memory", path);
	else if (result < 0)
		say_error(path, &error);
	return result;
}

int cli_up_text_read(const char *path, struct cli_up_text *text)
{
	/* One more, so that what is too long is seen. */
	size_t room = CONFIG_TEXT_MAX + 2;
	char *bytes = malloc(room);
	ssize_t len = bytes ? host_read_file(path, bytes, room) : -ENOMEM;
	int result;

	*text = (struct cli_up_text){0};
	if (len == -EFBIG)
		cli_message("up", "%s is larger than %d bytes", path, CONFIG_TEXT_MAX);
	else if (len < 0)
		cli_message("up", "cannot read %s: %s", path, cli_explain_error((int)len));
	result = len < 0 ? (int)len : read_text(path, bytes, (size_t)len, text);
	free(bytes);
	return result;
}

void cli_up_text_release(struct cli_up_text *text)
{
	cli_up_file_release(&text->file);
}
