/* SPDX-License-Identifier: MIT */

/*
 * What a decision about a destination costs with one, a hundred and ten thousand rules.
 *
 *   rules [--json]
 *
 * It is made when a flow begins, never for a packet of one. Each figure is the median of the rounds,
 * in nanoseconds for a decision; the destinations come in random order, half of them named by a rule
 * that allows them and the others by none. What the rules are about:
 *
 *   ipv4      prefixes of 8 to 32 bits
 *   ipv6      prefixes of 16 to 128 bits
 *   name      names of three labels, and every other one what is below such a name
 *   both      prefixes and names by turns; the destinations have an address and a name
 *   nested    prefixes around one address, at most 128: each is around the next; their ports differ
 *   ports     one port of each transport, all at one place
 *   query     as "name": whether the name may be asked for
 *   make      as "both": making the set, in microseconds for each rule
 */

#include <cothon/rule.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	ROUNDS = 5,
	MOST = 10000,
	DESTINATIONS = 1 << 14,
	DECISIONS = 1 << 16, /* in a round */
	NAME = 48,
};

static const size_t counts[] = {1, 100, MOST};

enum {
	COUNTS = sizeof(counts) / sizeof(counts[0])
};

/* The rules and destinations of a row. */
struct scene {
	size_t count;
	struct cothon_rule list[MOST];
	struct cothon_destination destinations[DESTINATIONS];
	struct cothon_addr addrs[DESTINATIONS];
	char names[DESTINATIONS][NAME];
};

static uint64_t dice = 1;

static uint32_t roll(uint32_t sides)
{
	/* A linear congruential generator (Knuth, MMIX). */
	dice = dice * 6364136223846793005 + 1442695040888963407;
	return (uint32_t)((dice >> 32) % sides);
}

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "rules: %s\n", what);
	exit(1);
}

/* Addresses. */

static struct cothon_addr roll_addr(bool ipv4)
{
	uint8_t bytes[16];

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)roll(256);
	return ipv4 ? cothon_addr_ipv4(bytes) : cothon_addr_ipv6(bytes);
}

/* Replaces all bits behind the first `bits`: by those of `by`, or by 0. */
static void replace_bits(struct cothon_addr *addr, unsigned bits, const struct cothon_addr *by)
{
	for (unsigned i = bits + (cothon_addr_is_ipv4(addr) ? 96 : 0); i < 128; i++) {
		uint8_t bit = (uint8_t)(0x80 >> i % 8);
		uint8_t set = by ? by->b[i / 8] & bit : 0;

		addr->b[i / 8] = (uint8_t)((addr->b[i / 8] & ~bit) | set);
	}
}

static struct cothon_rule prefix_rule(bool ipv4)
{
	unsigned bits = ipv4 ? 8 + roll(25) : 16 + roll(113);
	struct cothon_rule rule = {
		.allow = true,
		.kind = COTHON_RULE_PREFIX,
		.tcp = true,
		.udp = true,
		.echo = true,
		.bits = (uint8_t)bits,
		.addr = roll_addr(ipv4),
	};

	replace_bits(&rule.addr, bits, NULL);
	return rule;
}

/* Names. */

static struct cothon_rule name_rule(size_t i)
{
	struct cothon_rule rule = {
		.allow = true,
		.kind = i % 2 ? COTHON_RULE_BELOW : COTHON_RULE_NAME,
		.tcp = true,
		.udp = true,
		.echo = true,
	};

	snprintf(rule.name, NAME, "w%u.example%zu.%s", roll(1000), i, i % 3 ? "com" : "org");
	return rule;
}

/* What a destination is called that the rule is about. */
static void name_of(const struct cothon_rule *rule, char name[static NAME])
{
	snprintf(name, NAME, "%s%.40s", rule->kind == COTHON_RULE_BELOW ? "a." : "", rule->name);
}

/* Rows. */

enum row {
	IPV4,
	IPV6,
	NAMES,
	BOTH,
	NESTED,
	PORTS,
	QUERY,
	MAKE,
	ROWS
};

static const char *const row_names[ROWS] = {"ipv4",   "ipv6",  "name",  "both",
					    "nested", "ports", "query", "make"};

static struct cothon_rule make_rule(enum row row, size_t i)
{
	static const struct cothon_addr zero;
	struct cothon_rule rule = prefix_rule(row != IPV6 && row != NESTED);

	switch (row) {
	case NAMES:
	case QUERY:
		return name_rule(i);
	case BOTH:
	case MAKE:
		return i % 2 ? name_rule(i) : rule;
	case NESTED:
		rule.addr = zero;
		rule.addr.b[0] = 0x20;
		rule.bits = (uint8_t)(3 + i % 126);
		break;
	case PORTS:
		rule.kind = COTHON_RULE_ANY;
		break;
	default:
		return rule;
	}
	rule.echo = false;
	rule.port_count = 1;
	rule.ports[0].first = rule.ports[0].last = (uint16_t)(2 * i + 1);
	return rule;
}

