/* SPDX-License-Identifier: MIT */
#ifndef HOST_STEWARD_H
#define HOST_STEWARD_H

/*
 * The steward: a small process that keeps what the engine gives up when it isolates itself. It is asked
 * for three things, and can be asked for nothing else: to open the one file that it was started for; to
 * bind a socket that it is handed, with the rights of who ran the program; and to look at who is at the
 * other end of a socket that it is handed. It ends when the engine has ended, however that came about,
 * and then does what is to be done last.
 */

#include "host/loop.h"
#include "host/socket.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct host_steward_config {
	/* What may be opened. Symbolic links are followed each time. */
	const char *file;
	/* Whether who is at the other end of a socket may be answered. Called in the steward. */
	bool (*allows)(int fd);
	/* Called in the steward when the engine has ended. May be NULL. */
	void (*last)(void *context);
	void *context;
	/* The descriptors that `last` needs; all others but 0 to 2 are closed. */
	const int *descriptors;
	size_t descriptor_count;
};

struct host_steward {
	pid_t pid;
	int channel;
	/* Of host_steward_watch() */
	struct host_watch watch; /* fd is 0 without */
	struct host_loop *loop;
	void (*gone)(struct host_steward *steward);
};

/*
 * Starts it. The process must have one thread. Returns 0 with *steward filled in, or the errno of
 * socketpair(2) or fork(2).
 */
int host_steward_start(const struct host_steward_config *config, struct host_steward *steward);
/*
 * Has `gone` called once when the steward has ended, which it does not by itself. Returns 0 or the
 * errno of epoll_ctl(2).
 */
int host_steward_watch(struct host_steward *steward, struct host_loop *loop,
		       void (*gone)(struct host_steward *steward));
/* Ends it, and waits until it has done what is to be done last. */
void host_steward_end(struct host_steward *steward);

/*
 * Opens the file for reading, if it is a regular one: anything else could keep the reader waiting.
 * Returns a descriptor, closed on exec, the caller's; -EINVAL for another kind of file; the errno of
 * open(2); or -EPIPE when the steward is gone.
 */
int host_steward_open(const struct host_steward *steward);
/* As bind(2). Returns 0, its errno, or -EPIPE when the steward is gone. */
int host_steward_bind(const struct host_steward *steward, int fd, const struct host_sockaddr *at);
/* What config->allows says of a socket; false when the steward is gone. */
bool host_steward_allows(const struct host_steward *steward, int fd);

#endif
