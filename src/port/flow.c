/* SPDX-License-Identifier: MIT */
#include "port/flow.h"

#include <errno.h>
#include <string.h>

/*
 * An array of buckets of one cache line each: seven entries, and for each a tag, eight bits of its
 * hash. A full bucket passes entries on to the next one and counts them, and a search goes on only
 * where that count is not 0. So a miss costs one cache line, a hit that one and the entry's own,
 * and removing leaves nothing behind.
 *
 * At a million flows both lines of a hit come from memory, one after the other. With the keys in the
 * table a search would wait for it alone, but the table would take eight times the memory, and the
 * entry's line, which the comparison brings here, would be what whoever searches waits for next: a
 * packet would cost the same two. Searching in steps is what makes it less: the lines for several
 * packets come at once.
 *
 * The number of a flow's first bucket, its home, is the first bits of its hash. Growing and
 * shrinking build a second array, segment by segment; then homes move over in their order: a flow
 * whose home in the first array is below `cursor` is in the second, any other is in the first, so
 * that a search never looks into both; then the first is given back, segment by segment. Each
 * insertion and removal does one bounded step of this.
 *
 * Growing starts at 5/8 of the slots: below, a search for a flow that is not there looks at 1.3
 * lines at worst, and at 1.1 on average between two growths. The pace of moving is enough: a step
 * moves about two homes, so when the last ones move they hold 5/8 + 1/14 of their slots. Shrinking
 * starts below 1/8 and moves eight entries a step, so it ends after an eighth of those that are
 * left at most.
 */

enum {
	SLOTS = 7,
	LINE = 64,
	BITS_MIN = 4,     /* 16 buckets: 1 KiB */
	BITS_MAX = 30,    /* room for 2^32 entries below 5/8 */
	SEGMENT_BITS = 8, /* 256 buckets: 16 KiB */
	/*
	 * A step of moving ends after so many homes, or with the home that makes so many entries
	 * full.
	 */
	STEP_HOMES = 16,
	STEP_ENTRIES = 8,
	OVERFLOW_MAX = 255,
	OVERFLOW_SHIFT = 56,
};

/* The lowest and the highest bit of each slot's tag; the overflow count above them is left out. */
#define TAGS_LOW  UINT64_C(0x0001010101010101)
#define TAGS_HIGH (TAGS_LOW << 7)

struct bucket {
	/*
	 * The tag of slot 0 in the lowest byte and so on, 0 for a free slot; above, the overflow
	 * count.
	 */
	uint64_t tags;
	struct cothon_flow_entry *slots[SLOTS];
};

/* Where pointers are shorter than 8 bytes, a bucket is shorter too, and several share a line. */
_Static_assert(sizeof(struct bucket) <= LINE, "a bucket is in one cache line");
_Static_assert(sizeof(struct cothon_flow) == 5 * sizeof(uint64_t), "a flow is five words");

struct array {
	struct bucket **segments; /* NULL: there is no such array */
	uint32_t built;           /* segments that exist */
	uint32_t count;           /* entries */
	unsigned bits;            /* of the number of a bucket */
};

struct cothon_flow_table {
	struct cothon_memory memory;
	struct cothon_siphash_key key;
	uint32_t max;
	unsigned walks;  /* of each() that are under way: nothing moves meanwhile */
	uint64_t cursor; /* homes of `now` that have moved to `next` */
	struct array now, next, past;
	struct cothon_flow_table_stats stats;
};

static void *table_alloc(struct cothon_flow_table *table, size_t size)
{
	void *memory = table->memory.alloc(table->memory.context, size);

	if (memory)
		table->stats.memory += size;
	return memory;
}

static void table_free(struct cothon_flow_table *table, void *memory, size_t size)
{
	table->memory.free(table->memory.context, memory, size);
	table->stats.memory -= size;
}

/* Arrays. */

static uint64_t array_buckets(const struct array *array)
{
	return UINT64_C(1) << array->bits;
}

static uint64_t array_slots(const struct array *array)
{
	return SLOTS * array_buckets(array);
}

static uint32_t array_segments(const struct array *array)
{
	return array->bits > SEGMENT_BITS ? 1U << (array->bits - SEGMENT_BITS) : 1;
}

static size_t array_segment_size(const struct array *array)
{
	unsigned bits = array->bits < SEGMENT_BITS ? array->bits : SEGMENT_BITS;

	return sizeof(struct bucket) << bits;
}

static uint64_t array_home(const struct array *array, uint64_t hash)
{
	return hash >> (64 - array->bits);
}

static struct bucket *array_bucket(const struct array *array, uint64_t index)
{
	return &array->segments[index >> SEGMENT_BITS][index & ((1U << SEGMENT_BITS) - 1)];
}

