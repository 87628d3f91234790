/* SPDX-License-Identifier: MIT */
#include "port/flow.h"

#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/*
 * The largest number of entries that one insertion or removal may move: a step ends with the home
 * that makes 8 full, and no home of these tests has more than 24.
 */
enum {
	MOVED_MAX = 7 + 24
};

static const struct cothon_siphash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

/* Memory that is counted, and that runs out when a test says so. */
struct counted {
	size_t used;
	size_t limit;
};

static void *counted_alloc(void *context, size_t size)
{
	struct counted *counted = context;

	if (size > counted->limit - counted->used)
		return NULL;
	void *memory = malloc(size);
	assert_non_null(memory);
	/* What the table does not clear itself shows. */
	memset(memory, 0xa5, size);
	counted->used += size;
	return memory;
}

static void counted_free(void *context, void *memory, size_t size)
{
	struct counted *counted = context;

	assert_non_null(memory);
	assert_true(counted->used >= size);
	counted->used -= size;
	free(memory);
}

static struct cothon_memory counted_memory(struct counted *counted)
{
	return (struct cothon_memory){counted_alloc, counted_free, counted};
}

/* Flow number `n`: a client of 10.0.0.0/8 with a port of its own that talks to one web server. */
static struct cothon_flow numbered_flow(uint32_t n)
{
	const uint8_t server[4] = {198, 51, 100, 80};
	const uint8_t client[4] = {10, 0, (uint8_t)(n >> 22), (uint8_t)(n >> 14)};
	struct cothon_endpoint local = {cothon_addr_ipv4(server), 80};
	struct cothon_endpoint remote = {cothon_addr_ipv4(client),
					 (uint16_t)(49152 + (n & 0x3fff))};

	return cothon_flow_make(COTHON_TCP, &local, &remote);
}

/* The naive model: flow number i is in the table when in[i] is set. */
struct model {
	struct cothon_flow_table *table;
	struct cothon_flow_entry *entries;
	bool *in;
	uint32_t size, count;
	uint64_t moved; /* by the table, when we last looked */
	uint64_t moved_max;
};

static struct model model_create(const struct cothon_memory *memory, uint32_t size)
{
	struct model model = {.size = size};

	model.table = cothon_flow_table_create(memory, &key, size);
	assert_non_null(model.table);
	model.entries = calloc(size, sizeof(*model.entries));
	model.in = calloc(size, sizeof(*model.in));
	assert_non_null(model.entries);
	assert_non_null(model.in);
	for (uint32_t i = 0; i < size; i++)
		model.entries[i].flow = numbered_flow(i);
	return model;
}

static void model_destroy(struct model *model)
{
	cothon_flow_table_destroy(model->table);
	free(model->entries);
	free(model->in);
}

/* Checks the bound of work of the change that was just made. */
static void model_changed(struct model *model)
{
	uint64_t moved = cothon_flow_table_stats(model->table).moved;

	assert_true(moved - model->moved <= MOVED_MAX);
	if (moved - model->moved > model->moved_max)
		model->moved_max = moved - model->moved;
	model->moved = moved;
	assert_int_equal(cothon_flow_table_count(model->table), model->count);
}

static void model_toggle(struct model *model, uint32_t n)
{
	struct cothon_flow_entry *entry = &model->entries[n];

	if (model->in[n]) {
		/* What is there already is refused, whoever comes with it. */
		struct cothon_flow_entry twin = {.flow = entry->flow};
		assert_int_equal(cothon_flow_table_insert(model->table, &twin), -EADDRINUSE);
		cothon_flow_table_remove(model->table, entry);
		model->count--;
	} else {
		assert_int_equal(cothon_flow_table_insert(model->table, entry), 0);
		model->count++;
	}
	model->in[n] = !model->in[n];
	model_changed(model);
}

static void model_check(const struct model *model, uint32_t n)
{
	struct cothon_flow flow = numbered_flow(n);

	assert_ptr_equal(cothon_flow_table_find(model->table, &flow),
			 model->in[n] ? &model->entries[n] : NULL);
}

static void model_check_all(const struct model *model)
{
	for (uint32_t n = 0; n < model->size; n++)
		model_check(model, n);
}

static void empty_table(void **state)
{
	(void)state;
	struct cothon_flow_table *table = cothon_flow_table_create(&cothon_memory_malloc, &key, 10);
	struct cothon_flow flow = numbered_flow(0);

	assert_non_null(table);
	assert_int_equal(cothon_flow_table_count(table), 0);
	assert_null(cothon_flow_table_find(table, &flow));
	cothon_flow_table_destroy(table);
}

