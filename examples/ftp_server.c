/* SPDX-License-Identifier: MIT */
#include "ftp.h"
#include "line.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	BACKLOG = 32,
	KEEPALIVE = 60, /* seconds of silence after which a client is probed */
};

struct session {
	struct ftp_server *server;
	struct session *previous, *next; /* of the server's */
	struct cothon_tcp *control;
	struct line line;
	bool named, logged_in;
	/* The data connection: waited for, then there. */
	struct cothon_listener *listener;
	struct cothon_tcp *data;
	/* What is sent over it. */
	const struct document *document;
	uint64_t sent;
};

struct ftp_server {
	struct ftp_server_config config;
	struct cothon_listener *listener;
	struct session *sessions;
};

/* Ending */

static void end_connection(const struct ftp_server *server, struct cothon_tcp **tcp, bool in_order)
{
	if (!*tcp)
		return;
	if (server->config.ended)
		server->config.ended(*tcp, server->config.context);
	if (in_order)
		cothon_tcp_close(*tcp);
	else
		cothon_tcp_abort(*tcp);
	*tcp = NULL;
}

static void stop_listening(struct session *session)
{
	if (session->listener)
		cothon_listener_close(session->listener);
	session->listener = NULL;
}

static void end(struct session *session)
{
	stop_listening(session);
	end_connection(session->server, &session->data, false);
	end_connection(session->server, &session->control, true);
	if (session->previous)
		session->previous->next = session->next;
	else
		session->server->sessions = session->next;
	if (session->next)
		session->next->previous = session->previous;
	free(session);
}

/* The data connection */

static void send_document(struct session *session)
{
	if (document_send(session->document, &session->sent, session->data))
		cothon_tcp_shutdown(session->data);
}

static int converse(struct session *session);

/* The transfer is over; with the answer, the next command is read. */
static void finish(struct session *session, bool whole)
{
	int error;

	end_connection(session->server, &session->data, whole);
	session->document = NULL;
	error = line_write(session->control, "%s",
			   whole ? "226 That was all of it" : "426 The data connection broke");
	if (error < 0 || converse(session) < 0)
		end(session);
}

static void handle_data(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct session *session = owner;

	/* Nothing is taken from clients. */
	cothon_tcp_consume(tcp, cothon_tcp_readable(tcp));
	if (!session->document) {
		if (events & COTHON_TCP_ENDED)
			end_connection(session->server, &session->data, true);
		return;
	}
	/* The peer has acknowledged all of it. */
	if (events & COTHON_TCP_DRAINED)
		finish(session, true);
	else if (events & COTHON_TCP_ENDED)
		finish(session, false);
	else
		send_document(session);
}

static void take_data(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct session *session = owner;
	struct cothon_endpoint from = cothon_flow_remote(cothon_tcp_flow(tcp));
	struct cothon_endpoint client = cothon_flow_remote(cothon_tcp_flow(session->control));

	/* RFC 2577 section 3: nobody else may come and fetch what the client asked for. */
	if (session->data || !cothon_addr_equal(&from.addr, &client.addr)) {
		cothon_tcp_abort(tcp);
		return;
	}
	stop_listening(session);
	session->data = tcp;
	cothon_tcp_own(tcp, handle_data, session);
	handle_data(tcp, session, events);
}

/* Commands: each answers, and returns 0 or the error of that. */

static int user(struct session *session, const char *name)
{
	session->logged_in = false;
	session->named = strcasecmp(name, "anonymous") == 0 || strcasecmp(name, "ftp") == 0;
	return line_write(session->control, "%s",
			  session->named ? "331 Any password will do"
					 : "530 Only anonymous users are served");
}

static int pass(struct session *session, const char *password)
{
	(void)password;
	if (!session->named)
		return line_write(session->control, "503 Say who you are first: USER anonymous");
	session->logged_in = true;
	return line_write(session->control, "230 Welcome");
}

static int type(struct session *session, const char *what)
{
	if (strcasecmp(what, "I") != 0)
		return line_write(session->control, "504 Bytes go as they are: TYPE I");
	return line_write(session->control, "200 Bytes go as they are");
}

