/* SPDX-License-Identifier: MIT */
#include "port/ephemeral.h"

#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum {
	FIRST = 49152,
	LAST = 65535,
	RANGE = LAST - FIRST + 1,
	/* How many random questions may be asked twice before the allocator remembers answers. */
	TRIES = 4,
};

/* Which ports are taken, and which were asked for. */
struct host {
	bool taken[65536];
	uint32_t asked[65536];
	uint32_t calls;
};

static bool is_free(void *context, uint16_t port)
{
	struct host *host = context;

	host->asked[port]++;
	host->calls++;
	return !host->taken[port];
}

static struct host *host_create(void)
{
	struct host *host = calloc(1, sizeof(*host));

	assert_non_null(host);
	return host;
}

/* The flow to destination number `n`, with a local port. */
static struct cothon_flow flow_to(uint32_t n, uint16_t port)
{
	struct cothon_endpoint remote = {{.b = {[10] = 0xff, 0xff, 198, 51, 100, 7}}, 443};
	struct cothon_endpoint local = {{.b = {[10] = 0xff, 0xff, 10, 0, 2, 2}}, port};

	remote.addr.b[14] = (uint8_t)(n >> 8);
	remote.addr.b[15] = (uint8_t)n;
	return cothon_flow_make(COTHON_TCP, &local, &remote);
}

static struct cothon_ephemeral *make_reserving(uint8_t seed, uint16_t first, uint16_t last,
					       const struct cothon_port_range *reserved,
					       size_t count)
{
	struct cothon_siphash_key key = cothon_siphash_key((const uint8_t[32]){seed}, 0);
	struct cothon_ephemeral *ephemeral = NULL;

	assert_int_equal(cothon_ephemeral_create(&cothon_memory_malloc, &key, first, last, reserved,
						 count, &ephemeral),
			 0);
	return ephemeral;
}

static struct cothon_ephemeral *make(uint8_t seed, uint16_t first, uint16_t last)
{
	return make_reserving(seed, first, last, NULL, 0);
}

static uint16_t choose_for(struct cothon_ephemeral *ephemeral, const struct cothon_flow *flow,
			   struct host *host)
{
	uint16_t port = 0;

	assert_int_equal(cothon_ephemeral_choose(ephemeral, flow, is_free, host, &port), 0);
	assert_false(host->taken[port]);
	return port;
}

static uint16_t choose(struct cothon_ephemeral *ephemeral, uint32_t remote, struct host *host)
{
	struct cothon_flow flow = flow_to(remote, 0);

	return choose_for(ephemeral, &flow, host);
}

static void assert_exhausted(struct cothon_ephemeral *ephemeral, uint32_t remote, struct host *host)
{
	struct cothon_flow flow = flow_to(remote, 0);
	uint16_t port = 0;

	assert_int_equal(cothon_ephemeral_choose(ephemeral, &flow, is_free, host, &port),
			 -EADDRNOTAVAIL);
	assert_int_equal(port, 0);
}

static void release(struct cothon_ephemeral *ephemeral, uint32_t remote, uint16_t port)
{
	struct cothon_flow flow = flow_to(remote, port);

	cothon_ephemeral_release(ephemeral, &flow);
}

static void ranges_that_are_allowed(void **state)
{
	(void)state;
	static const struct {
		uint16_t first, last;
		struct cothon_port_range reserved;
		int result;
	} cases[] = {
		{0, 65535, {1, 1}, -EINVAL},     {1023, 65535, {1, 1}, -EINVAL},
		{1023, 1023, {1, 1}, -EINVAL},   {1024, 1023, {1, 1}, -EINVAL},
		{1024, 65535, {1, 1}, 0},        {49152, 65535, {0, 65535}, 0},
		{50000, 49999, {1, 1}, -EINVAL}, {50000, 50000, {50000, 50000}, 0},
		{65535, 65535, {1, 1}, 0},       {1024, 65535, {8080, 8079}, -EINVAL},
	};
	struct cothon_siphash_key key = {{1, 2}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cothon_ephemeral *ephemeral = NULL;

		assert_int_equal(cothon_ephemeral_create(&cothon_memory_malloc, &key,
							 cases[i].first, cases[i].last,
							 &cases[i].reserved, 1, &ephemeral),
				 cases[i].result);
		if (ephemeral)
			cothon_ephemeral_destroy(ephemeral);
	}
}

static void *no_alloc(void *context, size_t size)
{
	(void)context;
	(void)size;
	return NULL;
}

static void without_memory(void **state)
{
	(void)state;
	const struct cothon_memory memory = {.alloc = no_alloc};
	struct cothon_siphash_key key = {{1, 2}};
	struct cothon_ephemeral *ephemeral;

	assert_int_equal(cothon_ephemeral_create(&memory, &key, FIRST, LAST, NULL, 0, &ephemeral),
			 -ENOMEM);
}

