/* SPDX-License-Identifier: MIT */
#include <cothon/rule.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

/*
 * Random sets of rules in a small world, decided as one would without any index, for every
 * destination of that world. Each thing that a rule could tell apart has a destination on either
 * side of it.
 */

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum {
	RULES = 12,
	SETS = 100,
	RULE_NAMES = 5,
};

static const char *const addresses[] = {
	"10.0.0.0",  "10.0.0.1",   "10.0.0.2",    "10.0.0.3",   "10.0.0.4",
	"10.0.0.7",  "10.0.0.8",   "10.0.1.0",    "10.1.0.0",   "11.0.0.0",
	"192.0.2.1", "2001:db8::", "2001:db8::1", "2001:db9::", "fd00::",
};
static const char *const prefixes[] = {
	"10.0.0.0/32", "10.0.0.1/32",    "10.0.0.2/32",   "10.0.0.0/31",   "10.0.0.2/31",
	"10.0.0.0/30", "10.0.0.0/29",    "10.0.0.0/24",   "10.0.0.0/8",    "10.0.0.0/7",
	"0.0.0.0/0",   "2001:db8::/128", "2001:db8::/32", "2001:db8::/31", "::/0",
};
/* Those of rules, and behind them some that only destinations have. */
static const char *const names[] = {"b",   "a.b",   "c.a.b",   "aa.b",   "ab",
				    "y.b", "y.a.b", "y.c.a.b", "y.aa.b", "y.ab"};
static const uint16_t ports[] = {1, 2, 3, 4, 5, 6, 65535};
static const uint8_t closures[] = {0, 1, 7, 8, 24, 29, 30, 31, 32, 128};
static const uint8_t transports[] = {COTHON_TCP, COTHON_UDP, 0};

static uint64_t dice;

static unsigned roll(size_t sides)
{
	/* A linear congruential generator; its upper bits are good enough (Knuth, MMIX). */
	dice = dice * 6364136223846793005 + 1442695040888963407;
	return (unsigned)((dice >> 33) % sides);
}

static void roll_ports(char *text, size_t size)
{
	static const char *const lists[] = {"",       "",         ":1",       ":2",
					    ":1-2",   ":2-4",     ":5",       ":1-5",
					    ":1,3,5", ":1-65535", ":3-65535", ":65535"};
	static const char *const suffixes[] = {"", "/tcp", "/udp"};

	snprintf(text, size, "%s%s", lists[roll(COUNT(lists))], suffixes[roll(COUNT(suffixes))]);
}

static void roll_rule(struct cothon_rule *rule)
{
	char text[64], rest[32];
	struct cothon_rule_error error;

	roll_ports(rest, sizeof(rest));
	switch (roll(8)) {
	case 0:
		snprintf(text, sizeof(text), "any%s", rest);
		break;
	case 1:
	case 2:
		snprintf(text, sizeof(text), "%s%s", names[roll(RULE_NAMES)], rest);
		break;
	case 3:
	case 4:
		snprintf(text, sizeof(text), "*.%s%s", names[roll(RULE_NAMES)], rest);
		break;
	default:
		snprintf(text, sizeof(text), "[%s]%s", prefixes[roll(COUNT(prefixes))], rest);
		break;
	}
	if (cothon_rule_parse(text, strlen(text), roll(3) > 0, rule, &error) < 0)
		fail_msg("%s: %s", text, error.text);
}

/* The reference. */

static bool place_matches(const struct cothon_rule *rule,
			  const struct cothon_destination *destination)
{
	const char *name = destination->name;
	size_t len = strlen(rule->name);

	switch (rule->kind) {
	case COTHON_RULE_ANY:
		return true;
	case COTHON_RULE_PREFIX:
		return destination->addr &&
		       cothon_addr_in_prefix(destination->addr, &rule->addr, rule->bits);
	case COTHON_RULE_NAME:
		return name && strcmp(name, rule->name) == 0;
	default:
		return name && strlen(name) > len + 1 && name[strlen(name) - len - 1] == '.' &&
		       strcmp(name + strlen(name) - len, rule->name) == 0;
	}
}

static bool port_matches(const struct cothon_rule *rule,
			 const struct cothon_destination *destination)
{
	if (destination->transport == 0)
		return rule->echo;
	if (!(destination->transport == COTHON_TCP ? rule->tcp : rule->udp))
		return false;
	for (unsigned i = 0; i < rule->port_count; i++) {
		if (rule->ports[i].first <= destination->port &&
		    destination->port <= rule->ports[i].last)
			return true;
	}
	return rule->port_count == 0;
}

static bool matches(const struct cothon_rule *rule, const struct cothon_destination *destination)
{
	if (rule->allow && destination->closed &&
	    (rule->kind != COTHON_RULE_PREFIX || rule->bits < destination->closed))
		return false;
	return place_matches(rule, destination) && port_matches(rule, destination);
}

