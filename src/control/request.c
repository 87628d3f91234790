/* SPDX-License-Identifier: MIT */

/* A request as it comes in: what http_parser finds goes into the connection, or refuses it. */

#include "control/connection.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static struct control_connection *connection_of(http_parser *parser)
{
	return parser->data;
}

static int refuse(struct control_connection *connection, unsigned status)
{
	connection->refused = status;
	return 1;
}

static int take_begin(http_parser *parser)
{
	connection_of(parser)->begun = true;
	return 0;
}

static int take_target(http_parser *parser, const char *text, size_t len)
{
	struct control_connection *connection = connection_of(parser);

	if (len > CONTROL_TARGET_MAX - connection->target_len)
		return refuse(connection, HTTP_STATUS_URI_TOO_LONG);
	memcpy(connection->target + connection->target_len, text, len);
	connection->target_len += len;
	connection->target[connection->target_len] = '\0';
	return 0;
}

/* Appends to a text of which only the first `most` bytes are kept; *kept counts all of it. */
static void keep(char *text, size_t most, size_t *kept, const char *more, size_t len)
{
	if (*kept < most) {
		size_t room = most - *kept;

		memcpy(text + *kept, more, len < room ? len : room);
		text[*kept + (len < room ? len : room)] = '\0';
	}
	*kept += len;
}

/* A header field is complete. Returns non-zero when it is refused. */
static int finish_field(struct control_connection *connection)
{
	bool host = strcasecmp(connection->field, "host") == 0;
	bool expect = strcasecmp(connection->field, "expect") == 0;
	bool known = strcasecmp(connection->value, "100-continue") == 0;

	/* One that was cut is none that is asked for. */
	if (host && !connection->head_complete)
		memcpy(connection->host, connection->value, sizeof(connection->host));
	else if (strcasecmp(connection->field, "authorization") == 0 && !connection->head_complete)
		memcpy(connection->authorization, connection->value,
		       sizeof(connection->authorization));
	connection->field_len = connection->value_len = 0;
	connection->field[0] = connection->value[0] = '\0';
	connection->has_value = false;
	if (connection->head_complete)
		return 0; /* a trailer */
	connection->hosts += host;
	connection->expects |= expect && known;
	return expect && !known ? refuse(connection, HTTP_STATUS_EXPECTATION_FAILED) : 0;
}

static int take_field(http_parser *parser, const char *text, size_t len)
{
	struct control_connection *connection = connection_of(parser);
	int refused = connection->has_value ? finish_field(connection) : 0;

	keep(connection->field, sizeof(connection->field) - 1, &connection->field_len, text, len);
	return refused;
}

static int take_value(http_parser *parser, const char *text, size_t len)
{
	struct control_connection *connection = connection_of(parser);

	connection->has_value = true;
	keep(connection->value, sizeof(connection->value) - 1, &connection->value_len, text, len);
	return 0;
}

static int take_head_end(http_parser *parser)
{
	struct control_connection *connection = connection_of(parser);
	/* A client that waits for this word has sent nothing yet, so there is room for it. */
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

	if (connection->has_value && finish_field(connection))
		return 1;
	connection->head_complete = true;
	if (parser->http_major != 1)
		return refuse(connection, HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED);
	/* RFC 9112 section 3.2: a request of HTTP/1.1 has exactly one Host field. */
	if (connection->hosts > 1 || (parser->http_minor > 0 && connection->hosts == 0))
		return refuse(connection, HTTP_STATUS_BAD_REQUEST);
	if (parser->content_length != ULLONG_MAX && parser->content_length > CONTROL_BODY_MAX)
		return refuse(connection, HTTP_STATUS_PAYLOAD_TOO_LARGE);
	/* RFC 9112 section 6.1: a transfer coding that is not understood gets 501. */
	if (parser->uses_transfer_encoding && !(parser->flags & F_CHUNKED))
		return refuse(connection, HTTP_STATUS_NOT_IMPLEMENTED);
	if (connection->expects && connection->input_len == 0)
		send(connection->watch.fd, go_on, sizeof(go_on) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return 0;
}

static int take_body(http_parser *parser, const char *text, size_t len)
{
	struct control_connection *connection = connection_of(parser);
	size_t needed = connection->body_len + len;

	if (needed > CONTROL_BODY_MAX)
		return refuse(connection, HTTP_STATUS_PAYLOAD_TOO_LARGE);
	if (needed > connection->body_room) {
		size_t room = 2 * needed;
		char *body = realloc(connection->body, room);

		if (!body)
			return refuse(connection, HTTP_STATUS_INTERNAL_SERVER_ERROR);
		connection->body = body;
		connection->body_room = room;
	}
	memcpy(connection->body + connection->body_len, text, len);
	connection->body_len = needed;
	return 0;
}

static int take_end(http_parser *parser)
{
	connection_of(parser)->complete = true;
	/* What comes behind it waits for the answer. */
	http_parser_pause(parser, 1);
	return 0;
}

const http_parser_settings control_request_parser = {
	.on_message_begin = take_begin,
	.on_url = take_target,
	.on_header_field = take_field,
	.on_header_value = take_value,
	.on_headers_complete = take_head_end,
	.on_body = take_body,
	.on_message_complete = take_end,
};
