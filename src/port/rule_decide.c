/* SPDX-License-Identifier: MIT */
#include "port/rule_set.h"

#include <string.h>

static const struct cothon_rule_firsts none = {COTHON_NO_RULE, COTHON_NO_RULE};

static uint32_t earlier(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* Places. */

/* Whether the group's place is in front of the other, or the same. */
static bool not_behind(const struct cothon_rules *rules, const struct cothon_rule_group *group,
		       const struct cothon_place *place)
{
	unsigned bits = group->key_bits < place->bits ? group->key_bits : place->bits;
	int order = memcmp(rules->keys + group->key, place->bytes, cothon_place_size(bits));

	return order < 0 || (order == 0 && group->key_bits <= place->bits);
}

/*
 * The smallest group around a place of all its bits. The last group that is not behind the place is
 * that one or within it, because whatever is between a place and one within it is within it too.
 */
static uint32_t group_around(const struct cothon_rules *rules, const struct cothon_place *place)
{
	uint32_t first = 0, count = rules->group_count;

	while (count > 1) {
		uint32_t half = count / 2;

		if (not_behind(rules, &rules->groups[first + half], place))
			first += half;
		count -= half;
	}
	while (!cothon_rule_group_around(rules, &rules->groups[first], place->bytes, place->bits))
		first = rules->groups[first].around;
	return first;
}

/* Deciding. */

/* The first rules of all groups around one group, and of itself, for a port. */
static struct cothon_rule_firsts look_up(const struct cothon_rules *rules, uint32_t at,
					 enum cothon_rule_about about, uint16_t port,
					 unsigned closed)
{
	struct cothon_rule_firsts firsts = none;

	for (;;) {
		const struct cothon_rule_group *group = &rules->groups[at];
		uint32_t count = group->tables[about].count;

		if (count) {
			const struct cothon_rule_segment *table =
				&rules->segments[group->tables[about].segment];
			const struct cothon_rule_firsts *found =
				&table[cothon_rule_table_find(table, count, port)].firsts;
			firsts.deny = earlier(firsts.deny, found->deny);
			if (group->opens >= closed)
				firsts.allow = earlier(firsts.allow, found->allow);
		}
		if (at == 0)
			return firsts;
		at = group->around;
	}
}

static struct cothon_verdict verdict(bool allowed, uint32_t rule)
{
	return (struct cothon_verdict){
		.allowed = allowed,
		.rule = rule == COTHON_NO_RULE ? -1 : (int32_t)rule,
	};
}

static enum cothon_rule_about about_of(const struct cothon_destination *destination)
{
	return destination->transport == COTHON_TCP   ? COTHON_ABOUT_TCP
	       : destination->transport == COTHON_UDP ? COTHON_ABOUT_UDP
						      : COTHON_ABOUT_ECHO;
}

struct cothon_verdict cothon_rules_decide(const struct cothon_rules *rules,
					  const struct cothon_destination *destination)
{
	enum cothon_rule_about about = about_of(destination);
	uint16_t port = destination->port;
	unsigned closed = destination->closed;
	struct cothon_rule_firsts firsts = none, more = none;
	struct cothon_place place;
	uint32_t at = 0;

	if (destination->addr) {
		bool ipv4 = cothon_addr_is_ipv4(destination->addr);

		cothon_place_of_prefix(&place, destination->addr, ipv4 ? 32 : 128);
		at = group_around(rules, &place);
	}
	firsts = look_up(rules, at, about, port, closed);
	if (destination->name && rules->have_names) {
		cothon_place_of_name(&place, destination->name, false);
		more = look_up(rules, group_around(rules, &place), about, port, closed);
	}
	firsts.allow = earlier(firsts.allow, more.allow);
	firsts.deny = earlier(firsts.deny, more.deny);
	if (firsts.deny != COTHON_NO_RULE)
		return verdict(false, firsts.deny);
	if (firsts.allow != COTHON_NO_RULE)
		return verdict(true, firsts.allow);
	return verdict(!rules->have_allow && closed == 0, COTHON_NO_RULE);
}

/* Deciding about a name. */

/* The first port after `port` at which any of the groups around one has a new segment. */
static uint32_t next_port(const struct cothon_rules *rules, uint32_t at,
			  enum cothon_rule_about about, uint32_t port)
{
	uint32_t next = COTHON_PORT_LAST + 1;

	for (;;) {
		const struct cothon_rule_group *group = &rules->groups[at];
		uint32_t count = group->tables[about].count;
		const struct cothon_rule_segment *table =
			&rules->segments[group->tables[about].segment];

		if (count) {
			uint32_t found = cothon_rule_table_find(table, count, port) + 1;
			if (found < count)
				next = earlier(next, table[found].port);
		}
		if (at == 0)
			return next;
		at = group->around;
	}
}

/* What is known of a name after some of its ports. */
struct findings {
	bool open;        /* one of them is, */
	uint32_t opened;  /* by this rule */
	bool undecided;   /* one of them is neither allowed nor denied, although some rule allows */
	uint32_t against; /* the first that denies what would be open without it */
	uint32_t denied;  /* the first that denies anything */
};

static void try_port(const struct cothon_rules *rules, uint32_t at, enum cothon_rule_about about,
		     uint32_t port, struct findings *findings)
{
	struct cothon_rule_firsts firsts = look_up(rules, at, about, (uint16_t)port, 0);
	bool wanted = firsts.allow != COTHON_NO_RULE || !rules->have_allow;

	if (firsts.deny == COTHON_NO_RULE && wanted) {
		findings->open = true;
		findings->opened = firsts.allow;
	} else if (firsts.deny == COTHON_NO_RULE) {
		findings->undecided = true;
	} else if (wanted) {
		findings->against = earlier(findings->against, firsts.deny);
	}
	findings->denied = earlier(findings->denied, firsts.deny);
}

struct cothon_verdict cothon_rules_decide_name(const struct cothon_rules *rules, const char *name)
{
	struct findings findings = {
		.against = COTHON_NO_RULE,
		.denied = COTHON_NO_RULE,
	};
	struct cothon_place place;
	uint32_t at;

	cothon_place_of_name(&place, name, false);
	at = group_around(rules, &place);
	for (enum cothon_rule_about about = 0; about < COTHON_ABOUTS; about++) {
		/* Nothing is reached at port 0. */
		uint32_t port = about == COTHON_ABOUT_ECHO ? 0 : 1;

		while (port <= COTHON_PORT_LAST && !findings.open) {
			try_port(rules, at, about, port, &findings);
			port = next_port(rules, at, about, port);
		}
	}
	if (findings.open)
		return verdict(true, findings.opened);
	if (findings.against != COTHON_NO_RULE)
		return verdict(false, findings.against);
	return verdict(false, findings.undecided ? COTHON_NO_RULE : findings.denied);
}
