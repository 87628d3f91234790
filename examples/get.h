/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_GET_H
#define EXAMPLES_GET_H

/* An HTTP/1.0 client for one document, on a socket of a host. */

#include <cothon/host.h>

struct get_request {
	struct cothon_endpoint server;
	const char *name; /* of the document, without its first "/" */
	/* Called for the content, piece by piece. */
	void (*content)(void *context, const void *data, size_t len);
	void *context;
};

struct get;

/*
 * Begins to get a document. The request is copied, what it points to is not. Returns 0, -ENOMEM, -EMSGSIZE when the
 * name is too long, or an error of cothon_socket_connect().
 */
int get_begin(struct cothon_host *host, const struct get_request *request, struct get **get);
/*
 * Goes on; to be called after every poll of the host, which is to be polled after it. Returns -EAGAIN as long as there is more
 * to come, the status of the answer when it is complete, or why there is none: -EBADMSG for one that is no HTTP,
 * -EOPNOTSUPP for one with a transfer coding, -EPIPE when it was cut short, or the connection's error.
 */
int get_turn(struct get *get);
/* Gives it up, complete or not. */
void get_end(struct get *get);

#endif
