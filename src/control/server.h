/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_SERVER_H
#define CONTROL_SERVER_H

/*
 * A running sandbox seen and changed from outside: HTTP/1.1 with JSON over a Unix socket. Only the
 * user that runs the sandbox, and root, get an answer, and nobody from inside the sandbox.
 *
 * A route's handler is given a request, and answers it at once or later. The requests of one
 * connection are handled one after the other.
 *
 * Bounds: 16 connections, 8 KiB for a request's head, 1 MiB for its body; a client that says
 * nothing for 30 seconds, or does not take its answer, is left; an answer that is not there after
 * 30 seconds is given up.
 */

#include "host/loop.h"
#include "relay/relay.h"
#include "sandbox/sandbox.h"

#include <http_parser.h>
#include <jansson.h>

struct control_capture;
struct control_log;
struct control_metrics;
struct control_journal;

/* How a command is, that somebody starts and ends. */
struct control_state {
	const char *word; /* as in docs/control-api.md */
	uint64_t restarts;
	int status; /* its last exit status; negative: it has not ended yet */
};

/* Who starts and ends the command: `cothon up`. */
struct control_supervision {
	const char *network; /* what its sandboxes are together */
	const char *file;    /* where they are described */
	uint64_t digest;     /* of the file's text */
	struct control_journal *journal;
	void (*look)(void *context, struct control_state *state);
	void *context;
};

/* The sandbox that is seen and changed. */
struct control_instance {
	struct host_loop *loop;
	struct relay *relay;
	struct sandbox *sandbox;
	struct relay_network network;
	const char *name;
	char *const *command;            /* ends with NULL */
	bool user;                       /* as in struct sandbox_config */
	uint64_t started_at;             /* microseconds since 1970 */
	struct control_capture *capture; /* NULL: nothing can be captured */
	struct control_log *log;         /* NULL: there is none */
	struct control_metrics *metrics; /* NULL: nothing is measured */
	/* Calls `each` for limits that are not the relay's; NULL: there are none. */
	void (*limits)(void *owner, void (*each)(const struct relay_limit *limit, void *context),
		       void *context);
	void *limits_owner;
	const struct control_supervision *supervision; /* NULL: the command runs once */
};

struct control_connection;

struct control_request {
	struct control_instance *instance;
	enum http_method method; /* HTTP_GET for HEAD too */
	const char *path;        /* without the query */
	const char *query;       /* behind the '?', "" when there is none */
	/* The values of these header fields; "" when there is none, cut after CONTROL_VALUE_MAX bytes. */
	const char *host, *authorization;
	json_t *body; /* an object; NULL when there was no body */

	/* The server's own. */
	struct control_connection *connection;
	void (*cancelled)(struct control_request *request, void *owner);
	void *owner;
};

/*
 * What handles a request: it ends it with control_answer() or control_refuse(), or keeps it with
 * control_later() to do so afterwards.
 */
struct control_route {
	enum http_method method;
	const char *path;
	void (*handle)(struct control_request *request);
};

/*
 * Answers with `json`, which becomes the server's; NULL means that there was no memory for it, and
 * is answered so. The request is no more when it returns.
 */
void control_answer(struct control_request *request, unsigned status, json_t *json);
/* Answers with text of another media type, `type`; both are copied. Else as control_answer(). */
void control_answer_text(struct control_request *request, unsigned status, const char *type,
			 const char *text, size_t len);
/*
 * Sends a copy of a descriptor along with the answer that is to follow (SCM_RIGHTS in unix(7), with
 * its first byte). Returns 0, -ENOBUFS beyond HOST_PASSING_MAX, or the errno of fcntl(2).
 */
int control_attach(struct control_request *request, int fd);
/*
 * Answers {"error": ..., "hint": ...}; `hint` says what to do, NULL: there is nothing. The request
 * is no more when it returns.
 */
__attribute__((format(printf, 4, 5))) void control_refuse(struct control_request *request,
							  unsigned status, const char *hint,
							  const char *format, ...);
/*
 * The answer comes later, in another turn of the loop. Where nobody waits for it any longer (the
 * client has gone, the time is over, the server ends), `cancelled` is called instead, and the
 * request is no more when that returns; it must not answer.
 */
void control_later(struct control_request *request,
		   void (*cancelled)(struct control_request *request, void *owner), void *owner);

/*
 * Takes the oldest descriptor that came with the request (SCM_RIGHTS in unix(7), with any of its
 * bytes; control_client_give() sends them): it is the caller's then, and closed on exec. Its kind
 * and flags are whatever the client chose, so look before you trust: one that blocks stops the
 * whole process. Returns -ENOENT when there is none left. What is not taken is closed with the
 * request.
 */
int control_take_descriptor(struct control_request *request);
/*
 * Has `ended` called once when the connection that the request came by ends, whoever ends it: for
 * what is to live as long as its client. Returns 0, or -EBUSY where the connection has one already.
 */
int control_until_end(struct control_request *request, void (*ended)(void *owner), void *owner);

struct control_server;

enum {
	CONTROL_CONNECTIONS = 16,
	CONTROL_HEAD_MAX = 8 << 10,
	CONTROL_TARGET_MAX = 2 << 10, /* the path and query of a request */
	CONTROL_VALUE_MAX = 127,      /* what is kept of a header field's value */
	CONTROL_BODY_MAX = 1 << 20,
	CONTROL_PATIENCE = 30000000, /* microseconds */
};

struct control_server_config {
	struct control_instance *instance;  /* outlives the server */
	const struct control_route *routes; /* ends with a NULL path; stays */
	/*
	 * A listening Unix socket that is not blocking, and stays the caller's; -1: only what
	 * control_server_take() brings is served.
	 */
	int listener;
	/* Whether who connected to it may be answered; NULL: what control_peer_is_allowed() says. */
	bool (*allows)(void *context, int fd);
	void *allows_context;
	/* Looks at each request before its body is read: false when it has refused it. NULL: all may pass. */
	bool (*admits)(struct control_request *request, void *context);
	void *admits_context;
	uint64_t patience;    /* 0: CONTROL_PATIENCE */
	unsigned connections; /* at most; 0: CONTROL_CONNECTIONS */
	/* Lines, each with CR LF at its end, for the head of every answer; NULL: none. Stay. */
	const char *headers;
};

/* Starts to answer. Returns 0, -ENOMEM, or the errno of epoll_ctl(2). */
int control_server_create(const struct control_server_config *config,
			  struct control_server **server);
/* Closes all connections; requests that wait are cancelled. */
void control_server_destroy(struct control_server *server);
/*
 * Serves a connected socket that is not blocking, whoever is at its other end. Always takes it:
 * with too many connections, or without memory, it is closed.
 */
void control_server_take(struct control_server *server, int fd);

#endif
