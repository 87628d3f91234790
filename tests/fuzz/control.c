/* SPDX-License-Identifier: MIT */

/*
 * What a client says on a control socket, up to its end: the server closes the connection, forgets
 * every request, and what its checks of fields have let through is within bounds. The handlers answer
 * at once or later.
 */

#include "control/publications.h"
#include "control/server.h"

#include <cothon/rule.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct control_request *waiting;

static void cancelled(struct control_request *request, void *owner)
{
	(void)owner;
	if (request != waiting)
		abort();
	waiting = NULL;
}

static void get(struct control_request *request)
{
	uint64_t from = 0;

	if (control_query_number(request, "from", &from))
		control_answer(request, HTTP_STATUS_OK,
			       json_pack("{sI}", "from", (json_int_t)from));
}

static void post(struct control_request *request)
{
	struct control_fields fields;
	struct relay_publication publication;

	control_fields_begin(&fields, request->body, "the body");
	publication = control_publication_read(&fields);
	if (fields.failed) {
		control_fields_refuse(&fields, request);
		return;
	}
	if (publication.count == 0 || publication.outside + publication.count - 1 > UINT16_MAX ||
	    publication.inside + publication.count - 1 > UINT16_MAX)
		abort();
	control_answer(request, HTTP_STATUS_OK, control_publication_json(&publication));
}

static void later(struct control_request *request)
{
	waiting = request;
	control_later(request, cancelled, NULL);
}

static const struct control_route routes[] = {
	{HTTP_GET, "/a", get}, {HTTP_POST, "/a", post}, {HTTP_GET, "/b", later}, {0}};

struct client {
	struct host_hook hook;
	struct host_loop *loop;
	int fd;
	const uint8_t *left;
	size_t left_len;
	bool done;
};

/* Takes the answers; at the end of the connection it is done. */
static void listen_to(struct client *client)
{
	char input[4096];
	ssize_t len;

	while ((len = recv(client->fd, input, sizeof(input), MSG_DONTWAIT)) > 0)
		;
	if (len == 0 || errno != EAGAIN)
		client->done = true;
}

static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct client *client = (struct client *)hook;
	ssize_t len = 0;

	if (client->left_len > 0)
		len = send(client->fd, client->left, client->left_len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (len > 0) {
		client->left += len;
		client->left_len -= (size_t)len;
	}
	if (client->left_len == 0 || (len < 0 && errno != EAGAIN)) {
		client->left_len = 0;
		shutdown(client->fd, SHUT_WR);
	}
	if (waiting) {
		struct control_request *request = waiting;

		waiting = NULL;
		control_answer(request, HTTP_STATUS_OK, json_object());
	}
	listen_to(client);
	if (client->done)
		host_loop_stop(client->loop);
	return now;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_instance instance = {0};
	struct control_server_config config = {
		.instance = &instance, .routes = routes, .listener = -1};
	struct control_server *server;
	struct client client = {.hook.turn = turn, .left = data, .left_len = size};
	int ends[2];

	if (host_loop_create(&instance.loop) < 0 || control_server_create(&config, &server) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) < 0)
		abort();
	client.loop = instance.loop;
	client.fd = ends[0];
	control_server_take(server, ends[1]);
	host_loop_hook(instance.loop, &client.hook);
	if (host_loop_run(instance.loop) < 0)
		abort();
	host_loop_unhook(instance.loop, &client.hook);
	close(ends[0]);
	control_server_destroy(server);
	host_loop_destroy(instance.loop);
	if (waiting)
		abort();
	return 0;
}