/* Every part of a flow tells it from others. */
static void every_part_counts(void **state)
{
	(void)state;
	struct cothon_flow_table *table =
		cothon_flow_table_create(&cothon_memory_malloc, &key, 100);
	const struct cothon_flow base = numbered_flow(1);
	struct cothon_flow_entry entries[1 + 37];

	assert_non_null(table);
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		entries[i].flow = base;
		/* The 37 bytes before the ones that are always 0. */
		if (i > 0)
			((uint8_t *)&entries[i].flow)[i - 1] ^= 1;
		assert_int_equal(cothon_flow_table_insert(table, &entries[i]), 0);
	}
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
		assert_ptr_equal(cothon_flow_table_find(table, &entries[i].flow), &entries[i]);
	cothon_flow_table_destroy(table);
}

/* Random insertions and removals while the table grows, stays, and shrinks, several times over. */
static void random_operations(void **state)
{
	(void)state;
	struct counted counted = {.limit = SIZE_MAX};
	struct cothon_memory memory = counted_memory(&counted);
	enum {
		SIZE = 20000
	};
	struct model model = model_create(&memory, SIZE);
	struct cothon_random random;

	cothon_random_init(&random, (const uint8_t[32]){1}, 0);
	size_t smallest = counted.used;
	/* Of the flows below the bound about half are in: the table follows the bound. */
	const uint32_t bounds[] = {50, 500, 5000, SIZE, 3000, 100, SIZE, 20, 7000, 1};
	for (size_t phase = 0; phase < sizeof(bounds) / sizeof(bounds[0]); phase++) {
		for (uint32_t n = bounds[phase]; n < SIZE; n++)
			if (model.in[n])
				model_toggle(&model, n);
		for (uint32_t i = 0; i < 2 * bounds[phase]; i++) {
			model_toggle(&model, cothon_random_below(&random, bounds[phase]));
			model_check(&model, cothon_random_below(&random, SIZE));
		}
		model_check_all(&model);
	}
	/* It did grow and shrink, and gave back what it took. */
	assert_true(model.moved > SIZE);
	for (uint32_t n = 0; n < SIZE; n++)
		if (model.in[n])
			model_toggle(&model, n);
	for (uint32_t i = 0; i < 200; i++)
		model_toggle(&model, 0);
	assert_int_equal(counted.used, smallest);
	assert_int_equal(counted.used, cothon_flow_table_stats(model.table).memory);
	model_destroy(&model);
	assert_int_equal(counted.used, 0);
}

/*
 * Insertion by insertion up to 200,000 and down again: the work and the memory of each stay within
 * their bounds.
 */
static void growth_is_gradual(void **state)
{
	(void)state;
	struct counted counted = {.limit = SIZE_MAX};
	struct cothon_memory memory = counted_memory(&counted);
	enum {
		SIZE = 200000
	};
	struct model model = model_create(&memory, SIZE);

	for (uint32_t n = 0; n < SIZE; n++) {
		size_t before = counted.used;
		model_toggle(&model, n);
		/* One segment at most, or a directory, of 8 bytes per segment. */
		assert_true(counted.used <= before + (256 + 1) * 64);
		/* What is there is found at every stage of growing. */
		model_check(&model, n / 2);
		model_check(&model, n + 1 < SIZE ? n + 1 : 0);
		size_t taken = cothon_flow_table_stats(model.table).memory;
		if (n >= 20000)
			assert_in_range(10 * taken / model.count, 145, 450);
	}
	/* Doublings from 16 to 65,536 buckets move each entry once on average. */
	assert_in_range(model.moved, SIZE / 2, 2 * SIZE);
	assert_in_range(model.moved_max, 8, MOVED_MAX);
	for (uint32_t n = 0; n < SIZE; n++) {
		model_toggle(&model, n);
		model_check(&model, n);
		model_check(&model, n + (SIZE - n) / 2);
		size_t taken = cothon_flow_table_stats(model.table).memory;
		if (model.count >= 1000)
			assert_true(taken / model.count <= 130);
	}
	model_destroy(&model);
	assert_int_equal(counted.used, 0);
}

/*
 * A search in steps finds what one in a single step finds, though the table changes between its
 * steps and grows and shrinks meanwhile.
 */
