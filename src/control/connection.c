/* SPDX-License-Identifier: MIT */
#include "control/connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/*
	 * Bytes of a body as it is sent: with a chunk for every few bytes it is longer than what it
	 * holds.
	 */
	BODY_WIRE_MAX = 2 * CONTROL_BODY_MAX,
	/* Bytes of an answer that are sent in one round, however fast the client takes them. */
	ROUND_OUTPUT = 256 << 10,
	/* Microseconds for which input is thrown away after the last answer. */
	LINGER = 2000000,
};

/* --- stages --- */

static void enter(struct control_connection *connection, enum control_stage stage)
{
	static const uint32_t events[] = {
		[CONTROL_READING] = EPOLLIN,
		[CONTROL_HANDLING] = 0, /* the end of the connection comes all the same */
		[CONTROL_WRITING] = EPOLLOUT,
		[CONTROL_LINGERING] = EPOLLIN,
	};
	struct control_server *server = connection->server;

	if (events[stage] != events[connection->stage])
		host_loop_change(server->loop, &connection->watch, events[stage]);
	connection->stage = stage;
	connection->deadline =
		host_now() + (stage == CONTROL_LINGERING ? LINGER : server->patience);
}

static void forget_request(struct control_connection *connection)
{
	json_decref(connection->request.body);
	free(connection->body);
	while (connection->brought_count > 0)
		close(connection->brought[--connection->brought_count]);
	connection->request = (struct control_request){0};
	connection->begun = connection->head_complete = connection->complete = false;
	connection->refused = 0;
	connection->head_len = connection->target_len = 0;
	connection->field_len = connection->value_len = 0;
	connection->has_value = connection->expects = connection->head_only = false;
	connection->hosts = 0;
	connection->host[0] = connection->authorization[0] = '\0';
	connection->body = NULL;
	connection->body_len = connection->body_room = connection->body_wire_len = 0;
}

void control_connection_close(struct control_connection *connection)
{
	struct control_request *request = &connection->request;

	if (connection->stage == CONTROL_GONE)
		return;
	if (connection->stage == CONTROL_HANDLING && request->cancelled)
		request->cancelled(request, request->owner);
	if (connection->ended)
		connection->ended(connection->ended_owner);
	connection->ended = NULL;
	connection->stage = CONTROL_GONE;
	host_loop_remove(connection->server->loop, &connection->watch);
	close(connection->watch.fd);
	connection->server->count--;
	cothon_list_remove(&connection->node);
	cothon_list_append(&connection->server->gone, &connection->node);
}

static void close_attached(struct control_connection *connection)
{
	while (connection->attached_count > 0)
		close(connection->attached[--connection->attached_count]);
}

void control_connection_free(struct control_connection *connection)
{
	forget_request(connection);
	close_attached(connection);
	free(connection->output);
	free(connection);
}

/* --- answers --- */

/* The last answer is out: the client is to read it before the connection ends. */
static void linger(struct control_connection *connection)
{
	shutdown(connection->watch.fd, SHUT_WR);
	enter(connection, CONTROL_LINGERING);
}

/* Sends what the socket takes. Afterwards the next request is read, or the connection ends. */
static void send_output(struct control_connection *connection)
{
	size_t end = connection->output_at + ROUND_OUTPUT;

	while (connection->output_at < connection->output_len) {
		size_t left = connection->output_len - connection->output_at;
		ssize_t len = -EAGAIN;

		if (connection->output_at < end)
			len = host_passing_send(connection->watch.fd,
						connection->output + connection->output_at,
						left < ROUND_OUTPUT ? left : ROUND_OUTPUT,
						connection->attached, connection->attached_count);
		if (len == -EAGAIN) {
			enter(connection, CONTROL_WRITING);
			return;
		}
		if (len < 0) {
			control_connection_close(connection);
			return;
		}
		connection->output_at += (size_t)len;
		close_attached(connection);
	}
	free(connection->output);
	connection->output = NULL;
	connection->output_at = connection->output_len = 0;
	if (connection->last)
		linger(connection);
	else
		enter(connection, CONTROL_READING);
}

