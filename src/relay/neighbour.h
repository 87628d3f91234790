/* SPDX-License-Identifier: MIT */
#ifndef RELAY_NEIGHBOUR_H
#define RELAY_NEIGHBOUR_H

/*
 * Sandboxes that share a network: each has a relay of its own in the same loop, and one neighbourhood
 * joins them. Its members reach each other by address and by name, NAME.internal, packet by packet
 * (cothon/hub.h), as far as the rules of the one that opens a flow let it.
 *
 * How to use it:
 *
 *	relay_neighbourhood_create(loop, &neighbourhood);
 *	for each sandbox:
 *		network = relay_network_default();      with addresses of its own in the same prefixes, the
 *		                                        same gateway and DNS addresses, and
 *		network.shared = true;                  both for sandbox_start() and for the relay
 *		config.network = network;
 *		config.neighbourhood = neighbourhood;
 *		config.neighbour_name = "web";
 *		relay_create(&config, &relay);          joins
 *	...
 *	relay_destroy() of each                         leaves
 *	relay_neighbourhood_destroy(neighbourhood);     before host_loop_destroy()
 *
 * Members may come and go at any time. A name is known as long as its relay is there.
 */

#include "base/list.h"
#include "host/loop.h"
#include <cothon/cothon.h>

struct relay;
struct relay_flow;
struct relay_config;

/* The domain of the members' names: set aside for such use by ICANN (2024). */
#define RELAY_NEIGHBOUR_DOMAIN "internal"

struct relay_neighbourhood;

/*
 * Makes a neighbourhood without members, which adds itself to the loop. Returns 0, -ENOMEM, or the errno of
 * getrandom(2).
 */
int relay_neighbourhood_create(struct host_loop *loop, struct relay_neighbourhood **neighbourhood);
/* Ends a neighbourhood whose relays are all destroyed. */
void relay_neighbourhood_destroy(struct relay_neighbourhood *neighbourhood);

/* For the relay: its place in a neighbourhood, embedded there. */
struct relay_neighbour {
	struct relay_neighbourhood *neighbourhood; /* NULL: it is in none */
	struct cothon_list node;
	struct cothon_link *port;
	bool rechecking;                /* flows that are there are decided about again */
	char name[COTHON_NAME_MAX + 1]; /* whole, in normal form: "web.internal" */
};

/*
 * Joins the neighbourhood that the config names, if it does: relay->link becomes the port. Returns 0;
 * -EINVAL for a name of which no NAME.internal can be made, or one with a dot, or when no family is on;
 * -EEXIST for a name that another member has; or an error of cothon_hub_join().
 */
int relay_neighbour_join(struct relay *relay, const struct relay_config *config);
/* Leaves, when the stack is gone: relay->link is the device again. Nothing where it has not joined. */
void relay_neighbour_leave(struct relay *relay);
/* Tells the hub the time of this round: before the link is read. */
void relay_neighbour_tell(struct relay *relay);
/* Ends the flows to neighbours that the rules, which are others now, do not let through. */
void relay_neighbour_recheck(struct relay *relay);

/* The name of the member that has an address, "web.internal"; NULL: nobody has it. */
const char *relay_neighbour_name(const struct relay_neighbourhood *neighbourhood,
				 const struct cothon_addr *addr);
/*
 * The address of the member with a name, "web.internal" in any case of letters, in IPv4 or IPv6. Returns false
 * when there is no such member. *addr is any when it has none of that family.
 */
bool relay_neighbour_find(const struct relay_neighbourhood *neighbourhood, const char *name,
			  bool ipv6, struct cothon_addr *addr);
/* Whether a name, in any case of letters, is "internal" or below it. */
bool relay_neighbour_is_name(const char *name);
/* Whether there is a flow with a neighbour between these endpoints. */
bool relay_neighbour_has(const struct relay *relay, unsigned transport,
			 const struct cothon_endpoint *inside,
			 const struct cothon_endpoint *remote);
/* Ends one that there is, on both sides. */
void relay_neighbour_end(struct relay *relay, unsigned transport,
			 const struct cothon_endpoint *inside,
			 const struct cothon_endpoint *remote);
/* What is counted of packets to and from neighbours; NULL: the relay has none. */
const struct cothon_hub_counters *relay_neighbour_counters(const struct relay *relay);
/* The flows with neighbours, for relay_mappings(): those that are not over. */
void relay_neighbour_flows(const struct relay *relay,
			   void (*each)(const struct relay_flow *flow, void *context),
			   void *context);

#endif
