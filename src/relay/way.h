/* SPDX-License-Identifier: MIT */
#ifndef RELAY_WAY_H
#define RELAY_WAY_H

/*
 * The ways of a UDP mapping: under rules, each destination that its endpoint inside sends to has
 * one. It keeps the verdict, so that only the first datagram is decided about, and, for a
 * destination that has a name, where that really is.
 */

#include "relay/gate.h"
#include "relay/resolve.h"
#include "relay/udp.h"

enum {
	RELAY_WAY_WAITING = 4, /* datagrams that wait for a name */
};

/* A datagram that waits, with its payload. */
struct relay_waiting {
	struct cothon_datagram datagram;
	uint8_t payload[];
};

struct relay_way {
	struct cothon_flow_entry
		entry; /* local: the destination as it is inside; remote: whose way */
	/* With a name: local is where it really is. In `origins` if `known`. */
	struct cothon_flow_entry origin;
	bool known;
	struct relay_mapping *mapping;
	struct cothon_list node; /* of the mapping's */
	struct cothon_list by_use;
	uint64_t used_at;
	struct relay_name *name; /* or NULL */
	struct relay_waiter waiter;
	bool open; /* `target` is where it leads */
	struct cothon_endpoint target;
	unsigned waiting_count;
	struct relay_waiting *waiting[RELAY_WAY_WAITING];
};

struct relay_ways {
	struct cothon_flow_table *ways, *origins;
	struct cothon_list by_use; /* the longest unused first */
};

/* Returns 0 or -ENOMEM. */
int relay_ways_init(struct relay *relay);
/* When all mappings are gone, and their ways with them. */
void relay_ways_finish(struct relay *relay);
/*
 * The way of a mapping to a destination, marked as used; NULL when it has none yet.
 */
struct relay_way *relay_way_find(struct relay_mapping *mapping,
				 const struct cothon_endpoint *destination);
/* Makes the way that the gate has let through. Returns NULL without memory. */
struct relay_way *relay_way_open(struct relay_mapping *mapping,
				 const struct cothon_endpoint *destination,
				 const struct relay_passage *passage);
/* Sends a datagram on its way, or keeps it until its name is resolved. */
void relay_way_send(struct relay_way *way, const struct cothon_datagram *datagram);
/*
 * The destination as it is inside of what a mapping's real peer is, if that has a name. Returns
 * false when it has none.
 */
bool relay_way_visible(const struct relay_mapping *mapping, const struct cothon_endpoint *real,
		       struct cothon_endpoint *visible);
/* True when a mapping has a way to a destination, which may then answer. */
bool relay_way_leads_to(const struct relay_mapping *mapping, const struct cothon_endpoint *visible);
/* Forgets all ways of a mapping. */
void relay_way_forget(struct relay_mapping *mapping);
/* Forgets the ways unused for too long; returns when the next one will be. */
uint64_t relay_way_expire(struct relay *relay);
/* Forgets the ways that the rules, which are others now, do not let through. */
void relay_way_recheck(struct relay *relay);

#endif
