/* SPDX-License-Identifier: MIT */

/*
 * What the demultiplexer and the allocator of ephemeral ports cost.
 *
 *   flow_table [--json]
 *
 * The flow table at a thousand, a hundred thousand and a million flows, beside one dependent random
 * memory access over as many bytes as table and entries take, measured in the same rounds: every
 * figure is the median of the rounds. Then a choice of an ephemeral port with more and more of them
 * taken. It needs 300 MB and about ten seconds.
 *
 *   access       a pointer read from where the one before pointed
 *   hit          a flow that is there, each search begun when the one before has ended
 *   hit, burst   the same for 16 flows at a time, as of a burst of packets
 *   miss         a flow that is not there, each search begun when the one before has ended
 *   insert       beside all others, into a table that neither grows nor shrinks
 *   remove       the same
 *   fill         each insertion on the way from an empty table, growing included
 *
 * Entries are in structures of 64 bytes that are aligned to it, in an order that has nothing to do
 * with the table's; the key is made for each search from a number.
 */

#include "port/binding.h"
#include "port/ephemeral.h"
#include "port/flow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	ROUNDS = 5,
	SEARCHES = 200000,
	BURST = 16,
	LINE = 64,
	FIRST = 49152,
	LAST = 65535,
	RANGE = LAST - FIRST + 1,
	CHOICES = 64, /* between two changes of what is taken */
};

static const struct cothon_siphash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "flow_table: %s\n", what);
	exit(1);
}

static void *allocate(size_t size)
{
	void *memory = aligned_alloc(LINE, (size + LINE - 1) / LINE * LINE);

	if (!memory)
		fail("no memory");
	return memory;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double values[static ROUNDS])
{
	qsort(values, ROUNDS, sizeof(values[0]), compare);
	return values[ROUNDS / 2];
}

/* Marsaglia's xorshift: quick, and good enough to visit places at random. */
static uint32_t below(uint64_t *random, uint32_t bound)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (uint32_t)((*random >> 32) * bound >> 32);
}

/* The numbers below `count`, each once, in a random order. */
static uint32_t *shuffled(uint64_t *random, uint32_t count)
{
	uint32_t *numbers = allocate(count * sizeof(*numbers));

	for (uint32_t i = 0; i < count; i++) {
		uint32_t j = below(random, i + 1);

		numbers[i] = numbers[j];
		numbers[j] = i;
	}
	return numbers;
}

/* The flow table */

struct owner {
	_Alignas(LINE) struct cothon_flow_entry entry;
	uint64_t value;
};

struct line {
	_Alignas(LINE) struct line *next;
};

enum measure {
	ACCESS,
	HIT,
	HIT_BURST,
	MISS,
	INSERT,
	REMOVE,
	FILL,
	MEASURES,
};

static const char *const measure_names[] = {"access", "hit",    "hit, burst", "miss",
					    "insert", "remove", "fill"};

struct scene {
	uint32_t count;
	uint64_t random;
	struct cothon_flow_table *table;
	struct owner *owners;
	uint32_t *order; /* flow number i is in owners[order[i]] */
	struct line *lines;
	uint64_t sum; /* of what was found, so that nothing is left out */
};

/* Flow number `n`: a client that talks to one web server. */
static struct cothon_flow numbered(uint32_t n)
{
	const uint8_t server[4] = {198, 51, 100, 80};
	const uint8_t client[4] = {10, (uint8_t)(n >> 30), (uint8_t)(n >> 22), (uint8_t)(n >> 14)};
	struct cothon_endpoint local = {cothon_addr_ipv4(server), 80};
	struct cothon_endpoint remote = {cothon_addr_ipv4(client),
					 (uint16_t)(FIRST + (n & 0x3fff))};

	return cothon_flow_make(COTHON_TCP, &local, &remote);
}

static struct owner *owner_of(struct cothon_flow_entry *entry)
{
	return cothon_container(entry, struct owner, entry);
}

static void insert(struct scene *scene, uint32_t n)
{
	if (cothon_flow_table_insert(scene->table, &scene->owners[scene->order[n]].entry))
		fail("no memory for a flow");
}

static double fill(struct scene *scene)
{
	double start;

	scene->table = cothon_flow_table_create(&cothon_memory_malloc, &key, scene->count);
	if (!scene->table)
		fail("no memory");
	start = now();
	for (uint32_t n = 0; n < scene->count; n++)
		insert(scene, n);
	return (now() - start) / scene->count;
}

