/* SPDX-License-Identifier: MIT */
#include "port/ephemeral.h"

#include "base/random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum {
	FIRST = 49152,
	LAST = 65535,
	RANGE = LAST - FIRST + 1
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

static const struct cothon_addr local = {.b = {[10] = 0xff, 0xff, 10, 0, 2, 2}};

static struct cothon_endpoint remote_of(uint32_t n)
{
	struct cothon_endpoint remote = {{.b = {[10] = 0xff, 0xff, 198, 51, 100, 7}}, 443};

	remote.addr.b[14] = (uint8_t)(n >> 8);
	remote.addr.b[15] = (uint8_t)n;
	return remote;
}

static struct cothon_ephemeral make(uint8_t seed, uint16_t first, uint16_t last)
{
	struct cothon_siphash_key key = cothon_siphash_key((const uint8_t[32]){seed}, 0);
	struct cothon_ephemeral ephemeral;

	assert_int_equal(cothon_ephemeral_init(&ephemeral, &key, first, last), 0);
	return ephemeral;
}

static uint16_t choose(struct cothon_ephemeral *ephemeral, uint32_t remote, struct host *host)
{
	struct cothon_endpoint to = remote_of(remote);
	uint16_t port = 0;

	assert_int_equal(cothon_ephemeral_choose(ephemeral, &local, &to, is_free, host, &port), 0);
	assert_in_range(port, ephemeral->first, ephemeral->last);
	assert_false(host->taken[port]);
	return port;
}

static void ranges_that_are_allowed(void **state)
{
	(void)state;
	static const struct {
		uint16_t first, last;
		int result;
	} cases[] = {
		{0, 65535, -EINVAL},     {1023, 65535, -EINVAL}, {1023, 1023, -EINVAL},
		{1024, 1023, -EINVAL},   {1024, 65535, 0},       {49152, 65535, 0},
		{50000, 49999, -EINVAL}, {50000, 50000, 0},      {65535, 65535, 0},
	};
	struct cothon_siphash_key key = {{1, 2}};
	struct cothon_ephemeral ephemeral;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(cothon_ephemeral_init(&ephemeral, &key, cases[i].first,
						       cases[i].last),
				 cases[i].result);
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
	static struct host host;
	enum {
		DRAWS = 64000
	};

	for (uint32_t destinations = 1; destinations <= 1000; destinations *= 1000) {
		struct cothon_ephemeral ephemeral = make(1, FIRST, LAST);
		uint32_t high[64] = {0}, low[64] = {0}, pairs[64] = {0};
		uint16_t last = FIRST;
		for (uint32_t i = 0; i < DRAWS; i++) {
			uint16_t port = choose(&ephemeral, i % destinations, &host);
			high[(port - FIRST) / (RANGE / 64)]++;
			low[(port - FIRST) % 64]++;
			/* What follows what: the step from the port before, in 64 classes. */
			pairs[(uint16_t)(port - last) % RANGE / (RANGE / 64)]++;
			last = port;
		}
		assert_even(high, DRAWS);
		assert_even(low, DRAWS);
		assert_even(pairs, DRAWS);
	}
	assert_int_equal(host.calls, 2 * DRAWS);
}

/*
 * A range that is no power of two, and the widest there is: nothing below its first port, nothing
 * left out.
 */
static void other_ranges(void **state)
{
	(void)state;
	static const uint16_t ranges[][2] = {
		{1024, 65535}, {1024, 1024 + 30030 - 1}, {32768, 60999}, {2000, 2000 + 6399}};
	static struct host host;

	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct cothon_ephemeral ephemeral = make(2, ranges[i][0], ranges[i][1]);
		uint32_t count = (uint32_t)(ranges[i][1] - ranges[i][0]) + 1;
		uint32_t classes[64] = {0};
		/* As many as fill 64 classes of the same size. */
		uint32_t width = count / 64, draws = 0;
		while (draws < 64000) {
			uint32_t at = (uint32_t)(choose(&ephemeral, 1, &host) - ranges[i][0]);
			if (at / width < 64) {
				classes[at / width]++;
				draws++;
			}
		}
		assert_even(classes, draws);
	}
	for (uint32_t port = 0; port < 1024; port++)
		assert_int_equal(host.asked[port], 0);
}

/*
 * With nine of ten ports taken, in one run, each of those that are free is still as likely as any
 * other: the first behind the run is not chosen more often.
 */