/* What has been read already is looked at in the next round: the socket takes more at once. */
static void look_again(struct control_connection *connection)
{
	if (connection->input_len > 0)
		enter(connection, CONTROL_WRITING);
}

/* The methods that a path has, as in "GET, POST"; *text stays empty where it has none. */
static void list_methods(const struct control_server *server, const char *path, char *text,
			 size_t room)
{
	size_t len = 0;

	text[0] = '\0';
	for (const struct control_route *route = server->routes; route->path; route++) {
		if (strcmp(route->path, path) == 0 && len < room)
			len += (size_t)snprintf(text + len, room - len, "%s%s", len ? ", " : "",
						http_method_str(route->method));
	}
}

void control_connection_send(struct control_connection *connection, unsigned status,
			     const char *type, const char *body, size_t len)
{
	bool head_only = connection->head_only;
	const char *headers = connection->server->headers;
	char head[1024], allow[64] = "";
	int head_len;

	if (status == HTTP_STATUS_METHOD_NOT_ALLOWED)
		list_methods(connection->server, connection->request.path, allow, sizeof(allow));
	forget_request(connection);
	head_len = snprintf(head, sizeof(head),
			    "HTTP/1.1 %u %s\r\n"
			    "Content-Type: %s\r\n"
			    "Content-Length: %zu\r\n"
			    "%s%s%s%s%s\r\n",
			    status, http_status_str((enum http_status)status), type, len,
			    allow[0] ? "Allow: " : "", allow, allow[0] ? "\r\n" : "",
			    connection->last ? "Connection: close\r\n" : "",
			    headers ? headers : "");
	connection->output = malloc((size_t)head_len + len);
	if (!connection->output) {
		control_connection_close(connection);
		return;
	}
	memcpy(connection->output, head, (size_t)head_len);
	memcpy(connection->output + head_len, body, len);
	connection->output_at = 0;
	connection->output_len = (size_t)head_len + (head_only ? 0 : len);
	send_output(connection);
	if (!connection->inside_handler && connection->stage == CONTROL_READING)
		look_again(connection);
}

/* --- a complete request --- */

static const char *hint_for(unsigned status)
{
	switch (status) {
	case HTTP_STATUS_BAD_REQUEST:
		return "send HTTP/1.1 with one Host field, as curl --unix-socket does";
	case HTTP_STATUS_REQUEST_TIMEOUT:
		return "send a request within 30 seconds";
	case HTTP_STATUS_PAYLOAD_TOO_LARGE:
		return "send a body of at most 1 MiB";
	case HTTP_STATUS_URI_TOO_LONG:
		return "send a path and query of at most 2 KiB";
	case HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE:
		return "send a head of at most 8 KiB";
	case HTTP_STATUS_NOT_IMPLEMENTED:
		return "the methods are GET, HEAD, POST, PUT and DELETE";
	default:
		return NULL;
	}
}

/* Refuses a request that has no handler yet; what follows on the connection is not looked at. */
static void refuse_connection(struct control_connection *connection, unsigned status)
{
	connection->request.connection = connection;
	connection->request.path = "";
	connection->last = true;
	connection->inside_handler = true;
	control_refuse(&connection->request, status, hint_for(status), "%s",
		       http_status_str((enum http_status)status));
	connection->inside_handler = false;
}

static void refuse_path(struct control_connection *connection)
{
	char paths[512] = "";
	size_t len = 0;
	const char *before = "";

	for (const struct control_route *route = connection->server->routes; route->path; route++) {
		/* The routes of a path are next to one another. */
		if (strcmp(route->path, before) != 0 && len < sizeof(paths))
			len += (size_t)snprintf(paths + len, sizeof(paths) - len, "%s%s",
						len ? ", " : "there are: ", route->path);
		before = route->path;
	}
	control_refuse(&connection->request, HTTP_STATUS_NOT_FOUND, paths, "there is no %.200s",
		       connection->request.path);
}

