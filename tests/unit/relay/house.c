/* SPDX-License-Identifier: MIT */
#include "house.h"

#include "base/list.h"
#include "host/socket.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	WIRE_QUEUE = 4096,
	PATIENCE = 20 * 1000000, /* microseconds */
	READ_ROOM = 64 << 20,    /* pages that nothing was read into take no memory */
};

/* The two stacks */

static uint64_t sandbox_turn(struct host_hook *hook, uint64_t now)
{
	struct house *house = cothon_container(hook, struct house, sandbox_hook);
	const struct cothon_counters *counters = cothon_stack_counters(house->sandbox);
	uint64_t before = counters->frames_out;
	int frames = cothon_stack_receive(house->sandbox, 256, now);
	uint64_t deadline = cothon_stack_poll(house->sandbox, now);

	assert_true(frames >= 0 || frames == -ENOMEM);
	/* The relay has had its turn already: what was sent waits for the next one. */
	return frames == 256 || counters->frames_out != before ? now : deadline;
}

static uint64_t wait_turn(struct host_hook *hook, uint64_t now)
{
	struct house *house = cothon_container(hook, struct house, wait_hook);

	/* Somebody else in this loop waits. */
	if (!house->done)
		return UINT64_MAX;
	house->timed_out = now >= house->deadline;
	if (house->timed_out || house->done(house->context))
		host_loop_stop(house->loop);
	/* What is waited for may come without an event of this loop's. */
	return now + 1000;
}

size_t house_rules(const char *const *texts, struct cothon_rule rules[static HOUSE_RULES])
{
	size_t count = 0;

	for (; texts && texts[count]; count++) {
		const char *text = strchr(texts[count], ' ') + 1;
		struct cothon_rule_error error;

		assert_true(count < HOUSE_RULES);
		assert_int_equal(cothon_rule_parse(text, strlen(text), texts[count][0] == 'a',
						   &rules[count], &error),
				 0);
	}
	return count;
}

static void open_relay(struct house *house, const struct house_config *config,
		       struct cothon_link *link)
{
	struct cothon_rule rules[HOUSE_RULES];
	struct relay_config made = {
		.loop = house->loop,
		.link = link,
		.link_fd = -1,
		.network = house->network,
		.host_loopback = !config->closed,
		.resolvers = config->resolvers,
		.resolver_count = config->resolver_count,
		.resolv_conf = config->resolv_conf,
		.rules = rules,
		.rule_count = house_rules(config->rules, rules),
		.limits = config->limits,
		.neighbourhood = config->neighbourhood,
		.neighbour_name = config->name,
	};

	assert_int_equal(relay_create(&made, &house->relay), 0);
}

void house_open(struct house *house, const struct house_config *config)
{
	struct cothon_pool_config pool = {
		.memory = cothon_memory_malloc, .limit = 64 << 20, .keep = 1 << 20};
	struct cothon_link *ends[2];
	struct cothon_stack_config sandbox = {.memory = cothon_memory_malloc, .now = host_now()};

	*house = (struct house){.network = relay_network_default()};
	house->network.mtu = config->mtu ? config->mtu : 1500;
	house->network.ipv6.enabled = !config->ipv4_only;
	house->wire_pool = cothon_pool_create(&pool);
	house->pool = cothon_pool_create(&pool);
	house->network.ipv4.sandbox.b[15] =
		(uint8_t)(house->network.ipv4.sandbox.b[15] + config->number);
	house->network.ipv6.sandbox.b[15] =
		(uint8_t)(house->network.ipv6.sandbox.b[15] + config->number);
	house->guest = config->loop;
	house->loop = config->loop;
	if (!house->guest)
		assert_int_equal(host_loop_create(&house->loop), 0);
	assert_int_equal(cothon_wire_open(&cothon_memory_malloc, house->wire_pool,
					  house->network.mtu, config->features, WIRE_QUEUE, ends),
			 0);
	house->relay_link = ends[0];
	open_relay(house, config, ends[0]);
	house->link = sandbox.link = ends[1];
	sandbox.pool = house->pool;
	sandbox.seed[0] = 7;
	assert_int_equal(cothon_stack_create(&sandbox, &house->sandbox), 0);
	assert_int_equal(cothon_stack_add_address(house->sandbox, &house->network.ipv4.sandbox), 0);
	assert_int_equal(cothon_stack_add_address(house->sandbox, &house->network.ipv6.sandbox), 0);
	house->sandbox_hook.turn = sandbox_turn;
	host_loop_hook(house->loop, &house->sandbox_hook);
	house->wait_hook.turn = wait_turn;
	host_loop_hook(house->loop, &house->wait_hook);
}

void house_close(struct house *house)
{
	host_loop_unhook(house->loop, &house->sandbox_hook);
	host_loop_unhook(house->loop, &house->wait_hook);
	relay_destroy(house->relay);
	cothon_stack_destroy(house->sandbox);
	cothon_link_close(house->link);
	assert_int_equal(cothon_pool_used(house->pool), 0);
	assert_int_equal(cothon_pool_used(house->wire_pool), 0);
	cothon_pool_destroy(house->pool);
	cothon_pool_destroy(house->wire_pool);
	if (!house->guest)
		host_loop_destroy(house->loop);
}