static uint64_t array_after(const struct array *array, uint64_t index)
{
	return (index + 1) & (array_buckets(array) - 1);
}

/* Starts an array of 2^bits buckets that has no segment yet. False when there is no memory. */
static bool array_begin(struct cothon_flow_table *table, struct array *array, unsigned bits)
{
	*array = (struct array){.bits = bits};
	array->segments = table_alloc(table, array_segments(array) * sizeof(*array->segments));
	return array->segments;
}

/*
 * Adds one empty segment, aligned to cache lines; the pointer to its memory stands right before it.
 * False when there is no memory.
 */
static bool array_build(struct cothon_flow_table *table, struct array *array)
{
	size_t size = array_segment_size(array);
	char *memory = table_alloc(table, size + LINE);

	if (!memory)
		return false;
	/*
	 * The memory is aligned to 16 bytes or more, so there are at least 16 before the next line.
	 */
	char *segment = memory + LINE - (uintptr_t)memory % LINE;
	memset(segment, 0, size);
	memcpy(segment - sizeof(memory), &memory, sizeof(memory));
	array->segments[array->built++] = (struct bucket *)(void *)segment;
	return true;
}

/* Gives back the last segment, and with the first one the array itself. */
static void array_unbuild(struct cothon_flow_table *table, struct array *array)
{
	if (array->built) {
		char *segment = (char *)array->segments[--array->built];
		char *memory;
		memcpy(&memory, segment - sizeof(memory), sizeof(memory));
		table_free(table, memory, array_segment_size(array) + LINE);
	}
	if (!array->built) {
		table_free(table, array->segments,
			   array_segments(array) * sizeof(*array->segments));
		*array = (struct array){0};
	}
}

static void array_destroy(struct cothon_flow_table *table, struct array *array)
{
	while (array->segments)
		array_unbuild(table, array);
}

/* Buckets. */

/* The tag of a hash: its last bits, which are no part of its home. */
static uint64_t hash_tag(uint64_t hash)
{
	uint64_t tag = hash & 0xff;

	return tag ? tag : 1;
}

/* The slots whose tag is `tag`: a set with the highest bit of the byte of each. */
static uint64_t bucket_match(const struct bucket *bucket, uint64_t tag)
{
	uint64_t difference = bucket->tags ^ tag * TAGS_LOW;
	uint64_t low = TAGS_HIGH - TAGS_LOW;

	return ~(((difference & low) + low) | difference) & TAGS_HIGH;
}

static uint64_t bucket_taken(const struct bucket *bucket)
{
	return ~bucket_match(bucket, 0) & TAGS_HIGH;
}

/* The first slot of a set that is not empty. */
static unsigned set_first(uint64_t set)
{
	return (unsigned)__builtin_ctzll(set) / 8;
}

/* Asks for the entries in the slots of a set, their first and their last byte. */
static void bucket_prefetch(const struct bucket *bucket, uint64_t set)
{
	for (; set; set &= set - 1) {
		const struct cothon_flow_entry *entry = bucket->slots[set_first(set)];

		__builtin_prefetch(entry);
		__builtin_prefetch(&entry->hash);
	}
}

static unsigned bucket_overflow(const struct bucket *bucket)
{
	return (unsigned)(bucket->tags >> OVERFLOW_SHIFT);
}

/* Counts an entry that was passed on. A count that has reached its maximum is lost and stays. */
static void bucket_pass(struct bucket *bucket)
{
	if (bucket_overflow(bucket) < OVERFLOW_MAX)
		bucket->tags += UINT64_C(1) << OVERFLOW_SHIFT;
}

static void bucket_unpass(struct bucket *bucket)
{
	if (bucket_overflow(bucket) < OVERFLOW_MAX)
		bucket->tags -= UINT64_C(1) << OVERFLOW_SHIFT;
}

/* Flows. */

static bool flow_equal(const struct cothon_flow *a, const struct cothon_flow *b)
{
	uint64_t x[5], y[5];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]) | (x[4] ^ y[4]));
}

static uint64_t flow_hash(const struct cothon_flow_table *table, const struct cothon_flow *flow)
{
	uint64_t words[5];

	memcpy(words, flow, sizeof(words));
	return cothon_siphash13_words(&table->key, words, 5);
}

/*
 * Entries in an array. An array is never full, but its overflow counts might all be stuck above 0.
 */

static struct cothon_flow_entry *array_find(const struct array *array, uint64_t hash,
					    const struct cothon_flow *flow)
{
	uint64_t at = array_home(array, hash);

	for (uint64_t left = array_buckets(array); left; left--) {
		const struct bucket *bucket = array_bucket(array, at);
		uint64_t set = bucket_match(bucket, hash_tag(hash));
		for (; set; set &= set - 1) {
			struct cothon_flow_entry *entry = bucket->slots[set_first(set)];
			if (flow_equal(&entry->flow, flow))
				return entry;
		}
		if (!bucket_overflow(bucket))
			return NULL;
		at = array_after(array, at);
	}
	return NULL;
}

