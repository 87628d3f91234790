/* SPDX-License-Identifier: MIT */
#include "relay/policy.h"

#include "relay/neighbour.h"
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

/* True for an address that only a neighbour can have. */
static bool is_shared(const struct relay_network *network, const struct cothon_addr *addr)
{
	const struct relay_family *family = relay_network_family(network, addr);

	return network->shared && family->enabled &&
	       cothon_addr_in_prefix(addr, &family->sandbox, family->prefix);
}

bool relay_network_inside(const struct relay_network *network, const struct cothon_addr *addr)
{
	const struct relay_family *family = relay_network_family(network, addr);

	return family->enabled &&
	       (is_shared(network, addr) || cothon_addr_equal(addr, &family->sandbox) ||
		cothon_addr_equal(addr, &family->gateway) || cothon_addr_equal(addr, &family->dns));
}

static bool never_reached(const struct relay_network *network, const struct cothon_addr *addr)
{
	return !cothon_addr_is_unicast(addr) || cothon_addr_is_loopback(addr) ||
	       cothon_addr_in_prefix(addr, &ipv4_compatible, 96) ||
	       relay_network_broadcast(network, addr);
}

/* The bits of a prefix that names an address which is closed by nature; 0: it is open. */
static uint8_t closed_bits(const struct cothon_addr *addr, bool own)
{
	bool ipv4 = cothon_addr_is_ipv4(addr);

	if (own)
		return ipv4 ? 32 : 128;
	if (cothon_addr_is_link_local(addr))
		return ipv4 ? 16 : 10;
	return 0;
}

void relay_policy_follow(struct relay_policy *policy, const struct cothon_rules *rules)
{
	policy->rules = rules;
	policy->names = cothon_rules_have_names(rules);
	/* Without rules about names, all names are alike. */
	policy->some_names_denied = policy->names ||
				    !cothon_rules_decide_name(rules, "name.invalid").allowed;
}

/* Puts the verdict into the decision. Returns 0 or -EACCES. */
static int conclude(const struct cothon_verdict *verdict, bool closed,
		    struct relay_decision *decision)
{
	decision->denied = !verdict->allowed;
	decision->rule = verdict->rule;
	if (verdict->allowed)
		return 0;
	if (verdict->rule >= 0)
		decision->by = RELAY_DENIED_BY_RULE;
	else
		decision->by = closed ? RELAY_DENIED_BY_NATURE : RELAY_DENIED_BY_NONE;
	return -EACCES;
}

static struct cothon_verdict ask_rules(const struct relay_policy *policy,
				       const struct cothon_destination *destination)
{
	if (!policy->rules)
		return (struct cothon_verdict){destination->closed == 0, -1};
	return cothon_rules_decide(policy->rules, destination);
}

/*
 * DNS over TLS and over QUIC (RFC 7858, RFC 9250): through it names would be asked for and answered
 * past the rules about names.
 */
static bool is_hidden_dns(const struct relay_policy *policy, uint8_t transport, uint16_t port)
{
	return policy->names && transport && port == 853;
}

static int deny_by_nature(struct relay_decision *decision)
{
	decision->denied = true;
	decision->by = RELAY_DENIED_BY_NATURE;
	return -EACCES;
}

/* The gateway's address stands for the host's loopback. */
static int decide_gateway(const struct relay_policy *policy, uint8_t transport,
			  const struct cothon_endpoint *destination,
			  struct relay_decision *decision)
{
	const struct cothon_destination at = {
		.transport = transport,
		.port = destination->port,
		.addr = &destination->addr,
		.closed = closed_bits(&destination->addr, true),
	};
	struct cothon_verdict verdict = ask_rules(policy, &at);

	decision->target.addr = cothon_addr_is_ipv4(&destination->addr) ? ipv4_loopback
									: ipv6_loopback;
	/* --host-loopback is short for a rule that allows it; one that denies beats that too. */
	if (policy->host_loopback && verdict.rule < 0)
		verdict.allowed = true;
	return conclude(&verdict, true, decision) ? -ECONNREFUSED : 0;
}

