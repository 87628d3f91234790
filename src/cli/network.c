/* SPDX-License-Identifier: MIT */
#include "cli/network.h"

#include "relay/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A family's limits: the prefix must leave room for three hosts. */
struct limits {
	unsigned bits, prefix_min, prefix_max, prefix_default;
};

static const struct limits ipv4_limits = {32, 8, 29, 24};
static const struct limits ipv6_limits = {128, 16, 125, 64};

/* The addr as text, for one printf. */
struct text {
	char addr[COTHON_ADDR_TEXT];
};

static struct text show(const struct cothon_addr *addr)
{
	struct text text;

	cothon_addr_format(addr, text.addr);
	return text;
}

static int parse_host(const char *text, struct cothon_addr *addr, struct cli_error *error)
{
	if (cothon_addr_parse(text, addr) < 0)
		return cli_error(
			error,
			"this is no address; write one such as 10.0.2.100 or fd00:c070::100");
	if (!cothon_addr_is_unicast(addr) || cothon_addr_is_loopback(addr) ||
	    cothon_addr_is_link_local(addr))
		return cli_error(error,
				 "no host of a network can have this address; use a private one, "
				 "such as 10.0.2.100 or fd00:c070::100");
	if (relay_names_is_synthetic(addr))
		return cli_error(
			error, "names have addresses of this range inside a sandbox; use another, "
			       "such as 10.0.2.100 or fd00:c070::100");
	return 0;
}

static struct cli_network_half *half(struct cli_network *wanted, const struct cothon_addr *addr)
{
	return cothon_addr_is_ipv4(addr) ? &wanted->ipv4 : &wanted->ipv6;
}

static int parse_prefix(const char *text, const struct limits *limits, unsigned *prefix,
			struct cli_error *error)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || number < limits->prefix_min ||
	    number > limits->prefix_max)
		return cli_error(error, "a prefix here has %u to %u bits, as in /%u",
				 limits->prefix_min, limits->prefix_max, limits->prefix_default);
	*prefix = (unsigned)number;
	return 0;
}

int cli_network_address(struct cli_network *wanted, const char *text, struct cli_error *error)
{
	char copy[COTHON_ADDR_TEXT] = "";
	size_t len = strcspn(text, "/");
	struct cli_network_half *into;
	struct cothon_addr addr;
	unsigned prefix = 0;
	int reason;

	if (len < sizeof(copy))
		memcpy(copy, text, len);
	reason = parse_host(copy, &addr, error);
	if (reason == 0 && text[len])
		reason = parse_prefix(text + len + 1,
				      cothon_addr_is_ipv4(&addr) ? &ipv4_limits : &ipv6_limits,
				      &prefix, error);
	if (reason < 0)
		return reason;
	into = half(wanted, &addr);
	into->has_address = true;
	into->address = addr;
	into->prefix = prefix;
	return 0;
}

int cli_network_gateway(struct cli_network *wanted, const char *text, struct cli_error *error)
{
	struct cli_network_half *into;
	struct cothon_addr addr;
	int reason = parse_host(text, &addr, error);

	if (reason < 0)
		return reason;
	into = half(wanted, &addr);
	into->has_gateway = true;
	into->gateway = addr;
	return 0;
}

/*
 * Sets all bits of the address behind the prefix. `offset` is where the family's own bits begin in
 * the 128.
 */
static struct cothon_addr fill(struct cothon_addr addr, unsigned prefix, unsigned offset, bool ones)
{
	for (unsigned bit = offset + prefix; bit < 128; bit++) {
		uint8_t mask = (uint8_t)(0x80 >> bit % 8);

		if (ones)
			addr.b[bit / 8] |= mask;
		else
			addr.b[bit / 8] &= (uint8_t)~mask;
	}
	return addr;
}

/* Host number `number` (at most 255) of the prefix that `addr` is in; with few bits it wraps. */
static struct cothon_addr host(struct cothon_addr addr, unsigned prefix,
			       const struct limits *limits, unsigned number)
{
	unsigned bits = limits->bits - prefix;

	addr = fill(addr, prefix, 128 - limits->bits, false);
	addr.b[15] |= (uint8_t)(bits < 8 ? number & ((1U << bits) - 1) : number);
	return addr;
}

