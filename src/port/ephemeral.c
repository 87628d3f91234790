/* SPDX-License-Identifier: MIT */
#include "port/ephemeral.h"

#include <errno.h>
#include <string.h>

/*
 * The algorithm is RFC 6056's simple port randomization (section 3.3.1), with two changes: a
 * pseudo-random function of the flow and of a counter takes the place of random(), and the number
 * drawn is the rank of the port among those not known to be taken, so that there is no search.
 *
 * Why not one of the three that keep counters (sections 3.3.3 to 3.3.5)? They step through the
 * range so that a port is not used again soon for the same destination. Two things make that
 * needless here: `free` knows every flow of this host, those in TIME-WAIT too; and where only the
 * far side is still in TIME-WAIT, initial sequence numbers that grow per flow (RFC 6528) let it
 * take the new SYN (RFC 9293 section 3.6.1). Their price is that one port tells something about the
 * next one to the same destination, or, with a shared counter, about how many flows went elsewhere.
 * Here a port tells nothing about any other, to whomever it goes.
 *
 * Why no search from a random start to the next free port, as section 3.3.1 has it? A port behind a
 * run of taken ones would be chosen as often as the run is long, so ports would fill in runs that
 * an observer can continue.
 *
 * A draw that is refused is drawn again, which keeps every free port as likely as any other. Where
 * most are taken that takes long: with 99 of 100, a hundred questions. So after a few refusals the
 * destination gets a map of its own, in which a refused port is closed until it is released, and
 * draws are from what is open. A port is thus refused once for each time it was taken, however
 * often ports are drawn, and a map without open ports answers at once.
 */

enum {
	SYSTEM_LAST = 1023,
	MAPS = 8,
	/* Refusals before a destination gets a map: by chance one draw in 16 where half is taken. */
	TRIES = 4,
	WORD = 64,
	GROUP = 16, /* words that are counted together */
};

/* The ports of the range that are open, of which nobody said that they are taken. */
struct map {
	struct cothon_flow to; /* with local port 0 */
	uint64_t used_at;      /* the counter when it was used last; 0: never */
	uint32_t open;         /* ports */
	uint16_t *groups;      /* how many of them in each group of words */
	uint64_t *words;       /* a bit for each port */
};

struct cothon_ephemeral {
	struct cothon_memory memory;
	struct cothon_siphash_key key;
	uint64_t counter; /* of choices */
	uint16_t first, last;
	size_t size;       /* bytes of this all */
	size_t words;      /* of a map */
	struct map all;    /* what is not reserved */
	struct map maps[]; /* MAPS of them, in no order */
};

/* Maps */

static size_t map_groups(size_t words)
{
	return (words + GROUP - 1) / GROUP;
}

static void map_open(struct map *map, uint32_t at)
{
	uint64_t bit = UINT64_C(1) << at % WORD;

	if (map->words[at / WORD] & bit)
		return;
	map->words[at / WORD] |= bit;
	map->groups[at / WORD / GROUP]++;
	map->open++;
}

static void map_close(struct map *map, uint32_t at)
{
	uint64_t bit = UINT64_C(1) << at % WORD;

	if (!(map->words[at / WORD] & bit))
		return;
	map->words[at / WORD] &= ~bit;
	map->groups[at / WORD / GROUP]--;
	map->open--;
}

/* Where the open port is before which there are `rank` others. */
static uint32_t map_select(const struct map *map, uint32_t rank)
{
	size_t group = 0, at;
	uint64_t word;

	while (rank >= map->groups[group])
		rank -= map->groups[group++];
	for (at = group * GROUP;; at++) {
		uint32_t count = (uint32_t)__builtin_popcountll(map->words[at]);

		if (rank < count)
			break;
		rank -= count;
	}
	for (word = map->words[at]; rank > 0; rank--)
		word &= word - 1;
	return (uint32_t)at * WORD + (uint32_t)__builtin_ctzll(word);
}

/* The allocator */

static uint32_t range_size(const struct cothon_ephemeral *ephemeral)
{
	return (uint32_t)(ephemeral->last - ephemeral->first) + 1;
}

static void reserve(struct cothon_ephemeral *ephemeral, const struct cothon_port_range *range)
{
	for (uint32_t port = range->first; port <= range->last; port++) {
		if (port >= ephemeral->first && port <= ephemeral->last)
			map_close(&ephemeral->all, port - ephemeral->first);
	}
}

/* Shares out the memory behind the maps: all their words, then all their groups. */
static void lay_out(struct cothon_ephemeral *ephemeral)
{
	uint64_t *words = (uint64_t *)(void *)&ephemeral->maps[MAPS];
	size_t word_count = ephemeral->words, group_count = map_groups(word_count);
	uint16_t *groups = (uint16_t *)(void *)(words + (MAPS + 1) * word_count);

	for (size_t i = 0; i <= MAPS; i++) {
		struct map *map = i < MAPS ? &ephemeral->maps[i] : &ephemeral->all;

		map->words = words + i * word_count;
		map->groups = groups + i * group_count;
	}
}

int cothon_ephemeral_create(const struct cothon_memory *memory,
			    const struct cothon_siphash_key *key, uint16_t first, uint16_t last,
			    const struct cothon_port_range *reserved, size_t reserved_count,
			    struct cothon_ephemeral **result)
{
	struct cothon_ephemeral *ephemeral;
	size_t words, size;