static struct cothon_verdict decide(const struct cothon_rule *list, size_t count,
				    const struct cothon_destination *destination)
{
	bool any_allows = false;

	for (size_t i = 0; i < count; i++) {
		any_allows |= list[i].allow;
		if (!list[i].allow && matches(&list[i], destination))
			return (struct cothon_verdict){.allowed = false, .rule = (int32_t)i};
	}
	for (size_t i = 0; i < count; i++) {
		if (list[i].allow && matches(&list[i], destination))
			return (struct cothon_verdict){.allowed = true, .rule = (int32_t)i};
	}
	return (struct cothon_verdict){.allowed = !any_allows && !destination->closed, .rule = -1};
}

/* The world. */

struct world {
	struct cothon_addr addrs[COUNT(addresses)];
	struct cothon_destination *list;
	size_t count;
};

/* All transports and ports of a place. */
static void add_place(struct world *world, const struct cothon_addr *addr, const char *name,
		      uint8_t closed)
{
	for (size_t i = 0; i < COUNT(transports); i++) {
		for (size_t j = 0; j < COUNT(ports); j++) {
			if (transports[i] == 0 && j > 0)
				continue;
			world->list[world->count++] = (struct cothon_destination){
				.transport = transports[i],
				.port = transports[i] ? ports[j] : 0,
				.name = name,
				.addr = addr,
				.closed = closed,
			};
		}
	}
}

static int make_world(void **state)
{
	static struct world world;
	size_t places = (COUNT(addresses) + 1) * (COUNT(names) + 1) * COUNT(closures);

	world.list = calloc(places * COUNT(transports) * COUNT(ports), sizeof(*world.list));
	assert_non_null(world.list);
	for (size_t i = 0; i <= COUNT(addresses); i++) {
		const struct cothon_addr *addr = NULL;

		if (i < COUNT(addresses)) {
			assert_int_equal(cothon_addr_parse(addresses[i], &world.addrs[i]), 0);
			addr = &world.addrs[i];
		}
		for (size_t j = 0; j <= COUNT(names); j++) {
			const char *name = j < COUNT(names) ? names[j] : NULL;

			for (size_t k = 0; k < COUNT(closures); k++) {
				if (!addr && !name)
					continue;
				add_place(&world, addr, name, closures[k]);
			}
		}
	}
	*state = &world;
	return 0;
}

static int end_world(void **state)
{
	free(((struct world *)*state)->list);
	return 0;
}

/* Makes a set of random rules; returns how many. */
static size_t roll_set(struct cothon_rule list[static RULES], struct cothon_rules **rules)
{
	size_t count = roll(RULES + 1);

	for (size_t i = 0; i < count; i++) {
		/* Now and then one that is there already. */
		if (i > 0 && roll(12) == 0)
			list[i] = list[roll(i)];
		else
			roll_rule(&list[i]);
	}
	assert_int_equal(cothon_rules_create(&cothon_memory_malloc, list, count, rules), 0);
	return count;
}

static void print_set(const struct cothon_rule *list, size_t count)
{
	char text[COTHON_RULE_TEXT];

	for (size_t i = 0; i < count; i++)
		print_message("%zu: %s %s\n", i, list[i].allow ? "allow" : "deny",
			      cothon_rule_format(&list[i], text));
}

static void decisions_are_the_same(void **state)
{
	const struct world *world = *state;
	struct cothon_rule list[RULES];
	struct cothon_rules *rules;
	size_t allowed = 0, denied = 0;

	dice = 1;
	for (int set = 0; set < SETS; set++) {
		size_t count = roll_set(list, &rules);

		for (size_t i = 0; i < world->count; i++) {
			const struct cothon_destination *destination = &world->list[i];
			struct cothon_verdict is = cothon_rules_decide(rules, destination);
			struct cothon_verdict should = decide(list, count, destination);

			if (is.allowed != should.allowed || is.rule != should.rule) {
				print_set(list, count);
				fail_msg("destination %zu: by %d instead of %d", i, is.rule,
					 should.rule);
			}
			allowed += is.allowed;
			denied += !is.allowed;
		}
		cothon_rules_destroy(rules);
	}
	/* Both happen often. */
	assert_true(allowed > world->count * SETS / 50 && denied > world->count * SETS / 50);
}

/* Names. */

