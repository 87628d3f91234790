/* SPDX-License-Identifier: MIT */
#include "relay/policy.h"

#include <errno.h>
#include <string.h>

static const struct cothon_addr ipv4_loopback = {
	.b = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1},
};
static const struct cothon_addr ipv6_loopback = {
	.b = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1},
};
/* ::/96, the IPv4-compatible addresses, which no host has (RFC 4291 section 2.5.5.1). */
static const struct cothon_addr ipv4_compatible = {.b = {0}};

const struct relay_family *relay_network_family(const struct relay_network *network,
						const struct cothon_addr *addr)
{
	return cothon_addr_is_ipv4(addr) ? &network->ipv4 : &network->ipv6;
}

bool relay_network_broadcast(const struct relay_network *network, const struct cothon_addr *addr)
{
	struct cothon_addr last = network->ipv4.sandbox;

	if (!cothon_addr_is_ipv4(addr))
		return false;
	if (addr->w[3] == UINT32_MAX)
		return true;
	/* RFC 3021: prefixes of 31 and 32 bits have no broadcast address. */
	if (!network->ipv4.enabled || network->ipv4.prefix > 30)
		return false;
	for (unsigned bit = network->ipv4.prefix; bit < 32; bit++)
		last.b[12 + bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return cothon_addr_equal(addr, &last);
}

bool relay_network_inside(const struct relay_network *network, const struct cothon_addr *addr)
{
	const struct relay_family *family = relay_network_family(network, addr);

	return family->enabled &&
	       (cothon_addr_equal(addr, &family->sandbox) ||
		cothon_addr_equal(addr, &family->gateway) || cothon_addr_equal(addr, &family->dns));
}

static bool never_reached(const struct relay_network *network, const struct cothon_addr *addr)
{
	return !cothon_addr_is_unicast(addr) || cothon_addr_is_loopback(addr) ||
	       cothon_addr_is_link_local(addr) ||
	       cothon_addr_in_prefix(addr, &ipv4_compatible, 96) ||
	       relay_network_broadcast(network, addr);
}

int relay_policy_decide(const struct relay_policy *policy,
			const struct cothon_endpoint *destination, struct cothon_endpoint *target)
{
	const struct relay_family *family =
		relay_network_family(&policy->network, &destination->addr);
	bool ipv4 = cothon_addr_is_ipv4(&destination->addr);

	*target = *destination;
	if (never_reached(&policy->network, &destination->addr))
		return -EACCES;
	if (!family->enabled)
		return -ENETUNREACH;
	if (cothon_addr_equal(&destination->addr, &family->gateway)) {
		target->addr = ipv4 ? ipv4_loopback : ipv6_loopback;
		return policy->host_loopback ? 0 : -ECONNREFUSED;
	}
	if (cothon_addr_equal(&destination->addr, &family->dns))
		return -ECONNREFUSED;
	/* The sandbox's own address is on its own side of the link: here it is nobody's. */
	if (cothon_addr_equal(&destination->addr, &family->sandbox))
		return -EHOSTUNREACH;
	return 0;
}
