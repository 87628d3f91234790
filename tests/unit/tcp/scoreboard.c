/* SPDX-License-Identifier: MIT */

/* The scoreboard against a model that keeps what is known of every byte. */

#include "stack/tcp/scoreboard.h"

#include "../stack/host.h"
#include "base/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	SPACE = 4000
};

struct byte {
	uint8_t state;
	bool resent;
	uint64_t sent_at;
};

struct model {
	struct host_memory memory;
	struct cothon_memory allocator;
	struct cothon_scoreboard board;
	struct cothon_random random;
	uint32_t base; /* the sequence number of byte 0 */
	uint32_t una, nxt;
	uint64_t now;
	struct byte bytes[SPACE];
	uint32_t told; /* bytes that were told to be delivered */
};

static void model_open(struct model *model, uint64_t seed, uint32_t base)
{
	uint8_t bytes[32] = {0};

	memset(model, 0, sizeof(*model));
	memcpy(bytes, &seed, sizeof(seed));
	cothon_random_init(&model->random, bytes, 1);
	model->allocator = host_memory_of(&model->memory);
	model->base = base;
	model->now = 1000;
	cothon_scoreboard_init(&model->board, (struct cothon_seq){base});
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

/* What was told to have arrived is what the model knows of it. */
static void delivered(void *context, struct cothon_seq start, const struct cothon_span *span)
{
	struct model *model = context;

	assert_int_not_equal(span->state, COTHON_SPAN_SACKED);
	for (uint32_t at = start.v - model->base; at < span->end.v - model->base; at++) {
		assert_int_equal(span->state, model->bytes[at].state);
		assert_int_equal(span->sent_at, model->bytes[at].sent_at);
		assert_int_equal(span->resent, model->bytes[at].resent);
		model->told++;
	}
}

static uint32_t count(const struct model *model, uint32_t from, uint32_t to, unsigned state)
{
	uint32_t found = 0;

	for (uint32_t i = from; i < to; i++)
		found += model->bytes[i].state == state;
	return found;
}

static void check(const struct model *model)
{
	const struct cothon_scoreboard *board = &model->board;
	uint32_t at = model->una, lost = model->una;
	struct cothon_seq start, end;

	assert_int_equal(board->una.v, seq(model, at).v);
	assert_int_equal(cothon_scoreboard_start(board, board->count).v, seq(model, model->nxt).v);
	assert_int_equal(board->sacked, count(model, at, model->nxt, COTHON_SPAN_SACKED));
	assert_int_equal(board->lost, count(model, at, model->nxt, COTHON_SPAN_LOST));
	for (uint32_t i = 0; i < board->count; i++) {
		const struct cothon_span *span = cothon_scoreboard_at(board, i);

		assert_true(cothon_seq_before(seq(model, at), span->end));
		for (; at < span->end.v - model->base; at++) {
			assert_int_equal(span->state, model->bytes[at].state);
			if (span->state == COTHON_SPAN_SACKED)
				continue;
			assert_int_equal(span->sent_at, model->bytes[at].sent_at);
			assert_int_equal(span->resent, model->bytes[at].resent);
		}
	}
	while (lost < model->nxt && model->bytes[lost].state != COTHON_SPAN_LOST)
		lost++;
	assert_int_equal(cothon_scoreboard_first_lost(board, &start, &end), lost < model->nxt);
	if (lost < model->nxt)
		assert_int_equal(start.v, seq(model, lost).v);
}

/* A piece of what is in flight; false when nothing is. */
static bool piece(struct model *model, uint32_t *from, uint32_t *to)
{
	uint32_t out = model->nxt - model->una, most;

	if (out == 0)
		return false;
	*from = model->una + cothon_random_below(&model->random, out);
	most = model->nxt - *from < 90 ? model->nxt - *from : 90;
	*to = *from + 1 + cothon_random_below(&model->random, most);
	return true;
}

static void send_new(struct model *model)
{
	uint32_t len = 1 + cothon_random_below(&model->random, 100);

	if (model->nxt + len > SPACE)
		return;
	for (uint32_t i = 0; i < len; i++)
		model->bytes[model->nxt++] =
			(struct byte){.state = COTHON_SPAN_SENT, .sent_at = model->now};
	cothon_scoreboard_sent(&model->board, &model->allocator, seq(model, model->nxt), model->now,
			       0);
}

static void send_again(struct model *model, uint32_t from, uint32_t to)
{
	cothon_scoreboard_resent(&model->board, &model->allocator, seq(model, from), seq(model, to),
				 model->now);
	for (uint32_t i = from; i < to; i++) {
		if (model->bytes[i].state == COTHON_SPAN_SACKED)
			continue;
		model->bytes[i] = (struct byte){COTHON_SPAN_SENT, true, model->now};
	}
}

static void hold(struct model *model, uint32_t from, uint32_t to)
{
	uint32_t news = to - from - count(model, from, to, COTHON_SPAN_SACKED);

	model->told = 0;
	assert_int_equal(cothon_scoreboard_sack(&model->board, &model->allocator, seq(model, from),
						seq(model, to), delivered, model),
			 news);
	assert_int_equal(model->told, news);
	for (uint32_t i = from; i < to; i++)
		model->bytes[i].state = COTHON_SPAN_SACKED;
}

static void lose(struct model *model, uint32_t from, uint32_t to)
{
	cothon_scoreboard_lose(&model->board, &model->allocator, seq(model, from), seq(model, to));
	for (uint32_t i = from; i < to; i++) {
		if (model->bytes[i].state == COTHON_SPAN_SENT)
			model->bytes[i].state = COTHON_SPAN_LOST;
	}
}

static void acknowledge(struct model *model)
{
	uint32_t to =
		model->una + cothon_random_below(&model->random, (model->nxt - model->una) / 3 + 1);
	uint32_t news = to - model->una - count(model, model->una, to, COTHON_SPAN_SACKED);

	model->told = 0;
	assert_int_equal(cothon_scoreboard_ack(&model->board, seq(model, to), delivered, model),
			 news);
	assert_int_equal(model->told, news);
	model->una = to;
}

static void change_all(struct model *model, unsigned from, unsigned to)
{
	for (uint32_t i = model->una; i < model->nxt; i++) {
		if (model->bytes[i].state == from)
			model->bytes[i].state = (uint8_t)to;
	}
}

static void step(struct model *model)
{
	uint32_t from, to;

	model->now += cothon_random_below(&model->random, 3);
	switch (cothon_random_below(&model->random, 12)) {
	case 0:
		acknowledge(model);
		break;
	case 1:
	case 2:
	case 3:
		send_new(model);
		break;
	case 4:
	case 5:
		if (piece(model, &from, &to))
			send_again(model, from, to);
		break;
	case 6:
	case 7:
		if (piece(model, &from, &to))
			lose(model, from, to);
		break;
	case 8:
		if (cothon_random_below(&model->random, 10))
			break;
		cothon_scoreboard_find(&model->board);
		change_all(model, COTHON_SPAN_LOST, COTHON_SPAN_SENT);
		assert_int_equal(model->board.lost, 0);
		break;
	case 9:
		if (cothon_random_below(&model->random, 10))
			break;
		cothon_scoreboard_forget(&model->board);
		for (uint32_t i = 0; i < model->board.count; i++) {
			const struct cothon_span *span = cothon_scoreboard_at(&model->board, i);
			uint32_t at = cothon_scoreboard_start(&model->board, i).v - model->base;

			/* Of what was held only its place is known; it was sent when its span says. */
			for (; at < span->end.v - model->base; at++) {
				if (model->bytes[at].state != COTHON_SPAN_SACKED)
					continue;
				model->bytes[at] = (struct byte){COTHON_SPAN_SENT, span->resent,
								 span->sent_at};
			}
		}
		break;
	default:
		if (piece(model, &from, &to))
			hold(model, from, to);
	}
}

static void test_model(void **state)
{
	static const uint32_t bases[] = {0, 12345, 0x7ffffc00, 0xfffffc00, 0xffffffff};

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct model model;

		model_open(&model, round, bases[round % 5]);
		for (unsigned i = 0; i < 150; i++) {
			step(&model);
			check(&model);
		}
		model_close(&model);
	}
}