/* Adds an entry to an array that has a free slot. */
static void array_put(struct array *array, struct cothon_flow_entry *entry)
{
	uint64_t at = array_home(array, entry->hash);
	struct bucket *bucket = array_bucket(array, at);
	uint64_t set;

	while (!(set = bucket_match(bucket, 0))) {
		bucket_pass(bucket);
		at = array_after(array, at);
		bucket = array_bucket(array, at);
	}
	unsigned slot = set_first(set);
	bucket->tags |= hash_tag(entry->hash) << 8 * slot;
	bucket->slots[slot] = entry;
	array->count++;
}

/* The slots of a bucket that hold the entry: one or none. */
static uint64_t bucket_holds(const struct bucket *bucket, const struct cothon_flow_entry *entry)
{
	uint64_t set = bucket_match(bucket, hash_tag(entry->hash));

	while (set && bucket->slots[set_first(set)] != entry)
		set &= set - 1;
	return set;
}

/* Takes an entry out of the array it is in. */
static void array_take(struct array *array, struct cothon_flow_entry *entry)
{
	uint64_t home = array_home(array, entry->hash), at = home;
	struct bucket *bucket = array_bucket(array, at);
	uint64_t set;

	while (!(set = bucket_holds(bucket, entry))) {
		at = array_after(array, at);
		if (at == home)
			return; /* it was not there */
		bucket = array_bucket(array, at);
	}
	bucket->tags &= ~(UINT64_C(0xff) << 8 * set_first(set));
	array->count--;
	for (; home != at; home = array_after(array, home))
		bucket_unpass(array_bucket(array, home));
}

/* Growing and shrinking. */

/* The array that a hash belongs to. */
static const struct array *table_array_const(const struct cothon_flow_table *table, uint64_t hash)
{
	return array_home(&table->now, hash) < table->cursor ? &table->next : &table->now;
}

static struct array *table_array(struct cothon_flow_table *table, uint64_t hash)
{
	return (struct array *)table_array_const(table, hash);
}

/* Asks for the entries around a home that will move soon: their hashes say where to. */
static void table_prefetch(const struct cothon_flow_table *table, uint64_t home)
{
	if (home >= array_buckets(&table->now))
		return;
	const struct bucket *bucket = array_bucket(&table->now, home);
	bucket_prefetch(bucket, bucket_taken(bucket));
}

/* Moves the entries of the home at the cursor; returns how many there were. */
static unsigned table_move_home(struct cothon_flow_table *table)
{
	uint64_t home = table->cursor, at = home;
	const struct bucket *bucket;
	unsigned moved = 0;

	do {
		bucket = array_bucket(&table->now, at);
		/* Buckets also hold what was passed on to them: that moves with its own home. */
		for (uint64_t set = bucket_taken(bucket); set; set &= set - 1) {
			struct cothon_flow_entry *entry = bucket->slots[set_first(set)];
			if (array_home(&table->now, entry->hash) != home)
				continue;
			array_take(&table->now, entry);
			array_put(&table->next, entry);
			moved++;
		}
		at = array_after(&table->now, at);
	} while (bucket_overflow(bucket) && at != home);
	table->cursor++;
	return moved;
}

static void table_move(struct cothon_flow_table *table)
{
	unsigned homes = 0, moved = 0;

	while (homes < STEP_HOMES && moved < STEP_ENTRIES &&
	       table->cursor < array_buckets(&table->now)) {
		moved += table_move_home(table);
		homes++;
		table_prefetch(table, table->cursor + 1);
	}
	table->stats.moved += moved;
	if (table->cursor == array_buckets(&table->now)) {
		table->past = table->now;
		table->now = table->next;
		table->next = (struct array){0};
		table->cursor = 0;
	}
}

/* One step of the work at hand, if there is any. */
static void table_step(struct cothon_flow_table *table)
{
	if (table->past.segments)
		array_unbuild(table, &table->past);
	else if (!table->next.segments)
		return;
	else if (table->next.built < array_segments(&table->next))
		/* Without memory the next step tries again. */
		array_build(table, &table->next);
	else
		table_move(table);
}

static void table_resize(struct cothon_flow_table *table)
{
	unsigned bits = table->now.bits;
	uint64_t count = table->now.count, slots = array_slots(&table->now);

	if (table->next.segments || table->past.segments)
		return;
	if (8 * count >= 5 * slots && bits < BITS_MAX)
		bits++;
	else if (8 * count < slots && bits > BITS_MIN)
		bits--;
	if (bits != table->now.bits)
		/* Without memory the next change tries again. */
		array_begin(table, &table->next, bits);
}