static void uniform_among_the_free(void **state)
{
	(void)state;
	static struct host host;
	struct cothon_ephemeral ephemeral = make(3, FIRST, LAST);
	enum {
		FREE = 64 * 25,
		DRAWS = 64000
	};
	uint32_t classes[64] = {0};

	for (uint32_t port = FIRST + FREE; port <= LAST; port++)
		host.taken[port] = true;
	for (uint32_t i = 0; i < DRAWS; i++)
		classes[(choose(&ephemeral, 5, &host) - FIRST) / (FREE / 64)]++;
	assert_even(classes, DRAWS);
	/* As many tries as ten to one odds make: 10.24 on average. */
	assert_in_range(host.calls, 9 * DRAWS, 12 * DRAWS);
}

/* Every port is tried exactly once before there is none, whatever the size of the range. */
static void exhaustion(void **state)
{
	(void)state;
	static const uint32_t sizes[] = {1,  2,  3,   4,   5,    6,     30,    210,
					 64, 97, 256, 360, 2310, 16384, 30030, 64512};
	static struct host host;

	for (uint32_t port = 0; port < 65536; port++)
		host.taken[port] = true;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint16_t first = (uint16_t)(65536 - sizes[i]);
		struct cothon_ephemeral ephemeral = make(4, first, 65535);
		/* Other strides come with other calls. */
		for (uint32_t round = 0; round < (sizes[i] < 1000 ? 300 : 3); round++) {
			struct cothon_endpoint to = remote_of(round);
			uint16_t port = 0;
			memset(host.asked, 0, sizeof(host.asked));
			host.calls = 0;
			assert_int_equal(cothon_ephemeral_choose(&ephemeral, &local, &to, is_free,
								 &host, &port),
					 -EADDRNOTAVAIL);
			assert_int_equal(port, 0);
			assert_int_equal(host.calls, sizes[i]);
			for (uint32_t n = first; n < 65536; n++)
				assert_int_equal(host.asked[n], 1);
		}
	}
}

/* The last free port of the range is found. */
static void the_last_one(void **state)
{
	(void)state;
	static struct host host;
	struct cothon_ephemeral ephemeral = make(5, FIRST, LAST);
	struct cothon_random random;

	cothon_random_init(&random, (const uint8_t[32]){5}, 1);
	for (uint32_t port = FIRST; port <= LAST; port++)
		host.taken[port] = true;
	for (int round = 0; round < 200; round++) {
		uint16_t last = (uint16_t)(FIRST + cothon_random_below(&random, RANGE));
		host.taken[last] = false;
		assert_int_equal(choose(&ephemeral, 9, &host), last);
		host.taken[last] = true;
	}
}

/*
 * The same secret and the same count of ports chosen: another destination, local address or secret,
 * another port.
 */
static void destinations_differ(void **state)
{
	(void)state;
	static struct host host;
	enum {
		DRAWS = 64000
	};
	uint32_t steps[64] = {0};
	uint32_t same = 0;

	for (uint32_t i = 0; i < DRAWS; i++) {
		struct cothon_ephemeral here = make(6, FIRST, LAST);
		struct cothon_ephemeral there = here;
		uint16_t a = choose(&here, i, &host), b = choose(&there, i ^ 1, &host);
		same += a == b;
		steps[(uint16_t)(a - b) % RANGE / (RANGE / 64)]++;
	}
	/* By chance 4 of 64,000, and each of those is seen from both sides. */
	assert_in_range(same, 0, 20);
	/* From one port to the other leads no step more often than another. */
	assert_even(steps, DRAWS);

	struct cothon_ephemeral base = make(6, FIRST, LAST), other = base, secret = base;
	struct cothon_endpoint to = remote_of(1), port_differs = remote_of(1);
	struct cothon_addr other_local = local;
	uint32_t differ[3] = {0};
	port_differs.port = 444;
	other_local.b[15] ^= 1;
	secret.key.k[0] ^= 1;
	for (uint32_t i = 0; i < 100; i++) {
		uint16_t ports[4];
		base.counter = other.counter = secret.counter = i;
		assert_int_equal(
			cothon_ephemeral_choose(&base, &local, &to, is_free, &host, &ports[0]), 0);
		assert_int_equal(cothon_ephemeral_choose(&other, &local, &port_differs, is_free,
							 &host, &ports[1]),
				 0);
		other.counter = i;
		assert_int_equal(cothon_ephemeral_choose(&other, &other_local, &to, is_free, &host,
							 &ports[2]),
				 0);
		assert_int_equal(cothon_ephemeral_choose(&secret, &local, &to, is_free, &host,
							 &ports[3]),
				 0);
		for (int j = 0; j < 3; j++)
			differ[j] += ports[0] != ports[j + 1];
	}
	for (int j = 0; j < 3; j++)
		assert_in_range(differ[j], 99, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_that_are_allowed),
		cmocka_unit_test(uniform),
		cmocka_unit_test(other_ranges),
		cmocka_unit_test(uniform_among_the_free),
		cmocka_unit_test(exhaustion),
		cmocka_unit_test(the_last_one),
		cmocka_unit_test(destinations_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
