/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_HTTP_H
#define EXAMPLES_HTTP_H

/* A small HTTP/1.1 server and client (RFC 9110, RFC 9112): GET and HEAD, over connections that persist. */

#include "documents.h"
#include <cothon/tcp.h>

struct http_server_config {
	struct cothon_stack *stack;
	struct cothon_endpoint local;
	const struct documents *documents; /* "/name" is the document of that name */
	/* Called for every connection before it is given up, for a log or the like; may be NULL. */
	void (*ended)(const struct cothon_tcp *tcp, void *context);
	void *context;
};

struct http_server;

/* The config is copied, what it points to is not. Returns 0 or an error of cothon_tcp_listen(). */
int http_server_create(const struct http_server_config *config, struct http_server **server);
/* Ends the server and its connections. */
void http_server_destroy(struct http_server *server);

/* What a client tells. Both may close the client, or ask for the next document. */
struct http_client_events {
	/* More of the content has come. */
	void (*content)(void *context, const void *data, size_t len);
	/*
	 * The answer is complete: its status, or a negative errno when none will be: -EBADMSG for one that is no
	 * HTTP, -EOPNOTSUPP for one with a transfer coding, -EPIPE when the server ended the connection, or the
	 * flow's error. Without an answer the client can only be closed.
	 */
	void (*answered)(void *context, int status);
};

struct http_client;

/*
 * Opens a connection to a server. Returns 0, -ENOMEM or an error of cothon_tcp_connect(); later errors come by
 * answered().
 */
int http_client_open(struct cothon_stack *stack, const struct cothon_endpoint *server,
		     const struct http_client_events *events, void *context,
		     struct http_client **client);
/*
 * Asks for the document of that name; one at a time. Returns 0, -EBUSY while another is asked for, -EMSGSIZE when the
 * name is too long, or -EPIPE when the server has ended, or announced to end, the connection.
 */
int http_client_get(struct http_client *client, const char *name);
void http_client_close(struct http_client *client);

#endif
