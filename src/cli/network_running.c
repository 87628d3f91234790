/* SPDX-License-Identifier: MIT */
#include "cli/network_running.h"

#include "cli/running.h"
#include "control/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* Milliseconds that a sandbox has for its answer. */
	PATIENCE = 2000,
};

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* The process at the other end of a connected socket. */
static pid_t process_of(int fd)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	return peer.pid;
}

int cli_network_running_each(const char *name,
			     void (*each)(void *context, const char *sandbox, const json_t *told,
					  pid_t pid),
			     void *context, struct cli_error *error)
{
	char(*names)[CONTROL_NAME_MAX + 1] = NULL;
	struct control_directory directory;
	int count;

	/* Without a directory nothing has ever run. */
	if (control_directory_open(&directory, false) < 0)
		return 0;
	count = cli_running_names(&directory, &names, error);
	for (int i = 0; i < count; i++) {
		int fd = control_directory_connect(&directory, names[i]);
		json_t *told = NULL;
		unsigned status = 0;

		if (fd < 0)
			continue;
		if (control_client_ask(fd, HTTP_GET, "/v1/sandbox", NULL, PATIENCE, &status,
				       &told) == 0) {
			const json_t *up = json_object_get(told, "up");

			if (json_is_object(up) &&
			    (!name || strcmp(text_of(up, "network"), name) == 0))
				each(context, names[i], told, process_of(fd));
		}
		json_decref(told);
		close(fd);
	}
	free(names);
	control_directory_close(&directory);
	return count < 0 ? count : 0;
}

static void note(void *context, const char *sandbox, const json_t *told, pid_t pid)
{
	struct cli_network_running *found = context;
	const json_t *up = json_object_get(told, "up");

	(void)sandbox;
	found->pid = pid;
	found->count++;
	snprintf(found->digest, sizeof(found->digest), "%s", text_of(up, "digest"));
	snprintf(found->file, sizeof(found->file), "%s", text_of(up, "file"));
}

int cli_network_running_find(const char *name, struct cli_network_running *found,
			     struct cli_error *error)
{
	int result;

	*found = (struct cli_network_running){0};
	result = cli_network_running_each(name, note, found, error);
	return result < 0 ? result : found->count > 0;
}