void house_until(struct house *house, bool (*done)(void *context), void *context)
{
	house->done = done;
	house->context = context;
	house->deadline = host_now() + PATIENCE;
	assert_int_equal(host_loop_run(house->loop), 0);
	house->done = NULL;
	assert_false(house->timed_out);
}

static bool time_has_come(void *context)
{
	return host_now() >= *(const uint64_t *)context;
}

void house_run(struct house *house, unsigned milliseconds)
{
	uint64_t end = host_now() + milliseconds * UINT64_C(1000);

	house_until(house, time_has_come, &end);
}

/* Microseconds that this process has used. */
static uint64_t processor_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

void house_rest(struct house *house)
{
	uint64_t before = processor_time();

	house_run(house, 200);
	/* Waiting itself asks every millisecond. */
	assert_true(processor_time() - before < 100000);
}

unsigned house_lose_frames(struct house *house)
{
	struct cothon_buf *buf;
	unsigned count = 0;

	while (cothon_link_receive(house->relay_link, house->pool, &buf) == 0) {
		cothon_buf_put(buf);
		count++;
	}
	return count;
}

/* Endpoints */

struct cothon_endpoint house_endpoint(const char *addr, uint16_t port)
{
	struct cothon_endpoint endpoint = {.port = port};

	assert_int_equal(cothon_addr_parse(addr, &endpoint.addr), 0);
	return endpoint;
}

static const struct relay_family *family(const struct house *house, bool ipv6)
{
	return ipv6 ? &house->network.ipv6 : &house->network.ipv4;
}

struct cothon_endpoint house_gateway(const struct house *house, bool ipv6, uint16_t port)
{
	return (struct cothon_endpoint){family(house, ipv6)->gateway, port};
}

struct cothon_endpoint house_sandbox(const struct house *house, bool ipv6, uint16_t port)
{
	return (struct cothon_endpoint){family(house, ipv6)->sandbox, port};
}

struct cothon_endpoint house_dns(const struct house *house, bool ipv6)
{
	return (struct cothon_endpoint){family(house, ipv6)->dns, 53};
}

struct cothon_endpoint house_loopback(bool ipv6, uint16_t port)
{
	return house_endpoint(ipv6 ? "::1" : "127.0.0.1", port);
}

void assert_endpoints_equal(struct cothon_endpoint a, struct cothon_endpoint b)
{
	char x[COTHON_ENDPOINT_TEXT], y[COTHON_ENDPOINT_TEXT];

	assert_string_equal(cothon_endpoint_format(&a, x), cothon_endpoint_format(&b, y));
}

/* Sockets */

static int open_bound(int type, bool ipv6, uint16_t port)
{
	struct cothon_endpoint at = house_loopback(ipv6, port);
	struct host_sockaddr name = host_sockaddr_make(&at, 0);
	int fd = host_socket_open(name.any.sa_family, type, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, &name.any, name.len), 0);
	return fd;
}

int house_listen(bool ipv6, uint16_t port)
{
	int fd = open_bound(SOCK_STREAM, ipv6, port);

	assert_int_equal(listen(fd, 4096), 0);
	return fd;
}

int house_bind_udp(bool ipv6, uint16_t port)
{
	int fd = open_bound(SOCK_DGRAM, ipv6, port);

	/* A burst of the tests' own size is to fit. */
	host_socket_set(fd, SOL_SOCKET, SO_RCVBUF, 4 << 20);
	return fd;
}

int house_connect(bool ipv6, uint16_t port)
{
	struct cothon_endpoint at = house_loopback(ipv6, port);
	struct host_sockaddr to = host_sockaddr_make(&at, 0);
	int fd = host_socket_open(to.any.sa_family, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_true(connect(fd, &to.any, to.len) == 0 || errno == EINPROGRESS);
	return fd;
}

uint16_t house_port(int fd)
{
	return host_socket_local(fd).port;
}

bool house_readable(void *fd)
{
	struct pollfd poll_fd = {.fd = *(int *)fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) > 0;
}

int house_accept(struct house *house, int listener, struct cothon_endpoint *client)
{
	struct host_sockaddr from = {.len = sizeof(from.in6)};
	int fd;

	house_until(house, house_readable, &listener);
	fd = accept4(listener, &from.any, &from.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd >= 0);
	if (client)
		*client = host_sockaddr_endpoint(&from);
	return fd;
}

ssize_t house_read_some(struct house *house, int fd, void *data, size_t len)
{
	ssize_t got = read(fd, data, len);

	if (got < 0 && errno == EAGAIN) {
		house_until(house, house_readable, &fd);
		got = read(fd, data, len);
	}
	return got < 0 ? -errno : got;
}

size_t house_read(struct house *house, int fd, void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t got = house_read_some(house, fd, (uint8_t *)data + done, len - done);

		assert_true(got >= 0);
		if (got == 0)
			break;
		done += (size_t)got;
	}
	return done;
}

