/* SPDX-License-Identifier: MIT */
#ifndef SOCKET_HOST_H
#define SOCKET_HOST_H

/* The inside of a host, for its sockets. */

#include "base/list.h"
#include <cothon/host.h>

struct cothon_host {
	/* By hand, packets that leave wait here. */
	struct cothon_link link;
	struct cothon_buf *first, **last;
	unsigned count, queue;

	struct cothon_memory memory;
	struct cothon_pool *pool;
	bool own_pool;
	struct cothon_link *given; /* NULL: by hand */
	struct cothon_stack *stack;
	struct cothon_list sockets; /* all that are open */
};

/* Gives up all sockets of a host. */
void cothon_socket_abort_all(struct cothon_host *host);

#endif