/* The table. */

struct cothon_flow_table *cothon_flow_table_create(const struct cothon_memory *memory,
						   const struct cothon_siphash_key *key,
						   uint32_t max)
{
	struct cothon_flow_table *table = memory->alloc(memory->context, sizeof(*table));

	if (!table)
		return NULL;
	*table = (struct cothon_flow_table){
		.memory = *memory, .key = *key, .max = max, .stats.memory = sizeof(*table)};
	if (!array_begin(table, &table->now, BITS_MIN) || !array_build(table, &table->now)) {
		cothon_flow_table_destroy(table);
		return NULL;
	}
	return table;
}

void cothon_flow_table_destroy(struct cothon_flow_table *table)
{
	struct cothon_memory memory = table->memory;

	array_destroy(table, &table->now);
	array_destroy(table, &table->next);
	array_destroy(table, &table->past);
	memory.free(memory.context, table, sizeof(*table));
}

uint32_t cothon_flow_table_count(const struct cothon_flow_table *table)
{
	return table->now.count + table->next.count;
}

struct cothon_flow_entry *cothon_flow_table_find(const struct cothon_flow_table *table,
						 const struct cothon_flow *flow)
{
	uint64_t hash = flow_hash(table, flow);

	return array_find(table_array_const(table, hash), hash, flow);
}

void cothon_flow_search_start(const struct cothon_flow_table *table, const struct cothon_flow *flow,
			      struct cothon_flow_search *search)
{
	uint64_t hash = flow_hash(table, flow);
	const struct array *array = table_array_const(table, hash);

	*search = (struct cothon_flow_search){*flow, hash};
	__builtin_prefetch(array_bucket(array, array_home(array, hash)));
}

void cothon_flow_search_follow(const struct cothon_flow_table *table,
			       const struct cothon_flow_search *search)
{
	const struct array *array = table_array_const(table, search->hash);
	const struct bucket *bucket = array_bucket(array, array_home(array, search->hash));

	bucket_prefetch(bucket, bucket_match(bucket, hash_tag(search->hash)));
}

struct cothon_flow_entry *cothon_flow_search_end(const struct cothon_flow_table *table,
						 const struct cothon_flow_search *search)
{
	return array_find(table_array_const(table, search->hash), search->hash, &search->flow);
}

int cothon_flow_table_insert(struct cothon_flow_table *table, struct cothon_flow_entry *entry)
{
	uint64_t hash = flow_hash(table, &entry->flow);

	if (array_find(table_array(table, hash), hash, &entry->flow))
		return -EADDRINUSE;
	if (cothon_flow_table_count(table) >= table->max)
		return -ENOBUFS;

	table_step(table);
	table_resize(table);
	struct array *array = table_array(table, hash);
	/* Only where growing finds no memory does an array fill up so far. */
	if (16 * (uint64_t)array->count >= 15 * array_slots(array))
		return -ENOMEM;
	entry->hash = hash;
	array_put(array, entry);
	return 0;
}

void cothon_flow_table_remove(struct cothon_flow_table *table, struct cothon_flow_entry *entry)
{
	array_take(table_array(table, entry->hash), entry);
	if (table->walks)
		return;
	table_step(table);
	table_resize(table);
}

static void array_each(const struct array *array,
		       void (*each)(struct cothon_flow_entry *entry, void *context), void *context)
{
	uint64_t buckets = array->segments ? array_buckets(array) : 0;

	for (uint64_t at = 0; at < buckets && at >> SEGMENT_BITS < array->built; at++) {
		const struct bucket *bucket = array_bucket(array, at);
		for (uint64_t set = bucket_taken(bucket); set; set &= set - 1)
			each(bucket->slots[set_first(set)], context);
	}
}

void cothon_flow_table_each(struct cothon_flow_table *table,
			    void (*each)(struct cothon_flow_entry *entry, void *context),
			    void *context)
{
	table->walks++;
	array_each(&table->now, each, context);
	array_each(&table->next, each, context);
	table->walks--;
}

struct cothon_flow_table_stats cothon_flow_table_stats(const struct cothon_flow_table *table)
{
	return table->stats;
}

uint64_t cothon_flow_table_probes(const struct cothon_flow_table *table,
				  const struct cothon_flow *flow)
{
	uint64_t hash = flow_hash(table, flow), probes = 1;
	const struct array *array = table_array_const(table, hash);
	uint64_t at = array_home(array, hash);

	while (bucket_overflow(array_bucket(array, at)) && probes < array_buckets(array)) {
		at = array_after(array, at);
		probes++;
	}
	return probes;
}
