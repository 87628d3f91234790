/* SPDX-License-Identifier: MIT */
#include "relay/gate.h"

#include "relay/state.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Counts what is not let through, and notes it when the rules, or the want of one, are the reason. */
static void refuse(struct relay *relay, const struct relay_attempt *attempt, const char *name,
		   const struct relay_decision *decision)
{
	struct relay_denial denial = {
		.transport = attempt->transport,
		.source = attempt->source,
		.destination = attempt->destination,
	};

	relay->counters.prohibited++;
	if (!decision->denied)
		return;
	if (name)
		snprintf(denial.name, sizeof(denial.name), "%s", name);
	relay_deny(relay, &denial, decision);
}

/* A synthetic address that was never given to a name, or whose name is forgotten. */
static int refuse_nameless(struct relay *relay, const struct relay_attempt *attempt)
{
	const struct relay_decision decision = {
		.denied = true, .by = RELAY_DENIED_BY_NATURE, .rule = -1};

	refuse(relay, attempt, NULL, &decision);
	return -EACCES;
}

int relay_gate_pass(struct relay *relay, const struct relay_attempt *attempt,
		    struct relay_passage *passage)
{
	const struct relay_policy *policy = &relay->policy;
	const struct cothon_addr *addr = &attempt->destination.addr;
	struct relay_decision decision;
	int error;

	passage->name = NULL;
	if (relay_names_is_synthetic(addr) && !relay_network_inside(&policy->network, addr)) {
		passage->name = relay_names_find(&relay->names, addr);
		if (!passage->name && policy->names)
			return refuse_nameless(relay, attempt);
	}
	if (passage->name)
		error = relay_policy_decide_name(policy, attempt->transport, passage->name->text,
						 attempt->destination.port, &decision);
	else
		error = relay_policy_decide(policy, attempt->transport, &attempt->destination,
					    &decision);
	if (error)
		refuse(relay, attempt,
		       passage->name ? passage->name->text
				     : relay_neighbour_name(policy->neighbourhood, addr),
		       &decision);
	passage->target = decision.target;
	return error;
}

/* What is collected of a name's addresses. */
struct collection {
	struct cothon_endpoint *list;
	int count;
	struct relay_decision refusal; /* the last one */
};

/* Adds the addresses of one family that may be reached. */
static void collect(struct relay *relay, const struct relay_attempt *attempt,
		    const struct relay_name *name, bool ipv4, struct collection *collection)
{
	for (unsigned i = 0; i < name->addr_count; i++) {
		struct cothon_endpoint real = {name->addrs[i], attempt->destination.port};
		struct relay_decision decision;

		if (cothon_addr_is_ipv4(&real.addr) != ipv4)
			continue;
		if (relay_policy_decide_resolved(
			    &relay->policy, attempt->transport, name->text, &real,
			    relay_own_has(&relay->own, &real.addr, relay->now), &decision) == 0)
			collection->list[collection->count++] = real;
		else
			collection->refusal = decision;
	}
}

int relay_gate_addresses(struct relay *relay, const struct relay_attempt *attempt,
			 const struct relay_name *name,
			 struct cothon_endpoint list[static 2 * RELAY_NAME_ADDRESSES])
{
	bool ipv4 = cothon_addr_is_ipv4(&attempt->destination.addr);
	struct collection collection = {.list = list};

	collect(relay, attempt, name, ipv4, &collection);
	collect(relay, attempt, name, !ipv4, &collection);
	if (collection.count > 0)
		return collection.count;
	if (!collection.refusal.denied)
		return -EHOSTUNREACH;
	refuse(relay, attempt, name->text, &collection.refusal);
	return -EACCES;
}

bool relay_gate_keep(struct relay *relay, const struct relay_attempt *attempt,
		     const struct relay_name *name, const struct cothon_endpoint *real)
{
	struct relay_decision decision;
	int error;

	if (name && real)
		error = relay_policy_decide_resolved(
			&relay->policy, attempt->transport, name->text, real,
			relay_own_has(&relay->own, &real->addr, relay->now), &decision);
	else if (name)
		error = relay_policy_decide_name(&relay->policy, attempt->transport, name->text,
						 attempt->destination.port, &decision);
	else
		error = relay_policy_decide(&relay->policy, attempt->transport,
					    &attempt->destination, &decision);
	if (error)
		refuse(relay, attempt,
		       name ? name->text
			    : relay_neighbour_name(relay->policy.neighbourhood,
						   &attempt->destination.addr),
		       &decision);
	return error == 0;
}

bool relay_gate_may_enter(const struct relay *relay, uint8_t transport,
			  const struct cothon_endpoint *source)
{
	struct relay_decision decision;

	/* A real host there would be taken for a name's. */
	if (relay->policy.names && relay_names_is_synthetic(&source->addr))
		return false;
	return relay_policy_decide(&relay->policy, transport, source, &decision) == 0;
}
