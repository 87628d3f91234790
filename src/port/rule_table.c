/* SPDX-License-Identifier: MIT */
#include "port/rule_table.h"

#include "base/sort.h"

static const struct cothon_port_range all_ports = {0, COTHON_PORT_LAST};

/* The ranges of a rule: one of all ports when it names none. */
static const struct cothon_port_range *ranges_of(const struct cothon_rule *rule, unsigned *count)
{
	*count = rule->port_count ? rule->port_count : 1;
	return rule->port_count ? rule->ports : &all_ports;
}

static bool is_less(const void *context, uint32_t a, uint32_t b)
{
	(void)context;
	return a < b;
}

/* Segments between all ports at which a range begins or has ended; without rules yet. */
static uint32_t make_segments(const struct cothon_rule *list, const uint32_t *members,
			      uint32_t count, enum cothon_rule_about about,
			      struct cothon_rule_segment *segments, uint32_t *ports)
{
	size_t port_count = 1;
	uint32_t made = 0;

	ports[0] = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct cothon_rule *rule = &list[members[i]];

		if (!cothon_rule_is_about(rule, about))
			continue;
		for (unsigned j = 0; j < rule->port_count; j++) {
			ports[port_count++] = rule->ports[j].first;
			if (rule->ports[j].last < COTHON_PORT_LAST)
				ports[port_count++] = rule->ports[j].last + 1U;
		}
	}
	cothon_sort(ports, port_count, is_less, NULL);
	for (size_t i = 0; i < port_count; i++) {
		if (i == 0 || ports[i] != ports[i - 1])
			segments[made++] = (struct cothon_rule_segment){
				.firsts = {COTHON_NO_RULE, COTHON_NO_RULE},
				.port = ports[i],
			};
	}
	return made;
}

/* The first segment from `i` on that has no rule of the kind yet; next[] leads there, ever faster. */
static uint32_t next_free(uint32_t *next, uint32_t i)
{
	while (next[i] != i) {
		next[i] = next[next[i]];
		i = next[i];
	}
	return i;
}

/* Gives every segment the first of the rules that allow, or deny: they come in their order. */
static void fill(const struct cothon_rule *list, const uint32_t *members, uint32_t count,
		 enum cothon_rule_about about, bool allow, struct cothon_rule_segment *segments,
		 uint32_t made, uint32_t *next)
{
	for (uint32_t i = 0; i <= made; i++)
		next[i] = i;
	for (uint32_t i = 0; i < count; i++) {
		const struct cothon_rule *rule = &list[members[i]];
		unsigned range_count;
		const struct cothon_port_range *ranges = ranges_of(rule, &range_count);

		if (rule->allow != allow || !cothon_rule_is_about(rule, about))
			continue;
		for (unsigned j = 0; j < range_count; j++) {
			uint32_t at = cothon_rule_table_find(segments, made, ranges[j].first);

			at = next_free(next, at);
			while (at < made && segments[at].port <= ranges[j].last) {
				if (allow)
					segments[at].firsts.allow = members[i];
				else
					segments[at].firsts.deny = members[i];
				next[at] = at + 1;
				at = next_free(next, at);
			}
		}
	}
}

/* Joins neighbours that say the same. */
static uint32_t join(struct cothon_rule_segment *segments, uint32_t made)
{
	uint32_t kept = 1;

	for (uint32_t i = 1; i < made; i++) {
		const struct cothon_rule_firsts *last = &segments[kept - 1].firsts;

		if (segments[i].firsts.allow != last->allow ||
		    segments[i].firsts.deny != last->deny)
			segments[kept++] = segments[i];
	}
	return kept;
}

uint32_t cothon_rule_table_make(const struct cothon_rule *list, const uint32_t *members,
				uint32_t count, enum cothon_rule_about about,
				struct cothon_rule_segment *segments, uint32_t *scratch)
{
	bool any = false;
	uint32_t made;

	for (uint32_t i = 0; i < count && !any; i++)
		any = cothon_rule_is_about(&list[members[i]], about);
	if (!any)
		return 0;
	made = make_segments(list, members, count, about, segments, scratch);
	fill(list, members, count, about, true, segments, made, scratch);
	fill(list, members, count, about, false, segments, made, scratch);
	return join(segments, made);
}
