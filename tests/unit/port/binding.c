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

/* A binding from text: an address, or "*" for :: with both families. */
static struct cothon_binding make(const char *address, uint16_t port, uint8_t transport, bool reuse)
{
	struct cothon_binding binding = {
		.endpoint.port = port, .transport = transport, .reuse = reuse};

	binding.both_families = !strcmp(address, "*");
	assert_int_equal(cothon_addr_parse(binding.both_families ? "::" : address,
					   &binding.endpoint.addr),
			 0);
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

	for (size_t i = 0; i < 8 * sizeof(cases) / sizeof(cases[0]); i++) {
		/* Either order, and of each the reuse flag set or not. */
		bool swapped = i & 1, reuse_a = i & 2, reuse_b = i & 4;
		const char *first = swapped ? cases[i / 8].b : cases[i / 8].a;
		const char *second = swapped ? cases[i / 8].a : cases[i / 8].b;
		struct cothon_bindings *bindings = cothon_bindings_create(&cothon_memory_malloc);
		struct cothon_binding a = make(first, 80, COTHON_TCP, reuse_a);
		struct cothon_binding b = make(second, 80, COTHON_TCP, reuse_b);
		struct cothon_binding other_port = make(second, 81, COTHON_TCP, false);
		struct cothon_binding other_transport = make(second, 80, COTHON_UDP, false);
		bool conflict = cases[i / 8].conflict && !(reuse_a && reuse_b);

		assert_non_null(bindings);
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
	struct cothon_bindings *bindings = cothon_bindings_create(&cothon_memory_malloc);
	struct cothon_binding ipv4 = make("10.0.2.3", 80, COTHON_TCP, true);
	struct cothon_binding ipv6 = make("fd00::1", 80, COTHON_TCP, true);
	struct cothon_binding any4 = make("0.0.0.0", 80, COTHON_TCP, true);
	struct cothon_binding any6 = make("::", 81, COTHON_TCP, true);
	struct cothon_binding both = make("*", 80, COTHON_TCP, true);
	struct cothon_binding udp = make("*", 80, COTHON_UDP, false);
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

	assert_non_null(bindings);
	/* Whatever the order in which they came. */
	for (size_t turn = 0; turn < 6; turn++) {
		for (size_t i = 0; i < 6; i++)
			assert_int_equal(cothon_bindings_add(bindings, all[(i + turn) % 6]), 0);
		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct cothon_endpoint to = endpoint(cases[i].to, cases[i].port);
			assert_ptr_equal(cothon_bindings_find(bindings, cases[i].transport, &to),
					 cases[i].owner);
		}
		for (size_t i = 0; i < 6; i++)
			cothon_bindings_remove(bindings, all[i]);
	}
	/* Without the wildcard of its own family, IPv4 goes to the one for both. */
	struct cothon_endpoint to = endpoint("10.0.2.4", 80);
	assert_int_equal(cothon_bindings_add(bindings, &both), 0);
	assert_ptr_equal(cothon_bindings_find(bindings, COTHON_TCP, &to), &both);
	/* Of two that are equal in all, the newer one. */
	struct cothon_binding newer = both;
	assert_int_equal(cothon_bindings_add(bindings, &newer), 0);
	assert_ptr_equal(cothon_bindings_find(bindings, COTHON_TCP, &to), &newer);
	cothon_bindings_remove(bindings, &newer);
	assert_ptr_equal(cothon_bindings_find(bindings, COTHON_TCP, &to), &both);
	cothon_bindings_remove(bindings, &both);
	/* 0.0.0.0 takes IPv4 only, whatever else is said of it. */
	any4.both_families = true;
	to = endpoint("fd00::2", 80);
	assert_int_equal(cothon_bindings_add(bindings, &any4), 0);
	assert_null(cothon_bindings_find(bindings, COTHON_TCP, &to));
	cothon_bindings_destroy(bindings);
}

static void holding(void **state)
{
	(void)state;
	struct cothon_bindings *bindings = cothon_bindings_create(&cothon_memory_malloc);
	struct cothon_binding one = make("10.0.2.3", 5000, COTHON_TCP, true);
	struct cothon_binding two = make("fd00::1", 5000, COTHON_TCP, true);

	assert_non_null(bindings);
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

/* All ports of two transports at once, with memory to grow and without, against a plain array. */
static void many(void **state)
{
	(void)state;
	enum {
		SIZE = 2 * 65536
	};
	static const int allocations[] = {2, 3, 1000};
	struct cothon_binding *all = calloc(SIZE, sizeof(*all));
	bool *in = calloc(SIZE, sizeof(*in));
	struct cothon_random random;

	assert_non_null(all);
	assert_non_null(in);
	cothon_random_init(&random, (const uint8_t[32]){7}, 0);
	for (size_t m = 0; m < sizeof(allocations) / sizeof(allocations[0]); m++) {
		int left = allocations[m];
		const struct cothon_memory memory = {ending_alloc, ending_free, &left};
		struct cothon_bindings *bindings = cothon_bindings_create(&memory);
		assert_non_null(bindings);
		/* Where the table cannot grow, fewer, for the time it takes. */
		uint32_t step = m < 2 ? 17 : 1;
		for (uint32_t i = 0; i < SIZE; i += step) {
			all[i] = make("10.0.2.3", (uint16_t)(i / 2),
				      i % 2 ? COTHON_TCP : COTHON_UDP, false);
			assert_int_equal(cothon_bindings_add(bindings, &all[i]), 0);
			in[i] = true;
		}
		for (uint32_t n = 0; n < SIZE; n++) {
			uint32_t i = cothon_random_below(&random, SIZE / step) * step;
			struct cothon_endpoint to = endpoint("10.0.2.3", (uint16_t)(i / 2));
			uint8_t transport = i % 2 ? COTHON_TCP : COTHON_UDP;
			assert_ptr_equal(cothon_bindings_find(bindings, transport, &to),
					 in[i] ? &all[i] : NULL);
			assert_int_equal(cothon_bindings_hold(bindings, transport, to.port), in[i]);
			if (in[i])
				cothon_bindings_remove(bindings, &all[i]);
			else
				assert_int_equal(cothon_bindings_add(bindings, &all[i]), 0);
			in[i] = !in[i];
		}
		cothon_bindings_destroy(bindings);
		memset(in, 0, SIZE * sizeof(*in));
	}
	for (int left = 0; left < 2; left++) {
		int rest = left;
		const struct cothon_memory memory = {ending_alloc, ending_free, &rest};
		assert_null(cothon_bindings_create(&memory));
	}
	free(all);
	free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conflicts),
		cmocka_unit_test(finding),
		cmocka_unit_test(holding),
		cmocka_unit_test(many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
