/* SPDX-License-Identifier: MIT */
#include "stack/tcp/reassembly.h"

#include "../stack/host.h"
#include "base/random.h"
#include <errno.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

enum {
	SPACE = 3000,
	LIMIT = 1 << 24,
};

/* What a reassembly should hold, byte by byte. */
struct model {
	struct host_memory memory;
	struct cothon_memory allocator;
	struct cothon_pool *pool;
	struct cothon_reassembly reassembly;
	uint32_t base; /* the sequence number of byte 0 */
	bool held[SPACE];
};

static void model_open(struct model *model, uint32_t base)
{
	memset(model, 0, sizeof(*model));
	model->base = base;
	model->allocator = host_memory_of(&model->memory);
	model->pool = cothon_pool_create(
		&(struct cothon_pool_config){.memory = model->allocator, .limit = SIZE_MAX});
	assert_non_null(model->pool);
}

static void model_close(struct model *model)
{
	cothon_reassembly_clear(&model->reassembly, &model->allocator);
	cothon_pool_destroy(model->pool);
	assert_int_equal(model->memory.live, 0);
}

static uint8_t byte_at(uint32_t at)
{
	return (uint8_t)(at * 7 + (at >> 8));
}

static int hold(struct model *model, uint32_t at, uint32_t len, bool fin, size_t limit,
		struct cothon_tcp_sack *range)
{
	struct cothon_buf *buf = cothon_buf_get(model->pool, 2048);

	assert_non_null(buf);
	for (uint32_t i = 0; i < len; i++)
		buf->data[i] = byte_at(at + i);
	buf->len = len;
	buf->mark = model->base + at;
	buf->fin = fin;
	return cothon_reassembly_hold(&model->reassembly, &model->allocator, buf, limit, range);
}

/* The ranges are those of the model, sorted, with a hole between any two, and hold the right bytes. */
static void check(const struct model *model)
{
	const struct cothon_reassembly *reassembly = &model->reassembly;
	uint32_t at = 0, bytes = 0;
	size_t memory = 0;

	for (uint32_t i = 0; i < reassembly->count; i++) {
		const struct cothon_reassembly_range *range = &reassembly->ranges[i];
		uint32_t start = range->start.v - model->base;

		assert_true(i == 0 || start > at);
		for (; at < start; at++)
			assert_false(model->held[at]);
		for (const struct cothon_buf *buf = range->head; buf; buf = buf->next) {
			assert_int_equal(buf->mark, model->base + at);
			for (uint32_t n = 0; n < buf->len; n++, at++) {
				assert_true(model->held[at]);
				assert_int_equal(buf->data[n], byte_at(at));
			}
			bytes += buf->len;
			memory += cothon_buf_truesize(buf);
			assert_true(buf->next || buf == range->tail);
		}
		assert_int_equal(range->end.v - model->base, at);
	}
	for (; at < SPACE; at++)
		assert_false(model->held[at]);
	assert_int_equal(reassembly->bytes, bytes);
	assert_int_equal(reassembly->memory, memory);
}

/* One segment of any length anywhere, and what is told of it. */
static void hold_any(struct model *model, struct cothon_random *random)
{
	uint32_t at = cothon_random_below(random, SPACE - 1);
	uint32_t room = SPACE - at < 400 ? SPACE - at : 400;
	uint32_t len = 1 + cothon_random_below(random, room);
	struct cothon_tcp_sack range;
	bool news = false;
	int error = hold(model, at, len, false, LIMIT, &range);

	for (uint32_t i = at; i < at + len; i++) {
		news |= !model->held[i];
		model->held[i] = true;
	}
	assert_int_equal(error, news ? 0 : -EEXIST);
	assert_true(range.start.v - model->base <= at && range.end.v - model->base >= at + len);
	for (uint32_t i = range.start.v - model->base; i < range.end.v - model->base; i++)
		assert_true(model->held[i]);
}