static bool is_writable(void *fd)
{
	struct pollfd poll_fd = {.fd = *(int *)fd, .events = POLLOUT};

	return poll(&poll_fd, 1, 0) > 0;
}

void house_write(struct house *house, int fd, const void *data, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t put = send(fd, (const uint8_t *)data + done, len - done, MSG_NOSIGNAL);

		if (put >= 0) {
			done += (size_t)put;
			continue;
		}
		assert_int_equal(errno, EAGAIN);
		house_until(house, is_writable, &fd);
	}
}

/* Clients inside */

static void write_more(struct client *client)
{
	while (client->sent < client->send_len) {
		ptrdiff_t put = cothon_tcp_write(client->tcp, client->send + client->sent,
						 client->send_len - client->sent);

		if (put <= 0)
			return;
		client->sent += (size_t)put;
	}
	if (client->shutdown)
		cothon_tcp_shutdown(client->tcp);
	client->shutdown = false;
}

void client_read(struct client *client)
{
	for (;;) {
		ptrdiff_t got = cothon_tcp_read(client->tcp,
						client->received + client->received_len,
						client->received_room - client->received_len);

		if (got <= 0)
			return;
		client->received_len += (size_t)got;
	}
}

static void told(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct client *client = owner;

	client->tcp = tcp;
	client->events |= events;
	if (events & (COTHON_TCP_OPENED | COTHON_TCP_WRITABLE))
		write_more(client);
	if (client->greedy)
		client_read(client);
}

static void prepare(struct client *client)
{
	*client = (struct client){.greedy = true, .received_room = READ_ROOM};
	client->received = malloc(READ_ROOM);
	assert_non_null(client->received);
}

void client_connect(struct house *house, struct client *client,
		    const struct cothon_endpoint *remote)
{
	struct cothon_endpoint local = {0};

	if (cothon_addr_is_ipv4(&remote->addr))
		local = house_endpoint("0.0.0.0", 0);
	prepare(client);
	assert_int_equal(
		cothon_tcp_connect(house->sandbox, &local, remote, told, client, &client->tcp), 0);
}

void client_adopt(struct client *client, struct cothon_tcp *tcp)
{
	prepare(client);
	client->tcp = tcp;
	client->events = COTHON_TCP_OPENED;
	cothon_tcp_own(tcp, told, client);
}

void client_send(struct client *client, const uint8_t *data, size_t len, bool shutdown)
{
	client->send = data;
	client->send_len = len;
	client->sent = 0;
	client->shutdown = shutdown;
	if (client->events & COTHON_TCP_OPENED)
		write_more(client);
}

bool client_is_open(void *client)
{
	return ((struct client *)client)->events & COTHON_TCP_OPENED;
}

bool client_has_ended(void *client)
{
	return ((struct client *)client)->events & COTHON_TCP_ENDED;
}

bool client_has_read_all(void *client)
{
	return cothon_tcp_at_end(((struct client *)client)->tcp);
}

bool client_has_echo(void *context)
{
	const struct client *client = context;

	return client->received_len >= client->send_len;
}

void client_close(struct client *client)
{
	cothon_tcp_close(client->tcp);
	free(client->received);
}

/* A flow and its server */

const struct house_config house_plain = {0};
const struct house_config house_offloaded = {
	.features = COTHON_LINK_CSUM | COTHON_LINK_TSO | COTHON_LINK_USO,
	.mtu = 65520,
};

void join(struct joined *joined, const struct house_config *config, bool ipv6)
{
	int listener = house_listen(ipv6, 0);
	struct cothon_endpoint to;

	house_open(&joined->house, config);
	to = house_gateway(&joined->house, ipv6, house_port(listener));
	client_connect(&joined->house, &joined->client, &to);
	joined->server = house_accept(&joined->house, listener, NULL);
	house_until(&joined->house, client_is_open, &joined->client);
	close(listener);
}

void part(struct joined *joined)
{
	client_close(&joined->client);
	if (joined->server >= 0)
		close(joined->server);
	house_close(&joined->house);
}

size_t fill_the_way(struct joined *joined, const uint8_t *bytes, size_t len, bool shut)
{
	size_t acknowledged, before;

	client_send(&joined->client, bytes, len, shut);
	acknowledged = 0;
	do {
		before = acknowledged;
		house_run(&joined->house, 300);
		acknowledged = joined->client.sent - cothon_tcp_unacknowledged(joined->client.tcp);
	} while (acknowledged > before);
	assert_true(acknowledged > 0 && acknowledged < len);
	return acknowledged;
}

uint8_t *house_bytes(size_t len)
{
	uint8_t *bytes = malloc(len ? len : 1);
	uint32_t state = 0x9e3779b9;

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++) {
		state = state * 1664525 + 1013904223;
		bytes[i] = (uint8_t)(state >> 24);
	}
	return bytes;
}
