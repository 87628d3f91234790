/* SPDX-License-Identifier: MIT */
#include "port/binding.h"

#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const struct cothon_siphash_key key = {{0x0706050403020100, 0x0f0e0d0c0b0a0908}};

static struct cothon_bindings *create(void)
{
	struct cothon_bindings *bindings = cothon_bindings_create(&cothon_memory_malloc, &key);

	assert_non_null(bindings);
	return bindings;
}

enum {
	REUSE_ADDRESS = 1,
	REUSE_PORT = 2,
};

/* A binding from text: an address, or "*" for :: with both families. */
static struct cothon_binding make(const char *address, uint16_t port, uint8_t transport,
				  unsigned reuse)
{
	struct cothon_binding binding = {
		.endpoint.port = port,
		.transport = transport,
		.reuse_address = reuse & REUSE_ADDRESS,
		.reuse_port = reuse & REUSE_PORT,
	};
	bool both = !strcmp(address, "*");

	binding.v6_only = !both;
	assert_int_equal(cothon_addr_parse(both ? "::" : address, &binding.endpoint.addr), 0);
	return binding;
}

static struct cothon_endpoint endpoint(const char *address, uint16_t port)
{
	struct cothon_endpoint endpoint = {.port = port};

	assert_int_equal(cothon_addr_parse(address, &endpoint.addr), 0);
	return endpoint;
}

/* Every pair of addresses, and whether they conflict. */
static void conflicts(void **state)
{
	(void)state;
	static const struct {
		const char *a, *b;
		bool conflict;
	} cases[] = {
		{"10.0.2.3", "10.0.2.3", true},
		{"10.0.2.3", "10.0.2.4", false},
		{"10.0.2.3", "0.0.0.0", true},
		{"10.0.2.3", "::", false},
		{"10.0.2.3", "*", true},
		{"10.0.2.3", "fd00::1", false},
		{"0.0.0.0", "0.0.0.0", true},
		{"0.0.0.0", "::", false},
		{"0.0.0.0", "*", true},
		{"0.0.0.0", "fd00::1", false},
		{"fd00::1", "fd00::1", true},
		{"fd00::1", "fd00::2", false},
		{"fd00::1", "::", true},
		{"fd00::1", "*", true},
		{"::", "::", true},
		{"::", "*", true},
		{"*", "*", true},
		{"127.0.0.1", "::1", false},
	};

	for (size_t i = 0; i < 64 * sizeof(cases) / sizeof(cases[0]); i++) {
		/* Either order, both transports, and of each the reuse flags set or not. */
		bool swapped = i & 1;
		unsigned reuse_a = i >> 1 & 3, reuse_b = i >> 3 & 3;
		uint8_t transport = i & 32 ? COTHON_TCP : COTHON_UDP;
		uint8_t other = i & 32 ? COTHON_UDP : COTHON_TCP;
		const char *first = swapped ? cases[i / 64].b : cases[i / 64].a;
		const char *second = swapped ? cases[i / 64].a : cases[i / 64].b;
		struct cothon_bindings *bindings = create();
		struct cothon_binding a = make(first, 80, transport, reuse_a);
		struct cothon_binding b = make(second, 80, transport, reuse_b);
		struct cothon_binding other_port = make(second, 81, transport, 0);
		struct cothon_binding other_transport = make(second, 80, other, 0);
		/* SO_REUSEADDR alone is not enough for two listeners of TCP. */
		unsigned enough = transport == COTHON_TCP ? REUSE_PORT : REUSE_PORT | REUSE_ADDRESS;
		bool conflict = cases[i / 64].conflict && !(reuse_a & reuse_b & enough);

		assert_int_equal(cothon_bindings_add(bindings, &a), 0);
		assert_int_equal(cothon_bindings_add(bindings, &other_port), 0);
		assert_int_equal(cothon_bindings_add(bindings, &other_transport), 0);
		assert_int_equal(cothon_bindings_add(bindings, &b), conflict ? -EADDRINUSE : 0);
		/* When the first has gone, there is room for the second. */
		cothon_bindings_remove(bindings, &a);
		if (conflict)
			assert_int_equal(cothon_bindings_add(bindings, &b), 0);
		cothon_bindings_destroy(bindings);
	}
}

