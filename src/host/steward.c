/* SPDX-License-Identifier: MIT */
#include "host/steward.h"

#include "base/list.h"
#include "host/descriptors.h"
#include "host/passing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum request_kind {
	OPEN,
	BIND,
	ALLOWS,
};

struct request {
	enum request_kind kind;
	struct host_sockaddr at; /* BIND */
};

/* Descriptors beside those that a caller may name: the channel. */
enum {
	KEPT_MAX = 8
};

/* Waits until the other side has said something or is gone. */
static void wait_for(int channel)
{
	struct pollfd poller = {.fd = channel, .events = POLLIN};

	while (poll(&poller, 1, -1) < 0 && errno == EINTR)
		continue;
}

/* The steward's side */

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;
	int error = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0)
		error = -errno;
	else if (!S_ISREG(status.st_mode))
		error = -EINVAL;
	if (error == 0)
		return fd;
	close(fd);
	return error;
}

static int bind_socket(int fd, const struct host_sockaddr *at)
{
	if (at->len > sizeof(at->in6) ||
	    (at->any.sa_family != AF_INET && at->any.sa_family != AF_INET6))
		return -EINVAL;
	return bind(fd, &at->any, at->len) < 0 ? -errno : 0;
}

/* Does what is asked for. Returns a descriptor for the answer or -1; *error is the answer. */
static int serve(const struct host_steward_config *config, const struct request *request,
		 int handed, int *error)
{
	int fd = -1;

	if (request->kind == OPEN) {
		fd = open_file(config->file);
		*error = fd < 0 ? fd : 0;
	} else if (request->kind == BIND && handed >= 0) {
		*error = bind_socket(handed, &request->at);
	} else if (request->kind == ALLOWS && handed >= 0) {
		*error = config->allows(handed) ? 0 : -EACCES;
	} else {
		*error = -EINVAL;
	}
	return fd < 0 ? -1 : fd;
}

static void close_all(const int *descriptors, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		close(descriptors[i]);
}

/* Serves one request. Returns false when the engine is gone. */
static bool take_request(const struct host_steward_config *config, int channel)
{
	int handed[HOST_PASSING_MAX], error = -EINVAL, fd = -1;
	struct request request;
	unsigned count = 0;
	ssize_t len;

	wait_for(channel);
	len = host_passing_receive(channel, &request, sizeof(request), handed, &count);
	if (len == -EAGAIN)
		return true;
	if (len <= 0)
		return false;
	if ((size_t)len == sizeof(request) && count <= 1)
		fd = serve(config, &request, count ? handed[0] : -1, &error);
	close_all(handed, count);
	len = host_passing_send(channel, &error, sizeof(error), &fd, fd >= 0);
	if (fd >= 0)
		close(fd);
	return len >= 0;
}

static _Noreturn void keep(const struct host_steward_config *config, int channel)
{
	int kept[KEPT_MAX] = {channel};
	size_t count = 1;

	for (size_t i = 0; i < config->descriptor_count && count < KEPT_MAX; i++)
		kept[count++] = config->descriptors[i];
	host_descriptors_close(STDERR_FILENO + 1, kept, count);
	/* A pipe that the engine's caller reads ends with the engine. */
	host_descriptors_release();
	dup3(STDIN_FILENO, STDERR_FILENO, O_CLOEXEC);
	while (take_request(config, channel))
		continue;
	if (config->last)
		config->last(config->context);
	_exit(0);
}

/* The engine's side */

int host_steward_start(const struct host_steward_config *config, struct host_steward *steward)
{
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		keep(config, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		int error = -errno;

		close(ends[0]);
		return error;
	}
	*steward = (struct host_steward){.pid = pid, .channel = ends[0]};
	return 0;
}

static void channel_ended(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct host_steward *steward = cothon_container(watch, struct host_steward, watch);

	(void)events;
	(void)now;
	host_loop_remove(steward->loop, watch);
	watch->fd = 0;
	steward->gone(steward);
}

int host_steward_watch(struct host_steward *steward, struct host_loop *loop,
		       void (*gone)(struct host_steward *steward))
{
	int error;

	steward->watch = (struct host_watch){.fd = steward->channel, .ready = channel_ended};
	steward->loop = loop;
	steward->gone = gone;
	/* Answers are waited for where they are asked for; the end is told in any case. */
	error = host_loop_add(loop, &steward->watch, 0);
	if (error)
		steward->watch.fd = 0;
	return error;
}

void host_steward_end(struct host_steward *steward)
{
	if (steward->watch.fd)
		host_loop_remove(steward->loop, &steward->watch);
	close(steward->channel);
	while (waitpid(steward->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}

/* Asks, and waits for the answer. *fd becomes a descriptor that came with it, or -1. */
static int ask(const struct host_steward *steward, const struct request *request, int handed,
	       int *fd)
{
	int came[HOST_PASSING_MAX], error = 0;
	unsigned count = 0;
	ssize_t len = host_passing_send(steward->channel, request, sizeof(*request), &handed,
					handed >= 0);

	*fd = -1;
	while (len >= 0) {
		wait_for(steward->channel);
		len = host_passing_receive(steward->channel, &error, sizeof(error), came, &count);
		if (len != -EAGAIN)
			break;
		len = 0;
	}
	if (count == 1)
		*fd = came[0];
	else
		close_all(came, count);
	return len == (ssize_t)sizeof(error) ? error : -EPIPE;
}

int host_steward_open(const struct host_steward *steward)
{
	const struct request request = {.kind = OPEN};
	int fd, error = ask(steward, &request, -1, &fd);

	if (error == 0 && fd < 0)
		return -EPIPE;
	return error < 0 ? error : fd;
}

int host_steward_bind(const struct host_steward *steward, int fd, const struct host_sockaddr *at)
{
	const struct request request = {.kind = BIND, .at = *at};
	int came, error = ask(steward, &request, fd, &came);

	if (came >= 0)
		close(came);
	return error;
}

bool host_steward_allows(const struct host_steward *steward, int fd)
{
	const struct request request = {.kind = ALLOWS};
	int came, error = ask(steward, &request, fd, &came);

	if (came >= 0)
		close(came);
	return error == 0;
}
