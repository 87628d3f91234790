/* SPDX-License-Identifier: MIT */
#ifndef PORT_RULE_SET_H
#define PORT_RULE_SET_H

/*
 * A set of rules, as rule_set.c makes it and others look into it: the rules about one place are a
 * group. Groups are sorted by place, the first is that of `any`, and each knows the smallest one
 * around it. The places around a destination are then the one that a search by halves ends at, or
 * one around that, and all that are around this.
 */

#include "port/rule_place.h"
#include "port/rule_table.h"

struct cothon_rule_group {
	uint32_t around; /* the smallest group that has this one's place in its own; the first: itself */
	uint32_t key; /* where its place is in `keys` */
	uint16_t key_bits;
	/* An allowing rule of it opens what is closed to prefixes of fewer bits. */
	uint8_t opens;
	/* The numbers of its rules, in ascending order, in `members`. */
	uint32_t member, member_count;
	struct {
		uint32_t segment, count; /* in `segments` */
	} tables[COTHON_ABOUTS];
};

struct cothon_rules {
	struct cothon_memory memory;
	bool have_names, have_allow;
	uint32_t count, group_count, segment_count;
	size_t key_size;
	struct cothon_rule *list;
	uint32_t *members;
	uint32_t *group_of; /* by the number of a rule */
	struct cothon_rule_group *groups;
	struct cothon_rule_segment *segments;
	uint8_t *keys;
};

/* True when the group's place has the other place in it. */
bool cothon_rule_group_around(const struct cothon_rules *rules,
			      const struct cothon_rule_group *group, const uint8_t *key,
			      unsigned bits);

#endif
