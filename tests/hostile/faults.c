/* SPDX-License-Identifier: MIT */

/*
 * Every call of the relay to the host, and every piece of memory that it asks for, fails once, each
 * with every error that says that the machine has no more of something. A flow that was there
 * before goes on; afterwards everything works; at the end nothing is left behind.
 *
 * The linker puts the functions below between the program and the C library (--wrap).
 */

#include "../unit/relay/house.h"

#include "host/socket.h"
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* The fault: the call of this name, when it is made for the `left`th time from now. */
static const char *fails;
static int fault;
static unsigned left;
static bool happened;

static bool is_due(const char *name)
{
	if (!fails || strcmp(fails, name) != 0 || left == 0 || --left > 0)
		return false;
	happened = true;
	errno = fault;
	return true;
}

/* X(type, name, parameters, arguments) */
#define CALLS(X)                                                                                \
	X(int, socket, (int domain, int type, int protocol), (domain, type, protocol))          \
	X(int, connect, (int fd, const struct sockaddr *addr, socklen_t len), (fd, addr, len))  \
	X(int, accept4, (int fd, struct sockaddr *addr, socklen_t *len, int flags),             \
	  (fd, addr, len, flags))                                                               \
	X(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t len),     \
	  (fd, level, name, value, len))                                                        \
	X(ssize_t, readv, (int fd, const struct iovec *iov, int count), (fd, iov, count))       \
	X(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),                  \
	  (fd, message, flags))                                                                 \
	X(int, sendmmsg, (int fd, struct mmsghdr *list, unsigned count, int flags),             \
	  (fd, list, count, flags))                                                             \
	X(int, recvmmsg,                                                                        \
	  (int fd, struct mmsghdr *list, unsigned count, int flags, struct timespec *patience), \
	  (fd, list, count, flags, patience))                                                   \
	X(ssize_t, send, (int fd, const void *data, size_t len, int flags),                     \
	  (fd, data, len, flags))                                                               \
	X(ssize_t, recv, (int fd, void *data, size_t len, int flags), (fd, data, len, flags))

#define WRAPPED(type, name, parameters, arguments)                         \
	type __real_##name parameters;                                     \
	type __wrap_##name parameters;                                     \
	type __wrap_##name parameters                                      \
	{                                                                  \
		return is_due(#name) ? (type)-1 : __real_##name arguments; \
	}
CALLS(WRAPPED)

/* The names are the linker's. NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
int __real_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int fd, struct epoll_event *event)
{
	/* Only adding takes memory. */
	if (operation == EPOLL_CTL_ADD && is_due("epoll_ctl"))
		return -1;
	return __real_epoll_ctl(epoll, operation, fd, event);
}

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
	return is_due("malloc") ? NULL : __real_malloc(size);
}

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
	return is_due("calloc") ? NULL : __real_calloc(count, size);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static const uint8_t word[] = "word";

/* A client or server inside that sends back what it gets, or notes it. */
struct inside {
	struct cothon_tcp *tcp;
	bool echoes, begins, ended;
	size_t got;
};

static void inside_told(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct inside *inside = owner;
	uint8_t bytes[64];
	ptrdiff_t len;

	if ((events & COTHON_TCP_OPENED) && inside->begins)
		cothon_tcp_write(tcp, word, sizeof(word));
	inside->ended |= (events & COTHON_TCP_ENDED) != 0;
	while ((len = cothon_tcp_read(tcp, bytes, sizeof(bytes))) > 0) {
		inside->got += (size_t)len;
		if (inside->echoes)
			cothon_tcp_write(tcp, bytes, (size_t)len);
	}
}

enum {
	CLIENTS = 64, /* descriptors that a server outside has accepted */
	PUBLISHED_INSIDE = 80,
	ROUND = 4000, /* microseconds that a round goes on after its fault, at most */
};