/* Hands the request to the handler of its method and path. */
static void route(struct control_connection *connection)
{
	struct control_request *request = &connection->request;
	bool path_known = false, method_known = false;
	char methods[64];

	for (const struct control_route *at = connection->server->routes; at->path; at++) {
		bool path = strcmp(at->path, request->path) == 0;
		bool method = at->method == request->method;

		if (path && method) {
			at->handle(request);
			return;
		}
		path_known |= path;
		method_known |= method;
	}
	if (path_known && method_known) {
		list_methods(connection->server, request->path, methods, sizeof(methods));
		control_refuse(request, HTTP_STATUS_METHOD_NOT_ALLOWED, NULL, "%s has %s only",
			       request->path, methods);
	} else if (method_known) {
		refuse_path(connection);
	} else {
		control_refuse(request, HTTP_STATUS_NOT_IMPLEMENTED,
			       hint_for(HTTP_STATUS_NOT_IMPLEMENTED),
			       "no resource has the method %s", http_method_str(request->method));
	}
}

/* Cuts the target into path and query. Returns false when it is none. */
static bool parse_target(struct control_connection *connection)
{
	struct control_request *request = &connection->request;
	struct http_parser_url url;

	http_parser_url_init(&url);
	if (http_parser_parse_url(connection->target, connection->target_len, 0, &url) != 0 ||
	    !(url.field_set & (1 << UF_PATH)))
		return false;
	request->query = "";
	if (url.field_set & (1 << UF_QUERY)) {
		request->query = connection->target + url.field_data[UF_QUERY].off;
		connection->target[url.field_data[UF_QUERY].off + url.field_data[UF_QUERY].len] =
			'\0';
	}
	request->path = connection->target + url.field_data[UF_PATH].off;
	connection->target[url.field_data[UF_PATH].off + url.field_data[UF_PATH].len] = '\0';
	return true;
}

/* Reads the body, if there is one. Returns false when that has refused the request. */
static bool parse_body(struct control_connection *connection)
{
	struct control_request *request = &connection->request;
	json_error_t error;

	if (connection->body_len == 0)
		return true;
	request->body =
		json_loadb(connection->body, connection->body_len, JSON_REJECT_DUPLICATES, &error);
	if (!request->body)
		control_refuse(request, HTTP_STATUS_BAD_REQUEST, "send a JSON object as the body",
			       "the body is not JSON: line %d, column %d: %s", error.line,
			       error.column, error.text);
	else if (!json_is_object(request->body))
		control_refuse(request, HTTP_STATUS_BAD_REQUEST, "send an object, as in {...}",
			       "the body is JSON, but no object");
	else
		return true;
	return false;
}

/* Whether the server's owner lets the request pass; if not, it is refused. */
static bool is_admitted(struct control_connection *connection)
{
	const struct control_server *server = connection->server;

	return !server->admits || server->admits(&connection->request, server->admits_context);
}

static void handle(struct control_connection *connection)
{
	struct control_request *request = &connection->request;
	http_parser *parser = &connection->parser;

	connection->last = !http_should_keep_alive(parser) || parser->upgrade ||
			   parser->http_minor == 0;
	connection->head_only = parser->method == HTTP_HEAD;
	*request = (struct control_request){
		.instance = connection->server->instance,
		.method = connection->head_only ? HTTP_GET : (enum http_method)parser->method,
		.host = connection->host,
		.authorization = connection->authorization,
		.connection = connection,
	};
	if (!parse_target(connection)) {
		refuse_connection(connection, HTTP_STATUS_BAD_REQUEST);
		return;
	}
	enter(connection, CONTROL_HANDLING);
	connection->inside_handler = true;
	if (is_admitted(connection) && parse_body(connection))
		route(connection);
	connection->inside_handler = false;
}

/* --- input --- */

/* Reads from the socket. Returns false when nothing came; then the connection may be gone. */
static bool fill(struct control_connection *connection)
{
	ssize_t len = host_passing_receive(connection->watch.fd, connection->input,
					   sizeof(connection->input), connection->brought,
					   &connection->brought_count);

	if (len == -EAGAIN)
		return false;
	if (len <= 0) {
		control_connection_close(connection);
		return false;
	}
	connection->input_at = 0;
	connection->input_len = (size_t)len;
	return true;
}