/* Which of the bindings that may stand side by side a packet belongs to. */
static void finding(void **state)
{
	(void)state;
	struct cothon_bindings *bindings = create();
	struct cothon_binding ipv4 = make("10.0.2.3", 80, COTHON_TCP, REUSE_PORT);
	struct cothon_binding ipv6 = make("fd00::1", 80, COTHON_TCP, REUSE_PORT);
	struct cothon_binding any4 = make("0.0.0.0", 80, COTHON_TCP, REUSE_PORT);
	struct cothon_binding any6 = make("::", 81, COTHON_TCP, REUSE_PORT);
	struct cothon_binding both = make("*", 80, COTHON_TCP, REUSE_PORT);
	struct cothon_binding udp = make("*", 80, COTHON_UDP, 0);
	struct cothon_binding *const all[] = {&both, &ipv4, &udp, &any4, &ipv6, &any6};
	const struct {
		const char *to;
		uint16_t port;
		uint8_t transport;
		struct cothon_binding *owner;
	} cases[] = {
		{"10.0.2.3", 80, COTHON_TCP, &ipv4}, {"10.0.2.4", 80, COTHON_TCP, &any4},
		{"fd00::1", 80, COTHON_TCP, &ipv6},  {"fd00::2", 80, COTHON_TCP, &both},
		{"10.0.2.3", 80, COTHON_UDP, &udp},  {"fd00::1", 80, COTHON_UDP, &udp},
		{"fd00::1", 81, COTHON_TCP, &any6},  {"10.0.2.3", 81, COTHON_TCP, NULL},
		{"10.0.2.3", 81, COTHON_UDP, NULL},  {"10.0.2.3", 82, COTHON_TCP, NULL},
		{"10.0.2.3", 80, COTHON_SCTP, NULL},
	};

	struct cothon_endpoint from = endpoint("10.0.2.9", 50000);

	/* Whatever the order in which they came. */
	for (size_t turn = 0; turn < 6; turn++) {
		for (size_t i = 0; i < 6; i++)
			assert_int_equal(cothon_bindings_add(bindings, all[(i + turn) % 6]), 0);
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct cothon_endpoint to = endpoint(cases[i].to, cases[i].port);
			assert_ptr_equal(cothon_bindings_find(bindings, cases[i].transport, &to,
							      &from),
					 cases[i].owner);
		}
		for (size_t i = 0; i < 6; i++)
			cothon_bindings_remove(bindings, all[i]);
	}
	/* Without the wildcard of its own family, IPv4 goes to the one for both. */
	struct cothon_endpoint to = endpoint("10.0.2.4", 80);
	assert_int_equal(cothon_bindings_add(bindings, &both), 0);
	assert_ptr_equal(cothon_bindings_find(bindings, COTHON_TCP, &to, &from), &both);
	/* Of two that are equal in all, the newer one. */
	struct cothon_binding older = make("*", 80, COTHON_UDP, REUSE_ADDRESS), newer = older;
	assert_int_equal(cothon_bindings_add(bindings, &older), 0);
	assert_int_equal(cothon_bindings_add(bindings, &newer), 0);
	assert_ptr_equal(cothon_bindings_find(bindings, COTHON_UDP, &to, &from), &newer);
	cothon_bindings_remove(bindings, &newer);
	assert_ptr_equal(cothon_bindings_find(bindings, COTHON_UDP, &to, &from), &older);
	cothon_bindings_remove(bindings, &older);
	cothon_bindings_remove(bindings, &both);
	/* 0.0.0.0 takes IPv4 only, whatever else is said of it. */
	any4.v6_only = false;
	to = endpoint("fd00::2", 80);
	assert_int_equal(cothon_bindings_add(bindings, &any4), 0);
	assert_null(cothon_bindings_find(bindings, COTHON_TCP, &to, &from));
	cothon_bindings_destroy(bindings);
}

/* Those that share a port by SO_REUSEPORT get an even share of the flows, and each flow has one. */
static void sharing(void **state)
{
	(void)state;
	enum {
		SHARERS = 5,
		FLOWS = 5000
	};
	static const struct cothon_siphash_key other_key = {{1, 2}};
	struct cothon_bindings *bindings[2] = {
		create(), cothon_bindings_create(&cothon_memory_malloc, &other_key)};
	struct cothon_binding sharers[2][SHARERS], wide[2];
	struct cothon_endpoint to = endpoint("10.0.2.3", 53), from = endpoint("10.0.2.9", 0);
	uint32_t shares[SHARERS] = {0}, differ = 0;

	assert_non_null(bindings[1]);
	for (size_t b = 0; b < 2; b++) {
		/* The wildcard shares with the others, but an exact address is better. */
		for (size_t i = 0; i < SHARERS; i++) {
			sharers[b][i] = make("10.0.2.3", 53, COTHON_UDP, REUSE_PORT);
			assert_int_equal(cothon_bindings_add(bindings[b], &sharers[b][i]), 0);
		}
		wide[b] = make("0.0.0.0", 53, COTHON_UDP, REUSE_PORT);
		assert_int_equal(cothon_bindings_add(bindings[b], &wide[b]), 0);
	}
	for (from.port = 1; from.port <= FLOWS; from.port++) {
		size_t number[2];

		for (size_t b = 0; b < 2; b++) {
			struct cothon_binding *binding =
				cothon_bindings_find(bindings[b], COTHON_UDP, &to, &from);

			assert_in_range(binding, &sharers[b][0], &sharers[b][SHARERS - 1]);
			assert_ptr_equal(cothon_bindings_find(bindings[b], COTHON_UDP, &to, &from),
					 binding);
			number[b] = (size_t)(binding - sharers[b]);
		}
		shares[number[0]]++;
		differ += number[0] != number[1];
	}
	/* Five deviations, of 28.3 each. */
	for (size_t i = 0; i < SHARERS; i++)
		assert_in_range(shares[i], 1000 - 142, 1000 + 142);
	/* Which one it is nobody can tell without the key: by chance four of five differ. */
	assert_in_range(differ, 4000 - 142, 4000 + 142);
	for (size_t b = 0; b < 2; b++)
		cothon_bindings_destroy(bindings[b]);
}

