/* SPDX-License-Identifier: MIT */
#include "port/rule_set.h"

/* Whether each of a range's ports is among a rule's. Port 0 is none. */
static bool has_range(const struct cothon_rule *rule, uint16_t first, uint16_t last)
{
	if (rule->port_count == 0)
		return true;
	for (unsigned i = 0; i < rule->port_count; i++) {
		if (rule->ports[i].first <= first && last <= rule->ports[i].last)
			return true;
	}
	return false;
}

/* Whether `rule` is about everything that `other` is about, wherever that is. */
static bool covers(const struct cothon_rule *rule, const struct cothon_rule *other)
{
	if ((other->tcp && !rule->tcp) || (other->udp && !rule->udp) ||
	    (other->echo && !rule->echo))
		return false;
	if (!other->tcp && !other->udp)
		return true;
	if (other->port_count == 0)
		return has_range(rule, 1, COTHON_PORT_LAST);
	for (unsigned i = 0; i < other->port_count; i++) {
		if (!has_range(rule, other->ports[i].first, other->ports[i].last))
			return false;
	}
	return true;
}

/*
 * The first rule that decides all that the one at `i` is about, among those of a group around it
 * that deny, or that do the same and come before it.
 */
static uint32_t find_cover(const struct cothon_rules *rules, uint32_t i,
			   const struct cothon_rule_group *group, bool deny)
{
	const struct cothon_rule *rule = &rules->list[i];

	for (uint32_t j = 0; j < group->member_count; j++) {
		uint32_t number = rules->members[group->member + j];
		const struct cothon_rule *other = &rules->list[number];

		/* The numbers ascend. */
		if (number >= i && !(deny && rule->allow))
			break;
		if (number != i && other->allow != deny && covers(other, rule))
			return number;
	}
	return COTHON_NO_RULE;
}

/* The same, among all groups around it. */
static uint32_t find_hiding(const struct cothon_rules *rules, uint32_t i, bool deny)
{
	uint32_t at = rules->group_of[i], found = COTHON_NO_RULE;
	uint8_t opens = rules->groups[at].opens;

	for (;;) {
		const struct cothon_rule_group *group = &rules->groups[at];

		/* The longer prefix opens what is closed to the shorter one. */
		if (deny || group->opens == opens) {
			uint32_t cover = find_cover(rules, i, group, deny);
			found = cover < found ? cover : found;
		}
		if (at == 0)
			return found;
		at = group->around;
	}
}

/* Whether the rule is about the very same as an earlier one. */
static uint32_t find_same(const struct cothon_rules *rules, uint32_t i)
{
	const struct cothon_rule_group *group = &rules->groups[rules->group_of[i]];

	for (uint32_t j = 0; j < group->member_count; j++) {
		uint32_t number = rules->members[group->member + j];

		if (number >= i)
			break;
		if (cothon_rule_equal(&rules->list[number], &rules->list[i]))
			return number;
	}
	return COTHON_NO_RULE;
}

/* Addresses that no packet is sent to, or none that a flow could begin with. */
static bool is_unreachable(const struct cothon_rule *rule)
{
	static const struct {
		const char *addr;
		uint8_t bits;
	} prefixes[] = {
		{"0.0.0.0", 8},   /* this network: a source only (RFC 1122 section 3.2.1.3) */
		{"224.0.0.0", 4}, /* multicast */
		{"240.0.0.0", 4}, /* reserved, and limited broadcast (RFC 1112 section 4) */
		{"::", 128},      /* no address (RFC 4291 section 2.5.2) */
		{"ff00::", 8},    /* multicast */
	};

	if (rule->kind != COTHON_RULE_PREFIX)
		return false;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct cothon_addr addr;

		if (cothon_addr_parse(prefixes[i].addr, &addr) == 0 &&
		    rule->bits >= prefixes[i].bits &&
		    cothon_addr_in_prefix(&rule->addr, &addr, prefixes[i].bits))
			return true;
	}
	return false;
}

enum cothon_rule_oddity cothon_rules_oddity(const struct cothon_rules *rules, size_t i, size_t *by)
{
	uint32_t number = (uint32_t)i, found;

	if (is_unreachable(&rules->list[i]))
		return COTHON_RULE_UNREACHABLE;
	/* That it is denied says more than that it is allowed twice. */
	if (rules->list[i].allow) {
		found = find_hiding(rules, number, true);
		if (found != COTHON_NO_RULE) {
			*by = found;
			return COTHON_RULE_HIDDEN;
		}
	}
	found = find_same(rules, number);
	if (found != COTHON_NO_RULE) {
		*by = found;
		return COTHON_RULE_TWICE;
	}
	found = find_hiding(rules, number, !rules->list[i].allow);
	if (found != COTHON_NO_RULE) {
		*by = found;
		return COTHON_RULE_HIDDEN;
	}
	return COTHON_RULE_FINE;
}
