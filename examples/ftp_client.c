/* SPDX-License-Identifier: MIT */
#include "ftp.h"
#include "line.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	NAME_SIZE = 256
};

struct ftp_client {
	struct cothon_stack *stack;
	struct cothon_tcp *control, *data;
	struct ftp_client_events events;
	void *context;
	char name[NAME_SIZE];
	struct line line;
	unsigned step;   /* of the conversation, which reply is waited for */
	bool data_ended; /* the document has come to its end */
	uint64_t size, received;
	/* Set while the owner is told something: it may close the client meanwhile. */
	bool *closed;
};

/* The conversation, step by step: what is said, and the reply that lets it go on. */
static int connect_data(struct ftp_client *client, const char *reply);
static int take_size(struct ftp_client *client, const char *reply);

static const struct step {
	const char *command; /* NULL: nothing is said */
	bool about;          /* the document: its name follows */
	unsigned expected;
	int (*use)(struct ftp_client *client, const char *reply);
} steps[] = {
	{NULL, false, 220, NULL},          {"USER anonymous", false, 331, NULL},
	{"PASS guest@", false, 230, NULL}, {"TYPE I", false, 200, NULL},
	{"SIZE", true, 213, take_size},    {"EPSV", false, 229, connect_data},
	{"RETR", true, 150, NULL},         {NULL, false, 226, NULL},
	{"QUIT", false, 221, NULL},
};

enum {
	STEPS = sizeof(steps) / sizeof(*steps),
	QUIT = STEPS - 1,
	OVER = STEPS + 1, /* the owner knows */
};

/* Tells the owner of content or of the end. Returns false when it has closed the client. */
static bool tell(struct ftp_client *client, const struct iovec *content, int error)
{
	bool closed = false;

	client->closed = &closed;
	if (content)
		client->events.content(client->context, content->iov_base, content->iov_len);
	else
		client->events.done(client->context, error);
	if (!closed)
		client->closed = NULL;
	return !closed;
}

/* Tells the owner of the end, once; it may have closed the client then. */
static void finish(struct ftp_client *client, int error)
{
	if (client->step == OVER)
		return;
	client->step = OVER;
	tell(client, NULL, error);
}

/* Says what belongs to this step. Farewell is said when the document has come to its end as well. */
static int say(struct ftp_client *client)
{
	const char *command = client->step < STEPS ? steps[client->step].command : NULL;

	if (!command || (client->step == QUIT && !client->data_ended))
		return 0;
	return line_write(client->control, "%s%s%s", command, steps[client->step].about ? " " : "",
			  steps[client->step].about ? client->name : "");
}

/* The data connection */

static void handle_data(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct ftp_client *client = owner;
	int error = cothon_tcp_error(tcp);
	struct iovec piece;

	while (client->step != OVER && cothon_tcp_peek(tcp, &piece, 1) > 0) {
		client->received += piece.iov_len;
		if (!tell(client, &piece, 0))
			return;
		cothon_tcp_consume(tcp, piece.iov_len);
	}
	if (cothon_tcp_at_end(tcp)) {
		cothon_tcp_close(tcp);
		client->data = NULL;
		client->data_ended = true;
		if (client->received != client->size)
			error = -EPIPE;
		else if (client->step == QUIT)
			error = say(client);
		if (error < 0)
			finish(client, error);
	} else if (events & COTHON_TCP_ENDED) {
		finish(client, error ? error : -EPIPE);
	}
}

/* RFC 2428 section 3: "229 any text (|||port|)", where any character may stand for the bars. */
static int connect_data(struct ftp_client *client, const char *reply)
{
	const struct cothon_endpoint any = {0};
	struct cothon_endpoint to = cothon_flow_remote(cothon_tcp_flow(client->control));
	const char *place = strchr(reply, '(');
	unsigned long port;
	char *end;

	if (!place || !place[1] || place[2] != place[1] || place[3] != place[1] ||
	    !isdigit((unsigned char)place[4]))
		return -EPROTO;
	port = strtoul(place + 4, &end, 10);
	if (*end != place[1] || port < 1 || port > UINT16_MAX)
		return -EPROTO;
	to.port = (uint16_t)port;
	return cothon_tcp_connect(client->stack, &any, &to, handle_data, client, &client->data);
}

/* The control connection */

static int take_size(struct ftp_client *client, const char *reply)
{
	if (!isdigit((unsigned char)reply[4]))
		return -EPROTO;
	client->size = strtoull(reply + 4, NULL, 10);
	return 0;
}

/* Takes a line of the server's and goes on to the next step. */
static int take_reply(struct ftp_client *client, const char *reply)
{
	const struct step *step = &steps[client->step];
	int error = 0;

	/* RFC 959 section 4.2: only the last line of a reply has a space behind its code. */
	if (strspn(reply, "0123456789") != 3 || reply[3] != ' ')
		return 0;
	if (strtoul(reply, NULL, 10) != step->expected)
		return strncmp(reply, "550", 3) == 0 ? -ENOENT : -EPROTO;
	if (step->use)
		error = step->use(client, reply);
	client->step++;
	return error < 0 ? error : say(client);
}

static void handle_control(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct ftp_client *client = owner;
	int error = cothon_tcp_error(tcp), done = 0;

	while (client->step < STEPS && done == 0) {
		done = line_read(&client->line, tcp);
		if (done == 0)
			break;
		if (done == 1)
			done = take_reply(client, client->line.text);
	}
	if (client->step == STEPS)
		finish(client, 0);
	else if (done < 0)
		finish(client, done);
	else if (events & COTHON_TCP_ENDED)
		finish(client, error ? error : -EPIPE);
}

int ftp_client_fetch(struct cothon_stack *stack, const struct cothon_endpoint *server,
		     const char *name, const struct ftp_client_events *events, void *context,
		     struct ftp_client **result)
{
	const struct cothon_endpoint any = {0};
	struct ftp_client *client;
	int error;

	if (strlen(name) >= NAME_SIZE || strpbrk(name, "\r\n"))
		return -EINVAL;
	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->stack = stack;
	client->events = *events;
	client->context = context;
	memcpy(client->name, name, strlen(name) + 1);
	error = cothon_tcp_connect(stack, &any, server, handle_control, client, &client->control);
	if (error) {
		free(client);
		return error;
	}
	*result = client;
	return 0;
}

void ftp_client_close(struct ftp_client *client)
{
	if (client->closed)
		*client->closed = true;
	if (client->data)
		cothon_tcp_close(client->data);
	cothon_tcp_close(client->control);
	free(client);
}
