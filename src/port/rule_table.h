/* SPDX-License-Identifier: MIT */
#ifndef PORT_RULE_TABLE_H
#define PORT_RULE_TABLE_H

/* Which of the rules about one place comes first, for every port of a transport. */

#include <cothon/rule.h>

/* What rules are about: ports of the two transports, and echo requests. */
enum cothon_rule_about {
	COTHON_ABOUT_TCP,
	COTHON_ABOUT_UDP,
	COTHON_ABOUT_ECHO,
	COTHON_ABOUTS,
};

#define COTHON_NO_RULE UINT32_MAX

/* The first rules, by their places in the set, that allow and that deny. */
struct cothon_rule_firsts {
	uint32_t allow, deny;
};

/* Ports from `port` up to the next segment's. */
struct cothon_rule_segment {
	struct cothon_rule_firsts firsts;
	uint32_t port;
};

static inline bool cothon_rule_is_about(const struct cothon_rule *rule,
					enum cothon_rule_about about)
{
	return about == COTHON_ABOUT_TCP   ? rule->tcp
	       : about == COTHON_ABOUT_UDP ? rule->udp
					   : rule->echo;
}

/*
 * Writes the table of the `count` rules of `list` whose numbers, in ascending order, are at
 * `members`. With `n` ranges of ports in these rules, `segments` has room for 2 n + 1 and `scratch`
 * for 2 n + 2. Returns the number of segments, the first of which is for port 0; none when no rule is
 * about it.
 */
uint32_t cothon_rule_table_make(const struct cothon_rule *list, const uint32_t *members,
				uint32_t count, enum cothon_rule_about about,
				struct cothon_rule_segment *segments, uint32_t *scratch);

/* The segment, of at least one, that has the port. */
static inline uint32_t cothon_rule_table_find(const struct cothon_rule_segment *segments,
					      uint32_t count, uint32_t port)
{
	uint32_t first = 0;

	while (count > 1) {
		uint32_t half = count / 2;

		if (segments[first + half].port <= port)
			first += half;
		count -= half;
	}
	return first;
}

#endif
