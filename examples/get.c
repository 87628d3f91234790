/* SPDX-License-Identifier: MIT */
#include "get.h"

#include "http_message.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	BUFFER = 16384, /* no line of a head is longer */
};

struct get {
	struct get_request request;
	struct cothon_socket *socket;
	char text[512]; /* the request */
	size_t sent, text_len;
	struct http_head head;
	bool in_content;
	uint64_t left; /* bytes of the content that have to come */
	size_t len;    /* of `buffer`: what has come of the head and is no whole line yet */
	char buffer[BUFFER];
};

int get_begin(struct cothon_host *host, const struct get_request *request, struct get **result)
{
	struct get *get = calloc(1, sizeof(*get));
	char server[COTHON_ENDPOINT_TEXT];
	int error, len;

	if (!get)
		return -ENOMEM;
	get->request = *request;
	len = snprintf(get->text, sizeof(get->text), "GET /%s HTTP/1.0\r\nHost: %s\r\n\r\n",
		       request->name, cothon_endpoint_format(&request->server, server));
	get->text_len = (size_t)len;
	error = get->text_len < sizeof(get->text)
			? cothon_socket_open(host, COTHON_TCP, &get->socket)
			: -EMSGSIZE;
	if (!error)
		error = cothon_socket_connect(get->socket, &request->server);
	if (error != -EINPROGRESS) {
		get_end(get);
		return error;
	}
	*result = get;
	return 0;
}

void get_end(struct get *get)
{
	if (get->socket)
		cothon_socket_close(get->socket);
	free(get);
}

/* Takes the lines of the head off the front of the buffer. Returns 1 at its end, -EAGAIN, or an error. */
static int take_head(struct get *get)
{
	char *end;

	while ((end = memchr(get->buffer, '\n', get->len))) {
		size_t used = (size_t)(end + 1 - get->buffer);
		int done;

		*end = 0;
		if (end > get->buffer && end[-1] == '\r')
			end[-1] = 0;
		done = http_response_line(&get->head, get->buffer);
		get->len -= used;
		memmove(get->buffer, get->buffer + used, get->len);
		if (done)
			return done;
	}
	return get->len < BUFFER ? -EAGAIN : -EBADMSG;
}

static int take_content(struct get *get)
{
	size_t len = get->len < get->left ? get->len : (size_t)get->left;

	if (len > 0)
		get->request.content(get->request.context, get->buffer, len);
	get->len = 0;
	get->left -= len;
	return get->left == 0 ? (int)get->head.status : -EAGAIN;
}

/* What has come is in the buffer. */
static int take(struct get *get)
{
	if (!get->in_content) {
		int done = take_head(get);

		if (done != 1)
			return done;
		if (get->head.coded)
			return -EOPNOTSUPP;
		/* RFC 9112 section 6.3: without a length it goes on to the end of the connection. */
		get->left = get->head.has_length ? get->head.length : UINT64_MAX;
		get->in_content = true;
	}
	return take_content(get);
}

int get_turn(struct get *get)
{
	ptrdiff_t done;

	while (get->sent < get->text_len) {
		done = cothon_socket_send(get->socket, get->text + get->sent,
					  get->text_len - get->sent, NULL);
		if (done < 0)
			return (int)done;
		get->sent += (size_t)done;
	}
	for (;;) {
		int status;

		done = cothon_socket_recv(get->socket, get->buffer + get->len, BUFFER - get->len,
					  NULL);
		if (done < 0)
			return (int)done;
		/* The end: of the content, if nothing else says where that is. */
		if (done == 0)
			return get->in_content && !get->head.has_length ? (int)get->head.status
									: -EPIPE;
		get->len += (size_t)done;
		status = take(get);
		if (status != -EAGAIN)
			return status;
	}
}