/*
 * Chi-square of 64 classes has a mean of 63 and a deviation of 11.2; the bounds are 5 deviations
 * away.
 */
static void assert_even(const uint32_t classes[static 64], uint32_t total)
{
	double expected = total / 64.0, chi = 0;

	for (int i = 0; i < 64; i++)
		chi += (classes[i] - expected) * (classes[i] - expected) / expected;
	assert_true(chi > 63 - 5 * 11.2 && chi < 63 + 5 * 11.2);
}

/* To one destination as to many, every part of the range is as likely as any other. */
static void uniform(void **state)
{
	(void)state;
	struct host *host = host_create();
	enum {
		DRAWS = 64000
	};

	for (uint32_t destinations = 1; destinations <= 1000; destinations *= 1000) {
		struct cothon_ephemeral *ephemeral = make(1, FIRST, LAST);
		uint32_t high[64] = {0}, low[64] = {0}, pairs[64] = {0};
		uint16_t last = FIRST;

		for (uint32_t i = 0; i < DRAWS; i++) {
			uint16_t port = choose(ephemeral, i % destinations, host);

			assert_true(port >= FIRST);
			high[(port - FIRST) / (RANGE / 64)]++;
			low[(port - FIRST) % 64]++;
			/* What follows what: the step from the port before, in 64 classes. */
			pairs[(uint16_t)(port - last) % RANGE / (RANGE / 64)]++;
			last = port;
		}
		assert_even(high, DRAWS);
		assert_even(low, DRAWS);
		assert_even(pairs, DRAWS);
		cothon_ephemeral_destroy(ephemeral);
	}
	assert_int_equal(host->calls, 2 * DRAWS);
	free(host);
}

/*
 * A range that is no power of two, and the widest there is: nothing below its first port or above
 * its last, nothing left out.
 */
static void other_ranges(void **state)
{
	(void)state;
	static const uint16_t ranges[][2] = {
		{1024, 65535}, {1024, 1024 + 30030 - 1}, {32768, 60999}, {2000, 2000 + 6399}};

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct host *host = host_create();
		struct cothon_ephemeral *ephemeral = make(2, ranges[i][0], ranges[i][1]);
		uint32_t count = (uint32_t)(ranges[i][1] - ranges[i][0]) + 1;
		uint32_t classes[64] = {0};
		/* As many as fill 64 classes of the same size. */
		uint32_t width = count / 64, draws = 0;

		while (draws < 64000) {
			uint32_t at = (uint32_t)(choose(ephemeral, 1, host) - ranges[i][0]);
			if (at / width < 64) {
				classes[at / width]++;
				draws++;
			}
		}
		assert_even(classes, draws);
		for (uint32_t port = 0; port < 65536; port++) {
			if (port < ranges[i][0] || port > ranges[i][1])
				assert_int_equal(host->asked[port], 0);
		}
		/* The ends are in it: with all others taken they are found. */
		memset(host->taken, 1, sizeof(host->taken));
		for (int end = 0; end < 2; end++) {
			host->taken[ranges[i][end]] = false;
			release(ephemeral, 1, ranges[i][end]);
			assert_int_equal(choose(ephemeral, 1, host), ranges[i][end]);
			host->taken[ranges[i][end]] = true;
		}
		cothon_ephemeral_destroy(ephemeral);
		free(host);
	}
}

/* A reserved port is never asked for, and the others are as likely as before. */
static void reserved(void **state)
{
	(void)state;
	static const struct cothon_port_range ranges[] = {
		{1, 49160}, {50000, 50999}, {50500, 52000}, {60000, 60000}, {65530, 65535}};
	struct host *host = host_create();
	struct cothon_ephemeral *ephemeral = make_reserving(8, FIRST, LAST, ranges, 5);
	/* 4,096 ports without a reserved one in 64 classes. */
	uint32_t classes[64] = {0}, draws = 0;

	while (draws < 32000) {
		uint16_t port = choose(ephemeral, 3, host);

		for (size_t i = 0; i < 5; i++)
			assert_false(port >= ranges[i].first && port <= ranges[i].last);
		if (port >= 53000 && port < 53000 + 4096) {
			classes[(port - 53000) / 64]++;
			draws++;
		}
	}
	assert_even(classes, draws);
	/* Nor is it where nothing else is left, and releasing it changes nothing. */
	memset(host->taken, 1, sizeof(host->taken));
	host->taken[60000] = host->taken[50500] = false;
	for (uint32_t port = 0; port < 65536; port++)
		release(ephemeral, 3, (uint16_t)port);
	assert_exhausted(ephemeral, 3, host);
	for (uint32_t port = 0; port < 65536; port++) {
		release(ephemeral, 3, (uint16_t)port);
		cothon_ephemeral_release_port(ephemeral, COTHON_TCP, (uint16_t)port);
	}
	assert_exhausted(ephemeral, 3, host);
	assert_int_equal(host->asked[60000] + host->asked[50500], 0);
	cothon_ephemeral_destroy(ephemeral);
	free(host);
}