static void test_any(void **state)
{
	static const uint32_t bases[] = {0, 1000, UINT32_MAX - 1500, 0x7fffff00};

	(void)state;
	for (uint32_t seed = 0; seed < 200; seed++) {
		static struct model model;
		struct cothon_random random;
		uint8_t bytes[32] = {(uint8_t)seed};

		cothon_random_init(&random, bytes, 1);
		model_open(&model, bases[seed % 4]);
		for (unsigned i = 0; i < 60; i++) {
			hold_any(&model, &random);
			check(&model);
		}
		model_close(&model);
	}
}

/* The first range is given out when all before it is there, and not before. */
static void test_take(void **state)
{
	static struct model model;
	struct cothon_tcp_sack range;
	struct cothon_buf *list;

	(void)state;
	model_open(&model, 500);
	assert_int_equal(hold(&model, 100, 50, false, LIMIT, &range), 0);
	assert_int_equal(hold(&model, 200, 2000, false, LIMIT, &range), 0);
	assert_int_equal(hold(&model, 150, 10, false, LIMIT, &range), 0);
	assert_null(cothon_reassembly_take(&model.reassembly, (struct cothon_seq){599}));
	list = cothon_reassembly_take(&model.reassembly, (struct cothon_seq){600});
	assert_non_null(list);
	assert_int_equal(list->mark, 600);
	/* What is small was put behind what there was, where there was room. */
	assert_int_equal(list->len + (list->next ? list->next->len : 0), 60);
	cothon_buf_put_list(list);
	assert_null(cothon_reassembly_take(&model.reassembly, (struct cothon_seq){660}));
	assert_int_equal(model.reassembly.bytes, 2000);
	model_close(&model);
}

/* Whatever is refused, what was there stays. */
static void test_bounds(void **state)
{
	static struct model model;
	struct cothon_tcp_sack range;
	uint32_t at = 0;
	size_t memory;

	(void)state;
	model_open(&model, 1u << 31);
	while (hold(&model, at, 1, false, LIMIT, &range) == 0)
		at += 2;
	assert_int_equal(at / 2, COTHON_REASSEMBLY_RANGES);
	/* There is room for what makes no new range. */
	assert_int_equal(hold(&model, 1, 1, false, LIMIT, &range), 0);
	assert_int_equal(range.end.v - range.start.v, 3);
	assert_int_equal(model.reassembly.count, COTHON_REASSEMBLY_RANGES - 1);
	cothon_reassembly_clear(&model.reassembly, &model.allocator);

	assert_int_equal(hold(&model, 10, 1000, false, 5000, &range), 0);
	memory = model.reassembly.memory;
	assert_int_equal(hold(&model, 2000, 1000, false, 2 * memory - 1, &range), -ENOBUFS);
	assert_int_equal(hold(&model, 1010, 1040, false, memory, &range), -ENOBUFS);
	assert_int_equal(model.reassembly.memory, memory);
	assert_int_equal(hold(&model, 2000, 1000, false, 2 * memory, &range), 0);
	model_close(&model);
}

/* The end counts once, and where nothing is held beyond it. */
static void test_fin(void **state)
{
	static struct model model;
	struct cothon_tcp_sack range;

	(void)state;
	model_open(&model, 0);
	assert_int_equal(hold(&model, 100, 100, false, LIMIT, &range), 0);
	assert_int_equal(hold(&model, 100, 50, true, LIMIT, &range), -EEXIST);
	assert_false(model.reassembly.fin);
	/* Alone, behind a hole. */
	assert_int_equal(hold(&model, 300, 0, true, LIMIT, &range), 0);
	assert_int_equal(range.start.v, range.end.v);
	assert_true(model.reassembly.fin);
	assert_int_equal(model.reassembly.fin_at.v, 300);
	assert_int_equal(hold(&model, 400, 10, true, LIMIT, &range), 0);
	assert_int_equal(hold(&model, 250, 100, false, LIMIT, &range), 0);
	assert_int_equal(range.end.v, 300);
	assert_int_equal(model.reassembly.bytes, 150);
	assert_int_equal(model.reassembly.fin_at.v, 300);
	model_close(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_fin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
