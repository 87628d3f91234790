/* SPDX-License-Identifier: MIT */
#ifndef PORT_FLOW_H
#define PORT_FLOW_H

/*
 * The flow table: the demultiplexer. It finds, for the two endpoints and the transport of a packet,
 * the entry of the application's flow they belong to.
 *
 * Entries are embedded in their owners. The hash is keyed, so that a peer cannot choose flows that
 * collide. Growing moves a bounded number of entries per insertion and never pauses the packet
 * path.
 *
 * Memory: an entry is 48 bytes in its owner, and in the table it takes 15 to 30 bytes on a machine
 * of 64 bits, up to 45 while the table grows. A table that has been emptied takes up to 130 per
 * entry left, and then shrinks; 1.5 KiB remain. Owners that align entries to 64 bytes save a cache
 * line per hit.
 *
 * Cost: a hit waits for two cache lines, the bucket's and the entry's, one after the other; at a
 * million flows that is two random accesses to memory, and with the hash about 2.3. Where several
 * flows are searched for at once, in steps, a hit costs about 0.7.
 */

#include "base/siphash.h"
#include <cothon/addr.h>
#include <cothon/buf.h>

struct cothon_flow_entry {
	struct cothon_flow flow;
	uint64_t hash;
};

struct cothon_flow_table;

/* Returns a table that holds at most `max` entries, or NULL when there is no memory. */
struct cothon_flow_table *cothon_flow_table_create(const struct cothon_memory *memory,
						   const struct cothon_siphash_key *key,
						   uint32_t max);
/* Entries are their owners' and are not touched. */
void cothon_flow_table_destroy(struct cothon_flow_table *table);
uint32_t cothon_flow_table_count(const struct cothon_flow_table *table);
/* The entry of a flow, or NULL. */
struct cothon_flow_entry *cothon_flow_table_find(const struct cothon_flow_table *table,
						 const struct cothon_flow *flow);
/*
 * The same in three steps, for whoever has several flows to find: each step asks for the memory that
 * the next one reads, and does not wait for it. So what a search waits for, the bucket and then the
 * entry, comes while the same step is made for the others. The table may change between steps.
 */
struct cothon_flow_search {
	struct cothon_flow flow;
	uint64_t hash;
};

void cothon_flow_search_start(const struct cothon_flow_table *table, const struct cothon_flow *flow,
			      struct cothon_flow_search *search);
void cothon_flow_search_follow(const struct cothon_flow_table *table,
			       const struct cothon_flow_search *search);
struct cothon_flow_entry *cothon_flow_search_end(const struct cothon_flow_table *table,
						 const struct cothon_flow_search *search);
/*
 * Adds entry->flow. Returns 0, -EADDRINUSE when it is there already, -ENOBUFS at the bound, or
 * -ENOMEM when memory for growing has been missing for so long that the table is full.
 */
int cothon_flow_table_insert(struct cothon_flow_table *table, struct cothon_flow_entry *entry);
/* Takes out an entry that was inserted. */
void cothon_flow_table_remove(struct cothon_flow_table *table, struct cothon_flow_entry *entry);
/*
 * Calls `each` for every entry, in no order; it may remove the entry it is given, and no other, and
 * insert none.
 */
void cothon_flow_table_each(struct cothon_flow_table *table,
			    void (*each)(struct cothon_flow_entry *entry, void *context),
			    void *context);

struct cothon_flow_table_stats {
	uint64_t moved; /* entries moved by growing and shrinking, ever */
	size_t memory;  /* bytes taken now, entries not included */
};

struct cothon_flow_table_stats cothon_flow_table_stats(const struct cothon_flow_table *table);
/* How many cache lines of the table a search for a flow that is not there looks at. */
uint64_t cothon_flow_table_probes(const struct cothon_flow_table *table,
				  const struct cothon_flow *flow);

#endif
