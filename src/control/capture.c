/* SPDX-License-Identifier: MIT */
#include "control/capture.h"

#include "base/list.h"
#include "control/applications.h"
#include "relay/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	/* Bytes that may wait for the scribe: a fifth of a second at 500 Mbit/s. */
	ROOM = 16 << 20,
	/* What waits is handed over when it is so much, or so many microseconds old. */
	ENOUGH = 64 << 10,
	OLD = 50000,
	/* Milliseconds that the scribe has for the rest when the sandbox ends. */
	PATIENCE = 10000,
	DESCRIPTION = 256,
};

struct control_capture {
	struct control_capture_config config;
	struct control_capture_state state;
	struct cothon_capture *capture; /* NULL: nothing is left to be handed over */
	struct host_watch watch;        /* of the scribe's socket; fd is -1 when it is gone */
	struct host_hook hook;
	uint32_t watched; /* EPOLL* */
	bool finishing;   /* nothing more is said to the scribe; its end is waited for */
	uint64_t until;   /* host_now() */
	uint64_t flush_at;
	char comment[CONTROL_APPLICATION];
	void (*written)(void *owner);
	void *owner;
};

/* --- what packets are asked about --- */

static uint64_t clock_now(void *context)
{
	struct timespec now;

	(void)context;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static const char *comment_on(void *context, const struct cothon_flow *flow)
{
	struct control_capture *capture = context;
	const struct control_application *application;

	if (!capture->config.applications || !flow->transport)
		return NULL;
	application = control_applications_find(capture->config.applications, flow);
	return application ? control_application_format(application, capture->comment) : NULL;
}

static const char *name_of(void *context, const struct cothon_addr *addr)
{
	const struct control_capture *capture = context;

	return relay_name_of(capture->config.relay, addr);
}

/* --- the way to the scribe --- */

static void watch_for(struct control_capture *capture, uint32_t events)
{
	if (capture->watch.fd < 0 || capture->watched == events)
		return;
	host_loop_change(capture->config.loop, &capture->watch, events);
	capture->watched = events;
}

/* The scribe has all, or is gone. */
static void leave(struct control_capture *capture)
{
	void (*written)(void *owner) = capture->written;

	if (capture->watch.fd >= 0) {
		host_loop_remove(capture->config.loop, &capture->watch);
		close(capture->watch.fd);
		capture->watch.fd = -1;
	}
	if (capture->capture) {
		host_loop_unhook(capture->config.loop, &capture->hook);
		cothon_capture_stop(capture->capture);
		capture->state.counters = *cothon_capture_counters(capture->capture);
		cothon_capture_close(capture->capture);
		capture->capture = NULL;
	}
	capture->state.written = true;
	capture->written = NULL;
	if (written)
		written(capture->owner);
}

static void end(struct control_capture *capture, enum control_capture_end why)
{
	if (capture->state.end != CONTROL_CAPTURE_GOES_ON)
		return;
	capture->state.end = why;
	cothon_capture_stop(capture->capture);
}

/* Hands over what the socket takes. */
static void hand_over(struct control_capture *capture)
{
	struct iovec iov[2];
	struct msghdr message = {.msg_iov = iov};

	while (!capture->finishing &&
	       (message.msg_iovlen = cothon_capture_peek(capture->capture, iov)) > 0) {
		ssize_t len = sendmsg(capture->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (len >= 0) {
			cothon_capture_consume(capture->capture, (size_t)len);
		} else if (errno == EAGAIN || errno == ENOBUFS) {
			watch_for(capture, EPOLLIN | EPOLLOUT);
			return;
		} else if (errno != EINTR) {
			/* It has gone; what it says about that is read next. */
			watch_for(capture, EPOLLIN);
			return;
		}
	}
	watch_for(capture, EPOLLIN);
	if (capture->state.end != CONTROL_CAPTURE_GOES_ON && !capture->finishing) {
		capture->finishing = true;
		shutdown(capture->watch.fd, SHUT_WR);
	}
}

/* The scribe says an errno, or ends. Returns false when it has said nothing. */
static bool hear(struct control_capture *capture)
{
	int error;
	ssize_t len = recv(capture->watch.fd, &error, sizeof(error), MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (len == (ssize_t)sizeof(error) && error < 0 && error > -4096)
		capture->state.error = error;
	end(capture, CONTROL_CAPTURE_LEFT);
	leave(capture);
	return true;
}

static void ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct control_capture *capture = cothon_container(watch, struct control_capture, watch);

	(void)now;
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) && hear(capture))
		return;
	hand_over(capture);
}

static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct control_capture *capture = cothon_container(hook, struct control_capture, hook);
	struct iovec iov[2];
	size_t waiting = 0;

	if (!capture->capture || capture->finishing)
		return UINT64_MAX;
	if (!cothon_capture_runs(capture->capture))
		end(capture, CONTROL_CAPTURE_FULL);
	if (now >= capture->until)
		end(capture, CONTROL_CAPTURE_OVER);
	for (unsigned i = cothon_capture_peek(capture->capture, iov); i > 0; i--)
		waiting += iov[i - 1].iov_len;
	if (waiting > 0 && capture->flush_at == UINT64_MAX)
		capture->flush_at = now + OLD;
	if (waiting >= ENOUGH || now >= capture->flush_at ||
	    capture->state.end != CONTROL_CAPTURE_GOES_ON) {
		capture->flush_at = UINT64_MAX;
		/* A socket that is full says by itself when it is not. */
		if (!(capture->watched & EPOLLOUT))
			hand_over(capture);
	}
	return capture->flush_at < capture->until ? capture->flush_at : capture->until;
}

