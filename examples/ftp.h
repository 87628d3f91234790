/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_FTP_H
#define EXAMPLES_FTP_H

/*
 * A small FTP server and client (RFC 959, RFC 2428, RFC 3659): anonymous users fetch documents. The control connection
 * goes to a port that everyone knows; each document comes over a connection of its own, to a port that the server
 * chooses for it and tells.
 */

#include "documents.h"
#include <cothon/tcp.h>

struct ftp_server_config {
	struct cothon_stack *stack;
	struct cothon_endpoint local;
	const struct documents *documents;
	/* Called for every connection, of both kinds, before it is given up; may be NULL. */
	void (*ended)(const struct cothon_tcp *tcp, void *context);
	void *context;
};

struct ftp_server;

/* The config is copied, what it points to is not. Returns 0 or an error of cothon_tcp_listen(). */
int ftp_server_create(const struct ftp_server_config *config, struct ftp_server **server);
/* Ends the server and its connections. */
void ftp_server_destroy(struct ftp_server *server);

/* What a client tells. Both may close the client. */
struct ftp_client_events {
	/* More of the document has come. */
	void (*content)(void *context, const void *data, size_t len);
	/*
	 * The whole document has come and the connection is closed in order (0), or why not: -ENOENT for no such
	 * document, -EPROTO for a server that does not do what it should, -EPIPE when it ended a connection too
	 * early, or the error of a flow. The client can only be closed now.
	 */
	void (*done)(void *context, int error);
};

struct ftp_client;

/*
 * Fetches a document. Returns 0, -ENOMEM, -EINVAL for a name with a line's end in it, or an error of
 * cothon_tcp_connect(); later errors come by done(). `name` is copied.
 */
int ftp_client_fetch(struct cothon_stack *stack, const struct cothon_endpoint *server,
		     const char *name, const struct ftp_client_events *events, void *context,
		     struct ftp_client **client);
void ftp_client_close(struct ftp_client *client);

#endif