static void search_in_steps(void **state)
{
	(void)state;
	enum {
		SIZE = 5000,
		BURST = 16
	};
	struct model model = model_create(&cothon_memory_malloc, SIZE);
	struct cothon_random random;

	cothon_random_init(&random, (const uint8_t[32]){3}, 0);
	for (uint32_t round = 0; round < 8000; round++) {
		/* Full after 2000 rounds, nearly empty after 4000, and again. */
		uint32_t bound = round / 2000 % 2 ? SIZE / 100 : SIZE;
		struct cothon_flow_search searches[BURST];
		uint32_t numbers[BURST];

		for (unsigned i = 0; i < BURST; i++) {
			struct cothon_flow flow;

			numbers[i] = cothon_random_below(&random, SIZE);
			flow = numbered_flow(numbers[i]);
			cothon_flow_search_start(model.table, &flow, &searches[i]);
			if (numbers[i] < bound ? !model.in[numbers[i]] : model.in[numbers[i]])
				model_toggle(&model, numbers[i]);
		}
		for (unsigned i = 0; i < BURST; i++) {
			cothon_flow_search_follow(model.table, &searches[i]);
			if (i == 0)
				model_toggle(&model, numbers[BURST - 1]);
		}
		for (unsigned i = 0; i < BURST; i++)
			assert_ptr_equal(cothon_flow_search_end(model.table, &searches[i]),
					 model.in[numbers[i]] ? &model.entries[numbers[i]] : NULL);
	}
	/* It grew and shrank, twice each. */
	assert_true(model.moved > 2 * SIZE);
	model_destroy(&model);
}

/* Flows come and go at a steady number: nothing is rebuilt, and a miss costs what it did. */
static void churn_leaves_nothing(void **state)
{
	(void)state;
	enum {
		SIZE = 30000,
		ROUNDS = 300000
	};
	struct model model = model_create(&cothon_memory_malloc, SIZE);
	struct cothon_random random;

	cothon_random_init(&random, (const uint8_t[32]){2}, 0);
	/* Near the load that makes the table grow: 17,920 of 28,672 slots. */
	for (uint32_t n = 0; n < 17900; n++)
		model_toggle(&model, n);
	struct cothon_flow_table_stats before = cothon_flow_table_stats(model.table);
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint32_t in = cothon_random_below(&random, SIZE);
		uint32_t out = cothon_random_below(&random, SIZE);
		while (!model.in[in])
			in = (in + 1) % SIZE;
		model_toggle(&model, in);
		while (model.in[out])
			out = (out + 1) % SIZE;
		model_toggle(&model, out);
	}
	struct cothon_flow_table_stats after = cothon_flow_table_stats(model.table);
	assert_int_equal(after.moved, before.moved);
	assert_int_equal(after.memory, before.memory);
	model_check_all(&model);

	uint64_t probes = 0;
	for (uint32_t n = 0; n < SIZE; n++)
		probes += cothon_flow_table_probes(model.table, &model.entries[n].flow);
	assert_in_range(100 * probes / SIZE, 100, 140);
	model_destroy(&model);
}

static void the_bound_holds(void **state)
{
	(void)state;
	struct model model = model_create(&cothon_memory_malloc, 1001);
	struct cothon_flow_table *small =
		cothon_flow_table_create(&cothon_memory_malloc, &key, 1000);

	assert_non_null(small);
	for (uint32_t n = 0; n < 1000; n++)
		assert_int_equal(cothon_flow_table_insert(small, &model.entries[n]), 0);
	assert_int_equal(cothon_flow_table_insert(small, &model.entries[1000]), -ENOBUFS);
	assert_int_equal(cothon_flow_table_count(small), 1000);
	assert_null(cothon_flow_table_find(small, &model.entries[1000].flow));
	cothon_flow_table_remove(small, &model.entries[500]);
	assert_int_equal(cothon_flow_table_insert(small, &model.entries[1000]), 0);
	assert_int_equal(cothon_flow_table_insert(small, &model.entries[500]), -ENOBUFS);
	cothon_flow_table_destroy(small);
	model_destroy(&model);
}

/* Wherever memory ends while a table is made, it is not made and nothing is lost. */
static void no_memory_to_begin_with(void **state)
{
	(void)state;
	struct counted counted = {.limit = SIZE_MAX};
	struct cothon_memory memory = counted_memory(&counted);
	struct cothon_flow_table *table = cothon_flow_table_create(&memory, &key, 10);

	assert_non_null(table);
	size_t needed = counted.used;
	cothon_flow_table_destroy(table);
	for (counted.limit = 0; counted.limit < needed; counted.limit++) {
		assert_null(cothon_flow_table_create(&memory, &key, 10));
		assert_int_equal(counted.used, 0);
	}
}

/*
 * Memory that ends during a growth costs nothing but new entries, and when it is back, all goes on.
 */