/*
 * With nine of ten ports taken, in one run, each of those that are free is still as likely as any
 * other: the first behind the run is not chosen more often. After a while nobody asks for those
 * that are taken.
 */
static void uniform_among_the_free(void **state)
{
	(void)state;
	struct host *host = host_create();
	struct cothon_ephemeral *ephemeral = make(3, FIRST, LAST);
	enum {
		FREE = 64 * 25,
		DRAWS = 64000
	};
	uint32_t classes[64] = {0};

	for (uint32_t port = FIRST + FREE; port <= LAST; port++)
		host->taken[port] = true;
	for (uint32_t i = 0; i < DRAWS; i++)
		classes[(choose(ephemeral, 5, host) - FIRST) / (FREE / 64)]++;
	assert_even(classes, DRAWS);
	/* The first few, until one had many refusals, are not remembered. */
	assert_in_range(host->calls, DRAWS + RANGE - FREE, DRAWS + RANGE - FREE + 10 * TRIES);
	cothon_ephemeral_destroy(ephemeral);
	free(host);
}

/*
 * Every port is asked for once before there is none, but for the few that were before; after that
 * none is, until one is released.
 */
static void exhaustion(void **state)
{
	(void)state;
	static const uint32_t sizes[] = {1,  2,   3,   4,    5,    6,    30,   63,    64,    65,
					 97, 256, 360, 1023, 1024, 1025, 2310, 16384, 30030, 64512};
	struct host *host = host_create();

	memset(host->taken, 1, sizeof(host->taken));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint16_t first = (uint16_t)(65536 - sizes[i]);
		struct cothon_ephemeral *ephemeral = make(4, first, 65535);

		for (uint32_t to = 0; to < 3; to++) {
			memset(host->asked, 0, sizeof(host->asked));
			host->calls = 0;
			assert_exhausted(ephemeral, to, host);
			assert_int_equal(host->calls, sizes[i] + TRIES);
			for (uint32_t n = first; n < 65536; n++)
				assert_in_range(host->asked[n], 1, 1 + TRIES);
			assert_exhausted(ephemeral, to, host);
			assert_int_equal(host->calls, sizes[i] + TRIES);
			/* One that is not free after all is asked for once more. */
			release(ephemeral, to, first);
			release(ephemeral, to, (uint16_t)(first - 1));
			assert_exhausted(ephemeral, to, host);
			assert_int_equal(host->calls, sizes[i] + TRIES + 1);
			host->taken[first] = false;
			release(ephemeral, to, first);
			assert_int_equal(choose(ephemeral, to, host), first);
			host->taken[first] = true;
		}
		cothon_ephemeral_destroy(ephemeral);
	}
	free(host);
}

/* Whoever releases a port releases it for the same destination, or for all of a transport. */
static void releasing(void **state)
{
	(void)state;
	struct host *host = host_create();
	struct cothon_ephemeral *ephemeral = make(9, 50000, 50099);

	memset(host->taken, 1, sizeof(host->taken));
	assert_exhausted(ephemeral, 1, host);
	assert_exhausted(ephemeral, 2, host);
	host->taken[50007] = false;
	release(ephemeral, 1, 50007);
	assert_int_equal(choose(ephemeral, 1, host), 50007);
	assert_exhausted(ephemeral, 2, host);
	cothon_ephemeral_release_port(ephemeral, COTHON_UDP, 50007);
	assert_exhausted(ephemeral, 2, host);
	cothon_ephemeral_release_port(ephemeral, COTHON_TCP, 50007);
	assert_int_equal(choose(ephemeral, 2, host), 50007);
	cothon_ephemeral_destroy(ephemeral);
	free(host);
}

/* What is taken towards one destination is free towards others, however many there are. */
static void other_destinations(void **state)
{
	(void)state;
	struct host *taken = host_create(), *host = host_create();
	struct cothon_ephemeral *ephemeral = make(10, 50000, 50255);

	memset(taken->taken, 1, sizeof(taken->taken));
	for (uint32_t to = 0; to < 100; to++)
		assert_exhausted(ephemeral, to, taken);
	for (uint32_t to = 0; to < 200; to++) {
		host->calls = 0;
		/* The destinations of the loop above had all their ports back. */
		for (uint32_t port = 50000; port < 50256; port++)
			release(ephemeral, to, (uint16_t)port);
		choose(ephemeral, to, host);
		assert_int_equal(host->calls, 1);
	}
	cothon_ephemeral_destroy(ephemeral);
	free(taken);
	free(host);
}

