/* SPDX-License-Identifier: MIT */
#ifndef TESTS_CONTROL_STAGE_H
#define TESTS_CONTROL_STAGE_H

/* A server on a loop, and a client that says what it is told to, byte for byte. */

#include "control/server.h"

struct stage {
	struct host_loop *loop;
	struct control_instance instance;
	struct control_server *server;
	int client; /* -1: closed */

	/* What the client has heard; ends with NUL. */
	char *heard;
	size_t heard_len;
	bool ended; /* the server has closed the connection */

	struct host_hook hook;
	bool (*until)(struct stage *stage);
	uint64_t give_up_at;
};

/* `patience` as in struct control_server_config. */
void stage_open(struct stage *stage, const struct control_route *routes, uint64_t patience);
void stage_close(struct stage *stage);
/* Begins a new connection; the one before is closed. */
void stage_connect(struct stage *stage);
void stage_hang_up(struct stage *stage);
/* The client sends no more, and still listens. */
void stage_finish(struct stage *stage);
void stage_say(struct stage *stage, const void *bytes, size_t len);
/* Runs the loop until the condition holds; fails the test after 10 seconds. */
void stage_run(struct stage *stage, bool (*until)(struct stage *stage));
/* Runs until everything that is under way has been worked on. */
void stage_settle(struct stage *stage);

/* Says a request on a new connection, and returns the status of the answer. */
unsigned stage_ask(struct stage *stage, const char *request);

/* The number of complete answers among what was heard; fails for what is none. */
unsigned stage_answers(const struct stage *stage);
/* Conditions. */
bool stage_has_answer(struct stage *stage);
bool stage_has_ended(struct stage *stage);

#endif
