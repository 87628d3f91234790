/* SPDX-License-Identifier: MIT */
#include <cothon/link.h>

#include "base/bytes.h"
#include "base/random.h"
#include "wire/checksum.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	MTU = 1500,
	MILLION = 1000000,
	NOW = 5000000
};

/* Memory that counts its blocks, and can be made to run out. */
struct ledger {
	size_t blocks;
	bool empty;
};

static void *ledger_alloc(void *context, size_t size)
{
	struct ledger *ledger = context;

	if (ledger->empty)
		return NULL;
	ledger->blocks++;
	return malloc(size);
}

static void ledger_free(void *context, void *memory, size_t size)
{
	struct ledger *ledger = context;

	(void)size;
	ledger->blocks--;
	free(memory);
}

/* A wire of which one end is impaired. */
struct bench {
	struct ledger ledger;
	struct cothon_memory memory;
	struct cothon_pool *pool;
	struct cothon_link *near, *far;
};

static void begin_features(struct bench *bench, const struct cothon_impairment *how,
			   unsigned features)
{
	struct cothon_link *ends[2];
	struct cothon_impair_config config = {.now = NOW, .impairment = *how, .seed = {1}};

	memset(bench, 0, sizeof(*bench));
	bench->memory = (struct cothon_memory){ledger_alloc, ledger_free, &bench->ledger};
	bench->pool = cothon_pool_create(
		&(struct cothon_pool_config){.memory = bench->memory, .limit = SIZE_MAX});
	assert_non_null(bench->pool);
	assert_int_equal(cothon_wire_open(&bench->memory, bench->pool, MTU,
					  COTHON_LINK_CSUM | COTHON_LINK_TSO, 100000, ends),
			 0);
	config.memory = bench->memory;
	config.link = ends[0];
	config.features = features;
	assert_int_equal(cothon_impair_open(&config, &bench->near), 0);
	bench->far = ends[1];
}

static void begin(struct bench *bench, const struct cothon_impairment *how)
{
	begin_features(bench, how, 0);
}

/* Ends both links: all memory must have come back. */
static void end(struct bench *bench)
{
	cothon_link_close(bench->near);
	cothon_link_close(bench->far);
	assert_int_equal(cothon_pool_used(bench->pool), 0);
	cothon_pool_destroy(bench->pool);
	assert_int_equal(bench->ledger.blocks, 0);
}

/* Sends `len` bytes that begin with a number; the packet is gathered from two pieces. */
static int send_number(struct bench *bench, uint32_t number, size_t len)
{
	uint8_t data[MTU + 1] = {0};
	struct cothon_frame frame = {
		.iov = {{0}, {data, 2}, {data + 2, len - 2}}, .count = 3, .len = len};

	memcpy(data, &number, sizeof(number));
	return cothon_link_transmit(bench->near, &frame);
}

/* The number of the next frame that has arrived, or -1. */
static int64_t take(struct bench *bench)
{
	struct cothon_buf *buf;
	uint32_t number;

	if (cothon_link_receive(bench->far, bench->pool, &buf))
		return -1;
	memcpy(&number, buf->data, sizeof(number));
	cothon_buf_put(buf);
	return number;
}

/* Sends so many frames, a microsecond apart, and counts what arrives in the end. */
static unsigned count_arrivals(struct bench *bench, unsigned sent)
{
	unsigned arrived = 0;

	for (unsigned i = 0; i < sent; i++) {
		cothon_impair_run(bench->near, NOW + i);
		assert_int_equal(send_number(bench, i, 100), 0);
	}
	cothon_impair_run(bench->near, UINT64_MAX);
	while (take(bench) >= 0)
		arrived++;
	return arrived;
}

static void test_nothing_wrong(void **state)
{
	struct bench bench;
	struct cothon_frame back = {.iov = {{0}, {(void *)"back", 4}}, .count = 2, .len = 4};
	struct cothon_buf *buf;

	(void)state;
	begin(&bench, &(struct cothon_impairment){0});
	assert_int_equal(bench.near->mtu, MTU);
	assert_int_equal(cothon_impair_due(bench.near), UINT64_MAX);
	assert_int_equal(send_number(&bench, 7, MTU), 0);
	assert_int_equal(send_number(&bench, 8, MTU + 1), -EMSGSIZE);
	assert_int_equal(take(&bench), -1);
	assert_int_equal(cothon_impair_due(bench.near), NOW);
	assert_int_equal(cothon_impair_run(bench.near, NOW), UINT64_MAX);
	assert_int_equal(take(&bench), 7);
	assert_int_equal(take(&bench), -1);
	/* What comes the other way is not touched. */
	assert_int_equal(cothon_link_transmit(bench.far, &back), 0);
	assert_int_equal(cothon_link_receive(bench.near, bench.pool, &buf), 0);
	assert_int_equal(buf->len, 4);
	assert_memory_equal(buf->data, "back", 4);
	cothon_buf_put(buf);
	end(&bench);
}

