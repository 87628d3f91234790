/* SPDX-License-Identifier: MIT */
#ifndef RELAY_POLICY_H
#define RELAY_POLICY_H

/* What the sandbox may reach, and where its packets then really go. */

#include "relay/relay.h"

struct relay_policy {
	struct relay_network network;
	/* Who shares the network; NULL: nobody. */
	const struct relay_neighbourhood *neighbourhood;
	bool host_loopback;
	/* NULL is a set without any. */
	const struct cothon_rules *rules;
	/* Some rule is about a name. */
	bool names;
	/* There are names that may not be asked for. */
	bool some_names_denied;
};

/* How a policy decides. */
struct relay_decision {
	/* Where it leads outside. */
	struct cothon_endpoint target;
	/* Not let through by the rules, or for want of one: who said so. */
	bool denied;
	enum relay_denied_by by;
	int32_t rule; /* with RELAY_DENIED_BY_RULE: its place in the set */
};

/* The network's half of the family that an address has. */
const struct relay_family *relay_network_family(const struct relay_network *network,
						const struct cothon_addr *addr);
/* True for 255.255.255.255 and the last address of the sandbox's own IPv4 prefix. */
bool relay_network_broadcast(const struct relay_network *network, const struct cothon_addr *addr);
/*
 * True for an address that exists only inside: the sandbox's own, the gateway's and the DNS
 * server's, and all of a network that is shared. Nothing outside may speak in their name.
 */
bool relay_network_inside(const struct relay_network *network, const struct cothon_addr *addr);

/* Puts a policy under other rules, which stay the caller's. */
void relay_policy_follow(struct relay_policy *policy, const struct cothon_rules *rules);
/*
 * Decides about a destination inside. `transport` is COTHON_TCP, COTHON_UDP, or 0 for an echo
 * request. Returns 0; -ECONNREFUSED for a port of the gateway or of its DNS server that is closed;
 * -EACCES for what the rules do not let through, and for addresses that are never reached from a
 * sandbox (loopback, any, multicast, broadcast, what no host has); -EHOSTUNREACH for the sandbox's
 * own address, and for all that may be reached in a network that is shared: the way there is not by the
 * gateway; -ENETUNREACH for a family that is off.
 */
int relay_policy_decide(const struct relay_policy *policy, uint8_t transport,
			const struct cothon_endpoint *destination, struct relay_decision *decision);
/* Decides about an endpoint of a neighbour, who is called `name`. Returns 0 or -EACCES. */
int relay_policy_decide_neighbour(const struct relay_policy *policy, uint8_t transport,
				  const char *name, const struct cothon_endpoint *destination,
				  struct relay_decision *decision);
/* Decides about a port of a name whose addresses are not known yet. Returns 0 or -EACCES. */
int relay_policy_decide_name(const struct relay_policy *policy, uint8_t transport, const char *name,
			     uint16_t port, struct relay_decision *decision);
/*
 * Decides about an address of a name that was let through. `own`: the address is the host's. Only a
 * rule about the very address opens what a name must not lead to: the host itself and link-local
 * addresses. Returns 0 or -EACCES.
 */
int relay_policy_decide_resolved(const struct relay_policy *policy, uint8_t transport,
				 const char *name, const struct cothon_endpoint *resolved, bool own,
				 struct relay_decision *decision);
/* Decides whether a name may be asked for. Returns 0 or -EACCES. */
int relay_policy_decide_question(const struct relay_policy *policy, const char *name,
				 struct relay_decision *decision);

#endif
