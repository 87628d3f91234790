/* SPDX-License-Identifier: MIT */
#ifndef GOODPUT_END_H
#define GOODPUT_END_H

/*
 * An end of the path with one connection: Linux in a network namespace of its own behind a TUN device, or the library.
 * All that fails ends the program.
 */

#include <cothon/host.h>
#include <poll.h>

struct end {
	struct cothon_link *link;  /* where its packets come from and go to */
	struct cothon_host *host;  /* the library; NULL: Linux */
	struct cothon_link *inner; /* its side of the wire */
	struct cothon_socket *socket;
	int tun, listener, fd; /* of Linux; -1: none */
	bool writable;
};

enum {
	END_MTU = 1500
};

/* Says what failed, and why when `error` is a negative errno, and ends the program. */
_Noreturn void fail(const char *what, int error);
/* Linux in a fresh network namespace, with this address. */
void end_open_linux(struct end *end, const char *address);
/* The library. `pool` outlives it. */
void end_open_library(struct end *end, const char *address, struct cothon_pool *pool, uint64_t seed,
		      uint64_t now);
void end_close(struct end *end);
/* Waits for the connection; the end is of Linux. */
void end_listen(struct end *end);
/* Begins to connect to `address`. */
void end_connect(struct end *end, const char *address);
/* Takes the connection that has come, if one has. */
void end_accept(struct end *end);
/* Writes as much as is taken. */
void end_write(struct end *end);
/* Reads all there is; returns how many bytes. */
uint64_t end_read(struct end *end);
/* Does what is due. Returns when there is more to do at the latest. */
uint64_t end_poll(struct end *end, uint64_t now);
/* What to wait for, of an end that writes or reads; returns how many entries of `wait` it is, at most two. */
unsigned end_wait(const struct end *end, bool writes, struct pollfd *wait);

#endif