static void test_delay_and_rate(void **state)
{
	struct bench bench;
	struct cothon_impairment how = {.delay = 1000, .rate = 1000000};

	(void)state;
	begin(&bench, &how);
	/* A byte takes a microsecond; the second frame waits for the first. */
	assert_int_equal(send_number(&bench, 1, 500), 0);
	assert_int_equal(send_number(&bench, 2, 100), 0);
	assert_int_equal(cothon_impair_run(bench.near, NOW + 1499), NOW + 1500);
	assert_int_equal(take(&bench), -1);
	assert_int_equal(cothon_impair_run(bench.near, NOW + 1500), NOW + 1600);
	assert_int_equal(take(&bench), 1);
	/* Behind a pause the rate begins anew. */
	assert_int_equal(cothon_impair_run(bench.near, NOW + 5000), UINT64_MAX);
	assert_int_equal(take(&bench), 2);
	assert_int_equal(send_number(&bench, 3, 50), 0);
	assert_int_equal(cothon_impair_due(bench.near), NOW + 5000 + 50 + 1000);
	end(&bench);
}

static void test_queue(void **state)
{
	struct bench bench;
	struct cothon_impairment how = {.rate = 1000, .queue = 250};

	(void)state;
	begin(&bench, &how);
	for (uint32_t i = 1; i <= 5; i++)
		assert_int_equal(send_number(&bench, i, 100), 0);
	/* The third finds 200 bytes waiting, the fourth 300. */
	assert_int_equal(cothon_impair_run(bench.near, NOW + MILLION), UINT64_MAX);
	assert_int_equal(take(&bench), 1);
	assert_int_equal(take(&bench), 2);
	assert_int_equal(take(&bench), 3);
	assert_int_equal(take(&bench), -1);
	/* It has room again. */
	assert_int_equal(send_number(&bench, 6, 100), 0);
	assert_int_equal(cothon_impair_due(bench.near), NOW + MILLION + 100000);
	end(&bench);
}

static void test_jitter_keeps_order(void **state)
{
	struct bench bench;
	struct cothon_impairment how = {.delay = 100, .jitter = 10000};
	uint64_t last;

	(void)state;
	begin(&bench, &how);
	for (uint32_t i = 0; i < 1000; i++) {
		cothon_impair_run(bench.near, NOW + i);
		assert_int_equal(send_number(&bench, i, 100), 0);
	}
	/* The last one to arrive has taken no longer than both. */
	last = NOW + 999;
	while (cothon_impair_due(bench.near) != UINT64_MAX) {
		last = cothon_impair_due(bench.near);
		cothon_impair_run(bench.near, last);
	}
	assert_in_range(last, NOW + 1000 + 5000, NOW + 1000 + 100 + 10000);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(take(&bench), i);
	end(&bench);
}

static void test_reorder(void **state)
{
	struct bench bench;
	struct cothon_impairment how = {.delay = 100, .reorder = MILLION, .reorder_delay = 50};

	(void)state;
	begin(&bench, &how);
	assert_int_equal(send_number(&bench, 1, 100), 0);
	how.reorder = 0;
	cothon_impair_set(bench.near, &how);
	assert_int_equal(send_number(&bench, 2, 100), 0);
	assert_int_equal(cothon_impair_run(bench.near, NOW + 100), NOW + 150);
	assert_int_equal(take(&bench), 2);
	assert_int_equal(cothon_impair_run(bench.near, NOW + 150), UINT64_MAX);
	assert_int_equal(take(&bench), 1);
	end(&bench);
}

static void test_loss(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, &(struct cothon_impairment){.loss = 100000});
	/* A tenth of 10,000; six standard deviations are 180. */
	assert_in_range(count_arrivals(&bench, 10000), 9000 - 180, 9000 + 180);
	end(&bench);
}

