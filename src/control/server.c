/* SPDX-License-Identifier: MIT */
#include "control/connection.h"

#include "control/making.h"
#include "control/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* Clients taken in one round; the event comes again for the others. */
	ACCEPT_MAX = 16,
	/* Microseconds for which accepting rests when there is no descriptor for a client. */
	ACCEPT_PAUSE = 100000,
};

static void free_gone(struct control_server *server)
{
	while (!cothon_list_empty(&server->gone)) {
		struct control_connection *connection =
			cothon_container(server->gone.next, struct control_connection, node);

		cothon_list_remove(&connection->node);
		control_connection_free(connection);
	}
}

/* The end of a round: whose time is over, and when that is so next. */
static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct control_server *server = cothon_container(hook, struct control_server, hook);
	bool more = control_making_turn(&server->makings);
	uint64_t next = more ? now : UINT64_MAX;
	struct cothon_list *node, *following;

	for (node = server->connections.next; node != &server->connections; node = following) {
		struct control_connection *connection =
			cothon_container(node, struct control_connection, node);

		following = node->next;
		if (connection->deadline <= now)
			control_connection_expire(connection);
		if (connection->stage != CONTROL_GONE && connection->deadline < next)
			next = connection->deadline;
	}
	free_gone(server);
	if (server->accept_at && server->accept_at <= now) {
		server->accept_at = 0;
		host_loop_change(server->loop, &server->watch, EPOLLIN);
	}
	return server->accept_at && server->accept_at < next ? server->accept_at : next;
}

void control_server_take(struct control_server *server, int fd)
{
	bool full = server->count >= server->most;

	server->refused += full;
	if (full || control_connection_open(server, fd, host_now()) < 0)
		close(fd);
}

static void accept_clients(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct control_server *server = cothon_container(watch, struct control_server, watch);

	(void)events;
	for (unsigned i = 0; i < ACCEPT_MAX; i++) {
		int fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0) {
			server->accept_at = now + ACCEPT_PAUSE;
			host_loop_change(server->loop, &server->watch, 0);
			return;
		}
		if (server->allows(server->allows_context, fd))
			control_server_take(server, fd);
		else
			close(fd);
	}
}

/* This process looks itself. */
static bool look_at_peer(void *context, int fd)
{
	(void)context;
	return control_peer_is_allowed(fd);
}

int control_server_create(const struct control_server_config *config,
			  struct control_server **result)
{
	struct control_server *server = calloc(1, sizeof(*server));
	int error = 0;

	if (!server)
		return -ENOMEM;
	server->instance = config->instance;
	server->routes = config->routes;
	server->allows = config->allows ? config->allows : look_at_peer;
	server->allows_context = config->allows_context;
	server->headers = config->headers;
	server->admits = config->admits;
	server->admits_context = config->admits_context;
	server->most = config->connections ? config->connections : CONTROL_CONNECTIONS;
	server->loop = config->instance->loop;
	server->patience = config->patience ? config->patience : CONTROL_PATIENCE;
	cothon_list_init(&server->makings);
	cothon_list_init(&server->connections);
	cothon_list_init(&server->gone);
	server->watch = (struct host_watch){.fd = config->listener, .ready = accept_clients};
	if (config->listener >= 0)
		error = host_loop_add(server->loop, &server->watch, EPOLLIN);
	if (error) {
		free(server);
		return error;
	}
	server->hook.turn = turn;
	host_loop_hook(server->loop, &server->hook);
	*result = server;
	return 0;
}

void control_server_destroy(struct control_server *server)
{
	while (!cothon_list_empty(&server->connections))
		control_connection_close(cothon_container(server->connections.next,
							  struct control_connection, node));
	free_gone(server);
	host_loop_unhook(server->loop, &server->hook);
	if (server->watch.fd >= 0)
		host_loop_remove(server->loop, &server->watch);
	free(server);
}
