/* SPDX-License-Identifier: MIT */
#ifndef RELAY_RESOLVE_H
#define RELAY_RESOLVE_H

/*
 * The gateway's own resolution of names: both families' addresses, by the host's resolvers,
 * remembered for as long as their answers say, within bounds.
 */

#include "relay/names.h"

struct relay;

enum {
	/* Seconds for which an answer is remembered: at least, at most, and at most that there is none. */
	RELAY_RESOLVE_TTL_MIN = 1,
	RELAY_RESOLVE_TTL_MAX = 300,
	RELAY_RESOLVE_TTL_NEGATIVE = 30,
	/* Queries for the end of a chain of aliases that a resolver has left to be asked for. */
	RELAY_RESOLVE_ALIASES = 8,
};

/* Somebody who waits for a name. */
struct relay_waiter {
	struct cothon_list node;
	/* The name's `status` and `addrs` are known now. Called once. */
	void (*resolved)(struct relay_waiter *waiter);
};

/*
 * Resolves a name. Returns true when its `status` and `addrs` are known and fresh; false when the
 * waiter will be told, but never from within this call.
 */
bool relay_resolve(struct relay *relay, struct relay_name *name, struct relay_waiter *waiter);
/* Waits no more; nothing if it does not wait. The waiter must have been initialized. */
void relay_resolve_cancel(struct relay_waiter *waiter);
/* Ends all lookups; nobody is told. */
void relay_resolve_finish(struct relay *relay);

static inline void relay_waiter_init(struct relay_waiter *waiter,
				     void (*resolved)(struct relay_waiter *waiter))
{
	cothon_list_init(&waiter->node);
	waiter->resolved = resolved;
}

#endif