int relay_policy_decide_neighbour(const struct relay_policy *policy, uint8_t transport,
				  const char *name, const struct cothon_endpoint *destination,
				  struct relay_decision *decision)
{
	const struct cothon_destination at = {
		.transport = transport,
		.port = destination->port,
		.name = name,
		.addr = &destination->addr,
	};
	struct cothon_verdict verdict = ask_rules(policy, &at);

	*decision = (struct relay_decision){.target = *destination, .rule = -1};
	return conclude(&verdict, false, decision);
}

/* A place on the network that is shared: the hub has not let it through, or nobody is there. */
static int decide_shared(const struct relay_policy *policy, uint8_t transport,
			 const struct cothon_endpoint *destination, struct relay_decision *decision)
{
	const char *name = relay_neighbour_name(policy->neighbourhood, &destination->addr);
	int error =
		name ? relay_policy_decide_neighbour(policy, transport, name, destination, decision)
		     : 0;

	return error ? error : -EHOSTUNREACH;
}

int relay_policy_decide(const struct relay_policy *policy, uint8_t transport,
			const struct cothon_endpoint *destination, struct relay_decision *decision)
{
	const struct cothon_addr *addr = &destination->addr;
	const struct relay_family *family = relay_network_family(&policy->network, addr);
	const struct cothon_destination at = {
		.transport = transport,
		.port = destination->port,
		.addr = addr,
		.closed = closed_bits(addr, false),
	};
	struct cothon_verdict verdict;

	*decision = (struct relay_decision){.target = *destination, .rule = -1};
	if (never_reached(&policy->network, addr))
		return -EACCES;
	if (!family->enabled)
		return -ENETUNREACH;
	if (cothon_addr_equal(addr, &family->gateway))
		return decide_gateway(policy, transport, destination, decision);
	if (cothon_addr_equal(addr, &family->dns))
		return -ECONNREFUSED;
	/* The sandbox's own address is on its own side of the link: here it is nobody's. */
	if (cothon_addr_equal(addr, &family->sandbox))
		return -EHOSTUNREACH;
	if (is_shared(&policy->network, addr))
		return decide_shared(policy, transport, destination, decision);
	if (is_hidden_dns(policy, transport, destination->port))
		return deny_by_nature(decision);
	verdict = ask_rules(policy, &at);
	return conclude(&verdict, at.closed > 0, decision);
}

int relay_policy_decide_name(const struct relay_policy *policy, uint8_t transport, const char *name,
			     uint16_t port, struct relay_decision *decision)
{
	const struct cothon_destination at = {.transport = transport, .port = port, .name = name};
	struct cothon_verdict verdict;

	*decision = (struct relay_decision){.rule = -1};
	if (is_hidden_dns(policy, transport, port))
		return deny_by_nature(decision);
	verdict = ask_rules(policy, &at);
	return conclude(&verdict, false, decision);
}

int relay_policy_decide_resolved(const struct relay_policy *policy, uint8_t transport,
				 const char *name, const struct cothon_endpoint *resolved, bool own,
				 struct relay_decision *decision)
{
	const struct cothon_addr *addr = &resolved->addr;
	const struct cothon_destination at = {
		.transport = transport,
		.port = resolved->port,
		.name = name,
		.addr = addr,
		.closed = closed_bits(addr, own),
	};
	struct cothon_verdict verdict;
	int error;

	*decision = (struct relay_decision){
		.target = *resolved, .denied = true, .by = RELAY_DENIED_REBINDING, .rule = -1};
	if (never_reached(&policy->network, addr) || relay_network_inside(&policy->network, addr))
		return -EACCES;
	verdict = ask_rules(policy, &at);
	error = conclude(&verdict, false, decision);
	if (error && at.closed && verdict.rule < 0)
		decision->by = RELAY_DENIED_REBINDING;
	return error;
}

int relay_policy_decide_question(const struct relay_policy *policy, const char *name,
				 struct relay_decision *decision)
{
	struct cothon_verdict verdict = cothon_rules_decide_name(policy->rules, name);

	*decision = (struct relay_decision){.rule = -1};
	return conclude(&verdict, false, decision);
}
