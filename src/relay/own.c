/* SPDX-License-Identifier: MIT */
#include "relay/own.h"

#include "host/socket.h"
#include "relay/timer.h"
#include <ifaddrs.h>
#include <stdlib.h>
#include <string.h>

/* The address of an interface, or any for what is no address of IP. */
static struct cothon_addr address_of(const struct ifaddrs *interface)
{
	struct host_sockaddr sockaddr = {0};

	if (!interface->ifa_addr)
		return (struct cothon_addr){0};
	if (interface->ifa_addr->sa_family == AF_INET)
		memcpy(&sockaddr.in, interface->ifa_addr, sizeof(sockaddr.in));
	else if (interface->ifa_addr->sa_family == AF_INET6)
		memcpy(&sockaddr.in6, interface->ifa_addr, sizeof(sockaddr.in6));
	return host_sockaddr_endpoint(&sockaddr).addr;
}

static bool refresh(struct relay_own *own, uint64_t now)
{
	struct ifaddrs *interfaces;
	struct cothon_addr *addrs;
	size_t count = 0;

	if (getifaddrs(&interfaces) < 0)
		return false;
	for (const struct ifaddrs *at = interfaces; at; at = at->ifa_next)
		count++;
	addrs = calloc(count ? count : 1, sizeof(*addrs));
	if (addrs) {
		free(own->addrs);
		own->addrs = addrs;
		own->count = count;
		own->read_at = now;
		for (const struct ifaddrs *at = interfaces; at; at = at->ifa_next)
			*addrs++ = address_of(at);
	}
	freeifaddrs(interfaces);
	return addrs;
}

bool relay_own_has(struct relay_own *own, const struct cothon_addr *addr, uint64_t now)
{
	bool fresh = own->read_at && now - own->read_at < RELAY_MILLISECONDS(RELAY_OWN_FRESH);

	if (!fresh && !refresh(own, now))
		return true;
	for (size_t i = 0; i < own->count; i++) {
		if (cothon_addr_equal(&own->addrs[i], addr))
			return true;
	}
	return false;
}

void relay_own_finish(struct relay_own *own)
{
	free(own->addrs);
	*own = (struct relay_own){0};
}