static void test_burst(void **state)
{
	struct bench bench;
	struct cothon_impairment how = {
		.burst_begin = 10000, .burst_end = 90000, .burst_loss = MILLION};
	unsigned bursts = 0, lost = 0;
	int64_t number, expected = 0;

	(void)state;
	begin(&bench, &how);
	for (uint32_t i = 0; i < 20000; i++)
		assert_int_equal(send_number(&bench, i, 100), 0);
	cothon_impair_run(bench.near, NOW);
	while ((number = take(&bench)) >= 0) {
		bursts += number != expected;
		lost += (unsigned)(number - expected);
		expected = number + 1;
	}
	/* A tenth of all frames, eleven at a time. */
	assert_in_range(lost, 1500, 2500);
	assert_in_range(lost / bursts, 8, 15);
	end(&bench);
}

static void test_duplicate(void **state)
{
	struct bench bench;

	(void)state;
	begin(&bench, &(struct cothon_impairment){.duplicate = MILLION});
	assert_int_equal(send_number(&bench, 1, 100), 0);
	assert_int_equal(send_number(&bench, 2, 100), 0);
	cothon_impair_run(bench.near, NOW);
	assert_int_equal(take(&bench), 1);
	assert_int_equal(take(&bench), 1);
	assert_int_equal(take(&bench), 2);
	assert_int_equal(take(&bench), 2);
	assert_int_equal(take(&bench), -1);
	end(&bench);
}

static unsigned bits_set(const struct cothon_buf *buf)
{
	unsigned count = 0;

	for (uint32_t i = 0; i < buf->len; i++)
		count += (unsigned)__builtin_popcount(buf->data[i]);
	return count;
}

static void test_damage(void **state)
{
	struct bench bench;
	uint8_t zeros[100] = {0};
	struct cothon_frame frame = {
		.iov = {{0}, {zeros, sizeof(zeros)}}, .count = 2, .len = sizeof(zeros)};
	struct cothon_buf *buf;

	(void)state;
	begin_features(&bench, &(struct cothon_impairment){.damage = MILLION}, COTHON_LINK_CSUM);
	assert_int_equal(cothon_link_transmit(bench.near, &frame), 0);
	frame.offload.csum_partial = true;
	assert_int_equal(cothon_link_transmit(bench.near, &frame), 0);
	cothon_impair_run(bench.near, NOW);
	assert_int_equal(cothon_link_receive(bench.far, bench.pool, &buf), 0);
	assert_int_equal(bits_set(buf), 1);
	cothon_buf_put(buf);
	/* Without a checksum nobody could tell. */
	assert_int_equal(cothon_link_receive(bench.far, bench.pool, &buf), 0);
	assert_true(buf->offload.csum_valid);
	assert_int_equal(bits_set(buf), 0);
	cothon_buf_put(buf);
	/* The sender's own bytes stay as they are. */
	for (size_t i = 0; i < sizeof(zeros); i++)
		assert_int_equal(zeros[i], 0);
	end(&bench);
}

/* Sends a packet of one version whose ECN field is `codepoint`; returns the field it arrives with. */
static unsigned send_able(struct bench *bench, unsigned version, unsigned codepoint)
{
	uint8_t data[100] = {(uint8_t)(version << 4 | (version == 4 ? 5 : 0))};
	unsigned shift = version == 4 ? 0 : 4;
	struct cothon_frame frame = {
		.iov = {{0}, {data, sizeof(data)}}, .count = 2, .len = sizeof(data)};
	struct cothon_buf *buf;
	unsigned arrived;

	data[1] = (uint8_t)(codepoint << shift | 0xc0u >> shift);
	if (version == 4)
		cothon_put16(data + 10, cothon_checksum_finish(cothon_checksum_add(0, data, 20)));
	assert_int_equal(cothon_link_transmit(bench->near, &frame), 0);
	cothon_impair_run(bench->near, NOW);
	assert_int_equal(cothon_link_receive(bench->far, bench->pool, &buf), 0);
	if (version == 4)
		assert_int_equal(cothon_checksum_finish(cothon_checksum_add(0, buf->data, 20)), 0);
	arrived = buf->data[1] >> shift & 3;
	data[1] |= (uint8_t)(arrived << shift);
	assert_int_equal(buf->data[1], data[1]);
	cothon_buf_put(buf);
	return arrived;
}

/* RFC 3168 section 5: only what says that it may be is marked. */
static void test_mark(void **state)
{
	struct cothon_impairment how = {.mark = MILLION};
	struct bench bench;

	(void)state;
	begin(&bench, &how);
	for (unsigned version = 4; version <= 6; version += 2) {
		assert_int_equal(send_able(&bench, version, 0), 0);
		assert_int_equal(send_able(&bench, version, 1), 3);
		assert_int_equal(send_able(&bench, version, 2), 3);
		assert_int_equal(send_able(&bench, version, 3), 3);
	}
	how.mark = 0;
	cothon_impair_set(bench.near, &how);
	assert_int_equal(send_able(&bench, 4, 2), 2);
	end(&bench);
}

