/* SPDX-License-Identifier: MIT */

/*
 * What a client says on a control socket, up to its end: the server closes the connection, forgets
 * every request, and what its checks of fields have let through is within bounds. The handlers answer
 * at once or later.
 */

#include "control/publications.h"
#include "control/routes.h"
#include "fuzz.h"

#include <cothon/cothon.h>
#include <cothon/rule.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static struct control_request *waiting;

static void cancelled(struct control_request *request, void *owner)
{
	(void)owner;
	fuzz_check(request == waiting);
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
	fuzz_check(publication.count > 0);
	fuzz_check(publication.outside + publication.count - 1 <= UINT16_MAX);
	fuzz_check(publication.inside + publication.count - 1 <= UINT16_MAX);
	control_answer(request, HTTP_STATUS_OK, control_publication_json(&publication));
}

static void later(struct control_request *request)
{
	waiting = request;
	control_later(request, cancelled, NULL);
}

static const struct control_route routes[] = {
	{HTTP_GET, "/a", get},
	{HTTP_POST, "/a", post},
	{HTTP_GET, "/b", later},
	{HTTP_GET, "/v1/rules", control_rules_get},
	{HTTP_PUT, "/v1/rules", control_rules_put},
	{HTTP_POST, "/v1/rules", control_rules_post},
	{HTTP_DELETE, "/v1/rules", control_rules_delete},
	{HTTP_GET, "/v1/denials", control_denials_get},
	{HTTP_GET, "/v1/counters", control_counters_get},
	{0},
};

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

/* A relay that nobody is connected to. */
struct house {
	struct cothon_pool *pool;
	struct cothon_link *ends[2];
	struct relay *relay;
};

static void open_house(struct house *house, struct host_loop *loop)
{
	const struct cothon_pool_config pool = {.memory = cothon_memory_malloc, .limit = 1 << 20};
	const struct cothon_endpoint resolver = {.port = 53};
	struct relay_config config = {
		.loop = loop,
		.link_fd = -1,
		.network = relay_network_default(),
		.resolvers = &resolver,
		.resolver_count = 1,
	};

	house->pool = cothon_pool_create(&pool);
	fuzz_check(house->pool);
	fuzz_check(cothon_wire_open(&cothon_memory_malloc, house->pool, config.network.mtu, 0, 16,
				    house->ends) == 0);
	config.link = house->ends[0];
	fuzz_check(relay_create(&config, &house->relay) == 0);
}

static void close_house(struct house *house)
{
	relay_destroy(house->relay);
	house->ends[1]->ops->close(house->ends[1]);
	cothon_pool_destroy(house->pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_instance instance = {0};
	struct control_server_config config = {
		.instance = &instance, .routes = routes, .listener = -1};
	struct control_server *server;
	struct client client = {.hook.turn = turn, .left = data, .left_len = size};
	struct house house;
	int ends[2];

	fuzz_check(host_loop_create(&instance.loop) == 0);
	open_house(&house, instance.loop);
	instance.relay = house.relay;
	fuzz_check(control_server_create(&config, &server) == 0);
	fuzz_check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
	client.loop = instance.loop;
	client.fd = ends[0];
	control_server_take(server, ends[1]);
	host_loop_hook(instance.loop, &client.hook);
	fuzz_check(host_loop_run(instance.loop) == 0);
	host_loop_unhook(instance.loop, &client.hook);
	close(ends[0]);
	control_server_destroy(server);
	close_house(&house);
	host_loop_destroy(instance.loop);
	fuzz_check(!waiting);
	return 0;
}