/* A ring through as many lines as table and entries take. */
static void make_ring(struct scene *scene)
{
	size_t memory = cothon_flow_table_stats(scene->table).memory;
	uint32_t count = (uint32_t)(memory / LINE + scene->count);
	uint32_t *order = shuffled(&scene->random, count);

	scene->lines = allocate(count * sizeof(*scene->lines));
	for (uint32_t i = 0; i < count; i++)
		scene->lines[order[i]].next = &scene->lines[order[(i + 1) % count]];
	free(order);
}

static void scene_create(struct scene *scene, uint32_t count)
{
	*scene = (struct scene){.count = count, .random = 88172645463325252};
	scene->order = shuffled(&scene->random, count);
	scene->owners = allocate(count * sizeof(*scene->owners));
	for (uint32_t n = 0; n < count; n++) {
		struct owner *owner = &scene->owners[scene->order[n]];

		*owner = (struct owner){.entry.flow = numbered(n), .value = n};
	}
	fill(scene);
	make_ring(scene);
}

static void scene_destroy(struct scene *scene)
{
	cothon_flow_table_destroy(scene->table);
	free(scene->owners);
	free(scene->order);
	free(scene->lines);
}

static double measure_access(struct scene *scene)
{
	struct line *line = &scene->lines[below(&scene->random, scene->count)];
	double start = now();

	for (uint32_t i = 0; i < SEARCHES; i++)
		line = line->next;
	scene->sum += (uintptr_t)line;
	return (now() - start) / SEARCHES;
}

static double measure_hit(struct scene *scene)
{
	uint64_t value = 0;
	double start = now();

	for (uint32_t i = 0; i < SEARCHES; i++) {
		/* Which flow is next is known when the one before was found. */
		uint32_t n = below(&scene->random, scene->count - 1) + (value == UINT64_MAX);
		struct cothon_flow flow = numbered(n);
		struct cothon_flow_entry *entry = cothon_flow_table_find(scene->table, &flow);

		value = owner_of(entry)->value;
		scene->random += value == UINT64_MAX;
		scene->sum += value;
	}
	return (now() - start) / SEARCHES;
}

static double measure_burst(struct scene *scene)
{
	struct cothon_flow_search searches[BURST];
	double start = now();

	for (uint32_t i = 0; i < SEARCHES; i += BURST) {
		for (unsigned j = 0; j < BURST; j++) {
			struct cothon_flow flow = numbered(below(&scene->random, scene->count));

			cothon_flow_search_start(scene->table, &flow, &searches[j]);
		}
		for (unsigned j = 0; j < BURST; j++)
			cothon_flow_search_follow(scene->table, &searches[j]);
		for (unsigned j = 0; j < BURST; j++)
			scene->sum +=
				owner_of(cothon_flow_search_end(scene->table, &searches[j]))->value;
	}
	return (now() - start) / SEARCHES;
}

static double measure_miss(struct scene *scene)
{
	double start = now();

	for (uint32_t i = 0; i < SEARCHES; i++) {
		struct cothon_flow flow = numbered(below(&scene->random, scene->count));

		flow.local_port = 81;
		/* Nothing is found, which the next number waits for. */
		scene->random += cothon_flow_table_find(scene->table, &flow) != NULL;
	}
	return (now() - start) / SEARCHES;
}

/* Takes out an eighth of the flows, others each time, and puts them in again. */
static void measure_changes(struct scene *scene, double *inserted, double *removed)
{
	uint32_t batch = scene->count / 8, times = SEARCHES / batch + 1;

	*inserted = *removed = 0;
	for (uint32_t i = 0; i < times; i++) {
		uint32_t from = below(&scene->random, scene->count - batch);
		double start = now(), between;

		for (uint32_t n = from; n < from + batch; n++)
			cothon_flow_table_remove(scene->table,
						 &scene->owners[scene->order[n]].entry);
		between = now();
		for (uint32_t n = from; n < from + batch; n++)
			insert(scene, n);
		*removed += between - start;
		*inserted += now() - between;
	}
	*inserted /= (double)batch * times;
	*removed /= (double)batch * times;
}

