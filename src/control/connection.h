/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_CONNECTION_H
#define CONTROL_CONNECTION_H

/* The inside of the server, shared by server.c and connection.c: a client and its requests. */

#include "base/list.h"
#include "control/server.h"
#include "host/passing.h"

struct control_server {
	struct control_instance *instance;
	const struct control_route *routes;
	bool (*allows)(void *context, int fd);
	void *allows_context;
	struct host_loop *loop;
	struct host_watch watch; /* of the listener; fd is -1 without one */
	struct host_hook hook;
	uint64_t accept_at; /* when accepting goes on that rests for want of descriptors, or 0 */
	uint64_t patience;
	const char *headers;
	bool (*admits)(struct control_request *request, void *context);
	void *admits_context;
	struct cothon_list makings; /* making.c: answers in the making */
	struct cothon_list connections;
	unsigned count, most;
	uint64_t refused; /* for the bound */
	/* Those that are gone are freed at the end of the round, when nobody has them in hand. */
	struct cothon_list gone;
};

enum control_stage {
	CONTROL_READING,   /* a request comes in */
	CONTROL_HANDLING,  /* its handler has it */
	CONTROL_WRITING,   /* its answer goes out */
	CONTROL_LINGERING, /* the last answer is out; what still comes in is thrown away */
	CONTROL_GONE,
};

struct control_connection {
	struct cothon_list node;
	struct control_server *server;
	struct host_watch watch;
	enum control_stage stage;
	uint64_t deadline; /* of this stage */

	/* What was read and not yet looked at; descriptors that came along and were not taken. */
	char input[16 << 10];
	size_t input_at, input_len;
	int brought[HOST_PASSING_MAX];
	unsigned brought_count;

	/* The request as far as it has come. */
	http_parser parser;
	bool begun, head_complete, complete;
	unsigned refused; /* a status to refuse it with, 0: none yet */
	size_t head_len;
	char target[CONTROL_TARGET_MAX + 1];
	size_t target_len;
	/* The header field that is being read; of one that is longer, how it begins. */
	char field[16], value[CONTROL_VALUE_MAX + 1];
	size_t field_len, value_len;
	bool has_value;
	unsigned hosts; /* fields "Host" */
	char host[CONTROL_VALUE_MAX + 1], authorization[CONTROL_VALUE_MAX + 1];
	bool expects; /* "Expect: 100-continue" */
	char *body;
	size_t body_len, body_room, body_wire_len;

	struct control_request request;
	bool inside_handler;
	bool head_only; /* HEAD: the answer has no body */
	bool last;      /* after the answer the connection ends */

	char *output;
	size_t output_at, output_len;
	/* Copies of descriptors that go out with it. */
	int attached[HOST_PASSING_MAX];
	unsigned attached_count;

	/* control_until_end() */
	void (*ended)(void *owner);
	void *ended_owner;
};

/*
 * request.c: what a parser calls whose `data` is a connection. `complete` is set at the end of a
 * request, where the parser is paused, and `refused` where it has returned an error.
 */
extern const http_parser_settings control_request_parser;

/* Makes a connection of a socket, which becomes its own. Returns 0, or an error: then it is not. */
int control_connection_open(struct control_server *server, int fd, uint64_t now);
/* Closes it, and cancels its request; it is freed by control_connection_free(). */
void control_connection_close(struct control_connection *connection);
void control_connection_free(struct control_connection *connection);
/* Its deadline has come. */
void control_connection_expire(struct control_connection *connection);
/*
 * Ends the request that is handled and answers it with `body`, which is copied; `type` is its media
 * type.
 */
void control_connection_send(struct control_connection *connection, unsigned status,
			     const char *type, const char *body, size_t len);

#endif
