/* SPDX-License-Identifier: MIT */
#ifndef RELAY_OWN_H
#define RELAY_OWN_H

/* The host's own addresses. */

#include <cothon/addr.h>

enum {
	/* Milliseconds for which the list is taken for true. */
	RELAY_OWN_FRESH = 1000,
};

struct relay_own {
	struct cothon_addr *addrs;
	size_t count;
	uint64_t read_at; /* 0: never */
};

/*
 * True when an address is one of the host's interfaces'. `now` is host_now(). Without memory, or
 * when the host does not tell, it is true of every address.
 */
bool relay_own_has(struct relay_own *own, const struct cothon_addr *addr, uint64_t now);
void relay_own_finish(struct relay_own *own);

#endif
