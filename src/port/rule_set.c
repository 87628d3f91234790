/* SPDX-License-Identifier: MIT */
#include "port/rule_set.h"

#include "base/sort.h"

#include <errno.h>
#include <string.h>

/* Where the places of the rules are in the keys, by the numbers of the rules. */
struct place_ref {
	uint32_t key;
	uint16_t bits;
};

/* What is needed while a set is made. */
struct making {
	struct cothon_rules *rules;
	struct place_ref *places;
	/* Room for the tables of all groups and for making the largest. */
	struct cothon_rule_segment *segments;
	uint32_t *scratch;
	size_t room;
};

static void *allocate(const struct cothon_memory *memory, size_t count, size_t size)
{
	return memory->alloc(memory->context, count ? count * size : 1);
}

static void release(const struct cothon_memory *memory, void *array, size_t count, size_t size)
{
	if (array)
		memory->free(memory->context, array, count ? count * size : 1);
}

/* Checking. */

static bool ranges_are_sound(const struct cothon_rule *rule)
{
	if (rule->port_count > COTHON_RULE_PORTS || (rule->port_count && rule->echo))
		return false;
	for (unsigned i = 0; i < rule->port_count; i++) {
		if (rule->ports[i].last < rule->ports[i].first)
			return false;
		if (i > 0 && rule->ports[i].first <= rule->ports[i - 1].last + 1)
			return false;
	}
	return true;
}

static bool name_is_sound(const struct cothon_rule *rule)
{
	char normal[COTHON_NAME_MAX + 1];
	size_t len = strnlen(rule->name, sizeof(rule->name));

	return len < sizeof(rule->name) && cothon_name_normalize(rule->name, len, normal) == 0 &&
	       strcmp(rule->name, normal) == 0;
}

static bool prefix_is_sound(const struct cothon_rule *rule)
{
	struct cothon_place all, place;
	unsigned bits = cothon_addr_is_ipv4(&rule->addr) ? 32 : 128;

	if (rule->bits > bits)
		return false;
	cothon_place_of_prefix(&all, &rule->addr, bits);
	cothon_place_of_prefix(&place, &rule->addr, rule->bits);
	for (size_t i = 0; i < cothon_place_size(all.bits); i++) {
		uint8_t kept = i < cothon_place_size(place.bits) ? place.bytes[i] : 0;
		if (all.bytes[i] != kept)
			return false;
	}
	return true;
}

static bool is_sound(const struct cothon_rule *rule)
{
	if (!ranges_are_sound(rule) || !(rule->tcp || rule->udp || rule->echo))
		return false;
	switch (rule->kind) {
	case COTHON_RULE_ANY:
		return true;
	case COTHON_RULE_PREFIX:
		return prefix_is_sound(rule);
	case COTHON_RULE_NAME:
	case COTHON_RULE_BELOW:
		return name_is_sound(rule);
	default:
		return false;
	}
}

static int check(const struct cothon_rule *list, size_t count)
{
	if (count > COTHON_RULES_MAX)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		if (!is_sound(&list[i]))
			return -EINVAL;
	}
	return 0;
}

/* Places. */

bool cothon_rule_group_around(const struct cothon_rules *rules,
			      const struct cothon_rule_group *group, const uint8_t *key,
			      unsigned bits)
{
	const uint8_t *own = rules->keys + group->key;
	unsigned whole = group->key_bits / 8, rest = group->key_bits % 8;

	if (group->key_bits > bits || memcmp(own, key, whole) != 0)
		return false;
	return rest == 0 || (own[whole] ^ key[whole]) >> (8 - rest) == 0;
}

/* The order of places: each before those within it. */
static int compare_places(const struct making *making, uint32_t a, uint32_t b)
{
	const struct place_ref *left = &making->places[a], *right = &making->places[b];
	unsigned bits = left->bits < right->bits ? left->bits : right->bits;
	const uint8_t *keys = making->rules->keys;
	int order = memcmp(keys + left->key, keys + right->key, cothon_place_size(bits));

	return order ? order : (int)left->bits - (int)right->bits;
}

/* The order of the members: by place, and within a place as they were given. */
static bool comes_before(const void *context, uint32_t a, uint32_t b)
{
	int order = compare_places(context, a, b);

	return order ? order < 0 : a < b;
}

static void write_places(struct making *making)
{
	struct cothon_rules *rules = making->rules;
	size_t key = 0;

	for (uint32_t i = 0; i < rules->count; i++) {
		struct cothon_place place;

		cothon_place_of_rule(&place, &rules->list[i]);
		making->places[i] = (struct place_ref){.key = (uint32_t)key, .bits = place.bits};
		memcpy(rules->keys + key, place.bytes, cothon_place_size(place.bits));
		key += cothon_place_size(place.bits);
		rules->members[i] = i;
	}
	cothon_sort(rules->members, rules->count, comes_before, making);
}

/* Groups. */

/* True for the member that is the first of a group other than that of `any`. */
static bool begins_group(const struct making *making, uint32_t i)
{
	const uint32_t *members = making->rules->members;

	if (making->places[members[i]].bits == 0)
		return false;
	return i == 0 || compare_places(making, members[i - 1], members[i]) != 0;
}

static uint32_t count_groups(const struct making *making)
{
	uint32_t count = 1;

	for (uint32_t i = 0; i < making->rules->count; i++)
		count += begins_group(making, i);
	return count;
}

/* The smallest of the groups made up to now that is around a place. */
static uint32_t group_around(const struct cothon_rules *rules, uint32_t last,
			     const struct place_ref *place)
{
	while (!cothon_rule_group_around(rules, &rules->groups[last], rules->keys + place->key,
					 place->bits))
		last = rules->groups[last].around;
	return last;
}