static void no_memory_to_grow(void **state)
{
	(void)state;
	enum {
		SIZE = 12000
	};
	/* From the first growth on to one of many segments, some of which are there. */
	for (size_t limit = 1800; limit < 150000; limit += limit / 6) {
		struct counted counted = {.limit = limit};
		struct cothon_memory memory = counted_memory(&counted);
		struct model model = model_create(&memory, SIZE);
		uint32_t n = 0;
		while (cothon_flow_table_insert(model.table, &model.entries[n]) == 0) {
			model.in[n++] = true;
			assert_true(n < SIZE);
		}
		model.count = n;
		assert_int_equal(cothon_flow_table_insert(model.table, &model.entries[n]), -ENOMEM);
		assert_int_equal(cothon_flow_table_count(model.table), n);
		model_check_all(&model);
		/* One that leaves makes room for one. */
		model.moved = cothon_flow_table_stats(model.table).moved;
		model_toggle(&model, 0);
		model_toggle(&model, n);

		/* What is refused at first makes the table go on growing. */
		counted.limit = SIZE_MAX;
		for (int refused = 0; cothon_flow_table_insert(model.table, &model.entries[0]);)
			assert_true(++refused < 100);
		model.in[0] = true;
		model.count++;
		model.moved = cothon_flow_table_stats(model.table).moved;
		for (uint32_t i = n + 1; i < SIZE; i++)
			model_toggle(&model, i);
		model_check_all(&model);
		model_destroy(&model);
		assert_int_equal(counted.used, 0);
	}
}

struct visits {
	struct model *model;
	uint32_t *seen;
	bool remove_odd;
};

static void visit(struct cothon_flow_entry *entry, void *context)
{
	struct visits *visits = context;
	uint32_t n = (uint32_t)(entry - visits->model->entries);

	visits->seen[n]++;
	if (visits->remove_odd && n % 2 == 1)
		model_toggle(visits->model, n);
}

/* A walk sees every entry once, at every stage of growing, and may remove what it is given. */
static void walks(void **state)
{
	(void)state;
	for (uint32_t size = 1; size < 3000; size += size < 80 ? 1 : 37) {
		struct model model = model_create(&cothon_memory_malloc, size);
		struct visits visits = {.model = &model, .seen = calloc(size, sizeof(uint32_t))};
		assert_non_null(visits.seen);
		for (uint32_t n = 0; n < size; n++)
			model_toggle(&model, n);
		for (int round = 1; round <= 3; round++) {
			visits.remove_odd = round == 2;
			cothon_flow_table_each(model.table, visit, &visits);
			for (uint32_t n = 0; n < size; n++)
				assert_int_equal(visits.seen[n], n % 2 && round == 3 ? 2 : round);
		}
		model_check_all(&model);
		model_destroy(&model);
		free(visits.seen);
	}
}

/* Sets of flows that a peer might choose. */
static struct cothon_flow sequential_ports(uint32_t n)
{
	return numbered_flow(n);
}

static struct cothon_flow sequential_addresses(uint32_t n)
{
	struct cothon_flow flow = numbered_flow(0);

	/* The last 32 bits of an IPv6 prefix of the peer's own. */
	memcpy(flow.remote.b, (const uint8_t[]){0x20, 0x01, 0x0d, 0xb8}, 4);
	memset(flow.remote.b + 4, 0, 8);
	memcpy(flow.remote.b + 12, &n, sizeof(n));
	return flow;
}

/* Addresses and ports that cancel out in a hash that adds or xors them. */
static struct cothon_flow cancelling(uint32_t n)
{
	struct cothon_flow flow = numbered_flow(0);

	flow.remote_port = (uint16_t)(n ^ 0x5555);
	flow.local_port = (uint16_t)(n ^ 0x5555);
	flow.remote.q[0] = flow.local.q[0] = (uint64_t)n << 32;
	flow.remote.q[1] = flow.local.q[1] = ~(uint64_t)n;
	return flow;
}

/* Everything in the high bits of words, which weak hashes drop. */
static struct cothon_flow high_bits(uint32_t n)
{
	struct cothon_flow flow = numbered_flow(0);

	flow.remote.q[1] = (uint64_t)n << 46;
	return flow;
}

/*
 * Chi-square of 256 classes has a mean of 255 and a deviation of 22.6; the bounds are 5 deviations
 * away.
 */
