/* SPDX-License-Identifier: MIT */
#include "echo.h"

#include <errno.h>
#include <stdlib.h>

enum {
	BACKLOG = 64,
	HELD = 16384, /* bytes that were read and not yet sent back, per connection */
};

struct connection {
	struct connection *next;
	struct cothon_socket *socket;
	size_t at, len; /* of `held`: what is to be sent back */
	uint8_t held[HELD];
};

struct echo {
	struct cothon_socket *listener, *datagrams;
	struct connection *connections;
	uint8_t datagram[65536];
};

static int open_sockets(struct echo *echo, struct cothon_host *host, uint16_t port)
{
	const struct cothon_endpoint local = {.port = port};
	int error = cothon_socket_open(host, COTHON_TCP, &echo->listener);

	if (!error)
		error = cothon_socket_bind(echo->listener, &local);
	if (!error)
		error = cothon_socket_listen(echo->listener, BACKLOG);
	if (!error)
		error = cothon_socket_open(host, COTHON_UDP, &echo->datagrams);
	if (!error)
		error = cothon_socket_bind(echo->datagrams, &local);
	return error;
}

int echo_create(struct cothon_host *host, uint16_t port, struct echo **result)
{
	struct echo *echo = calloc(1, sizeof(*echo));
	int error = echo ? open_sockets(echo, host, port) : -ENOMEM;

	if (error && echo)
		echo_destroy(echo);
	if (!error)
		*result = echo;
	return error;
}

void echo_destroy(struct echo *echo)
{
	while (echo->connections) {
		struct connection *connection = echo->connections;

		echo->connections = connection->next;
		cothon_socket_abort(connection->socket);
		free(connection);
	}
	if (echo->listener)
		cothon_socket_close(echo->listener);
	if (echo->datagrams)
		cothon_socket_close(echo->datagrams);
	free(echo);
}

static void accept_all(struct echo *echo)
{
	struct cothon_socket *socket;

	while (cothon_socket_accept(echo->listener, &socket) == 0) {
		struct connection *connection = calloc(1, sizeof(*connection));

		if (!connection) {
			cothon_socket_abort(socket);
			continue;
		}
		connection->socket = socket;
		connection->next = echo->connections;
		echo->connections = connection;
	}
}

/* Sends back what is held. Returns 0 when all of it was taken, or the socket's error. */
static ptrdiff_t send_back(struct connection *connection)
{
	while (connection->at < connection->len) {
		ptrdiff_t sent = cothon_socket_send(connection->socket,
						    connection->held + connection->at,
						    connection->len - connection->at, NULL);

		if (sent < 0)
			return sent;
		connection->at += (size_t)sent;
	}
	return 0;
}

/* Returns false when the connection is over: at the peer's end, or by an error. */
static bool serve(struct connection *connection)
{
	ptrdiff_t got;

	do {
		/* Nothing more is read before that is gone: the window then tells the peer to wait. */
		got = send_back(connection);
		if (got < 0)
			break;
		got = cothon_socket_recv(connection->socket, connection->held, HELD, NULL);
		connection->at = 0;
		connection->len = got > 0 ? (size_t)got : 0;
	} while (got > 0);
	return got == -EAGAIN;
}

static void answer_datagrams(struct echo *echo)
{
	struct cothon_endpoint from;
	ptrdiff_t len;

	/* One that the link takes not now is lost, as datagrams may be. */
	while ((len = cothon_socket_recv(echo->datagrams, echo->datagram, sizeof(echo->datagram),
					 &from)) >= 0)
		cothon_socket_send(echo->datagrams, echo->datagram, (size_t)len, &from);
}

void echo_turn(struct echo *echo)
{
	struct connection **at = &echo->connections;

	accept_all(echo);
	answer_datagrams(echo);
	while (*at) {
		struct connection *connection = *at;

		if (serve(connection)) {
			at = &connection->next;
			continue;
		}
		/* What was sent back is still delivered, and the end after it. */
		*at = connection->next;
		cothon_socket_close(connection->socket);
		free(connection);
	}
}

unsigned echo_connections(const struct echo *echo)
{
	unsigned count = 0;

	for (const struct connection *at = echo->connections; at; at = at->next)
		count++;
	return count;
}