	if (first <= SYSTEM_LAST || first > last)
		return -EINVAL;
	for (size_t i = 0; i < reserved_count; i++)
		if (reserved[i].first > reserved[i].last)
			return -EINVAL;
	words = ((size_t)(last - first) + WORD) / WORD;
	size = sizeof(*ephemeral) + MAPS * sizeof(struct map) +
	       (MAPS + 1) * (words * sizeof(uint64_t) + map_groups(words) * sizeof(uint16_t));
	ephemeral = memory->alloc(memory->context, size);
	if (!ephemeral)
		return -ENOMEM;
	memset(ephemeral, 0, size);
	ephemeral->memory = *memory;
	ephemeral->key = *key;
	ephemeral->first = first;
	ephemeral->last = last;
	ephemeral->size = size;
	ephemeral->words = words;
	lay_out(ephemeral);
	for (uint32_t at = 0; at < range_size(ephemeral); at++)
		map_open(&ephemeral->all, at);
	for (size_t i = 0; i < reserved_count; i++)
		reserve(ephemeral, &reserved[i]);
	*result = ephemeral;
	return 0;
}

void cothon_ephemeral_destroy(struct cothon_ephemeral *ephemeral)
{
	struct cothon_memory memory = ephemeral->memory;

	memory.free(memory.context, ephemeral, ephemeral->size);
}

/* Who asks for a port: a flow without it. */
static struct cothon_flow destination_of(const struct cothon_flow *flow)
{
	struct cothon_flow to = *flow;

	to.local_port = 0;
	return to;
}

/* The map of a destination, or NULL. */
static struct map *find_map(struct cothon_ephemeral *ephemeral, const struct cothon_flow *to)
{
	for (size_t i = 0; i < MAPS; i++) {
		struct map *map = &ephemeral->maps[i];

		if (map->used_at && cothon_flow_equal(&map->to, to))
			return map;
	}
	return NULL;
}

/* A map for a destination that has none: the one that was not used for longest is forgotten. */
static struct map *take_map(struct cothon_ephemeral *ephemeral, const struct cothon_flow *to)
{
	const struct map *all = &ephemeral->all;
	struct map *map = &ephemeral->maps[0];

	for (size_t i = 1; i < MAPS; i++)
		if (ephemeral->maps[i].used_at < map->used_at)
			map = &ephemeral->maps[i];
	map->to = *to;
	map->open = all->open;
	memcpy(map->words, all->words, ephemeral->words * sizeof(*map->words));
	memcpy(map->groups, all->groups, map_groups(ephemeral->words) * sizeof(*map->groups));
	return map;
}

/*
 * The next of a series of numbers that a seed begins: the finalizer of MurmurHash3 over a Weyl
 * sequence. It need not withstand cryptanalysis, for of the whole series only the last number
 * shows, as the port, and every choice has a seed of its own.
 */
static uint32_t series_next(uint64_t *series)
{
	uint64_t mixed = *series += 0x9e3779b97f4a7c15;

	mixed = (mixed ^ mixed >> 33) * 0xff51afd7ed558ccd;
	mixed = (mixed ^ mixed >> 33) * 0xc4ceb9fe1a85ec53;
	return (uint32_t)(mixed >> 32);
}

/* A number in [0, bound) from 32 random bits. Its bias is below bound / 2^32, here 1 / 65,536. */
static uint32_t scale(uint32_t random, uint32_t bound)
{
	return (uint32_t)((uint64_t)random * bound >> 32);
}

int cothon_ephemeral_choose(struct cothon_ephemeral *ephemeral, const struct cothon_flow *flow,
			    bool (*free)(void *context, uint16_t port), void *context,
			    uint16_t *port)
{
	struct cothon_flow to = destination_of(flow);
	struct map *map = find_map(ephemeral, &to);
	uint64_t input[6] = {++ephemeral->counter}, series;

	memcpy(&input[1], &to, sizeof(to));
	series = cothon_siphash24(&ephemeral->key, input, sizeof(input));
	for (unsigned tries = 0;; tries++) {
		const struct map *open;
		uint32_t at;

		if (!map && tries == TRIES)
			map = take_map(ephemeral, &to);
		if (map)
			map->used_at = ephemeral->counter;
		open = map ? map : &ephemeral->all;
		if (!open->open)
			return -EADDRNOTAVAIL;
		at = map_select(open, scale(series_next(&series), open->open));
		if (free(context, (uint16_t)(ephemeral->first + at))) {
			/* It stays open: the caller may yet fail to take it. */
			*port = (uint16_t)(ephemeral->first + at);
			return 0;
		}
		if (map)
			map_close(map, at);
	}
}

/* Opens a port again, unless it is none that is chosen. */
static void reopen(const struct cothon_ephemeral *ephemeral, struct map *map, uint16_t port)
{
	uint32_t at = (uint32_t)port - ephemeral->first;

	/* Below the range this is a huge number. */
	if (at < range_size(ephemeral) && ephemeral->all.words[at / WORD] >> at % WORD & 1)
		map_open(map, at);
}

void cothon_ephemeral_release(struct cothon_ephemeral *ephemeral, const struct cothon_flow *flow)
{
	struct cothon_flow to = destination_of(flow);
	struct map *map = find_map(ephemeral, &to);

	if (map)
		reopen(ephemeral, map, flow->local_port);
}

void cothon_ephemeral_release_port(struct cothon_ephemeral *ephemeral, uint8_t transport,
				   uint16_t port)
{
	for (size_t i = 0; i < MAPS; i++) {
		struct map *map = &ephemeral->maps[i];

		if (map->used_at && map->to.transport == transport)
			reopen(ephemeral, map, port);
	}
}
