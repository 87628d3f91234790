/* SPDX-License-Identifier: MIT */

/* What a handler does with its request: answers it, keeps it, and hands descriptors on. */

#include "control/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char media_type[] = "application/json";

void control_answer(struct control_request *request, unsigned status, json_t *json)
{
	static const char failed[] = "{\"error\":\"no memory for the answer\"}\n";
	char *body = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (body) {
		size_t len = strlen(body);

		body[len] = '\n'; /* the length is told, so that it needs no end */
		control_connection_send(request->connection, status, media_type, body, len + 1);
	} else {
		control_connection_send(request->connection, HTTP_STATUS_INTERNAL_SERVER_ERROR,
					media_type, failed, sizeof(failed) - 1);
	}
	free(body);
}

void control_answer_text(struct control_request *request, unsigned status, const char *type,
			 const char *text, size_t len)
{
	control_connection_send(request->connection, status, type, text, len);
}

void control_refuse(struct control_request *request, unsigned status, const char *hint,
		    const char *format, ...)
{
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	control_answer(request, status,
		       hint ? json_pack("{ss, ss}", "error", text, "hint", hint)
			    : json_pack("{ss}", "error", text));
}

void control_later(struct control_request *request,
		   void (*cancelled)(struct control_request *request, void *owner), void *owner)
{
	request->cancelled = cancelled;
	request->owner = owner;
}

int control_attach(struct control_request *request, int fd)
{
	struct control_connection *connection = request->connection;
	int copy;

	if (connection->attached_count == HOST_PASSING_MAX)
		return -ENOBUFS;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0)
		return -errno;
	connection->attached[connection->attached_count++] = copy;
	return 0;
}

int control_take_descriptor(struct control_request *request)
{
	struct control_connection *connection = request->connection;
	int oldest = connection->brought[0];

	if (connection->brought_count == 0)
		return -ENOENT;
	connection->brought_count--;
	memmove(connection->brought, connection->brought + 1,
		connection->brought_count * sizeof(oldest));
	return oldest;
}

int control_until_end(struct control_request *request, void (*ended)(void *owner), void *owner)
{
	struct control_connection *connection = request->connection;

	if (connection->ended)
		return -EBUSY;
	connection->ended = ended;
	connection->ended_owner = owner;
	return 0;
}
