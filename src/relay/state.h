/* SPDX-License-Identifier: MIT */
#ifndef RELAY_STATE_H
#define RELAY_STATE_H

/* The inside of a relay, shared by the files of this folder. */

#include "base/random.h"
#include "relay/denials.h"
#include "relay/dns.h"
#include "relay/echo.h"
#include "relay/gate.h"
#include "relay/held.h"
#include "relay/lane.h"
#include "relay/measure.h"
#include "relay/neighbour.h"
#include "relay/own.h"
#include "relay/publish.h"
#include "relay/query.h"
#include "relay/tcp.h"
#include "relay/timer.h"
#include "relay/udp.h"
#include "relay/way.h"

/* What keys are drawn from the seed for; the stack has a seed of its own. */
enum relay_key_purpose {
	RELAY_KEY_RANDOM = 1,
	RELAY_KEY_MAPPINGS,
	RELAY_KEY_PEERS,
	RELAY_KEY_ECHO,
	RELAY_KEY_NAMES,
	RELAY_KEY_WAYS,
	RELAY_KEY_ORIGINS,
	RELAY_KEY_LANES,
};

struct relay {
	struct host_loop *loop;
	struct cothon_link *link;
	struct relay_lane *lane; /* NULL: it has the link for itself */
	struct relay_neighbour neighbour;
	const struct host_steward *steward;
	struct cothon_pool *pool;
	struct cothon_stack *stack;
	struct relay_policy policy;
	struct cothon_rules *rules; /* the policy's */
	struct relay_denials denials;
	struct relay_names names;
	struct relay_own own;
	struct cothon_list lookups; /* of names, under way */
	struct relay_queries queries;
	struct relay_counters counters;
	struct relay_limits limits, met; /* the bounds, and how often each was met */
	uint64_t descriptors;            /* that this process may have */
	uint64_t waiting;                /* bytes of datagrams that wait for a name */
	uint64_t now;                    /* of this round */
	struct cothon_wheel wheel;
	struct cothon_random random;
	uint8_t seed[COTHON_SEED_LEN];

	struct host_watch link_watch;
	struct relay_timer link_pause;
	struct host_hook hook;
	bool link_watched;
	bool link_gone; /* the link is no more: nothing comes from the sandbox any longer */
	bool draining;

	struct relay_measures measures;
	struct relay_held_flows held;
	/* relay_observe() */
	void (*ended)(void *context, const struct cothon_tcp_info *info);
	void *ended_context;

	struct relay_tcp_flows tcp;
	struct relay_walk *walks; /* view.c: under way through the TCP flows */
	struct relay_udp udp;
	struct relay_ways ways;
	struct relay_echoes echo;
	struct relay_dns dns;
	struct relay_publisher publisher;
};

/* relay_create() for one lane, or with NULL for all; and its end. */
int relay_create_one(const struct relay_config *config, struct relay_lane *lane,
		     struct relay **relay);
void relay_destroy_one(struct relay *relay);
/*
 * Takes in what a round may. Returns true when the link may have more at once.
 */
bool relay_take_input(struct relay *relay);

/* Takes the first node out of a list that is not empty. */
static inline struct cothon_list *relay_take_first(struct cothon_list *list)
{
	struct cothon_list *first = list->next;

	list->next = first->next;
	first->next->prev = list;
	cothon_list_init(first);
	return first;
}

/* Whether so many bytes more may wait for a name to be resolved. */
static inline bool relay_may_wait(struct relay *relay, size_t len)
{
	if (relay->waiting + len <= relay->limits.waiting)
		return true;
	relay->met.waiting++;
	return false;
}

static inline void relay_arm(struct relay *relay, struct relay_timer *timer, uint64_t delay)
{
	cothon_wheel_arm(&relay->wheel, &timer->timer, relay->now + delay);
}

static inline void relay_disarm(struct relay *relay, struct relay_timer *timer)
{
	cothon_wheel_disarm(&relay->wheel, &timer->timer);
}

#endif