/* --- start and stop --- */

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/* The rules of a filter. Returns 0, -EDOM or what cothon_rules_create() returns. */
static int make_filter(const struct control_capture *capture,
		       const struct control_capture_limits *limits, struct cothon_rules **filter)
{
	int error;

	*filter = NULL;
	if (limits->filter_count == 0)
		return 0;
	error = cothon_rules_create(&cothon_memory_malloc, limits->filters, limits->filter_count,
				    filter);
	if (error < 0)
		return error;
	if (cothon_rules_have_names(*filter) &&
	    !cothon_rules_have_names(relay_rules(capture->config.relay))) {
		cothon_rules_destroy(*filter);
		return -EDOM;
	}
	return 0;
}

/* "sandbox web: nginx -g ..." */
static void describe(const struct control_capture *capture, char text[static DESCRIPTION])
{
	size_t len = (size_t)snprintf(
		text, DESCRIPTION, "sandbox %s:", capture->config.name ? capture->config.name : "");

	for (char *const *word = capture->config.command; *word && len < DESCRIPTION; word++)
		len += (size_t)snprintf(text + len, DESCRIPTION - len, " %s", *word);
	for (char *at = text; *at; at++) {
		if (*at < ' ' || *at > '~')
			*at = '?';
	}
}

static int open_capture(struct control_capture *capture,
			const struct control_capture_limits *limits)
{
	char description[DESCRIPTION];
	struct cothon_capture_config config = {
		.memory = cothon_memory_malloc,
		.link = capture->config.link,
		.name = capture->config.name,
		.description = description,
		.room = ROOM,
		.snap = limits->snap,
		.size = limits->size,
		.clock = clock_now,
		.knowledge = {comment_on, name_of, capture},
	};
	int error = make_filter(capture, limits, &config.filter);

	if (error < 0)
		return error;
	describe(capture, description);
	error = cothon_capture_open(&config, &capture->capture);
	if (error < 0)
		cothon_rules_destroy(config.filter);
	return error;
}

int control_capture_start(struct control_capture *capture, int socket,
			  const struct control_capture_limits *limits)
{
	uint64_t now = host_now();
	int error;

	if (capture->capture)
		return -EBUSY;
	if (limits->size && limits->size < CONTROL_CAPTURE_SIZE_MIN)
		return -EINVAL;
	if (!is_stream(socket))
		return -ENOTSOCK;
	error = open_capture(capture, limits);
	if (error < 0)
		return error;
	capture->watch.fd = socket;
	capture->watched = EPOLLIN;
	error = host_loop_add(capture->config.loop, &capture->watch, EPOLLIN);
	if (error < 0) {
		cothon_capture_close(capture->capture);
		capture->capture = NULL;
		capture->watch.fd = -1;
		return error;
	}
	host_loop_hook(capture->config.loop, &capture->hook);
	capture->finishing = false;
	capture->flush_at = UINT64_MAX;
	capture->until = limits->seconds ? now + limits->seconds * 1000000 : UINT64_MAX;
	capture->state = (struct control_capture_state){
		.ever = true,
		.began = clock_now(NULL) / 1000,
		.limits = *limits,
	};
	capture->state.limits.filters = NULL;
	return 0;
}

int control_capture_stop(struct control_capture *capture, void (*written)(void *owner), void *owner)
{
	if (!capture->capture)
		return -ENOENT;
	if (capture->written)
		return -EBUSY;
	capture->written = written;
	capture->owner = owner;
	end(capture, CONTROL_CAPTURE_STOPPED);
	hand_over(capture);
	return 0;
}

void control_capture_forget(struct control_capture *capture)
{
	capture->written = NULL;
}

struct control_capture_state control_capture_look(const struct control_capture *capture)
{
	struct control_capture_state state = capture->state;

	if (capture->capture)
		state.counters = *cothon_capture_counters(capture->capture);
	return state;
}

int control_capture_create(const struct control_capture_config *config,
			   struct control_capture **result)
{
	struct control_capture *capture = calloc(1, sizeof(*capture));

	if (!capture)
		return -ENOMEM;
	capture->config = *config;
	capture->watch = (struct host_watch){.fd = -1, .ready = ready};
	capture->hook.turn = turn;
	*result = capture;
	return 0;
}

void control_capture_destroy(struct control_capture *capture)
{
	uint64_t deadline = host_now() + PATIENCE * 1000;

	if (!capture)
		return;
	capture->written = NULL;
	if (capture->capture)
		end(capture, CONTROL_CAPTURE_STOPPED);
	while (capture->capture && host_now() < deadline) {
		struct pollfd scribe = {.fd = capture->watch.fd, .events = POLLIN};

		hand_over(capture);
		if (!capture->finishing)
			scribe.events |= POLLOUT;
		if (poll(&scribe, 1, PATIENCE) > 0 && scribe.revents & (POLLIN | POLLHUP | POLLERR))
			hear(capture);
	}
	if (capture->capture)
		leave(capture);
	free(capture);
}