static void ignore(void *context, struct cothon_seq start, const struct cothon_span *span)
{
	(void)context;
	(void)start;
	(void)span;
}

/* What must hold also where things are left out. */
static void check_sums(const struct cothon_scoreboard *board, uint32_t sent)
{
	uint32_t sacked = 0, lost = 0;
	struct cothon_seq at = board->una;

	assert_true(board->count <= board->room && board->room <= COTHON_SCOREBOARD_SPANS);
	for (uint32_t i = 0; i < board->count; i++) {
		const struct cothon_span *span = cothon_scoreboard_at(board, i);
		uint32_t len = cothon_seq_sub(span->end, at);

		assert_true(cothon_seq_before(at, span->end));
		sacked += span->state == COTHON_SPAN_SACKED ? len : 0;
		lost += span->state == COTHON_SPAN_LOST ? len : 0;
		at = span->end;
	}
	assert_int_equal(at.v, sent);
	assert_int_equal(board->sacked, sacked);
	assert_int_equal(board->lost, lost);
}

/* With more spans than there is room for less is known, but nothing wrong: no byte is left out of what is in flight. */
static void test_full(void **state)
{
	(void)state;
	for (unsigned refused = 0; refused < 2; refused++) {
		struct cothon_scoreboard *board;
		struct model model;
		uint32_t sent = 0;

		model_open(&model, 1, 0);
		board = &model.board;
		model.memory.fail_every = refused;
		for (uint32_t i = 0; i < 3 * COTHON_SCOREBOARD_SPANS; i++) {
			sent += 10;
			cothon_scoreboard_sent(board, &model.allocator, seq(&model, sent), i, 0);
			if (i % 2)
				cothon_scoreboard_sack(board, &model.allocator,
						       seq(&model, sent - 7), seq(&model, sent - 4),
						       ignore, NULL);
			if (i % 3 == 0)
				cothon_scoreboard_lose(board, &model.allocator,
						       seq(&model, sent - 9),
						       seq(&model, sent - 8));
			if (i % 5 == 0)
				cothon_scoreboard_resent(board, &model.allocator,
							 seq(&model, sent - 10),
							 seq(&model, sent - 5), i);
			check_sums(board, sent);
		}
		assert_int_equal(board->room,
				 refused ? COTHON_SCOREBOARD_FEW : COTHON_SCOREBOARD_SPANS);
		/* One block over all of them makes one span. */
		cothon_scoreboard_sack(board, &model.allocator, seq(&model, 0), seq(&model, sent),
				       ignore, NULL);
		check_sums(board, sent);
		assert_int_equal(board->count, 1);
		assert_int_equal(board->sacked, sent);
		cothon_scoreboard_ack(board, seq(&model, sent), ignore, NULL);
		assert_int_equal(board->count, 0);
		model_close(&model);
	}
}