static double measure_fill(struct scene *scene)
{
	uint32_t times = scene->count < SEARCHES ? SEARCHES / scene->count : 1;
	double sum = 0;

	for (uint32_t i = 0; i < times; i++) {
		cothon_flow_table_destroy(scene->table);
		sum += fill(scene);
	}
	return sum / times;
}

static void measure_flows(uint32_t count, double results[static MEASURES], double *bytes)
{
	double values[MEASURES][ROUNDS];
	struct scene scene;

	scene_create(&scene, count);
	for (unsigned i = 0; i < ROUNDS; i++) {
		values[ACCESS][i] = measure_access(&scene);
		values[HIT][i] = measure_hit(&scene);
		values[HIT_BURST][i] = measure_burst(&scene);
		values[MISS][i] = measure_miss(&scene);
		measure_changes(&scene, &values[INSERT][i], &values[REMOVE][i]);
		values[FILL][i] = measure_fill(&scene);
	}
	for (unsigned i = 0; i < MEASURES; i++)
		results[i] = median(values[i]);
	*bytes = (double)cothon_flow_table_stats(scene.table).memory / count;
	if (scene.sum == 0)
		fail("nothing was found");
	scene_destroy(&scene);
}

/* Ephemeral ports */

struct host {
	uint64_t random;
	struct cothon_flow_table *flows;
	struct cothon_bindings *bindings;
	struct cothon_ephemeral *ephemeral;
	struct cothon_flow_entry entries[RANGE];
	uint32_t taken[RANGE]; /* the first `count` of them, and then the others */
	uint32_t place[RANGE]; /* where a port is in `taken` */
	uint32_t count;
	struct cothon_flow probe;
};

static struct cothon_flow to_server(uint32_t server, uint32_t at)
{
	const uint8_t own[4] = {10, 0, 2, 100};
	const uint8_t addr[4] = {198, 51, (uint8_t)(server >> 8), (uint8_t)server};
	struct cothon_endpoint local = {cothon_addr_ipv4(own), (uint16_t)(FIRST + at)};
	struct cothon_endpoint remote = {cothon_addr_ipv4(addr), 443};

	return cothon_flow_make(COTHON_TCP, &local, &remote);
}

/* What a stack asks. */
static bool is_free(void *context, uint16_t port)
{
	struct host *host = context;

	host->probe.local_port = port;
	return !cothon_flow_table_find(host->flows, &host->probe) &&
	       !cothon_bindings_hold(host->bindings, COTHON_TCP, port);
}

static void swap(struct host *host, uint32_t i, uint32_t j)
{
	uint32_t a = host->taken[i], b = host->taken[j];

	host->taken[i] = b;
	host->taken[j] = a;
	host->place[b] = i;
	host->place[a] = j;
}

static void take(struct host *host, uint32_t at)
{
	struct cothon_flow_entry *entry = &host->entries[at];

	if (host->place[at] < host->count)
		return;
	entry->flow = to_server(0, at);
	if (cothon_flow_table_insert(host->flows, entry))
		fail("no memory for a flow");
	swap(host, host->place[at], host->count++);
}

static void release_one(struct host *host)
{
	uint32_t at = host->taken[below(&host->random, host->count)];

	swap(host, host->place[at], --host->count);
	cothon_flow_table_remove(host->flows, &host->entries[at]);
	cothon_ephemeral_release(host->ephemeral, &host->entries[at].flow);
}

static void host_fill(struct host *host, uint32_t wanted)
{
	while (host->count < wanted)
		take(host, host->taken[host->count + below(&host->random, RANGE - host->count)]);
	while (host->count > wanted)
		release_one(host);
}

static struct host *host_create(void)
{
	struct host *host = allocate(sizeof(*host));

	memset(host, 0, sizeof(*host));
	host->random = 88172645463325252;
	host->flows = cothon_flow_table_create(&cothon_memory_malloc, &key, RANGE);
	host->bindings = cothon_bindings_create(&cothon_memory_malloc, &key);
	if (!host->flows || !host->bindings ||
	    cothon_ephemeral_create(&cothon_memory_malloc, &key, FIRST, LAST, NULL, 0,
				    &host->ephemeral))
		fail("no memory");
	for (uint32_t at = 0; at < RANGE; at++)
		host->taken[at] = host->place[at] = at;
	return host;
}

static void host_destroy(struct host *host)
{
	cothon_flow_table_destroy(host->flows);
	cothon_bindings_destroy(host->bindings);
	cothon_ephemeral_destroy(host->ephemeral);
	free(host);
}

