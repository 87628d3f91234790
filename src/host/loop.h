/* SPDX-License-Identifier: MIT */
#ifndef HOST_LOOP_H
#define HOST_LOOP_H

/*
 * The event loop: epoll, one deadline, one thread. Descriptors are watched edge-triggered or level-triggered as
 * their owner asks; after the events of a round every hook is called once.
 */

#include <stdbool.h>
#include <stdint.h>

struct host_loop;

/* A watched descriptor, embedded in its owner. */
struct host_watch {
	int fd;
	/* `events` are EPOLL*; `now` is host_now() of this round. It may remove any watch, its own too. */
	void (*ready)(struct host_watch *watch, uint32_t events, uint64_t now);
};

/* Called at the end of every round, in the order they were added; one that is added meanwhile too. */
struct host_hook {
	/* Does what is due and returns when it is to be called again at the latest; UINT64_MAX: no matter. */
	uint64_t (*turn)(struct host_hook *hook, uint64_t now);
	struct host_hook *next;
};

/* Microseconds of CLOCK_MONOTONIC. */
uint64_t host_now(void);

/* Returns 0, or the errno of epoll_create1(2). */
int host_loop_create(struct host_loop **loop);
void host_loop_destroy(struct host_loop *loop);
/* Starts to watch watch->fd for `events` (EPOLLIN and so on, EPOLLET). Returns 0 or the errno of epoll_ctl(2). */
int host_loop_add(struct host_loop *loop, struct host_watch *watch, uint32_t events);
int host_loop_change(struct host_loop *loop, struct host_watch *watch, uint32_t events);
/*
 * Stops watching; the descriptor stays open and is the owner's to close. Safe inside `ready`: no event that this round
 * already holds for the watch is delivered any more.
 */
void host_loop_remove(struct host_loop *loop, struct host_watch *watch);
/* How many descriptors are watched. */
unsigned host_loop_watched(const struct host_loop *loop);
void host_loop_hook(struct host_loop *loop, struct host_hook *hook);
void host_loop_unhook(struct host_loop *loop, struct host_hook *hook);
/* Runs until host_loop_stop(). Returns 0, or the errno of epoll_wait(2). */
int host_loop_run(struct host_loop *loop);
void host_loop_stop(struct host_loop *loop);

#endif
