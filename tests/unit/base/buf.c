/* SPDX-License-Identifier: MIT */
#include <cothon/buf.h>

#include "base/random.h"
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	LARGEST = COTHON_FRAME_MAX + COTHON_HEADROOM
};

/* Memory that remembers each size, and can be made to run out. */
struct ledger {
	size_t blocks, bytes, allocations;
	bool empty;
};

static void *ledger_alloc(void *context, size_t size)
{
	struct ledger *ledger = context;
	size_t *block;

	if (ledger->empty)
		return NULL;
	block = malloc(16 + size);
	assert_non_null(block);
	*block = size;
	memset((uint8_t *)block + 16, 0xa5, size);
	ledger->blocks++;
	ledger->allocations++;
	ledger->bytes += size;
	return (uint8_t *)block + 16;
}

static void ledger_free(void *context, void *memory, size_t size)
{
	struct ledger *ledger = context;
	size_t *block = (size_t *)(void *)((uint8_t *)memory - 16);

	assert_int_equal(*block, size);
	ledger->blocks--;
	ledger->bytes -= size;
	free(block);
}

static struct cothon_pool *make_pool(struct ledger *ledger, size_t limit, size_t keep)
{
	struct cothon_pool *pool = cothon_pool_create(&(struct cothon_pool_config){
		.memory = {.alloc = ledger_alloc, .free = ledger_free, .context = ledger},
		.limit = limit,
		.keep = keep,
	});

	assert_non_null(pool);
	return pool;
}

static void test_get_and_put(void **state)
{
	struct ledger ledger = {0};
	struct cothon_pool *pool = make_pool(&ledger, SIZE_MAX, 0);
	size_t bare = ledger.bytes;
	size_t sizes[] = {0, 1, 511, 512, 513, 2048, 2049, 16384, 16385, LARGEST};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct cothon_buf *buf = cothon_buf_get(pool, sizes[i]);

		assert_non_null(buf);
		assert_true(buf->size >= sizes[i]);
		if (!COTHON_POOL)
			assert_int_equal(buf->size, sizes[i]);
		assert_ptr_equal(buf->data, buf->store);
		assert_int_equal((uintptr_t)buf->store % 16, 0);
		assert_int_equal(buf->len, 0);
		assert_int_equal(cothon_buf_tailroom(buf), buf->size);
		assert_null(buf->next);
		assert_int_equal(cothon_buf_truesize(buf), ledger.bytes - bare);
		assert_int_equal(cothon_pool_used(pool), cothon_buf_truesize(buf));
		memset(buf->data, 0x5a, sizes[i]);
		cothon_buf_put(buf);
		assert_int_equal(cothon_pool_used(pool), 0);
		/* Nothing is kept: only the pool itself is left. */
		assert_int_equal(ledger.blocks, 1);
	}
	assert_null(cothon_buf_get(pool, LARGEST + 1));
	assert_null(cothon_buf_get(pool, SIZE_MAX));
	cothon_buf_put(NULL);
	cothon_pool_destroy(pool);
	assert_int_equal(ledger.blocks, 0);
}

static void test_a_used_buffer_comes_back_new(void **state)
{
	struct ledger ledger = {0};
	struct cothon_pool *pool = make_pool(&ledger, SIZE_MAX, SIZE_MAX);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct cothon_buf *buf = cothon_buf_get(pool, 1000);

		assert_non_null(buf);
		assert_null(buf->next);
		assert_ptr_equal(buf->pool, pool);
		assert_ptr_equal(buf->data, buf->store);
		assert_int_equal(buf->len, 0);
		assert_int_equal(buf->mark, 0);
		assert_false(buf->fin);
		assert_false(buf->offload.csum_valid);
		assert_false(buf->offload.csum_partial);
		assert_int_equal(buf->offload.gso, COTHON_GSO_NONE);
		assert_int_equal(buf->offload.gso_size, 0);
		buf->next = buf;
		buf->data += 100;
		buf->len = 900;
		buf->mark = 7;
		buf->fin = true;
		memset(&buf->offload, 0xff, sizeof(buf->offload));
		cothon_buf_put(buf);
	}
	/* One buffer served all three, where there are pools. */
	assert_int_equal(ledger.blocks, COTHON_POOL ? 2 : 1);
	cothon_pool_destroy(pool);
	assert_int_equal(ledger.blocks, 0);
}

static void test_kept_bytes_are_bounded(void **state)
{
	enum {
		COUNT = 20
	};
	struct ledger ledger = {0};
	size_t keep = 3 * (sizeof(struct cothon_buf) + 2048) + 10;
	struct cothon_pool *pool = make_pool(&ledger, SIZE_MAX, keep);
	size_t bare = ledger.bytes;
	struct cothon_buf *list = NULL;

	(void)state;
	for (unsigned i = 0; i < COUNT; i++) {
		struct cothon_buf *buf = cothon_buf_get(pool, i % 2 ? 2048 : 300);

		assert_non_null(buf);
		buf->next = list;
		list = buf;
	}
	assert_int_equal(ledger.blocks, 1 + COUNT);
	assert_int_equal(cothon_pool_used(pool), ledger.bytes - bare);
	cothon_buf_put_list(list);
	assert_int_equal(cothon_pool_used(pool), 0);
	assert_true(ledger.bytes - bare <= keep);
	/* It keeps as much as it may: there is no room for one more of the larger class. */
	if (COTHON_POOL)
		assert_true(ledger.bytes - bare + 2048 + sizeof(struct cothon_buf) > keep);
	else
		assert_int_equal(ledger.bytes, bare);

	/* What was kept serves again and again. */
	ledger.allocations = 0;
	for (unsigned i = 0; i < COUNT; i++)
		cothon_buf_put(cothon_buf_get(pool, 2048));
	assert_true(ledger.allocations <= (COTHON_POOL ? 1 : COUNT));
	cothon_pool_destroy(pool);
	assert_int_equal(ledger.blocks, 0);
}