/* What goes out within the grain is one span, which does not grow for ever. */
static void test_grain(void **state)
{
	struct model model;

	(void)state;
	model_open(&model, 1, 0xfffffff0);
	for (uint32_t i = 1; i <= 100; i++)
		cothon_scoreboard_sent(&model.board, &model.allocator, seq(&model, i), 1000 + i, 9);
	assert_int_equal(model.board.count, 10);
	assert_int_equal(cothon_scoreboard_at(&model.board, 0)->sent_at, 1001);
	assert_int_equal(cothon_scoreboard_at(&model.board, 9)->sent_at, 1091);
	/* What was sent again is never one with what was not. */
	cothon_scoreboard_resent(&model.board, &model.allocator, seq(&model, 95), seq(&model, 100),
				 1101);
	cothon_scoreboard_sent(&model.board, &model.allocator, seq(&model, 101), 1101, 9);
	assert_int_equal(model.board.count, 12);
	model_close(&model);
}

static void ignore_delivered(void *context, struct cothon_seq start, const struct cothon_span *span)
{
	(void)context;
	(void)start;
	(void)span;
}

/* Where there is no room left, making some may take away the very boundary that a block begins at. */
static void test_full_cuts(void **state)
{
	static struct model model;
	const struct cothon_scoreboard *board = &model.board;

	(void)state;
	model_open(&model, 1, 0);
	for (uint32_t i = 1; i <= COTHON_SCOREBOARD_SPANS; i++)
		cothon_scoreboard_sent(&model.board, &model.allocator, seq(&model, 10 * i),
				       1000 * i, 0);
	assert_int_equal(board->count, COTHON_SCOREBOARD_SPANS);
	cothon_scoreboard_sack(&model.board, &model.allocator,
			       seq(&model, 10 * (COTHON_SCOREBOARD_SPANS - 1)),
			       seq(&model, 10 * COTHON_SCOREBOARD_SPANS - 5), ignore_delivered,
			       NULL);
	assert_true(board->count <= board->room);
	for (uint32_t i = 0; i < board->count; i++)
		assert_true(cothon_seq_before(cothon_scoreboard_start(board, i),
					      cothon_scoreboard_at(board, i)->end));
	model_close(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_cuts),
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_grain),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
