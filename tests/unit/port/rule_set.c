/* SPDX-License-Identifier: MIT */
#include <cothon/rule.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum {
	RULES = 16 /* at most, in the sets that are written out here */
};

/* Reads "+RULE" (allow) or "-RULE" (deny). */
static struct cothon_rule rule_of(const char *text)
{
	struct cothon_rule_error error;
	struct cothon_rule rule;

	if (cothon_rule_parse(text + 1, strlen(text + 1), *text == '+', &rule, &error) < 0)
		fail_msg("%s: %s", text, error.text);
	return rule;
}

/* A set of the rules of a text, parted by spaces. */
static struct cothon_rules *set_of(const char *text)
{
	struct cothon_rule list[RULES];
	struct cothon_rules *rules;
	char copy[512], *rest = NULL;
	size_t count = 0;

	assert_true(strlen(text) < sizeof(copy));
	memcpy(copy, text, strlen(text) + 1);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		assert_true(count < RULES);
		list[count++] = rule_of(word);
	}
	assert_int_equal(cothon_rules_create(&cothon_memory_malloc, list, count, &rules), 0);
	assert_int_equal(cothon_rules_count(rules), count);
	for (size_t i = 0; i < count; i++)
		assert_true(cothon_rule_equal(cothon_rules_at(rules, i), &list[i]));
	return rules;
}

enum {
	TCP = COTHON_TCP,
	UDP = COTHON_UDP,
	ECHO = 0,
};