static void test_pressure(void **state)
{
	struct ledger ledger = {0};
	struct cothon_pool *pool = make_pool(&ledger, 5000, 100000);
	struct cothon_buf *bufs[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(cothon_pool_pressed(pool), cothon_pool_used(pool) > 5000);
		assert_false(cothon_pool_pressed(pool));
		bufs[i] = cothon_buf_get(pool, 2048);
		assert_non_null(bufs[i]);
	}
	assert_true(cothon_pool_pressed(pool));
	/* Free buffers do not count. */
	cothon_buf_put(bufs[2]);
	assert_false(cothon_pool_pressed(pool));
	cothon_buf_put(bufs[1]);
	cothon_buf_put(bufs[0]);
	cothon_pool_destroy(pool);
	assert_int_equal(ledger.blocks, 0);
}

static void test_no_memory(void **state)
{
	struct ledger ledger = {.empty = true};
	struct cothon_pool_config config = {
		.memory = {.alloc = ledger_alloc, .free = ledger_free, .context = &ledger},
	};
	struct cothon_pool *pool;
	struct cothon_buf *buf;

	(void)state;
	assert_null(cothon_pool_create(&config));
	ledger.empty = false;
	pool = make_pool(&ledger, SIZE_MAX, SIZE_MAX);
	buf = cothon_buf_get(pool, 16384);
	buf->len = 10;
	ledger.empty = true;
	assert_null(cothon_buf_get(pool, 100));
	assert_int_equal(cothon_pool_used(pool), cothon_buf_truesize(buf));
	/* Compacting is a favour: without memory the buffer stays as it is. */
	assert_ptr_equal(cothon_buf_compact(buf), buf);
	cothon_buf_put(buf);
	cothon_pool_destroy(pool);
	assert_int_equal(ledger.blocks, 0);
}

static void test_compact(void **state)
{
	struct ledger ledger = {0};
	struct cothon_pool *pool = make_pool(&ledger, SIZE_MAX, 0);
	size_t lens[] = {0, 1, 512, 513, 2048, 2049, 16384};

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct cothon_buf *buf = cothon_buf_get(pool, LARGEST);
		struct cothon_buf *compact, *same;

		assert_non_null(buf);
		buf->data += COTHON_HEADROOM;
		buf->len = (uint32_t)lens[i];
		for (size_t b = 0; b < lens[i]; b++)
			buf->data[b] = (uint8_t)(b * 31);
		buf->mark = 0xfffffff0;
		buf->fin = true;
		compact = cothon_buf_compact(buf);
		assert_true(compact->size < LARGEST);
		assert_int_equal(compact->len, lens[i]);
		assert_int_equal(compact->mark, 0xfffffff0);
		assert_true(compact->fin);
		assert_null(compact->next);
		for (size_t b = 0; b < lens[i]; b++)
			assert_int_equal(compact->data[b], (uint8_t)(b * 31));
		assert_int_equal(cothon_pool_used(pool), cothon_buf_truesize(compact));
		/* There is nothing to save now. */
		same = cothon_buf_compact(compact);
		assert_ptr_equal(same, compact);
		cothon_buf_put(same);
	}
	cothon_pool_destroy(pool);
	assert_int_equal(ledger.blocks, 0);
}

static void test_random_use(void **state)
{
	enum {
		HELD = 64
	};
	static const uint8_t seed[32] = "buffers";
	struct ledger ledger = {0};
	struct cothon_pool *pool = make_pool(&ledger, SIZE_MAX, 200000);
	struct cothon_buf *held[HELD] = {0};
	struct cothon_random random;

	(void)state;
	cothon_random_init(&random, seed, 1);
	for (unsigned step = 0; step < 20000; step++) {
		unsigned i = cothon_random_below(&random, HELD);

		if (held[i]) {
			/* Nobody else has written into it. */
			for (uint32_t b = 0; b < held[i]->len; b += 61)
				assert_int_equal(held[i]->data[b], (uint8_t)i);
			cothon_buf_put(held[i]);
			held[i] = NULL;
			continue;
		}
		held[i] = cothon_buf_get(pool, cothon_random_below(&random, LARGEST) >>
						       cothon_random_below(&random, 16));
		assert_non_null(held[i]);
		held[i]->len = held[i]->size;
		memset(held[i]->data, (int)i, held[i]->len);
	}
	for (unsigned i = 0; i < HELD; i++)
		cothon_buf_put(held[i]);
	assert_int_equal(cothon_pool_used(pool), 0);
	cothon_pool_destroy(pool);
	assert_int_equal(ledger.blocks, 0);
}

static void test_c_library(void **state)
{
	const struct cothon_memory *memory = &cothon_memory_malloc;
	void *block = memory->alloc(memory->context, 1000);

	(void)state;
	assert_non_null(block);
	memset(block, 1, 1000);
	memory->free(memory->context, block, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_get_and_put),
		cmocka_unit_test(test_a_used_buffer_comes_back_new),
		cmocka_unit_test(test_kept_bytes_are_bounded),
		cmocka_unit_test(test_pressure),
		cmocka_unit_test(test_no_memory),
		cmocka_unit_test(test_compact),
		cmocka_unit_test(test_random_use),
		cmocka_unit_test(test_c_library),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
