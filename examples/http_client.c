/* SPDX-License-Identifier: MIT */
#include "http.h"
#include "http_message.h"
#include "line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	REQUEST_SIZE = 512
};

struct http_client {
	struct cothon_tcp *tcp;
	struct http_client_events events;
	void *context;
	char host[COTHON_ENDPOINT_TEXT];
	char request[REQUEST_SIZE]; /* to be sent when the connection is open */
	bool open, asked;
	bool last; /* nothing more can be asked for */
	struct line line;
	struct http_head response;
	bool in_content;
	uint64_t left; /* bytes of the content that have to come */
	/* Set while the owner is told something: it may close the client meanwhile. */
	bool *closed;
};

/* Tells the owner of content or of an answer. Returns false when it has closed the client. */
static bool tell(struct http_client *client, const struct iovec *content, int status)
{
	bool closed = false;

	client->closed = &closed;
	if (content)
		client->events.content(client->context, content->iov_base, content->iov_len);
	else
		client->events.answered(client->context, status);
	if (!closed)
		client->closed = NULL;
	return !closed;
}

static bool answer(struct http_client *client, int status)
{
	client->asked = client->in_content = false;
	client->last = client->last || status < 0 || client->response.last;
	return tell(client, NULL, status);
}

/* Reads the head of a response, as far as it has come. Returns 1, 0 when more has to come, or an error. */
static int read_head(struct http_client *client)
{
	struct http_head *response = &client->response;
	int done;

	do {
		done = line_read(&client->line, client->tcp);
		if (done == 1)
			done = http_response_line(response, client->line.text);
		else if (done == 0)
			return 0;
		/* RFC 9110 section 15.2: interim responses come before the one that is meant. */
		if (done == 1 && response->status < 200) {
			*response = (struct http_head){0};
			done = 0;
		}
	} while (done == 0);
	if (done == 1 && response->coded)
		return -EOPNOTSUPP;
	/* RFC 9110 section 6.4.1: these have no content. */
	if (response->status == 204 || response->status == 304)
		response->length = response->has_length = 0;
	/* RFC 9112 section 6.3: without a length it goes on to the end of the connection. */
	client->left = response->has_length ? response->length : UINT64_MAX;
	return done;
}

/* Hands on the content that has come. Returns 1 when it is complete, 0 when more has to come, or -EPIPE, -ECANCELED. */
static int read_content(struct http_client *client)
{
	struct iovec piece;

	while (client->left > 0 && cothon_tcp_peek(client->tcp, &piece, 1) > 0) {
		if (piece.iov_len > client->left)
			piece.iov_len = client->left;
		client->left -= piece.iov_len;
		if (!tell(client, &piece, 0))
			return -ECANCELED;
		cothon_tcp_consume(client->tcp, piece.iov_len);
	}
	if (client->left == 0)
		return 1;
	if (!cothon_tcp_at_end(client->tcp))
		return 0;
	client->last = true;
	return client->response.has_length ? -EPIPE : 1;
}

/* Takes what has come. Returns false when the owner has closed the client. */
static bool receive(struct http_client *client)
{
	int done = 1;

	while (client->asked && done == 1) {
		done = client->in_content ? read_content(client) : read_head(client);
		if (done == -ECANCELED)
			return false;
		if (done < 0)
			return answer(client, done);
		if (done == 1 && !client->in_content)
			client->in_content = true;
		else if (done == 1 && !answer(client, (int)client->response.status))
			return false;
	}
	return true;
}

static int send_request(struct http_client *client)
{
	client->response = (struct http_head){0};
	return line_write(client->tcp, "%s", client->request);
}

static void handle(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct http_client *client = owner;
	int error = cothon_tcp_error(tcp);

	if (events & COTHON_TCP_OPENED) {
		client->open = true;
		if (client->asked)
			send_request(client);
	}
	if (!receive(client))
		return;
	/* What nobody asked for would be taken for the next answer. */
	if (cothon_tcp_at_end(tcp) || (!client->asked && cothon_tcp_readable(tcp) > 0))
		client->last = true;
	if (events & COTHON_TCP_ENDED)
		client->last = true;
	if ((events & COTHON_TCP_ENDED) && client->asked)
		answer(client, error ? error : -EPIPE);
}

int http_client_open(struct cothon_stack *stack, const struct cothon_endpoint *server,
		     const struct http_client_events *events, void *context,
		     struct http_client **result)
{
	/* Address and port are the stack's to choose: a dynamic port, which names this client for now. */
	const struct cothon_endpoint any = {0};
	struct http_client *client = calloc(1, sizeof(*client));
	int error;

	if (!client)
		return -ENOMEM;
	client->events = *events;
	client->context = context;
	cothon_endpoint_format(server, client->host);
	error = cothon_tcp_connect(stack, &any, server, handle, client, &client->tcp);
	if (error) {
		free(client);
		return error;
	}
	*result = client;
	return 0;
}

int http_client_get(struct http_client *client, const char *name)
{
	int len;

	if (client->last)
		return -EPIPE;
	if (client->asked)
		return -EBUSY;
	len = snprintf(client->request, sizeof(client->request), "GET /%s HTTP/1.1\r\nHost: %s\r\n",
		       name, client->host);
	if (len < 0 || len >= (int)sizeof(client->request))
		return -EMSGSIZE;
	client->asked = true;
	return client->open ? send_request(client) : 0;
}

void http_client_close(struct http_client *client)
{
	if (client->closed)
		*client->closed = true;
	cothon_tcp_close(client->tcp);
	free(client);
}
