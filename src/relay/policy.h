/* SPDX-License-Identifier: MIT */
#ifndef RELAY_POLICY_H
#define RELAY_POLICY_H

/* What the sandbox may reach, and where its packets then really go. */

#include "relay/relay.h"

struct relay_policy {
	struct relay_network network;
	bool host_loopback;
};

/* The network's half of the family that an address has. */
const struct relay_family *relay_network_family(const struct relay_network *network,
						const struct cothon_addr *addr);
/* True for 255.255.255.255 and the last address of the sandbox's own IPv4 prefix. */
bool relay_network_broadcast(const struct relay_network *network, const struct cothon_addr *addr);
/*
 * True for an address that exists only inside: the sandbox's own, the gateway's and the DNS
 * server's. Nothing outside may speak in their name.
 */
bool relay_network_inside(const struct relay_network *network, const struct cothon_addr *addr);

/*
 * Decides about a destination inside and puts where it leads outside into *target. Returns 0;
 * -ECONNREFUSED for a port of the gateway or of its DNS server that is closed; -EACCES for
 * addresses that are never reached from a sandbox (loopback, link-local, any, multicast, broadcast,
 * what no host has); -EHOSTUNREACH for the sandbox's own address; -ENETUNREACH for a family that is
 * off.
 */
int relay_policy_decide(const struct relay_policy *policy,
			const struct cothon_endpoint *destination, struct cothon_endpoint *target);

#endif
