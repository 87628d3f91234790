/* SPDX-License-Identifier: MIT */
#include "http.h"
#include "http_message.h"
#include "line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	BACKLOG = 128,
	ANSWER_SIZE = 256,
	KEEPALIVE = 60, /* seconds of silence after which a client is probed */
};

struct connection {
	struct http_server *server;
	struct connection *previous, *next; /* of the server's */
	struct cothon_tcp *tcp;
	struct line line;
	struct http_head request;
	/* The answer: its head, and the document that follows it, if one does. */
	char answer[ANSWER_SIZE];
	size_t answer_len, answer_sent;
	const struct document *document;
	uint64_t document_sent;
	bool last; /* after this answer comes the end */
};

struct http_server {
	struct http_server_config config;
	struct cothon_listener *listener;
	struct connection *connections;
};

static void end(struct connection *connection)
{
	const struct http_server_config *config = &connection->server->config;

	if (config->ended)
		config->ended(connection->tcp, config->context);
	cothon_tcp_close(connection->tcp);
	if (connection->previous)
		connection->previous->next = connection->next;
	else
		connection->server->connections = connection->next;
	if (connection->next)
		connection->next->previous = connection->previous;
	free(connection);
}

/* Reads a request, as far as it has come, and prepares the answer. Returns 1, 0 when more has to come, or -EPIPE. */
static int read_request(struct connection *connection)
{
	const struct http_server_config *config = &connection->server->config;
	struct http_head *request = &connection->request;
	const struct document *document;
	unsigned status = 0;

	while (status == 0) {
		int line = line_read(&connection->line, connection->tcp);

		if (line == 0 || line == -EPIPE)
			return line;
		status = line == 1           ? http_request_line(request, connection->line.text)
			 : line == -EMSGSIZE ? 431
					     : 400;
	}
	/* What follows a request that was not understood cannot be told from its rest. */
	connection->last = status != 200 || request->last;
	document = documents_find(config->documents, request->target + 1);
	if (status == 200 && !document)
		status = 404;
	connection->answer_len = (size_t)snprintf(
		connection->answer, sizeof(connection->answer),
		"HTTP/1.1 %u %s\r\n"
		"Server: cothon-example\r\n"
		"Content-Type: application/octet-stream\r\n"
		"Content-Length: %llu\r\n%s\r\n",
		status, http_reason(status), status == 200 ? (unsigned long long)document->size : 0,
		connection->last ? "Connection: close\r\n" : "");
	connection->document = status == 200 && !request->head ? document : NULL;
	connection->answer_sent = connection->document_sent = 0;
	return 1;
}

/* Returns true when the whole answer is written. */
static bool write_answer(struct connection *connection)
{
	ptrdiff_t written = cothon_tcp_write(connection->tcp,
					     connection->answer + connection->answer_sent,
					     connection->answer_len - connection->answer_sent);

	if (written > 0)
		connection->answer_sent += (size_t)written;
	if (connection->answer_sent < connection->answer_len)
		return false;
	return !connection->document ||
	       document_send(connection->document, &connection->document_sent, connection->tcp);
}

/*
 * RFC 9112 section 9.6: after the last answer the client's end is waited for, because a reset, which what it still
 * sends would bring about, could reach it before the answer does. Returns true at the client's end.
 */
static bool wait_for_end(struct connection *connection)
{
	cothon_tcp_shutdown(connection->tcp);
	cothon_tcp_consume(connection->tcp, cothon_tcp_readable(connection->tcp));
	return cothon_tcp_at_end(connection->tcp);
}

/* Does what can be done now. Returns false when the connection is to end. */
static bool serve(struct connection *connection)
{
	for (;;) {
		if (connection->answer_len > 0) {
			if (!write_answer(connection))
				return true;
			if (connection->last)
				return !wait_for_end(connection);
			connection->answer_len = 0;
			connection->request = (struct http_head){0};
		}
		int got = read_request(connection);

		if (got != 1)
			return got == 0;
	}
}

static void handle(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	(void)tcp;
	if ((events & COTHON_TCP_ENDED) || !serve(owner))
		end(owner);
}

static void take(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	const struct cothon_tcp_options options = {.keepalive_idle = KEEPALIVE};
	struct http_server *server = owner;
	struct connection *connection = calloc(1, sizeof(*connection));

	if (!connection) {
		cothon_tcp_abort(tcp);
		return;
	}
	connection->server = server;
	connection->tcp = tcp;
	connection->next = server->connections;
	if (connection->next)
		connection->next->previous = connection;
	server->connections = connection;
	cothon_tcp_set_options(tcp, &options);
	cothon_tcp_own(tcp, handle, connection);
	handle(tcp, connection, events);
}

int http_server_create(const struct http_server_config *config, struct http_server **result)
{
	struct http_server *server = calloc(1, sizeof(*server));
	int error;

	if (!server)
		return -ENOMEM;
	server->config = *config;
	error = cothon_tcp_listen(config->stack, &config->local, BACKLOG, take, server,
				  &server->listener);
	if (error) {
		free(server);
		return error;
	}
	*result = server;
	return 0;
}

void http_server_destroy(struct http_server *server)
{
	struct connection *next;

	cothon_listener_close(server->listener);
	for (struct connection *connection = server->connections; connection; connection = next) {
		next = connection->next;
		end(connection);
	}
	free(server);
}
