/* SPDX-License-Identifier: MIT */
#ifndef RELAY_QUERY_H
#define RELAY_QUERY_H

/*
 * A DNS query to the host's resolvers.
 *
 * Every query goes out by a socket of its own, with a port and an ID that nobody can guess
 * (RFC 5452), to one resolver after the other until one answers.
 */

#include "host/loop.h"
#include "relay/resolv.h"
#include "relay/timer.h"

struct relay;

enum {
	RELAY_QUERY_TIMEOUT = 2, /* seconds that one resolver is waited for */
	RELAY_QUERY_ROUNDS = 2,  /* times that each is asked */
};

struct relay_query {
	struct host_watch watch; /* fd -1: none is open */
	struct relay *relay;
	struct cothon_list node; /* of those that are outstanding */
	struct relay_timer timer;
	unsigned attempt; /* resolvers asked so far, all rounds counted */
	/* The owner's, as long as the query lasts; its ID is set by the query. */
	uint8_t *message;
	size_t len;
	/*
	 * Called once, never from within relay_query_start(): the answer, or NULL when there is
	 * none. The query has ended then.
	 */
	void (*answered)(struct relay_query *query, const uint8_t *answer, size_t len);
};

struct relay_queries {
	struct relay_resolvers resolvers;
	struct cothon_list outstanding; /* oldest first */
	unsigned count;
};

struct relay_config;

void relay_queries_init(struct relay_queries *queries, const struct relay_config *config);
/* Asks. The query's `message`, `len` and `answered` are set by the caller. */
void relay_query_start(struct relay *relay, struct relay_query *query);
/* Ends a query that was started; nothing if it has ended. */
void relay_query_cancel(struct relay_query *query);
/*
 * The resolver for the attempt of this number, or NULL when all were asked `rounds` times.
 */
const struct relay_resolver *relay_queries_resolver(const struct relay_queries *queries,
						    unsigned attempt, unsigned rounds);

#endif
