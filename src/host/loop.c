/* SPDX-License-Identifier: MIT */
#include "host/loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
	/* Events taken from the kernel in one round. */
	ROUND_EVENTS = 256,
	/* Microseconds below which a wait, and the work of a round, is short. */
	SHORT_WAIT = 50,
	SHORT_WORK = 25,
	/* Short waits that one in vain outweighs, and how many count. */
	IN_VAIN = 32,
	CREDIT_MAX = 256,
};

struct host_loop {
	int epoll;
	/*
	 * To fall asleep and be woken takes longer than a short request's whole way through this process. Short waits give
	 * credit, and with credit the next wait begins awake; if nothing comes, perhaps because somebody needs this
	 * processor to bring it about, much credit is lost. After rounds of long work others have waited for it.
	 */
	int credit;
	uint64_t woken_at;
	bool stopped;
	unsigned watched;
	struct host_hook *hooks;
	/* While hooks are called: the one after the one that runs, so that any may be unhooked. */
	struct host_hook *next_hook;
	bool turning; /* they are called just now */
	/* The events of this round; those below `taken` have been handed out already. */
	struct epoll_event events[ROUND_EVENTS];
	int taken, count;
};

uint64_t host_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

int host_loop_create(struct host_loop **loop)
{
	struct host_loop *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (made->epoll < 0) {
		int error = -errno;

		free(made);
		return error;
	}
	*loop = made;
	return 0;
}

void host_loop_destroy(struct host_loop *loop)
{
	close(loop->epoll);
	free(loop);
}

static int control(struct host_loop *loop, int operation, struct host_watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(loop->epoll, operation, watch->fd, &event) < 0 ? -errno : 0;
}

int host_loop_add(struct host_loop *loop, struct host_watch *watch, uint32_t events)
{
	int error = control(loop, EPOLL_CTL_ADD, watch, events);

	loop->watched += error == 0;
	return error;
}

int host_loop_change(struct host_loop *loop, struct host_watch *watch, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, watch, events);
}

void host_loop_remove(struct host_loop *loop, struct host_watch *watch)
{
	loop->watched -= control(loop, EPOLL_CTL_DEL, watch, 0) == 0;
	for (int i = loop->taken; i < loop->count; i++) {
		if (loop->events[i].data.ptr == watch)
			loop->events[i].data.ptr = NULL;
	}
}

unsigned host_loop_watched(const struct host_loop *loop)
{
	return loop->watched;
}

void host_loop_hook(struct host_loop *loop, struct host_hook *hook)
{
	struct host_hook **end = &loop->hooks;

	while (*end)
		end = &(*end)->next;
	hook->next = NULL;
	*end = hook;
	if (loop->turning && !loop->next_hook)
		loop->next_hook = hook;
}

void host_loop_unhook(struct host_loop *loop, struct host_hook *hook)
{
	struct host_hook **link = &loop->hooks;

	while (*link && *link != hook)
		link = &(*link)->next;
	if (*link)
		*link = hook->next;
	if (loop->next_hook == hook)
		loop->next_hook = hook->next;
}

/* What epoll_wait(2) is to be given so that it returns at `deadline`, not before. */
static int milliseconds_until(uint64_t deadline)
{
	uint64_t now, milliseconds;

	if (deadline == UINT64_MAX)
		return -1;
	now = host_now();
	if (deadline <= now)
		return 0;
	milliseconds = (deadline - now - 1) / 1000 + 1;
	return milliseconds > INT_MAX ? INT_MAX : (int)milliseconds;
}

static void dispatch(struct host_loop *loop, uint64_t now)
{
	for (loop->taken = 0; loop->taken < loop->count;) {
		struct epoll_event *event = &loop->events[loop->taken++];
		struct host_watch *watch = event->data.ptr;

		if (watch)
			watch->ready(watch, event->events, now);
	}
	loop->taken = loop->count = 0;
}

/* Calls every hook; returns the earliest of their deadlines. */
static uint64_t take_turns(struct host_loop *loop, uint64_t now)
{
	uint64_t deadline = UINT64_MAX;
	struct host_hook *hook = loop->hooks;

	loop->turning = true;
	while (hook) {
		uint64_t wanted;

		loop->next_hook = hook->next;
		wanted = hook->turn(hook, now);
		if (wanted < deadline)
			deadline = wanted;
		hook = loop->next_hook;
	}
	loop->turning = false;
	return deadline;
}

static int take_events(struct host_loop *loop, int milliseconds)
{
	return epoll_wait(loop->epoll, loop->events, ROUND_EVENTS, milliseconds);
}

static void earn(struct host_loop *loop)
{
	if (loop->credit < CREDIT_MAX)
		loop->credit++;
}

static int wait_awake(struct host_loop *loop, uint64_t now, uint64_t deadline)
{
	uint64_t end = now + SHORT_WAIT < deadline ? now + SHORT_WAIT : deadline;
	int count;

	do {
		count = take_events(loop, 0);
	} while (count == 0 && host_now() < end);
	if (count > 0)
		earn(loop);
	else
		loop->credit -= IN_VAIN;
	return count;
}

static int wait_asleep(struct host_loop *loop, uint64_t deadline)
{
	uint64_t began = host_now();
	int count = take_events(loop, milliseconds_until(deadline));

	if (host_now() - began < SHORT_WAIT)
		earn(loop);
	return count;
}

/* Returns as epoll_wait(2). */
static int wait_for_events(struct host_loop *loop, uint64_t deadline)
{
	uint64_t now = host_now();
	int count = 0;

	if (deadline <= now)
		return take_events(loop, 0);
	if (loop->credit > 0 && now - loop->woken_at < SHORT_WORK)
		count = wait_awake(loop, now, deadline);
	return count ? count : wait_asleep(loop, deadline);
}

int host_loop_run(struct host_loop *loop)
{
	/* The first round asks without waiting: what hooks want is not known yet. */
	uint64_t deadline = 0;

	while (!loop->stopped) {
		uint64_t now;
		int count = wait_for_events(loop, deadline);

		if (count < 0 && errno != EINTR)
			return -errno;
		loop->count = count < 0 ? 0 : count;
		loop->woken_at = now = host_now();
		dispatch(loop, now);
		deadline = take_turns(loop, now);
	}
	loop->stopped = false;
	return 0;
}

void host_loop_stop(struct host_loop *loop)
{
	loop->stopped = true;
}