static void assert_even(const uint32_t classes[static 256], uint32_t total)
{
	double expected = total / 256.0, chi = 0;

	for (int i = 0; i < 256; i++)
		chi += (classes[i] - expected) * (classes[i] - expected) / expected;
	assert_true(chi > 255 - 5 * 22.6 && chi < 255 + 5 * 22.6);
}

static void chosen_flows_spread(void **state)
{
	(void)state;
	struct cothon_flow (*const sets[])(uint32_t n) = {sequential_ports, sequential_addresses,
							  cancelling, high_bits};
	enum {
		SIZE = 40000
	};

	for (size_t set = 0; set < sizeof(sets) / sizeof(sets[0]); set++) {
		struct model model = model_create(&cothon_memory_malloc, SIZE);
		uint32_t first[256] = {0}, last[256] = {0};
		for (uint32_t n = 0; n < SIZE; n++) {
			model.entries[n].flow = sets[set](n);
			model_toggle(&model, n);
			first[model.entries[n].hash >> 56]++;
			last[model.entries[n].hash & 0xff]++;
		}
		assert_even(first, SIZE);
		assert_even(last, SIZE);
		uint64_t probes = 0;
		for (uint32_t n = SIZE; n < 2 * SIZE; n++) {
			struct cothon_flow other = sets[set](n);
			assert_null(cothon_flow_table_find(model.table, &other));
			probes += cothon_flow_table_probes(model.table, &other);
		}
		assert_in_range(100 * probes / SIZE, 100, 150);
		model_destroy(&model);
	}
}

/*
 * Flows chosen by someone who knows the key: the table is slow then, and still right. To a table
 * with another key the same flows are like any others.
 */
static void a_known_key(void **state)
{
	(void)state;
	enum {
		SIZE = 1500
	};
	struct model model = model_create(&cothon_memory_malloc, SIZE);
	const struct cothon_siphash_key other_key = {{key.k[0], key.k[1] ^ 1}};
	struct cothon_flow_table *other =
		cothon_flow_table_create(&cothon_memory_malloc, &other_key, SIZE);
	struct cothon_flow *chosen = calloc(SIZE, sizeof(*chosen));

	assert_non_null(other);
	assert_non_null(chosen);
	for (uint32_t n = 0, candidate = 0; n < SIZE; candidate++) {
		struct cothon_flow flow = numbered_flow(candidate);
		uint64_t words[5];
		memcpy(words, &flow, sizeof(words));
		/*
		 * The last home of the table, whatever its size: what it passes on goes round the
		 * end.
		 */
		if (cothon_siphash13_words(&key, words, 5) >> 54 == 0x3ff)
			chosen[n++] = flow;
	}
	for (uint32_t n = 0; n < SIZE; n++) {
		model.entries[n].flow = chosen[n];
		assert_int_equal(cothon_flow_table_insert(model.table, &model.entries[n]), 0);
	}
	for (uint32_t n = 0; n < SIZE; n++)
		assert_ptr_equal(cothon_flow_table_find(model.table, &chosen[n]),
				 &model.entries[n]);
	assert_true(cothon_flow_table_probes(model.table, &chosen[0]) >= SIZE / 7);
	for (uint32_t n = 0; n < SIZE; n += 2)
		cothon_flow_table_remove(model.table, &model.entries[n]);
	for (uint32_t n = 0; n < SIZE; n++)
		assert_ptr_equal(cothon_flow_table_find(model.table, &chosen[n]),
				 n % 2 ? &model.entries[n] : NULL);
	for (uint32_t n = 1; n < SIZE; n += 2)
		cothon_flow_table_remove(model.table, &model.entries[n]);
	assert_int_equal(cothon_flow_table_count(model.table), 0);

	uint64_t probes = 0;
	for (uint32_t n = 0; n < SIZE; n++)
		assert_int_equal(cothon_flow_table_insert(other, &model.entries[n]), 0);
	for (uint32_t n = 0; n < SIZE; n++)
		probes += cothon_flow_table_probes(other, &chosen[n]);
	assert_in_range(100 * probes / SIZE, 100, 150);
	cothon_flow_table_destroy(other);
	free(chosen);
	model_destroy(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_table),         cmocka_unit_test(every_part_counts),
		cmocka_unit_test(random_operations),   cmocka_unit_test(growth_is_gradual),
		cmocka_unit_test(search_in_steps),     cmocka_unit_test(churn_leaves_nothing),
		cmocka_unit_test(the_bound_holds),     cmocka_unit_test(no_memory_to_begin_with),
		cmocka_unit_test(no_memory_to_grow),   cmocka_unit_test(walks),
		cmocka_unit_test(chosen_flows_spread), cmocka_unit_test(a_known_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
