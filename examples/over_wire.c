/* SPDX-License-Identifier: MIT */

/*
 * over-wire: an echo server and an HTTP server on one host, and clients on another, over the simulated wire. Prints
 * what they say to each other; the exit status is 0 if all of it was right.
 */

#include "echo.h"
#include "get.h"
#include "http.h"
#include "wire_hosts.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	ECHO_PORT = 7,
	HTTP_PORT = 80
};

static void count(void *context, const void *data, size_t len)
{
	(void)data;
	*(size_t *)context += len;
}

static int get_document(struct wire_hosts *wire, struct echo *echo)
{
	size_t len = 0;
	struct get_request request = {
		.server = {wire->addrs[WIRE_SERVER], HTTP_PORT},
		.name = "large",
		.content = count,
		.context = &len,
	};
	uint64_t began = wire->now;
	struct get *get;
	int status = get_begin(wire->hosts[WIRE_CLIENT], &request, &get);

	if (status)
		return status;
	do {
		wire_hosts_turn(wire);
		echo_turn(echo);
		status = get_turn(get);
	} while (status == -EAGAIN);
	get_end(get);
	printf("GET /large: %d, %zu bytes, %.3f s of the wire's time\n", status, len,
	       (double)(wire->now - began) / 1e6);
	return status == 200 ? 0 : -EPROTO;
}

static int speak(struct wire_hosts *wire, struct echo *echo, enum cothon_transport transport)
{
	const char words[] = "who is there?";
	struct cothon_endpoint server = {wire->addrs[WIRE_SERVER], ECHO_PORT};
	struct cothon_socket *socket;
	char answer[64] = "";
	ptrdiff_t done;
	int error = cothon_socket_open(wire->hosts[WIRE_CLIENT], transport, &socket);

	if (error)
		return error;
	error = cothon_socket_connect(socket, &server);
	if (error && error != -EINPROGRESS)
		return error;
	do {
		wire_hosts_turn(wire);
		done = cothon_socket_send(socket, words, sizeof(words), NULL);
	} while (done == -EAGAIN);
	do {
		wire_hosts_turn(wire);
		echo_turn(echo);
		done = cothon_socket_recv(socket, answer, sizeof(answer), NULL);
	} while (done == -EAGAIN);
	cothon_socket_close(socket);
	printf("%s: \"%s\"\n", transport == COTHON_TCP ? "TCP" : "UDP", answer);
	return done == (ptrdiff_t)sizeof(words) && strcmp(answer, words) == 0 ? 0 : -EPROTO;
}

static int play(struct wire_hosts *wire)
{
	static const struct document list[] = {{"large", 4 << 20, 1}};
	static const struct documents documents = {list, 1};
	struct http_server_config config = {
		.stack = cothon_host_stack(wire->hosts[WIRE_SERVER]),
		.local = {wire->addrs[WIRE_SERVER], HTTP_PORT},
		.documents = &documents,
	};
	struct http_server *http = NULL;
	struct echo *echo = NULL;
	int error = http_server_create(&config, &http);

	if (!error)
		error = echo_create(wire->hosts[WIRE_SERVER], ECHO_PORT, &echo);
	if (!error)
		error = speak(wire, echo, COTHON_TCP);
	if (!error)
		error = speak(wire, echo, COTHON_UDP);
	if (!error)
		error = get_document(wire, echo);
	if (echo)
		echo_destroy(echo);
	if (http)
		http_server_destroy(http);
	return error;
}

int main(void)
{
	struct wire_hosts wire;
	int error = wire_hosts_create(&wire, false, 1);

	if (!error) {
		error = play(&wire);
		wire_hosts_destroy(&wire);
	}
	if (error)
		fprintf(stderr, "over-wire: %s\n", strerror(-error));
	return error != 0;
}