/* RFC 2428 section 3: the client is told a port, and connects to it at the address it is connected to. */
static int epsv(struct session *session, const char *family)
{
	struct cothon_endpoint local = cothon_flow_local(cothon_tcp_flow(session->control));
	int error;

	(void)family;
	stop_listening(session);
	end_connection(session->server, &session->data, false);
	/* Any port that is free, of the dynamic ones. */
	local.port = 0;
	error = cothon_tcp_listen(session->server->config.stack, &local, 1, take_data, session,
				  &session->listener);
	if (error)
		return line_write(session->control, "425 There is no port for it now");
	return line_write(session->control, "229 Connect to this port (|||%u|)",
			  cothon_listener_local(session->listener).port);
}

static const struct document *find(const struct session *session, const char *name)
{
	return documents_find(session->server->config.documents, name + (*name == '/'));
}

/* RFC 3659 section 4 */
static int size(struct session *session, const char *name)
{
	const struct document *document = find(session, name);

	if (!document)
		return line_write(session->control, "550 There is no such document");
	return line_write(session->control, "213 %llu", (unsigned long long)document->size);
}

static int retr(struct session *session, const char *name)
{
	const struct document *document = find(session, name);
	int error;

	if (!session->listener && !session->data)
		return line_write(session->control, "425 Ask for a data connection first: EPSV");
	if (!document)
		return line_write(session->control, "550 There is no such document");
	error = line_write(session->control, "150 Here it comes");
	session->document = document;
	session->sent = 0;
	if (session->data)
		send_document(session);
	return error;
}

/* The control connection */

static const struct command {
	const char *name;
	int (*run)(struct session *session, const char *argument);
	bool for_all; /* also for those who have not logged in */
} commands[] = {
	{"USER", user, true},  {"PASS", pass, true},  {"TYPE", type, false},
	{"EPSV", epsv, false}, {"SIZE", size, false}, {"RETR", retr, false},
};

static int obey(struct session *session, char *line)
{
	size_t len = strcspn(line, " ");
	const char *argument = line + len + (line[len] == ' ');

	line[len] = '\0';
	if (strcasecmp(line, "QUIT") == 0) {
		line_write(session->control, "221 Farewell");
		return -EPIPE;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (strcasecmp(commands[i].name, line) != 0)
			continue;
		if (!commands[i].for_all && !session->logged_in)
			return line_write(session->control, "530 Log in first: USER, PASS");
		return commands[i].run(session, argument);
	}
	return line_write(session->control, "502 This command is not known here");
}

/* Reads and does commands; during a transfer they wait. Returns 0, or a negative errno to end the session. */
static int converse(struct session *session)
{
	while (!session->document) {
		int done = line_read(&session->line, session->control);

		if (done == 1)
			done = obey(session, session->line.text);
		else if (done == 0)
			return 0;
		if (done < 0)
			return done;
	}
	return 0;
}

static void handle_control(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	(void)tcp;
	if ((events & COTHON_TCP_ENDED) || converse(owner) < 0)
		end(owner);
}

static void take(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	const struct cothon_tcp_options options = {.no_delay = true, .keepalive_idle = KEEPALIVE};
	struct ftp_server *server = owner;
	struct session *session = calloc(1, sizeof(*session));

	if (!session) {
		cothon_tcp_abort(tcp);
		return;
	}
	session->server = server;
	session->control = tcp;
	session->next = server->sessions;
	if (session->next)
		session->next->previous = session;
	server->sessions = session;
	cothon_tcp_set_options(tcp, &options);
	cothon_tcp_own(tcp, handle_control, session);
	if (line_write(tcp, "220 Documents for anonymous users") < 0)
		end(session);
	else
		handle_control(tcp, session, events);
}

int ftp_server_create(const struct ftp_server_config *config, struct ftp_server **result)
{
	struct ftp_server *server = calloc(1, sizeof(*server));
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

void ftp_server_destroy(struct ftp_server *server)
{
	struct session *next;

	cothon_listener_close(server->listener);
	for (struct session *session = server->sessions; session; session = next) {
		next = session->next;
		end(session);
	}
	free(server);
}