/* What goes on in one round, each in its own way through the relay. */
struct scene {
	struct house house;
	int tcp_server, udp_server, resolver;
	uint16_t tcp_published, udp_published;
	int accepted[CLIENTS];
	unsigned accepted_count;
	struct cothon_listener *listener;
	struct inside served; /* by the listener, the last one */
	struct cothon_udp *udp_inside;
	struct inside steady; /* a flow that is there all the time */
	size_t steady_sent;
	/* Of this round */
	struct inside out;
	int in;
	size_t in_got;
	int datagram_in;
	bool datagram_came_in, datagram_came_out, answered;
	struct cothon_udp *udp_out, *asker;
	uint16_t next_port;
	uint64_t until; /* since there was a fault; 0: until all is done */
};

/* Sends back what a socket of the host has got. */
static void echo_datagrams(int fd, bool answer)
{
	struct host_sockaddr from = {.len = sizeof(from.in6)};
	uint8_t bytes[512];
	ssize_t len;

	while ((len = recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT, &from.any, &from.len)) > 0) {
		if (answer)
			bytes[2] |= 0x80;
		sendto(fd, bytes, (size_t)len, 0, &from.any, from.len);
		from.len = sizeof(from.in6);
	}
}

static void serve_outside(struct scene *scene)
{
	uint8_t bytes[64];
	ssize_t len;
	int fd;

	while (scene->accepted_count < CLIENTS && (fd = accept(scene->tcp_server, NULL, NULL)) >= 0)
		scene->accepted[scene->accepted_count++] = fd;
	for (unsigned i = 0; i < scene->accepted_count;) {
		fd = scene->accepted[i];
		while ((len = __real_recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
			__real_send(fd, bytes, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (len == 0 || (len < 0 && errno != EAGAIN)) {
			close(fd);
			scene->accepted[i] = scene->accepted[--scene->accepted_count];
		} else {
			i++;
		}
	}
	echo_datagrams(scene->udp_server, false);
	echo_datagrams(scene->resolver, true);
	if (scene->in >= 0 &&
	    (len = __real_recv(scene->in, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		scene->in_got += (size_t)len;
	if (scene->datagram_in >= 0 &&
	    __real_recv(scene->datagram_in, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		scene->datagram_came_in = true;
}

static bool is_done(void *context)
{
	struct scene *scene = context;
	int error = errno;

	serve_outside(scene);
	errno = error;
	if (happened && !scene->until)
		scene->until = host_now() + ROUND;
	if (scene->until && host_now() >= scene->until)
		return true;
	return scene->out.got == sizeof(word) && scene->in_got == sizeof(word) &&
	       scene->datagram_came_in && scene->datagram_came_out && scene->answered &&
	       scene->steady.got == scene->steady_sent;
}

static bool is_steady(void *context)
{
	struct scene *scene = context;

	serve_outside(scene);
	return scene->steady.got == scene->steady_sent;
}

static void accepted_inside(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct scene *scene = owner;

	if (scene->served.tcp)
		cothon_tcp_abort(scene->served.tcp);
	scene->served = (struct inside){.tcp = tcp, .echoes = true};
	cothon_tcp_own(tcp, inside_told, &scene->served);
	inside_told(tcp, &scene->served, events);
}

static void echo_inside(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	(void)owner;
	cothon_udp_send(udp, &datagram->destination.addr, &datagram->source, datagram->payload,
			datagram->len);
}

static void note(struct cothon_udp *udp, void *owner, const struct cothon_datagram *datagram)
{
	(void)udp;
	(void)datagram;
	*(bool *)owner = true;
}

static void open_flow(struct scene *scene, struct inside *inside)
{
	struct cothon_endpoint to =
		house_gateway(&scene->house, false, house_port(scene->tcp_server));
	const struct cothon_endpoint any = house_endpoint("0.0.0.0", 0);

	*inside = (struct inside){.begins = true};
	assert_int_equal(cothon_tcp_connect(scene->house.sandbox, &any, &to, inside_told, inside,
					    &inside->tcp),
			 0);
}

static struct cothon_udp *send_from(struct scene *scene, bool *came, struct cothon_endpoint to,
				    const void *bytes, size_t len)
{
	struct cothon_endpoint local = house_sandbox(&scene->house, false, scene->next_port++);
	struct cothon_udp *udp;

	if (scene->next_port < 1024)
		scene->next_port = 1024;
	*came = false;
	assert_int_equal(cothon_udp_bind(scene->house.sandbox, &local, note, came, &udp), 0);
	assert_int_equal(cothon_udp_send(udp, NULL, &to, bytes, len), 0);
	return udp;
}

/* Everything begins anew. */
static void begin_round(struct scene *scene)
{
	static const uint8_t question[] = {
		0x12, 0x34, 1,   0,   0,   1,   0,   0,   0,   0, 0, 0, 3, 'w', 'w',
		'w',  7,    'e', 'x', 'a', 'm', 'p', 'l', 'e', 0, 0, 1, 0, 1,
	};
	struct host_sockaddr to;

	open_flow(scene, &scene->out);
	scene->in = house_connect(false, scene->tcp_published);
	scene->in_got = 0;
	scene->udp_out =
		send_from(scene, &scene->datagram_came_out,
			  house_gateway(&scene->house, false, house_port(scene->udp_server)), word,
			  sizeof(word));
	scene->asker = send_from(scene, &scene->answered, house_dns(&scene->house, false), question,
				 sizeof(question));
	scene->datagram_in = house_bind_udp(false, 0);
	scene->datagram_came_in = false;
	to = host_sockaddr_make(
		&(struct cothon_endpoint){house_loopback(false, 0).addr, scene->udp_published}, 0);
	sendto(scene->datagram_in, word, sizeof(word), 0, &to.any, to.len);
	__real_send(scene->in, word, sizeof(word), MSG_DONTWAIT | MSG_NOSIGNAL);
	assert_int_equal(cothon_tcp_write(scene->steady.tcp, word, 1), 1);
	scene->steady_sent++;
}

static void end_round(struct scene *scene)
{
	cothon_tcp_abort(scene->out.tcp);
	cothon_udp_close(scene->udp_out);
	cothon_udp_close(scene->asker);
	host_socket_reset(scene->in);
	scene->in = -1;
	close(scene->datagram_in);
	scene->datagram_in = -1;
}

/*
 * Runs everything once. After a fault it may fail, in a bounded time; as long as there was none it must not: a round
 * ends with its fault, or as one without.
 */
static void run_round(struct scene *scene, const char *name, int error, unsigned number)
{
	begin_round(scene);
	scene->until = 0;
	happened = false;
	left = number;
	fault = error;
	fails = name;
	house_until(&scene->house, is_done, scene);
	fails = NULL;
	end_round(scene);
	assert_false(scene->steady.ended);
}

static uint16_t publish(struct scene *scene, uint8_t transport)
{
	struct relay_publication publication = {
		.transport = transport,
		.has_addr = true,
		.addr = house_loopback(false, 0).addr,
		.inside = PUBLISHED_INSIDE,
		.count = 1,
	};
	struct relay_publish_error error;
	int probe;

	do {
		probe = transport == COTHON_TCP ? house_listen(false, 0) : house_bind_udp(false, 0);
		publication.outside = house_port(probe);
		close(probe);
	} while (relay_publish(scene->house.relay, &publication, &error));
	return publication.outside;
}

static void open_scene(struct scene *scene)
{
	struct house_config config = {.resolver_count = 1, .limits = {.udp_mappings = 8}};
	struct cothon_endpoint resolver, local;

	*scene = (struct scene){.in = -1, .datagram_in = -1, .next_port = 20000};
	scene->tcp_server = house_listen(false, 0);
	scene->udp_server = house_bind_udp(false, 0);
	scene->resolver = house_bind_udp(false, 0);
	resolver = house_loopback(false, house_port(scene->resolver));
	config.resolvers = &resolver;
	house_open(&scene->house, &config);
	local = house_sandbox(&scene->house, false, PUBLISHED_INSIDE);
	assert_int_equal(cothon_tcp_listen(scene->house.sandbox, &local, 64, accepted_inside, scene,
					   &scene->listener),
			 0);
	assert_int_equal(cothon_udp_bind(scene->house.sandbox, &local, echo_inside, scene,
					 &scene->udp_inside),
			 0);
	scene->tcp_published = publish(scene, COTHON_TCP);
	scene->udp_published = publish(scene, COTHON_UDP);
	open_flow(scene, &scene->steady);
	scene->steady_sent = sizeof(word);
	house_until(&scene->house, is_steady, scene);
	/* What is allocated once is there when the faults begin. */
	for (unsigned i = 0; i < 10; i++)
		run_round(scene, NULL, 0, 0);
}

static void close_scene(struct scene *scene)
{
	cothon_tcp_abort(scene->steady.tcp);
	if (scene->served.tcp)
		cothon_tcp_abort(scene->served.tcp);
	cothon_listener_close(scene->listener);
	cothon_udp_close(scene->udp_inside);
	house_close(&scene->house);
	while (scene->accepted_count > 0)
		close(scene->accepted[--scene->accepted_count]);
	close(scene->tcp_server);
	close(scene->udp_server);
	close(scene->resolver);
}

static unsigned open_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(directory);
	while (readdir(directory))
		count++;
	closedir(directory);
	return count;
}

/* Flows that are over leave when the other stack has said so. */
static void find_used(const struct relay_limit *limit, void *context)
{
	bool *quiet = context;

	if (strcmp(limit->name, "tcp-flows") == 0 && limit->used > 1)
		*quiet = false;
}

static bool is_quiet(void *context)
{
	struct scene *scene = context;
	bool quiet = true;

	serve_outside(scene);
	relay_limits(scene->house.relay, find_used, &quiet);
	return quiet;
}

static void count_queries(const struct relay_limit *limit, void *context)
{
	if (strcmp(limit->name, "dns-queries") == 0)
		*(uint64_t *)context = limit->used;
}

/* The descriptors that are watched, but for those of queries that wait for their time to be over. */
static uint64_t watched(struct scene *scene)
{
	uint64_t queries = 0;

	relay_limits(scene->house.relay, count_queries, &queries);
	return host_loop_watched(scene->house.loop) - queries;
}

static const struct {
	const char *call;
	int errors[5]; /* ends with 0 */
} faults[] = {
	{"socket", {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
	{"accept4", {EMFILE, ENFILE, ENOBUFS, ENOMEM}},
	{"connect", {ENOBUFS, ENOMEM, EADDRNOTAVAIL, ENETUNREACH}},
	{"epoll_ctl", {ENOMEM, ENOSPC}},
	{"setsockopt", {ENOMEM, ENOBUFS}},
	{"readv", {ENOMEM, ENOBUFS}},
	{"sendmsg", {ENOMEM, ENOBUFS}},
	{"sendmmsg", {ENOMEM, ENOBUFS}},
	{"recvmmsg", {ENOMEM, ENOBUFS}},
	{"send", {ENOMEM, ENOBUFS, ENETUNREACH}},
	{"recv", {ENOMEM, ENOBUFS}},
	{"malloc", {ENOMEM}},
	{"calloc", {ENOMEM}},
};

enum {
	KINDS = sizeof(faults) / sizeof(faults[0]),
	MOST = 64, /* times that one call is made in a round: fewer than these */
};

/* The faults of one kind, until a round ends without coming to it; returns how many there were. */
static unsigned run_faults(struct scene *scene, const char *call, int error)
{
	unsigned number = 0;

	for (;;) {
		run_round(scene, call, error, number + 1);
		if (!happened)
			return number;
		number++;
		assert_true(number < MOST);
		/* It is over: all is as before. */
		run_round(scene, NULL, 0, 0);
	}
}

static void test_faults(void **state)
{
	unsigned descriptors = open_descriptors();
	struct scene scene;
	uint64_t before;

	(void)state;
	open_scene(&scene);
	house_until(&scene.house, is_quiet, &scene);
	before = watched(&scene);
	for (unsigned i = 0; i < KINDS; i++) {
		unsigned count = 0;

		for (unsigned j = 0; faults[i].errors[j]; j++)
			count += run_faults(&scene, faults[i].call, faults[i].errors[j]);
		print_message("# %s: %u faults\n", faults[i].call, count);
		assert_true(count > 0);
	}
	house_until(&scene.house, is_quiet, &scene);
	assert_true(watched(&scene) <= before + 1);
	close_scene(&scene);
	assert_int_equal(open_descriptors(), descriptors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_faults)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