/* Says of a name what can be said after all its ports have been tried. */
static struct cothon_verdict decide_name(const struct cothon_rule *list, size_t count,
					 const char *name)
{
	struct cothon_rule allows[RULES];
	size_t allow_count = 0;
	int32_t against = INT32_MAX, denied = INT32_MAX;
	bool open = false, undecided = false;

	for (size_t i = 0; i < count; i++) {
		if (list[i].allow)
			allows[allow_count++] = list[i];
	}
	for (size_t i = 0; i < COUNT(transports); i++) {
		for (size_t j = 0; j < COUNT(ports); j++) {
			struct cothon_destination destination = {
				.transport = transports[i], .port = ports[j], .name = name};
			struct cothon_verdict verdict = decide(list, count, &destination);
			bool wanted = decide(allows, allow_count, &destination).allowed;

			open |= verdict.allowed;
			undecided |= verdict.rule < 0;
			if (verdict.allowed || verdict.rule < 0)
				continue;
			denied = verdict.rule < denied ? verdict.rule : denied;
			if (wanted)
				against = verdict.rule < against ? verdict.rule : against;
		}
	}
	if (open)
		return (struct cothon_verdict){.allowed = true};
	if (against < INT32_MAX)
		return (struct cothon_verdict){.rule = against};
	return (struct cothon_verdict){.rule = undecided ? -1 : denied};
}

static void names_are_the_same(void **state)
{
	struct cothon_rule list[RULES];
	struct cothon_rules *rules;
	size_t allowed = 0, denied = 0;

	(void)state;
	dice = 2;
	for (int set = 0; set < 20 * SETS; set++) {
		size_t count = roll_set(list, &rules);

		for (size_t i = 0; i < COUNT(names); i++) {
			struct cothon_verdict is = cothon_rules_decide_name(rules, names[i]);
			struct cothon_verdict should = decide_name(list, count, names[i]);

			if (is.allowed != should.allowed ||
			    (!is.allowed && is.rule != should.rule)) {
				print_set(list, count);
				fail_msg("%s: by %d instead of %d", names[i], is.rule, should.rule);
			}
			/* It is allowed by a rule that does allow, unless none does. */
			if (is.allowed && is.rule >= 0)
				assert_true(list[is.rule].allow);
			allowed += is.allowed;
			denied += !is.allowed;
		}
		cothon_rules_destroy(rules);
	}
	assert_true(allowed > SETS && denied > SETS);
}

/* Oddities. */

/* Whether in all the world one rule matches wherever another does. */
static bool covers(const struct world *world, const struct cothon_rule *rule,
		   const struct cothon_rule *other)
{
	for (size_t i = 0; i < world->count; i++) {
		if (matches(other, &world->list[i]) && !matches(rule, &world->list[i]))
			return false;
	}
	return true;
}

/* The first rule of a kind, up to `end`, that covers the one at `i`; or -1. */
static int find_cover(const struct world *world, const struct cothon_rule *list, size_t end,
		      size_t i, bool allow)
{
	for (size_t j = 0; j < end; j++) {
		if (j != i && list[j].allow == allow && covers(world, &list[j], &list[i]))
			return (int)j;
	}
	return -1;
}

static enum cothon_rule_oddity find_oddity(const struct world *world,
					   const struct cothon_rule *list, size_t count, size_t i,
					   int *by)
{
	*by = list[i].allow ? find_cover(world, list, count, i, false) : -1;
	if (*by >= 0)
		return COTHON_RULE_HIDDEN;
	for (size_t j = 0; j < i; j++) {
		if (cothon_rule_equal(&list[j], &list[i])) {
			*by = (int)j;
			return COTHON_RULE_TWICE;
		}
	}
	*by = find_cover(world, list, i, i, list[i].allow);
	return *by >= 0 ? COTHON_RULE_HIDDEN : COTHON_RULE_FINE;
}

/* What is reported never decides anything, and all of it that one other rule hides is reported. */
static void oddities_are_the_same(void **state)
{
	const struct world *world = *state;
	struct cothon_rule list[RULES];
	struct cothon_rules *rules;
	size_t found[COTHON_RULE_UNREACHABLE + 1] = {0};

	dice = 3;
	for (int set = 0; set < SETS; set++) {
		size_t count = roll_set(list, &rules);
		bool decides[RULES] = {false};

		for (size_t i = 0; i < world->count; i++) {
			int32_t rule = cothon_rules_decide(rules, &world->list[i]).rule;
			if (rule >= 0)
				decides[rule] = true;
		}
		for (size_t i = 0; i < count; i++) {
			size_t by = 0;
			int should_by;
			enum cothon_rule_oddity is = cothon_rules_oddity(rules, i, &by);
			enum cothon_rule_oddity should =
				find_oddity(world, list, count, i, &should_by);

			if (is != should || (is != COTHON_RULE_FINE && (int)by != should_by) ||
			    (is != COTHON_RULE_FINE && decides[i])) {
				print_set(list, count);
				fail_msg("%zu: %d by %zu instead of %d by %d", i, is, by, should,
					 should_by);
			}
			found[is]++;
		}
		cothon_rules_destroy(rules);
	}
	assert_true(found[COTHON_RULE_FINE] > 0 && found[COTHON_RULE_TWICE] > 0 &&
		    found[COTHON_RULE_HIDDEN] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decisions_are_the_same),
		cmocka_unit_test(names_are_the_same),
		cmocka_unit_test(oddities_are_the_same),
	};

	return cmocka_run_group_tests(tests, make_world, end_world);
}
