/* SPDX-License-Identifier: MIT */
#include "control/client.h"

#include "host/loop.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct exchange {
	int fd;
	uint64_t deadline;
	http_parser parser;
	char *body;
	size_t body_len, body_room;
	bool complete;
	int error;
	/* Those that are still to be given, with the request's first byte. */
	const int *given;
	unsigned given_count;
	/* Those that came with the answer. */
	int descriptors[HOST_PASSING_MAX];
	unsigned descriptor_count;
};

/* Waits until the socket is ready. Returns 0, -ETIMEDOUT, or the errno of poll(2). */
static int await(const struct exchange *exchange, short events)
{
	struct pollfd watched = {.fd = exchange->fd, .events = events};
	uint64_t now = host_now();
	int count;

	if (now >= exchange->deadline)
		return -ETIMEDOUT;
	count = poll(&watched, 1, (int)((exchange->deadline - now) / 1000 + 1));
	return count < 0 && errno != EINTR ? -errno : 0;
}

static int send_all(struct exchange *exchange, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t sent = host_passing_send(exchange->fd, bytes, len, exchange->given,
						 exchange->given_count);
		int error = 0;

		if (sent >= 0) {
			exchange->given_count = 0;
			bytes += sent;
			len -= (size_t)sent;
		} else if (sent == -EPIPE) {
			/* What was said before the end is still to be read. */
			return 0;
		} else if (sent == -EAGAIN) {
			error = await(exchange, POLLOUT);
		} else {
			error = sent == -ECONNRESET ? -EPIPE : (int)sent;
		}
		if (error)
			return error;
	}
	return 0;
}

static int send_request(struct exchange *exchange, enum http_method method, const char *target,
			const char *body)
{
	char head[512];
	int len = snprintf(head, sizeof(head),
			   "%s %s HTTP/1.1\r\n"
			   "Host: cothon\r\n"
			   "Content-Type: application/json\r\n"
			   "Content-Length: %zu\r\n\r\n",
			   http_method_str(method), target, strlen(body));
	int error;

	if (len < 0 || (size_t)len >= sizeof(head))
		return -EINVAL;
	error = send_all(exchange, head, (size_t)len);
	return error ? error : send_all(exchange, body, strlen(body));
}

static int take_body(http_parser *parser, const char *text, size_t len)
{
	struct exchange *exchange = parser->data;
	size_t needed = exchange->body_len + len;

	if (needed > CONTROL_ANSWER_MAX) {
		exchange->error = -EBADMSG;
		return 1;
	}
	if (needed > exchange->body_room) {
		char *body = realloc(exchange->body, 2 * needed);

		if (!body) {
			exchange->error = -ENOMEM;
			return 1;
		}
		exchange->body = body;
		exchange->body_room = 2 * needed;
	}
	memcpy(exchange->body + exchange->body_len, text, len);
	exchange->body_len = needed;
	return 0;
}

static int take_end(http_parser *parser)
{
	struct exchange *exchange = parser->data;

	exchange->complete = true;
	http_parser_pause(parser, 1);
	return 0;
}

static int receive_answer(struct exchange *exchange)
{
	static const http_parser_settings settings = {
		.on_body = take_body,
		.on_message_complete = take_end,
	};
	char input[16 << 10];

	http_parser_init(&exchange->parser, HTTP_RESPONSE);
	exchange->parser.data = exchange;
	while (!exchange->complete) {
		ssize_t len = host_passing_receive(exchange->fd, input, sizeof(input),
						   exchange->descriptors,
						   &exchange->descriptor_count);
		int error = 0;

		if (len == -EAGAIN)
			error = await(exchange, POLLIN);
		else if (len == 0 || len == -ECONNRESET)
			error = -EPIPE;
		else if (len < 0)
			error = (int)len;
		else if (len > 0 && http_parser_execute(&exchange->parser, &settings, input,
							(size_t)len) != (size_t)len)
			error = exchange->error ? exchange->error : -EBADMSG;
		if (error)
			return error;
	}
	return 0;
}

static void close_descriptors(struct exchange *exchange)
{
	while (exchange->descriptor_count > 0)
		close(exchange->descriptors[--exchange->descriptor_count]);
}

static int ask(struct exchange *exchange, enum http_method method, const char *target,
	       const json_t *body, unsigned *status, json_t **answer)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : strdup("");
	int error = text ? send_request(exchange, method, target, text) : -ENOMEM;

	free(text);
	*answer = NULL;
	if (!error)
		error = receive_answer(exchange);
	if (!error) {
		*status = exchange->parser.status_code;
		*answer = json_loadb(exchange->body ? exchange->body : "", exchange->body_len, 0,
				     NULL);
		if (!json_is_object(*answer)) {
			json_decref(*answer);
			*answer = NULL;
			error = -EBADMSG;
		}
	}
	free(exchange->body);
	if (error)
		close_descriptors(exchange);
	return error;
}

int control_client_ask(int fd, enum http_method method, const char *target, const json_t *body,
		       int wait, unsigned *status, json_t **answer)
{
	struct exchange exchange = {
		.fd = fd,
		.deadline = host_now() + (uint64_t)wait * 1000,
	};
	int error = ask(&exchange, method, target, body, status, answer);

	close_descriptors(&exchange);
	return error;
}

int control_client_take(int fd, const char *target, int wait, unsigned *status, json_t **answer,
			int descriptors[static HOST_PASSING_MAX], unsigned *count)
{
	struct exchange exchange = {
		.fd = fd,
		.deadline = host_now() + (uint64_t)wait * 1000,
	};
	int error = ask(&exchange, HTTP_GET, target, NULL, status, answer);

	*count = exchange.descriptor_count;
	memcpy(descriptors, exchange.descriptors, sizeof(exchange.descriptors));
	return error;
}

int control_client_give(int fd, enum http_method method, const char *target, const json_t *body,
			const int *descriptors, unsigned count, int wait, unsigned *status,
			json_t **answer)
{
	struct exchange exchange = {
		.fd = fd,
		.deadline = host_now() + (uint64_t)wait * 1000,
		.given = descriptors,
		.given_count = count,
	};
	int error = ask(&exchange, method, target, body, status, answer);

	close_descriptors(&exchange);
	return error;
}

int control_client_text(int fd, const char *target, int wait, unsigned *status, char **text)
{
	struct exchange exchange = {
		.fd = fd,
		.deadline = host_now() + (uint64_t)wait * 1000,
	};
	int error = send_request(&exchange, HTTP_GET, target, "");

	if (!error)
		error = receive_answer(&exchange);
	*text = error ? NULL : strndup(exchange.body ? exchange.body : "", exchange.body_len);
	if (!error && !*text)
		error = -ENOMEM;
	*status = exchange.parser.status_code;
	free(exchange.body);
	close_descriptors(&exchange);
	return error;
}
