/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_HTTP_MESSAGE_H
#define EXAMPLES_HTTP_MESSAGE_H

/* The heads of HTTP/1.1 messages (RFC 9112), read line by line. Fields that are not named here are passed over. */

#include <stdbool.h>
#include <stdint.h>

enum {
	HTTP_TARGET_SIZE = 256,
	HTTP_MAX_LINES = 100, /* in a head */
};

/* Zeroed before the first line. */
struct http_head {
	unsigned lines;
	/* Of a request. */
	char target[HTTP_TARGET_SIZE];
	bool get, head; /* the method: one of these, or neither */
	bool host;
	/* Of a response. */
	unsigned status;
	/* Of both. */
	unsigned minor; /* of the version HTTP/1.x */
	bool last;      /* the connection ends after this message or the answer to it */
	bool coded;     /* the content has a transfer coding */
	bool has_length;
	uint64_t length; /* bytes of the content */
};

/*
 * Takes the next line of a request's head; the line is changed. Returns 0 when the head goes on, 200 when this was its
 * end and it can be answered, or the status of the answer that refuses it.
 */
unsigned http_request_line(struct http_head *head, char *line);
/* The same of a response. Returns 0 when the head goes on, 1 at its end, or -EBADMSG. */
int http_response_line(struct http_head *head, char *line);

/* "Not Found" and the like, for the statuses that http_request_line() returns, and 404. */
const char *http_reason(unsigned status);

#endif