/* Nanoseconds per choice with `wanted` ports taken to server 0, for a flow to it or to others. */
static double measure_choice(struct host *host, uint32_t wanted, bool others)
{
	enum {
		TIMES = 500
	};
	double spent = 0;

	for (uint32_t i = 0; i < TIMES; i++) {
		uint16_t ports[CHOICES];
		uint32_t found = 0;

		host_fill(host, wanted);
		double start = now();
		for (uint32_t j = 0; j < CHOICES; j++) {
			host->probe = to_server(others ? 1 + i * CHOICES + j : 0, 0);
			found += !cothon_ephemeral_choose(host->ephemeral, &host->probe, is_free,
							  host, &ports[found]);
		}
		spent += now() - start;
		/* What was chosen is taken, and as many are released. */
		for (uint32_t j = 0; j < found && !others; j++)
			take(host, (uint32_t)ports[j] - FIRST);
	}
	return spent / TIMES / CHOICES;
}

static const struct choice {
	const char *name;
	uint32_t taken;
	bool others;
} choices[] = {
	{"0 % taken", 0, false},
	{"50 % taken", RANGE / 2, false},
	{"90 % taken", RANGE / 10 * 9, false},
	{"99 % taken", RANGE / 100 * 99, false},
	{"all taken", RANGE, false},
	{"all taken, to others", RANGE, true},
};

enum {
	COUNTS = 3,
	OCCUPANCIES = sizeof(choices) / sizeof(choices[0]),
};

static void measure_choices(double results[static OCCUPANCIES])
{
	struct host *host = host_create();
	double values[OCCUPANCIES][ROUNDS];

	for (unsigned i = 0; i < ROUNDS; i++)
		for (unsigned j = 0; j < OCCUPANCIES; j++)
			values[j][i] = measure_choice(host, choices[j].taken, choices[j].others);
	for (unsigned j = 0; j < OCCUPANCIES; j++)
		results[j] = median(values[j]);
	host_destroy(host);
}

/* Output */

static const uint32_t counts[COUNTS] = {1000, 100000, 1000000};

static void print_table(double flows[static COUNTS][MEASURES], const double bytes[static COUNTS],
			const double ports[static OCCUPANCIES])
{
	for (unsigned i = 0; i < COUNTS; i++) {
		printf("%u flows, %.0f bytes of table each%16s %9s\n", counts[i], bytes[i], "ns",
		       "accesses");
		for (unsigned j = 0; j < MEASURES; j++)
			printf("  %-36s %10.1f %9.2f\n", measure_names[j], flows[i][j],
			       flows[i][j] / flows[i][ACCESS]);
	}
	printf("an ephemeral port of %d%30s %9s\n", RANGE, "ns", "of empty");
	for (unsigned j = 0; j < OCCUPANCIES; j++)
		printf("  %-36s %10.1f %9.2f\n", choices[j].name, ports[j], ports[j] / ports[0]);
}

static void print_json(double flows[static COUNTS][MEASURES], const double bytes[static COUNTS],
		       const double ports[static OCCUPANCIES])
{
	printf("{\"flow_table\": [");
	for (unsigned i = 0; i < COUNTS; i++) {
		printf("%s\n  {\"flows\": %u, \"bytes_per_flow\": %.1f", i ? "," : "", counts[i],
		       bytes[i]);
		for (unsigned j = 0; j < MEASURES; j++)
			printf(", \"%s\": %.1f", measure_names[j], flows[i][j]);
		printf("}");
	}
	printf("],\n \"ephemeral\": {");
	for (unsigned j = 0; j < OCCUPANCIES; j++)
		printf("%s\"%s\": %.1f", j ? ", " : "", choices[j].name, ports[j]);
	printf("}, \"unit\": \"ns\"}\n");
}

int main(int argc, char **argv)
{
	bool json = argc == 2 && !strcmp(argv[1], "--json");
	double flows[COUNTS][MEASURES], bytes[COUNTS], ports[OCCUPANCIES];

	if (argc > 1 && !json) {
		fprintf(stderr, "usage: flow_table [--json]\n");
		return 2;
	}
	for (unsigned i = 0; i < COUNTS; i++)
		measure_flows(counts[i], flows[i], &bytes[i]);
	measure_choices(ports);
	(json ? print_json : print_table)(flows, bytes, ports);
	return 0;
}