/* A destination; `hit`: one that the rule allows. */
static void make_destination(struct scene *scene, enum row row, size_t i,
			     const struct cothon_rule *rule, bool hit)
{
	struct cothon_destination *destination = &scene->destinations[i];
	struct cothon_addr any = roll_addr(row != IPV6 && row != NESTED);

	*destination = (struct cothon_destination){.transport = COTHON_TCP, .port = 443};
	snprintf(scene->names[i], NAME, "w%u.example%u.net", roll(1000), roll(MOST));
	scene->addrs[i] = any;
	if (hit && rule->kind == COTHON_RULE_PREFIX) {
		scene->addrs[i] = rule->addr;
		replace_bits(&scene->addrs[i], rule->bits, row == NESTED ? NULL : &any);
	} else if (hit && rule->kind != COTHON_RULE_ANY) {
		name_of(rule, scene->names[i]);
	}
	if (rule->port_count)
		destination->port = (uint16_t)(rule->ports[0].first + (hit ? 0 : 1));
	if (row == NESTED)
		scene->addrs[i] = scene->list[0].addr;
	if (row != NAMES && row != QUERY)
		destination->addr = &scene->addrs[i];
	if (row == NAMES || row == QUERY || row == BOTH)
		destination->name = scene->names[i];
}

static void make_scene(struct scene *scene, enum row row, size_t count)
{
	scene->count = count;
	for (size_t i = 0; i < count; i++)
		scene->list[i] = make_rule(row, i);
	for (size_t i = 0; i < DESTINATIONS; i++)
		make_destination(scene, row, i, &scene->list[roll((uint32_t)count)], i % 2);
}

/* Measuring. */

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static int compare(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static struct cothon_rules *make_set(const struct scene *scene)
{
	struct cothon_rules *rules;

	if (cothon_rules_create(&cothon_memory_malloc, scene->list, scene->count, &rules) < 0)
		fail("no memory");
	return rules;
}

/* Nanoseconds for a decision in one round; the rules must decide as the scene was made. */
static double decide(const struct scene *scene, const struct cothon_rules *rules, enum row row)
{
	size_t allowed = 0;
	double begin = seconds();

	for (size_t i = 0; i < DECISIONS; i++) {
		const struct cothon_destination *destination =
			&scene->destinations[i % DESTINATIONS];

		allowed += row == QUERY ? cothon_rules_decide_name(rules, destination->name).allowed
					: cothon_rules_decide(rules, destination).allowed;
	}
	double time = seconds() - begin;
	/* By chance a destination that no rule is meant for is in a prefix. */
	if (allowed < DECISIONS / 2)
		fail("a destination is denied that was to be allowed");
	return time / DECISIONS * 1e9;
}

/* Microseconds for each rule in making a set. */
static double make(const struct scene *scene)
{
	double begin = seconds();
	struct cothon_rules *rules = make_set(scene);
	double time = seconds() - begin;

	cothon_rules_destroy(rules);
	return time / (double)scene->count * 1e6;
}

static double measure(struct scene *scene, enum row row, size_t count)
{
	double rounds[ROUNDS];
	struct cothon_rules *rules;

	make_scene(scene, row, count);
	rules = make_set(scene);
	for (int i = 0; i < ROUNDS; i++)
		rounds[i] = row == MAKE ? make(scene) : decide(scene, rules, row);
	cothon_rules_destroy(rules);
	qsort(rounds, ROUNDS, sizeof(rounds[0]), compare);
	return rounds[ROUNDS / 2];
}

static void print_table(double figures[ROWS][COUNTS])
{
	printf("%-8s", "rules");
	for (size_t j = 0; j < COUNTS; j++)
		printf("%10zu", counts[j]);
	for (enum row row = 0; row < ROWS; row++) {
		printf("\n%-8s", row_names[row]);
		for (size_t j = 0; j < COUNTS; j++)
			printf("%7.*f %s", row == MAKE ? 2 : 0, figures[row][j],
			       row == MAKE ? "us" : "ns");
	}
	putchar('\n');
}

static void print_json(double figures[ROWS][COUNTS])
{
	printf("{");
	for (enum row row = 0; row < ROWS; row++) {
		printf("%s\n  \"%s\": {", row ? "," : "", row_names[row]);
		for (size_t j = 0; j < COUNTS; j++)
			printf("%s\"%zu\": %.2f", j ? ", " : "", counts[j], figures[row][j]);
		printf("}");
	}
	printf("\n}\n");
}

int main(int argc, char **argv)
{
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	struct scene *scene = malloc(sizeof(*scene));
	double figures[ROWS][COUNTS];

	if (argc > 1 && !json)
		fail("usage: rules [--json]");
	if (!scene)
		fail("no memory");
	for (enum row row = 0; row < ROWS; row++)
		for (size_t j = 0; j < COUNTS; j++)
			figures[row][j] = measure(scene, row, counts[j]);
	if (json)
		print_json(figures);
	else
		print_table(figures);
	free(scene);
	return 0;
}
