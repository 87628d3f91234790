/* SPDX-License-Identifier: MIT */

/* The scoreboard against a model that keeps a flag per byte. */

#include "stack/tcp/scoreboard.h"

#include "../stack/host.h"
#include "base/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	SPACE = 2000
};

struct model {
	struct host_memory memory;
	struct cothon_memory allocator;
	struct cothon_scoreboard board;
	struct cothon_random random;
	uint32_t base; /* the sequence number of flag 0 */
	uint32_t una;  /* from base */
	bool held[SPACE];
};

static void model_open(struct model *model, uint64_t seed, uint32_t base)
{
	uint8_t bytes[32] = {0};

	memset(model, 0, sizeof(*model));
	memcpy(bytes, &seed, sizeof(seed));
	cothon_random_init(&model->random, bytes, 1);
	model->allocator = host_memory_of(&model->memory);
	model->base = base;
}

static void model_close(struct model *model)
{
	cothon_scoreboard_free(&model->board, &model->allocator);
	assert_int_equal(model->memory.live, 0);
}

static struct cothon_seq seq(const struct model *model, uint32_t at)
{
	return (struct cothon_seq){model->base + at};
}

static uint32_t held_in(const struct model *model, uint32_t from, uint32_t to)
{
	uint32_t count = 0;

	for (uint32_t i = from; i < to; i++)
		count += model->held[i];
	return count;
}

static void check(const struct model *model)
{
	const struct cothon_scoreboard *board = &model->board;
	uint32_t ranges = 0;

	assert_int_equal(board->bytes, held_in(model, 0, SPACE));
	for (uint32_t i = 0; i < SPACE; i++)
		ranges += model->held[i] && (i == 0 || !model->held[i - 1]);
	assert_int_equal(board->count, ranges);
	for (uint32_t i = 0; i + 1 < board->count; i++)
		assert_true(cothon_seq_before(board->ranges[i].end, board->ranges[i + 1].start));
}

static void check_questions(struct model *model)
{
	uint32_t from = cothon_random_below(&model->random, SPACE);
	uint32_t to = from + cothon_random_below(&model->random, SPACE - from + 1);
	uint32_t hole = from, end;
	struct cothon_seq start, stop;
	bool any;

	assert_int_equal(cothon_scoreboard_held(&model->board, seq(model, from), seq(model, to)),
			 held_in(model, from, to));
	while (hole < to && model->held[hole])
		hole++;
	for (end = hole; end < to && !model->held[end];)
		end++;
	any = cothon_scoreboard_hole(&model->board, seq(model, from), seq(model, to), &start,
				     &stop);
	assert_int_equal(any, hole < to);
	if (any) {
		assert_int_equal(start.v - model->base, hole);
		assert_int_equal(stop.v - model->base, end);
	}
}

/*
 * RFC 6675 section 4, by its words: a byte is lost when three ranges above it are held, or more than (DupThresh - 1) * SMSS
 * bytes above it.
 */
static bool is_lost(const struct model *model, uint32_t at, uint32_t mss)
{
	uint32_t ranges = 0, bytes = 0;

	for (uint32_t i = at + 1; i < SPACE; i++) {
		bytes += model->held[i];
		ranges += model->held[i] && !model->held[i - 1];
	}
	return !model->held[at] && (ranges >= 3 || bytes > 2 * mss);
}

static void check_lost_edge(struct model *model)
{
	uint32_t mss = 1 + cothon_random_below(&model->random, 100);
	uint32_t edge = cothon_scoreboard_lost_edge(&model->board, seq(model, model->una), mss).v -
			model->base;

	for (uint32_t i = model->una; i < SPACE; i++) {
		if (!model->held[i])
			assert_int_equal(i < edge, is_lost(model, i, mss));
	}
}

static void add(struct model *model)
{
	uint32_t from =
		model->una + 1 + cothon_random_below(&model->random, SPACE - 1 - model->una);
	uint32_t most = SPACE - from < 60 ? SPACE - from : 60;
	uint32_t to = from + 1 + cothon_random_below(&model->random, most);
	uint32_t news = to - from - held_in(model, from, to);

	assert_int_equal(cothon_scoreboard_add(&model->board, &model->allocator, seq(model, from),
					       seq(model, to)),
			 news);
	memset(model->held + from, 1, to - from);
}

static void acknowledge(struct model *model)
{
	model->una += cothon_random_below(&model->random, (SPACE - 100 - model->una) / 8 + 1);
	cothon_scoreboard_ack(&model->board, seq(model, model->una));
	memset(model->held, 0, model->una);
}

static void test_model(void **state)
{
	static const uint32_t bases[] = {0, 12345, 0x7ffffc00, 0xfffffc00, 0xffffffff};

	(void)state;
	for (unsigned round = 0; round < 100; round++) {
		struct model model;

		model_open(&model, round, bases[round % 5]);
		for (unsigned step = 0; step < 60; step++) {
			if (cothon_random_below(&model.random, 10) == 0 && model.una < SPACE - 200)
				acknowledge(&model);
			else
				add(&model);
			check(&model);
			check_questions(&model);
			if (step % 8 == 0)
				check_lost_edge(&model);
		}
		cothon_scoreboard_clear(&model.board);
		assert_int_equal(model.board.bytes, 0);
		assert_int_equal(model.board.count, 0);
		model_close(&model);
	}
}

/* More ranges than there is room for are left out, and nothing else is disturbed. */
static void test_full(void **state)
{
	struct model model;
	uint32_t bytes = 0;

	(void)state;
	model_open(&model, 1, 0xfffffff0);
	for (uint32_t i = 0; i < 2 * COTHON_SCOREBOARD_RANGES; i++) {
		uint32_t news = cothon_scoreboard_add(&model.board, &model.allocator,
						      seq(&model, 4 * i + 1),
						      seq(&model, 4 * i + 3));

		assert_int_equal(news, i < COTHON_SCOREBOARD_RANGES ? 2 : 0);
		bytes += news;
	}
	assert_int_equal(model.board.bytes, bytes);
	/* One that joins two makes room for one more. */
	assert_int_equal(cothon_scoreboard_add(&model.board, &model.allocator, seq(&model, 3),
					       seq(&model, 5)),
			 2);
	assert_int_equal(cothon_scoreboard_add(&model.board, &model.allocator, seq(&model, 3000),
					       seq(&model, 3001)),
			 1);
	assert_int_equal(cothon_scoreboard_add(&model.board, &model.allocator, seq(&model, 4000),
					       seq(&model, 4001)),
			 0);
	/* One over all of them. */
	assert_int_equal(cothon_scoreboard_add(&model.board, &model.allocator, seq(&model, 1),
					       seq(&model, 5000)),
			 4999 - bytes - 3);
	assert_int_equal(model.board.count, 1);
	model_close(&model);
}

static void test_without_memory(void **state)
{
	struct model model;

	(void)state;
	model_open(&model, 1, 0);
	model.memory.fail_every = 1;
	assert_int_equal(cothon_scoreboard_add(&model.board, &model.allocator, seq(&model, 1),
					       seq(&model, 5)),
			 0);
	cothon_scoreboard_ack(&model.board, seq(&model, 3));
	assert_int_equal(cothon_scoreboard_held(&model.board, seq(&model, 0), seq(&model, 9)), 0);
	model.memory.fail_every = 0;
	assert_int_equal(cothon_scoreboard_add(&model.board, &model.allocator, seq(&model, 1),
					       seq(&model, 5)),
			 4);
	model_close(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