/*
 * Flows come and go while 99 of 100 ports are taken: about two questions each, whichever ports are
 * freed, against a plain array.
 */
static void crowded(void **state)
{
	(void)state;
	struct host *host = host_create();
	struct cothon_ephemeral *ephemeral = make(11, FIRST, LAST);
	struct cothon_random random;
	enum {
		TAKEN = RANGE * 99 / 100,
		ROUNDS = 50000
	};
	uint16_t *ports = calloc(TAKEN, sizeof(*ports));

	assert_non_null(ports);
	cothon_random_init(&random, (const uint8_t[32]){11}, 0);
	for (uint32_t i = 0; i < TAKEN; i++) {
		ports[i] = choose(ephemeral, 1, host);
		host->taken[ports[i]] = true;
	}
	host->calls = 0;
	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint16_t *port = &ports[cothon_random_below(&random, TAKEN)];

		host->taken[*port] = false;
		release(ephemeral, 1, *port);
		*port = choose(ephemeral, 1, host);
		host->taken[*port] = true;
	}
	assert_in_range(host->calls, ROUNDS, 2 * ROUNDS + RANGE);
	cothon_ephemeral_destroy(ephemeral);
	free(ports);
	free(host);
}

/* The last free port of the range is found. */
static void the_last_one(void **state)
{
	(void)state;
	struct host *host = host_create();
	struct cothon_ephemeral *ephemeral = make(5, FIRST, LAST);
	struct cothon_random random;

	cothon_random_init(&random, (const uint8_t[32]){5}, 1);
	memset(host->taken, 1, sizeof(host->taken));
	for (uint32_t round = 0; round < 200; round++) {
		uint16_t last = (uint16_t)(FIRST + cothon_random_below(&random, RANGE));

		/* More destinations than are remembered. */
		host->taken[last] = false;
		release(ephemeral, round % 20, last);
		assert_int_equal(choose(ephemeral, round % 20, host), last);
		host->taken[last] = true;
	}
	cothon_ephemeral_destroy(ephemeral);
	free(host);
}

/*
 * The same secret and the same count of ports chosen: another destination, local address, transport
 * or secret, another port.
 */
static void destinations_differ(void **state)
{
	(void)state;
	struct host *host = host_create();
	enum {
		DRAWS = 64000
	};
	struct cothon_ephemeral *here = make(6, FIRST, LAST), *there = make(6, FIRST, LAST);
	uint32_t steps[64] = {0};
	uint32_t same = 0;

	for (uint32_t i = 0; i < DRAWS; i++) {
		uint16_t a = choose(here, i, host), b = choose(there, i ^ 1, host);

		same += a == b;
		steps[(uint16_t)(a - b) % RANGE / (RANGE / 64)]++;
	}
	/* By chance 4 of 64,000. */
	assert_in_range(same, 0, 20);
	/* From one port to the other leads no step more often than another. */
	assert_even(steps, DRAWS);
	cothon_ephemeral_destroy(here);
	cothon_ephemeral_destroy(there);

	struct cothon_flow flows[6];
	struct cothon_ephemeral *each[6];
	uint32_t differ[6] = {0};

	for (size_t i = 0; i < 6; i++) {
		flows[i] = flow_to(1, 0);
		each[i] = make(i == 5 ? 7 : 6, FIRST, LAST);
	}
	/* What is in local_port is no part of the question. */
	flows[1].local_port = 4711;
	flows[2].remote_port = 444;
	flows[3].local.b[15] ^= 1;
	flows[4].transport = COTHON_UDP;
	for (uint32_t i = 0; i < 100; i++) {
		uint16_t port = choose_for(each[0], &flows[0], host);

		for (size_t j = 1; j < 6; j++)
			differ[j] += choose_for(each[j], &flows[j], host) != port;
	}
	assert_int_equal(differ[1], 0);
	for (size_t j = 2; j < 6; j++)
		assert_in_range(differ[j], 99, 100);
	for (size_t i = 0; i < 6; i++)
		cothon_ephemeral_destroy(each[i]);
	free(host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_that_are_allowed),
		cmocka_unit_test(without_memory),
		cmocka_unit_test(uniform),
		cmocka_unit_test(other_ranges),
		cmocka_unit_test(reserved),
		cmocka_unit_test(uniform_among_the_free),
		cmocka_unit_test(exhaustion),
		cmocka_unit_test(releasing),
		cmocka_unit_test(other_destinations),
		cmocka_unit_test(crowded),
		cmocka_unit_test(the_last_one),
		cmocka_unit_test(destinations_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