/* Whether no host may have the address: the prefix itself, and for IPv4 its broadcast address. */
static bool reserved(const struct cothon_addr *addr, unsigned prefix, const struct limits *limits)
{
	struct cothon_addr first = fill(*addr, prefix, 128 - limits->bits, false);
	struct cothon_addr last = fill(*addr, prefix, 128 - limits->bits, true);

	return cothon_addr_equal(addr, &first) ||
	       (limits->bits == 32 && cothon_addr_equal(addr, &last));
}

/* The first host from `number` up that is neither reserved nor one of `taken`. */
static struct cothon_addr free_host(const struct cothon_addr *near, unsigned prefix,
				    const struct limits *limits, unsigned number,
				    const struct cothon_addr *taken, size_t count)
{
	for (;; number++) {
		struct cothon_addr addr = host(*near, prefix, limits, number);
		bool used = reserved(&addr, prefix, limits);

		for (size_t i = 0; i < count; i++)
			used = used || cothon_addr_equal(&addr, &taken[i]);
		if (!used)
			return addr;
	}
}

static int make_half(const struct cli_network_half *wanted, const struct limits *limits,
		     struct relay_family *family, struct cli_error *error)
{
	unsigned prefix = wanted->prefix ? wanted->prefix : limits->prefix_default;
	struct cothon_addr taken[2];

	if (!wanted->has_address && !wanted->has_gateway)
		return 0;
	taken[0] = wanted->address;
	if (!wanted->has_address)
		taken[0] = free_host(&wanted->gateway, prefix, limits, 100, &wanted->gateway, 1);
	taken[1] = wanted->gateway;
	if (!wanted->has_gateway)
		taken[1] = free_host(&taken[0], prefix, limits, 2, taken, 1);
	if (cothon_addr_equal(&taken[0], &taken[1]))
		return cli_error(error,
				 "the sandbox and its gateway cannot both be %s; choose another "
				 "--address or --gateway",
				 show(&taken[0]).addr);
	if (!cothon_addr_in_prefix(&taken[1], &taken[0], prefix))
		return cli_error(
			error,
			"the gateway %s is not in the sandbox's network, %s/%u; choose one "
			"of it, or write --address ADDR/PREFIX",
			show(&taken[1]).addr, show(&taken[0]).addr, prefix);
	for (int i = 0; i < 2; i++) {
		if (reserved(&taken[i], prefix, limits))
			return cli_error(
				error,
				"%s in a network of /%u stands for the network, not for a host in "
				"it; choose another",
				show(&taken[i]).addr, prefix);
	}
	family->sandbox = taken[0];
	family->gateway = taken[1];
	family->prefix = prefix;
	family->dns = free_host(&taken[0], prefix, limits, 3, taken, 2);
	return 0;
}

/* An option that speaks of a family that another one switches off. */
static int refuse_contradiction(const struct cli_network_half *half, const char *only,
				struct cli_error *error)
{
	const struct cothon_addr *addr = half->has_address ? &half->address : &half->gateway;

	return cli_error(error, "%s %s and %s contradict each other; leave one out",
			 half->has_address ? "--address" : "--gateway", show(addr).addr, only);
}

int cli_network_make(const struct cli_network *wanted, struct relay_network *network,
		     struct cli_error *error)
{
	int reason;

	*network = relay_network_default();
	if (wanted->ipv4_only && wanted->ipv6_only)
		return cli_error(
			error, "--ipv4-only and --ipv6-only contradict each other; leave one out");
	if (wanted->ipv4_only && (wanted->ipv6.has_address || wanted->ipv6.has_gateway))
		return refuse_contradiction(&wanted->ipv6, "--ipv4-only", error);
	if (wanted->ipv6_only && (wanted->ipv4.has_address || wanted->ipv4.has_gateway))
		return refuse_contradiction(&wanted->ipv4, "--ipv6-only", error);
	reason = make_half(&wanted->ipv4, &ipv4_limits, &network->ipv4, error);
	if (reason == 0)
		reason = make_half(&wanted->ipv6, &ipv6_limits, &network->ipv6, error);
	network->ipv4.enabled = !wanted->ipv6_only;
	network->ipv6.enabled = !wanted->ipv4_only;
	if (wanted->mtu)
		network->mtu = wanted->mtu;
	return reason;
}