static void test_black_hole(void **state)
{
	struct bench bench;
	uint8_t data[4000] = {9};
	struct cothon_frame frame = {
		.iov = {{0}, {data, sizeof(data)}},
		.count = 2,
		.len = sizeof(data),
		.offload = {.gso = COTHON_GSO_TCP,
			    .header_len = 40,
			    .gso_size = 1240,
			    .csum_partial = true},
	};

	(void)state;
	begin_features(&bench, &(struct cothon_impairment){.black_hole = 1280},
		       COTHON_LINK_CSUM | COTHON_LINK_TSO);
	assert_int_equal(send_number(&bench, 1, 1280), 0);
	assert_int_equal(send_number(&bench, 2, 1281), 0);
	/* Of a frame that is to be cut, its pieces count. */
	assert_int_equal(cothon_link_transmit(bench.near, &frame), 0);
	frame.offload.gso_size++;
	assert_int_equal(cothon_link_transmit(bench.near, &frame), 0);
	cothon_impair_run(bench.near, NOW);
	assert_int_equal(take(&bench), 1);
	assert_int_equal(take(&bench), 9);
	assert_int_equal(take(&bench), -1);
	end(&bench);
}

static void test_down(void **state)
{
	struct bench bench;
	struct cothon_impairment how = {.delay = 10};

	(void)state;
	begin(&bench, &how);
	assert_int_equal(send_number(&bench, 1, 100), 0);
	how.down = true;
	cothon_impair_set(bench.near, &how);
	assert_int_equal(send_number(&bench, 2, 100), 0);
	how.down = false;
	cothon_impair_set(bench.near, &how);
	assert_int_equal(send_number(&bench, 3, 100), 0);
	cothon_impair_run(bench.near, NOW + 10);
	/* What was under way arrives. */
	assert_int_equal(take(&bench), 1);
	assert_int_equal(take(&bench), 3);
	assert_int_equal(take(&bench), -1);
	end(&bench);
}

static void test_bounds(void **state)
{
	struct bench bench;
	unsigned most = COTHON_IMPAIR_HELD_MAX / MTU, arrived = 0;

	(void)state;
	begin(&bench, &(struct cothon_impairment){.delay = 1});
	for (uint32_t i = 0; i < most + 10; i++)
		assert_int_equal(send_number(&bench, i, MTU), 0);
	cothon_impair_run(bench.near, NOW + 1);
	while (take(&bench) >= 0)
		arrived++;
	assert_in_range(arrived, most * 9 / 10, most);
	bench.ledger.empty = true;
	assert_int_equal(send_number(&bench, 1, 100), -ENOMEM);
	bench.ledger.empty = false;
	/* Closing gives back what is under way. */
	assert_int_equal(send_number(&bench, 1, 100), 0);
	end(&bench);
}

/* What arrives of 500 frames, as a sum in which order and time count. */
static uint64_t trace_of(void)
{
	struct bench bench;
	struct cothon_impairment how = {.loss = 100000,
					.duplicate = 100000,
					.reorder = 100000,
					.reorder_delay = 30,
					.jitter = 20,
					.damage = 100000,
					.delay = 10};
	uint64_t sum = 0;

	begin(&bench, &how);
	for (uint32_t i = 0; i < 500; i++) {
		int64_t number;

		cothon_impair_run(bench.near, NOW + i);
		assert_int_equal(send_number(&bench, i, 100), 0);
		while ((number = take(&bench)) >= 0)
			sum = sum * 31 + (uint64_t)number * 1000 + i;
	}
	end(&bench);
	return sum;
}

static void test_same_seed(void **state)
{
	uint64_t first = trace_of();

	(void)state;
	assert_int_not_equal(first, 0);
	assert_int_equal(trace_of(), first);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_wrong), cmocka_unit_test(test_delay_and_rate),
		cmocka_unit_test(test_queue),         cmocka_unit_test(test_jitter_keeps_order),
		cmocka_unit_test(test_reorder),       cmocka_unit_test(test_loss),
		cmocka_unit_test(test_burst),         cmocka_unit_test(test_duplicate),
		cmocka_unit_test(test_damage),        cmocka_unit_test(test_mark),
		cmocka_unit_test(test_black_hole),    cmocka_unit_test(test_down),
		cmocka_unit_test(test_bounds),        cmocka_unit_test(test_same_seed),
	};

	return cmocka_run_group_tests_name("impaired link", tests, NULL, NULL);
}