static void holding(void **state)
{
	(void)state;
	struct cothon_bindings *bindings = create();
	struct cothon_binding one = make("10.0.2.3", 5000, COTHON_TCP, 0);
	struct cothon_binding two = make("fd00::1", 5000, COTHON_TCP, 0);

	assert_false(cothon_bindings_hold(bindings, COTHON_TCP, 5000));
	assert_int_equal(cothon_bindings_add(bindings, &one), 0);
	assert_int_equal(cothon_bindings_add(bindings, &two), 0);
	assert_true(cothon_bindings_hold(bindings, COTHON_TCP, 5000));
	assert_false(cothon_bindings_hold(bindings, COTHON_UDP, 5000));
	assert_false(cothon_bindings_hold(bindings, COTHON_TCP, 5001));
	cothon_bindings_remove(bindings, &one);
	assert_true(cothon_bindings_hold(bindings, COTHON_TCP, 5000));
	cothon_bindings_remove(bindings, &two);
	assert_false(cothon_bindings_hold(bindings, COTHON_TCP, 5000));
	cothon_bindings_destroy(bindings);
}

/* Memory that ends after `left` more allocations. */
static void *ending_alloc(void *context, size_t size)
{
	int *left = context;

	return (*left)-- > 0 ? malloc(size) : NULL;
}

static void ending_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

/* All ports of two transports at once, against a plain array. */
static void many(void **state)
{
	(void)state;
	enum {
		SIZE = 2 * 65536
	};
	struct cothon_binding *all = calloc(SIZE, sizeof(*all));
	bool *in = calloc(SIZE, sizeof(*in));
	struct cothon_bindings *bindings = create();
	struct cothon_random random;
	struct cothon_endpoint from = endpoint("10.0.2.9", 50000);

	assert_non_null(all);
	assert_non_null(in);
	cothon_random_init(&random, (const uint8_t[32]){7}, 0);
	for (uint32_t i = 0; i < SIZE; i++) {
		all[i] = make("10.0.2.3", (uint16_t)(i / 2), i % 2 ? COTHON_TCP : COTHON_UDP, 0);
		assert_int_equal(cothon_bindings_add(bindings, &all[i]), 0);
		in[i] = true;
	}
	for (uint32_t n = 0; n < SIZE; n++) {
		uint32_t i = cothon_random_below(&random, SIZE);
		struct cothon_endpoint to = endpoint("10.0.2.3", (uint16_t)(i / 2));
		uint8_t transport = i % 2 ? COTHON_TCP : COTHON_UDP;

		assert_ptr_equal(cothon_bindings_find(bindings, transport, &to, &from),
				 in[i] ? &all[i] : NULL);
		assert_int_equal(cothon_bindings_hold(bindings, transport, to.port), in[i]);
		if (in[i])
			cothon_bindings_remove(bindings, &all[i]);
		else
			assert_int_equal(cothon_bindings_add(bindings, &all[i]), 0);
		in[i] = !in[i];
	}
	cothon_bindings_destroy(bindings);
	free(all);
	free(in);
}

/* Memory is needed for the first of 256 neighbours; what is bound stays whatever is refused. */
static void without_memory(void **state)
{
	(void)state;
	int left = 0;
	const struct cothon_memory memory = {ending_alloc, ending_free, &left};
	struct cothon_binding first = make("*", 256, COTHON_TCP, 0);
	struct cothon_binding last = make("*", 511, COTHON_TCP, 0);
	struct cothon_binding beyond = make("*", 512, COTHON_TCP, 0);
	struct cothon_bindings *bindings;

	assert_null(cothon_bindings_create(&memory, &key));
	left = 2;
	bindings = cothon_bindings_create(&memory, &key);
	assert_non_null(bindings);
	assert_int_equal(cothon_bindings_add(bindings, &first), 0);
	assert_int_equal(cothon_bindings_add(bindings, &last), 0);
	assert_int_equal(cothon_bindings_add(bindings, &beyond), -ENOMEM);
	assert_false(cothon_bindings_hold(bindings, COTHON_TCP, 512));
	assert_true(cothon_bindings_hold(bindings, COTHON_TCP, 256));
	assert_true(cothon_bindings_hold(bindings, COTHON_TCP, 511));
	assert_false(cothon_bindings_hold(bindings, COTHON_TCP, 510));
	left = 1;
	assert_int_equal(cothon_bindings_add(bindings, &beyond), 0);
	cothon_bindings_destroy(bindings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conflicts), cmocka_unit_test(finding),
		cmocka_unit_test(sharing),   cmocka_unit_test(holding),
		cmocka_unit_test(many),      cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