/* How much of the input may be parsed before the bound on head or body is looked at. */
static size_t share(const struct control_connection *connection)
{
	size_t left = connection->head_complete ? BODY_WIRE_MAX - connection->body_wire_len
						: CONTROL_HEAD_MAX - connection->head_len;

	return connection->input_len < left ? connection->input_len : left;
}

/* What to answer to what the parser does not take. */
static unsigned status_of(enum http_errno error)
{
	switch (error) {
	case HPE_INVALID_METHOD:
		return HTTP_STATUS_NOT_IMPLEMENTED;
	case HPE_HEADER_OVERFLOW: /* of trailers, too */
		return HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE;
	default:
		return HTTP_STATUS_BAD_REQUEST;
	}
}

/* Parses input up to the end of a request at most. */
static void parse(struct control_connection *connection)
{
	http_parser *parser = &connection->parser;
	size_t len = share(connection), parsed;
	const char *from = connection->input + connection->input_at;

	if (len == 0) {
		refuse_connection(connection,
				  connection->head_complete
					  ? HTTP_STATUS_PAYLOAD_TOO_LARGE
					  : HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE);
		return;
	}
	/* All of it is taken unless a request ends in it, or it is refused. */
	connection->input_at += len;
	connection->input_len -= len;
	if (connection->head_complete)
		connection->body_wire_len += len;
	else
		connection->head_len += len;
	parsed = http_parser_execute(parser, &control_request_parser, from, len);
	if (connection->refused) {
		refuse_connection(connection, connection->refused);
	} else if (connection->complete) {
		connection->input_at -= len - parsed;
		connection->input_len += len - parsed;
		http_parser_pause(parser, 0);
		handle(connection);
	} else if (HTTP_PARSER_ERRNO(parser) != HPE_OK || parsed < len) {
		refuse_connection(connection, status_of(HTTP_PARSER_ERRNO(parser)));
	}
}

/* Reads once at most, and takes one request at most: the others have their turn in between. */
static void take_input(struct control_connection *connection)
{
	if (connection->stage != CONTROL_READING ||
	    (connection->input_len == 0 && !fill(connection)))
		return;
	parse(connection);
	if (connection->stage == CONTROL_READING)
		look_again(connection);
}

static void ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct control_connection *connection =
		cothon_container(watch, struct control_connection, watch);

	(void)now;
	switch (connection->stage) {
	case CONTROL_READING:
		take_input(connection);
		break;
	case CONTROL_WRITING:
		if (connection->output)
			send_output(connection);
		else
			enter(connection, CONTROL_READING);
		take_input(connection);
		break;
	case CONTROL_HANDLING:
		if (events & (EPOLLHUP | EPOLLERR))
			control_connection_close(connection);
		break;
	case CONTROL_LINGERING:
		fill(connection);
		break;
	case CONTROL_GONE:
		break;
	}
}

void control_connection_expire(struct control_connection *connection)
{
	struct control_request *request = &connection->request;

	if (connection->stage == CONTROL_HANDLING) {
		if (request->cancelled)
			request->cancelled(request, request->owner);
		control_refuse(request, HTTP_STATUS_GATEWAY_TIMEOUT, "try again",
			       "the sandbox did not answer in time");
	} else if (connection->stage == CONTROL_READING && connection->begun) {
		refuse_connection(connection, HTTP_STATUS_REQUEST_TIMEOUT);
	} else {
		control_connection_close(connection);
	}
}

int control_connection_open(struct control_server *server, int fd, uint64_t now)
{
	struct control_connection *connection = calloc(1, sizeof(*connection));
	int error;

	if (!connection)
		return -ENOMEM;
	connection->server = server;
	connection->watch = (struct host_watch){.fd = fd, .ready = ready};
	connection->stage = CONTROL_READING;
	connection->deadline = now + server->patience;
	http_parser_init(&connection->parser, HTTP_REQUEST);
	connection->parser.data = connection;
	error = host_loop_add(server->loop, &connection->watch, EPOLLIN);
	if (error) {
		free(connection);
		return error;
	}
	cothon_list_append(&server->connections, &connection->node);
	server->count++;
	return 0;
}