static void destinations_are_decided(void **state)
{
	static const struct {
		const char *rules;
		const char *addr, *name; /* NULL: not known */
		uint8_t transport;
		uint16_t port;
		uint8_t closed;
		bool allowed;
		int rule;
	} cases[] = {
		/* Without rules all is open but what is closed. */
		{"", "192.0.2.1", NULL, TCP, 80, 0, true, -1},
		{"", "192.0.2.1", NULL, ECHO, 0, 0, true, -1},
		{"", NULL, "a.example", UDP, 53, 0, true, -1},
		{"", "169.254.1.1", NULL, TCP, 80, 16, false, -1},
		/* Any rule that allows closes the rest; one that denies does not. */
		{"+10.0.0.0/8", "10.1.2.3", NULL, TCP, 80, 0, true, 0},
		{"+10.0.0.0/8", "11.1.2.3", NULL, TCP, 80, 0, false, -1},
		{"-10.0.0.0/8", "10.1.2.3", NULL, TCP, 80, 0, false, 0},
		{"-10.0.0.0/8", "11.1.2.3", NULL, TCP, 80, 0, true, -1},
		{"+example.com", "192.0.2.1", NULL, TCP, 80, 0, false, -1},
		/* What denies beats what allows, however specific, wherever it stands. */
		{"+10.1.2.3 -10.0.0.0/8", "10.1.2.3", NULL, TCP, 80, 0, false, 1},
		{"-10.0.0.0/8 +10.1.2.3", "10.1.2.3", NULL, TCP, 80, 0, false, 0},
		{"-10.1.2.3 +10.0.0.0/8", "10.1.2.3", NULL, TCP, 80, 0, false, 0},
		{"-10.1.2.3 +10.0.0.0/8", "10.1.2.4", NULL, TCP, 80, 0, true, 1},
		/* The first of those that decide is the one that is told. */
		{"+any +10.0.0.0/8 +10.1.0.0/16", "10.1.2.3", NULL, TCP, 80, 0, true, 0},
		{"+10.1.0.0/16 +any +10.0.0.0/8", "10.1.2.3", NULL, TCP, 80, 0, true, 0},
		{"+any -10.0.0.0/8 -10.1.0.0/16 -any", "10.1.2.3", NULL, TCP, 80, 0, false, 1},
		{"+any -10.1.2.3:81 -10.1.0.0/16 -any", "10.1.2.3", NULL, TCP, 80, 0, false, 2},
		/* Ports and transports. */
		{"+any:80-90/tcp", "192.0.2.1", NULL, TCP, 80, 0, true, 0},
		{"+any:80-90/tcp", "192.0.2.1", NULL, TCP, 90, 0, true, 0},
		{"+any:80-90/tcp", "192.0.2.1", NULL, TCP, 91, 0, false, -1},
		{"+any:80-90/tcp", "192.0.2.1", NULL, TCP, 79, 0, false, -1},
		{"+any:80-90/tcp", "192.0.2.1", NULL, UDP, 80, 0, false, -1},
		{"+any:domain", "192.0.2.1", NULL, UDP, 53, 0, true, 0},
		{"+any:domain", "192.0.2.1", NULL, TCP, 53, 0, true, 0},
		{"-any:65535", "192.0.2.1", NULL, TCP, 65535, 0, false, 0},
		{"-any:65535", "192.0.2.1", NULL, TCP, 65534, 0, true, -1},
		{"+any:1-65535", "192.0.2.1", NULL, TCP, 0, 0, false, -1},
		/* Only a rule about everything is about echo requests. */
		{"+192.0.2.1", "192.0.2.1", NULL, ECHO, 0, 0, true, 0},
		{"+192.0.2.1:1-65535", "192.0.2.1", NULL, ECHO, 0, 0, false, -1},
		{"+192.0.2.1/tcp", "192.0.2.1", NULL, ECHO, 0, 0, false, -1},
		{"-any/udp", "192.0.2.1", NULL, ECHO, 0, 0, true, -1},
		{"-any:80", "192.0.2.1", NULL, ECHO, 0, 0, true, -1},
		/* Families. */
		{"+0.0.0.0/0", "2001:db8::1", NULL, TCP, 80, 0, false, -1},
		{"+::/0", "192.0.2.1", NULL, TCP, 80, 0, false, -1},
		{"+::/0", "2001:db8::1", NULL, TCP, 80, 0, true, 0},
		{"-::fff0:0:0/92", "192.0.2.1", NULL, TCP, 80, 0, true, -1},
		{"-fc00::/7", "fdff::1", NULL, TCP, 80, 0, false, 0},
		{"-fd00::/8", "fc00::1", NULL, TCP, 80, 0, true, -1},
		/* Names. */
		{"+example.com", NULL, "example.com", TCP, 80, 0, true, 0},
		{"+example.com", NULL, "www.example.com", TCP, 80, 0, false, -1},
		{"+*.example.com", NULL, "example.com", TCP, 80, 0, false, -1},
		{"+*.example.com", NULL, "www.example.com", TCP, 80, 0, true, 0},
		{"+*.example.com", NULL, "a.b.c.example.com", TCP, 80, 0, true, 0},
		{"+*.example.com", NULL, "badexample.com", TCP, 80, 0, false, -1},
		{"+*.example.com", NULL, "example.com.evil.org", TCP, 80, 0, false, -1},
		{"+*.example.com", NULL, "example.co", TCP, 80, 0, false, -1},
		{"+example.com", NULL, "xample.com", TCP, 80, 0, false, -1},
		{"-*.com +www.example.com", NULL, "www.example.com", TCP, 80, 0, false, 0},
		{"+*.com -ads.example.com:443", NULL, "ads.example.com", TCP, 443, 0, false, 1},
		{"+*.com -ads.example.com:443", NULL, "ads.example.com", TCP, 80, 0, true, 0},
		{"+any", NULL, "example.com", TCP, 80, 0, true, 0},
		/* Both: a rule matches that matches either. */
		{"+example.com", "192.0.2.1", "example.com", TCP, 80, 0, true, 0},
		{"+192.0.2.0/24", "192.0.2.1", "example.com", TCP, 80, 0, true, 0},
		{"+example.com -192.0.2.0/24", "192.0.2.1", "example.com", TCP, 80, 0, false, 1},
		{"+192.0.2.0/24 -example.com", "192.0.2.1", "example.com", TCP, 80, 0, false, 1},
		{"+*.com +192.0.2.0/24", "192.0.2.1", "example.com", TCP, 80, 0, true, 0},
		{"+*.org +192.0.2.0/24", "192.0.2.1", "example.com", TCP, 80, 0, true, 1},
		/* Closed: only a prefix that is long enough opens it. */
		{"+any", "169.254.1.1", NULL, TCP, 80, 16, false, -1},
		{"+0.0.0.0/0", "169.254.1.1", NULL, TCP, 80, 16, false, -1},
		{"+169.254.0.0/15", "169.254.1.1", NULL, TCP, 80, 16, false, -1},
		{"+169.254.0.0/16", "169.254.1.1", NULL, TCP, 80, 16, true, 0},
		{"+169.254.1.1:80", "169.254.1.1", NULL, TCP, 80, 16, true, 0},
		{"+169.254.1.1:81", "169.254.1.1", NULL, TCP, 80, 16, false, -1},
		{"+any +169.254.1.1", "169.254.1.1", NULL, TCP, 80, 16, true, 1},
		{"+example.com", "127.0.0.1", "example.com", TCP, 80, 8, false, -1},
		{"+example.com +127.0.0.1", "127.0.0.1", "example.com", TCP, 80, 8, true, 1},
		{"+169.254.1.1 -any:80", "169.254.1.1", NULL, TCP, 80, 16, false, 1},
		{"+fe80::/10", "fe80::1", NULL, TCP, 80, 10, true, 0},
		{"+::1", "::1", NULL, TCP, 80, 128, true, 0},
		{"+::/127", "::1", NULL, TCP, 80, 128, false, -1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cothon_rules *rules = set_of(cases[i].rules);
		struct cothon_destination destination = {
			.transport = cases[i].transport,
			.port = cases[i].port,
			.name = cases[i].name,
			.closed = cases[i].closed,
		};
		struct cothon_verdict verdict;
		struct cothon_addr addr;

		if (cases[i].addr) {
			assert_int_equal(cothon_addr_parse(cases[i].addr, &addr), 0);
			destination.addr = &addr;
		}
		verdict = cothon_rules_decide(rules, &destination);
		if (verdict.allowed != cases[i].allowed || verdict.rule != cases[i].rule)
			fail_msg("case %zu (%s): %s by %d", i, cases[i].rules,
				 verdict.allowed ? "allowed" : "denied", verdict.rule);
		cothon_rules_destroy(rules);
	}
}

static void names_are_decided(void **state)
{
	static const struct {
		const char *rules, *name;
		bool allowed;
		int rule;
	} cases[] = {
		{"", "a.example", true, -1},
		{"-b.example", "a.example", true, -1},
		{"-a.example", "a.example", false, 0},
		/* Something of it is left. */
		{"-a.example:1-65534", "a.example", true, -1},
		{"-a.example:1-65535", "a.example", true, -1},
		{"-a.example/tcp", "a.example", true, -1},
		{"-a.example/tcp -a.example/udp", "a.example", true, -1},
		/* Nothing is. */
		{"-a.example/tcp -any", "a.example", false, 0},
		{"-any -a.example", "a.example", false, 0},
		{"+a.example", "a.example", true, 0},
		{"+a.example", "b.example", false, -1},
		{"+192.0.2.1", "a.example", false, -1},
		{"+any:443/tcp", "a.example", true, 0},
		{"+a.example:443 -a.example:443/tcp", "a.example", true, 0},
		{"+a.example:443/tcp -a.example:443", "a.example", false, 1},
		{"+a.example:443/tcp -*.example", "a.example", false, 1},
		{"+a.example:80-90/tcp -any:80-84/tcp -any:85-90/tcp", "a.example", false, 1},
		{"+a.example:80-90/tcp -any:80-84/tcp -any:86-90/tcp", "a.example", true, 0},
		/* A rule that denies a little is not what keeps the rest from being allowed. */
		{"+a.example -b.example:25", "b.example", false, -1},
		{"+a.example -b.example", "b.example", false, 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cothon_rules *rules = set_of(cases[i].rules);
		struct cothon_verdict verdict = cothon_rules_decide_name(rules, cases[i].name);

		if (verdict.allowed != cases[i].allowed || verdict.rule != cases[i].rule)
			fail_msg("case %zu (%s): %s by %d", i, cases[i].rules,
				 verdict.allowed ? "allowed" : "denied", verdict.rule);
		cothon_rules_destroy(rules);
	}
}

static void sets_know_whether_they_have_names(void **state)
{
	static const struct {
		const char *rules;
		bool have;
	} cases[] = {{"", false},
		     {"+any -10.0.0.0/8", false},
		     {"+any -a.example", true},
		     {"+*.example", true}};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cothon_rules *rules = set_of(cases[i].rules);

		assert_int_equal(cothon_rules_have_names(rules), cases[i].have);
		cothon_rules_destroy(rules);
	}
}

/* What is odd about the rule at `i` of a set. */
static void oddities_are_found(void **state)
{
	static const struct {
		const char *rules;
		size_t i;
		enum cothon_rule_oddity oddity;
		size_t by;
	} cases[] = {
		{"+10.0.0.0/8", 0, COTHON_RULE_FINE, 0},
		{"+10.0.0.0/8 +11.0.0.0/8 -10.1.0.0/16", 0, COTHON_RULE_FINE, 0},
		{"+any -10.0.0.0/8", 0, COTHON_RULE_FINE, 0},
		{"+any -10.0.0.0/8", 1, COTHON_RULE_FINE, 0},
		/* The same. */
		{"+any:80,81 +any:80-81", 1, COTHON_RULE_TWICE, 0},
		{"+any:80,81 +any:80-81", 0, COTHON_RULE_FINE, 0},
		{"-a.example -b.example -A.example.", 2, COTHON_RULE_TWICE, 0},
		{"+a.example +a.example/tcp", 0, COTHON_RULE_FINE, 0},
		/* Denied, wherever the rule stands that denies. */
		{"+10.1.0.0/16 -10.0.0.0/8", 0, COTHON_RULE_HIDDEN, 1},
		{"-10.0.0.0/8 +10.1.0.0/16", 1, COTHON_RULE_HIDDEN, 0},
		{"+10.1.0.0/16 +10.1.0.0/16 -10.0.0.0/8", 1, COTHON_RULE_HIDDEN, 2},
		{"+10.0.0.0/8 -10.1.0.0/16", 0, COTHON_RULE_FINE, 0},
		{"+10.1.0.0/16 -10.0.0.0/8/tcp", 0, COTHON_RULE_FINE, 0},
		{"+10.1.0.0/16/tcp -10.0.0.0/8/tcp", 0, COTHON_RULE_HIDDEN, 1},
		{"+10.1.0.0/16:80 -any:1-100", 0, COTHON_RULE_HIDDEN, 1},
		{"+10.1.0.0/16:80,101 -any:1-100", 0, COTHON_RULE_FINE, 0},
		{"+10.1.0.0/16 -any:1-65535", 0, COTHON_RULE_FINE, 0},
		{"+10.1.0.0/16/tcp -any:1-65535", 0, COTHON_RULE_HIDDEN, 1},
		{"+a.example -any", 0, COTHON_RULE_HIDDEN, 1},
		{"+a.example -*.example", 0, COTHON_RULE_HIDDEN, 1},
		{"+example -*.example", 0, COTHON_RULE_FINE, 0},
		{"+*.example -example", 0, COTHON_RULE_FINE, 0},
		{"+*.b.example -*.example", 0, COTHON_RULE_HIDDEN, 1},
		{"+*.example -*.b.example", 0, COTHON_RULE_FINE, 0},
		{"+b.example -*.ample", 0, COTHON_RULE_FINE, 0},
		{"+a.example -0.0.0.0/0 -::/0", 0, COTHON_RULE_FINE, 0},
		{"+10.0.0.1 -::/0", 0, COTHON_RULE_FINE, 0},
		/* Only together they deny it: that is not told. */
		{"+10.0.0.0/8/tcp -10.0.0.0/9 -10.128.0.0/9", 0, COTHON_RULE_FINE, 0},
		/* Covered by an earlier rule that does the same. */
		{"-10.0.0.0/8 -10.1.0.0/16", 1, COTHON_RULE_HIDDEN, 0},
		{"-10.1.0.0/16 -10.0.0.0/8", 0, COTHON_RULE_FINE, 0},
		{"-10.1.0.0/16 -10.0.0.0/8", 1, COTHON_RULE_FINE, 0},
		{"+*.example +a.example", 1, COTHON_RULE_HIDDEN, 0},
		{"+any +a.example", 1, COTHON_RULE_HIDDEN, 0},
		{"+any +0.0.0.0/0", 1, COTHON_RULE_HIDDEN, 0},
		{"+10.0.0.0/8 +10.0.0.0/8:80", 1, COTHON_RULE_HIDDEN, 0},
		/* The longer prefix may open what is closed to the shorter one. */
		{"+any +10.0.0.1", 1, COTHON_RULE_FINE, 0},
		{"+10.0.0.0/8 +10.1.0.0/16", 1, COTHON_RULE_FINE, 0},
		/* Never reached. */
		{"+224.0.0.1", 0, COTHON_RULE_UNREACHABLE, 0},
		{"+224.0.0.0/4", 0, COTHON_RULE_UNREACHABLE, 0},
		{"+224.0.0.0/3", 0, COTHON_RULE_FINE, 0},
		{"+255.255.255.255:67/udp", 0, COTHON_RULE_UNREACHABLE, 0},
		{"+0.0.0.0", 0, COTHON_RULE_UNREACHABLE, 0},
		{"+0.0.0.0/0", 0, COTHON_RULE_FINE, 0},
		{"+0.0.0.0/7", 0, COTHON_RULE_FINE, 0},
		{"-ff02::fb", 0, COTHON_RULE_UNREACHABLE, 0},
		{"+::", 0, COTHON_RULE_UNREACHABLE, 0},
		{"+::/0", 0, COTHON_RULE_FINE, 0},
		{"+::/127", 0, COTHON_RULE_FINE, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cothon_rules *rules = set_of(cases[i].rules);
		size_t by = 0;
		enum cothon_rule_oddity oddity = cothon_rules_oddity(rules, cases[i].i, &by);

		if (oddity != cases[i].oddity || by != cases[i].by)
			fail_msg("case %zu (%s): oddity %d by %zu", i, cases[i].rules, oddity, by);
		cothon_rules_destroy(rules);
	}
}

/* What cothon_rule_parse() never makes. */
static void unsound_rules_are_refused(void **state)
{
	struct cothon_rule list[2] = {rule_of("+any"), rule_of("+10.0.0.0/8:80")};
	const struct cothon_rule sound = list[1];
	struct cothon_rules *rules;
	struct cothon_rule *rule = &list[1];

#define assert_unsound(change)                                                                \
	do {                                                                                  \
		*rule = sound;                                                                \
		change;                                                                       \
		assert_int_equal(cothon_rules_create(&cothon_memory_malloc, list, 2, &rules), \
				 -EINVAL);                                                    \
	} while (0)

	(void)state;
	assert_unsound(rule->kind = COTHON_RULE_BELOW + 1);
	assert_unsound(rule->tcp = rule->udp = false);
	assert_unsound(rule->echo = true);
	assert_unsound(rule->bits = 33);
	assert_unsound(rule->bits = 6);
	assert_unsound(rule->addr.b[15] = 1);
	assert_unsound(rule->port_count = COTHON_RULE_PORTS + 1);
	assert_unsound(rule->ports[0].last = 79);
	assert_unsound((rule->port_count = 2, rule->ports[1] = rule->ports[0]));
	assert_unsound((rule->port_count = 2, rule->ports[1].first = rule->ports[1].last = 81));
	assert_unsound(rule->kind = COTHON_RULE_NAME);
	assert_unsound((rule->kind = COTHON_RULE_NAME, strcpy(rule->name, "A.example")));
	assert_unsound((rule->kind = COTHON_RULE_BELOW, strcpy(rule->name, "a.example.")));
	assert_unsound(
		(rule->kind = COTHON_RULE_NAME, memset(rule->name, 'a', sizeof(rule->name))));
	*rule = sound;
	assert_int_equal(cothon_rules_create(&cothon_memory_malloc, list, 2, &rules), 0);
	cothon_rules_destroy(rules);
}

/* Memory that runs out after some allocations, and counts what is out. */
struct supply {
	unsigned left;
	size_t out;
};

static void *supply_alloc(void *context, size_t size)
{
	struct supply *supply = context;

	if (supply->left == 0)
		return NULL;
	supply->left--;
	supply->out += size;
	return malloc(size);
}

static void supply_free(void *context, void *memory, size_t size)
{
	struct supply *supply = context;

	assert_true(supply->out >= size);
	supply->out -= size;
	free(memory);
}

static void memory_may_run_out(void **state)
{
	struct supply supply;
	const struct cothon_memory memory = {supply_alloc, supply_free, &supply};
	const struct cothon_rule list[] = {rule_of("+any:80"), rule_of("-a.example"),
					   rule_of("+10.0.0.0/8")};
	struct cothon_rules *rules;
	unsigned enough = 0;
	int error;

	(void)state;
	do {
		supply = (struct supply){.left = enough++};
		error = cothon_rules_create(&memory, list, COUNT(list), &rules);
		assert_true(error == 0 || error == -ENOMEM);
		if (error < 0)
			assert_int_equal(supply.out, 0);
	} while (error < 0);
	assert_in_range(enough, 3, 20);
	cothon_rules_destroy(rules);
	assert_int_equal(supply.out, 0);
	cothon_rules_destroy(NULL);
}

/* As many rules as a set takes, of one place and of as many places; one more is too many. */
static void the_bound_holds(void **state)
{
	struct cothon_rule *list = calloc(COTHON_RULES_MAX + 1, sizeof(*list));
	const struct cothon_rule any = rule_of("-any:1"), addr = rule_of("-10.0.0.0:80");
	struct cothon_destination destination = {.transport = COTHON_TCP, .port = 80};
	struct cothon_addr there;
	struct cothon_rules *rules;

	(void)state;
	assert_non_null(list);
	for (int i = 0; i <= COTHON_RULES_MAX; i++) {
		list[i] = addr;
		list[i].addr.b[14] = (uint8_t)(i >> 8);
		list[i].addr.b[15] = (uint8_t)i;
	}
	assert_int_equal(cothon_rules_create(&cothon_memory_malloc, list, COTHON_RULES_MAX + 1,
					     &rules),
			 -E2BIG);
	assert_int_equal(cothon_rules_create(&cothon_memory_malloc, list, COTHON_RULES_MAX, &rules),
			 0);
	there = list[54321].addr;
	destination.addr = &there;
	assert_int_equal(cothon_rules_decide(rules, &destination).rule, 54321);
	there.b[13] = 1;
	assert_int_equal(cothon_rules_decide(rules, &destination).rule, -1);
	cothon_rules_destroy(rules);

	/* Each denies the ports from its own up. */
	for (int i = 0; i < COTHON_RULES_MAX; i++) {
		list[i] = any;
		list[i].ports[0].first = (uint16_t)(65535 - i > 1 ? 65535 - i : 1);
		list[i].ports[0].last = 65535;
	}
	assert_int_equal(cothon_rules_create(&cothon_memory_malloc, list, COTHON_RULES_MAX, &rules),
			 0);
	for (unsigned port = 1; port <= 65535; port++) {
		destination.port = (uint16_t)port;
		assert_int_equal(cothon_rules_decide(rules, &destination).rule, 65535 - port);
	}
	cothon_rules_destroy(rules);
	free(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(destinations_are_decided),
		cmocka_unit_test(names_are_decided),
		cmocka_unit_test(sets_know_whether_they_have_names),
		cmocka_unit_test(oddities_are_found),
		cmocka_unit_test(unsound_rules_are_refused),
		cmocka_unit_test(memory_may_run_out),
		cmocka_unit_test(the_bound_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
