/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_CLIENT_H
#define CONTROL_CLIENT_H

/* The other end of a control socket: asks a running sandbox and waits for its answer. */

#include "host/passing.h"

#include <http_parser.h>
#include <jansson.h>

enum {
	/* Bytes of an answer's head and body. */
	CONTROL_ANSWER_MAX = 256 << 20,
	/* Milliseconds; longer than a sandbox takes to give up by itself. */
	CONTROL_WAIT = 35000,
};

/*
 * Sends a request on a connected socket that is not blocking, and waits for the answer for at most
 * `wait` milliseconds. `body` may be NULL, and stays the caller's. *status becomes the answer's
 * status and *answer its body, an object, the caller's. The socket then serves for the next request,
 * unless there was an error; *answer is NULL then. Returns 0; -EPIPE when the sandbox ended before it had answered, or
 * does not answer this user; -ETIMEDOUT; -EBADMSG when the answer is none; -ENOMEM; or the errno of
 * send(2), recv(2) or poll(2).
 */
int control_client_ask(int fd, enum http_method method, const char *target, const json_t *body,
		       int wait, unsigned *status, json_t **answer);

/*
 * Asks as control_client_ask() does, with GET, and takes the descriptors that come along with the
 * answer: *count of them, the caller's, closed on exec. After an error there are none.
 */
int control_client_take(int fd, const char *target, int wait, unsigned *status, json_t **answer,
			int descriptors[static HOST_PASSING_MAX], unsigned *count);

/*
 * Asks as control_client_ask() does, with GET, for what is no JSON: *text is the answer's body, which
 * ends with NUL and is the caller's.
 */
int control_client_text(int fd, const char *target, int wait, unsigned *status, char **text);

/*
 * Asks as control_client_ask() does, and sends copies of `count` (at most HOST_PASSING_MAX)
 * descriptors along, which stay the caller's.
 */
int control_client_give(int fd, enum http_method method, const char *target, const json_t *body,
			const int *descriptors, unsigned count, int wait, unsigned *status,
			json_t **answer);

#endif