static void make_groups(struct making *making)
{
	struct cothon_rules *rules = making->rules;
	uint32_t last = 0;

	rules->groups[0] = (struct cothon_rule_group){0};
	for (uint32_t i = 0; i < rules->count; i++) {
		const struct cothon_rule *rule = &rules->list[rules->members[i]];
		const struct place_ref *place = &making->places[rules->members[i]];

		if (begins_group(making, i)) {
			rules->groups[last + 1] = (struct cothon_rule_group){
				.around = group_around(rules, last, place),
				.key = place->key,
				.key_bits = place->bits,
				.opens = rule->kind == COTHON_RULE_PREFIX ? rule->bits : 0,
				.member = i,
			};
			last++;
		}
		rules->groups[last].member_count++;
		rules->group_of[rules->members[i]] = last;
	}
}

static void make_tables(struct making *making)
{
	struct cothon_rules *rules = making->rules;
	uint32_t made = 0;

	for (uint32_t i = 0; i < rules->group_count; i++) {
		struct cothon_rule_group *group = &rules->groups[i];

		for (enum cothon_rule_about about = 0; about < COTHON_ABOUTS; about++) {
			group->tables[about].segment = made;
			group->tables[about].count = cothon_rule_table_make(
				rules->list, rules->members + group->member, group->member_count,
				about, making->segments + made, making->scratch);
			made += group->tables[about].count;
		}
	}
	rules->segment_count = made;
}

/* Making. */

/* What the rules take that is known at once; makes room for it. */
static int make_room(struct making *making)
{
	struct cothon_rules *rules = making->rules;
	const struct cothon_memory *memory = &rules->memory;
	size_t ranges = 0;

	for (uint32_t i = 0; i < rules->count; i++) {
		struct cothon_place place;

		cothon_place_of_rule(&place, &rules->list[i]);
		rules->key_size += cothon_place_size(place.bits);
		ranges += rules->list[i].port_count;
		rules->have_allow |= rules->list[i].allow;
		rules->have_names |= rules->list[i].kind == COTHON_RULE_NAME ||
				     rules->list[i].kind == COTHON_RULE_BELOW;
	}
	/* A table of each kind for every group, and ports only in those of the transports. */
	making->room = 2 * 2 * ranges + COTHON_ABOUTS * ((size_t)rules->count + 1) + 1;
	rules->members = allocate(memory, rules->count, sizeof(*rules->members));
	rules->group_of = allocate(memory, rules->count, sizeof(*rules->group_of));
	rules->keys = allocate(memory, rules->key_size, sizeof(*rules->keys));
	making->places = allocate(memory, rules->count, sizeof(*making->places));
	making->segments = allocate(memory, making->room, sizeof(*making->segments));
	making->scratch = allocate(memory, making->room, sizeof(*making->scratch));
	if (!rules->members || !rules->group_of || !rules->keys || !making->places ||
	    !making->segments || !making->scratch)
		return -ENOMEM;
	return 0;
}

static int make(struct making *making)
{
	struct cothon_rules *rules = making->rules;
	const struct cothon_memory *memory = &rules->memory;
	int error = make_room(making);

	if (error < 0)
		return error;
	write_places(making);
	rules->group_count = count_groups(making);
	rules->groups = allocate(memory, rules->group_count, sizeof(*rules->groups));
	if (!rules->groups)
		return -ENOMEM;
	make_groups(making);
	make_tables(making);
	rules->segments = allocate(memory, rules->segment_count, sizeof(*rules->segments));
	if (!rules->segments)
		return -ENOMEM;
	memcpy(rules->segments, making->segments, rules->segment_count * sizeof(*rules->segments));
	return 0;
}

int cothon_rules_create(const struct cothon_memory *memory, const struct cothon_rule *list,
			size_t count, struct cothon_rules **rules)
{
	struct making making = {0};
	int error = check(list, count);

	if (error < 0)
		return error;
	making.rules = memory->alloc(memory->context, sizeof(*making.rules));
	if (!making.rules)
		return -ENOMEM;
	*making.rules = (struct cothon_rules){.memory = *memory, .count = (uint32_t)count};
	making.rules->list = allocate(memory, count, sizeof(*list));
	if (!making.rules->list) {
		cothon_rules_destroy(making.rules);
		return -ENOMEM;
	}
	if (count)
		memcpy(making.rules->list, list, count * sizeof(*list));
	error = make(&making);
	release(memory, making.places, count, sizeof(*making.places));
	release(memory, making.segments, making.room, sizeof(*making.segments));
	release(memory, making.scratch, making.room, sizeof(*making.scratch));
	if (error < 0)
		cothon_rules_destroy(making.rules);
	else
		*rules = making.rules;
	return error;
}

void cothon_rules_destroy(struct cothon_rules *rules)
{
	if (!rules)
		return;

	struct cothon_memory memory = rules->memory;

	release(&memory, rules->list, rules->count, sizeof(*rules->list));
	release(&memory, rules->members, rules->count, sizeof(*rules->members));
	release(&memory, rules->group_of, rules->count, sizeof(*rules->group_of));
	release(&memory, rules->groups, rules->group_count, sizeof(*rules->groups));
	release(&memory, rules->segments, rules->segment_count, sizeof(*rules->segments));
	release(&memory, rules->keys, rules->key_size, sizeof(*rules->keys));
	memory.free(memory.context, rules, sizeof(*rules));
}

size_t cothon_rules_count(const struct cothon_rules *rules)
{
	return rules->count;
}

const struct cothon_rule *cothon_rules_at(const struct cothon_rules *rules, size_t i)
{
	return &rules->list[i];
}

bool cothon_rules_have_names(const struct cothon_rules *rules)
{
	return rules->have_names;
}
