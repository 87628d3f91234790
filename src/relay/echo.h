/* SPDX-License-Identifier: MIT */
#ifndef RELAY_ECHO_H
#define RELAY_ECHO_H

/*
 * Echo requests from the sandbox, sent on through ping sockets of the host (ping_group_range in
 * icmp(7)): one for each address and identifier inside (RFC 5508 REQ-1: endpoint-independent
 * mapping).
 */

#include "host/loop.h"
#include "port/flow.h"
#include "relay/gate.h"
#include "relay/resolve.h"
#include "relay/timer.h"
#include <cothon/stack.h>

struct relay;

enum {
	/*
	 * Seconds after the last request at which a mapping ends (RFC 5508 REQ-2: no less than 60).
	 */
	RELAY_ECHO_IDLE = 60,
};

struct relay_echo {
	struct cothon_flow_entry
		entry; /* local: the address inside, with the identifier as its port */
	struct host_watch watch;
	struct relay *relay;
	struct cothon_list by_use;
	uint64_t opened_at, used_at;
	uint64_t bytes_in, bytes_out; /* payload, into the sandbox and out of it */
	int hops;                     /* what the socket sends with; -1: not set yet */
	/* The last destination that has a name, NULL: none had; and where that really is. */
	struct relay_name *name;
	struct cothon_addr named, real;
	/* A request that waits for the name to be resolved, with its payload; or NULL. */
	struct relay_waiter waiter;
	struct cothon_echo *waiting;
};

struct relay_echoes {
	struct cothon_flow_table *mappings;
	struct cothon_list by_use; /* longest unused first */
	struct relay_timer expiry;
};

/* Returns 0 or -ENOMEM. */
int relay_echo_init(struct relay *relay);
void relay_echo_finish(struct relay *relay);
/*
 * The forwarder's answer to an echo request. -EACCES, which is told to the sandbox, also where the
 * host allows no ping sockets.
 */
int relay_echo_forward(struct relay *relay, const struct cothon_echo *echo);
/* The mapping of an address and identifier (as the port) inside, or NULL. */
struct relay_echo *relay_echo_find(const struct relay *relay, const struct cothon_endpoint *inside);
/* Ends a mapping. */
void relay_echo_end(struct relay_echo *mapping);
/* Forgets the destinations of names that the rules, which are others now, do not let through. */
void relay_echo_recheck(struct relay *relay);

#endif
