/* SPDX-License-Identifier: MIT */
#include "base/wheel.h"

#include "base/random.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

enum {
	TICK = 1 << COTHON_WHEEL_SHIFT
};

static const uint64_t second = 1000000;
static const uint64_t day = UINT64_C(86400) * 1000000;

static struct cothon_wheel *make_wheel(uint64_t now)
{
	struct cothon_wheel *wheel = malloc(sizeof(*wheel));

	assert_non_null(wheel);
	cothon_wheel_init(wheel, now);
	return wheel;
}

/* A deadline rounded up to a tick. */
static uint64_t rounded(uint64_t deadline)
{
	return (deadline + TICK - 1) / TICK * TICK;
}

static void test_one_timer(void **state)
{
	/* Offsets on both sides of the borders between levels, and beyond the span. */
	const uint64_t ticks[] = {0,
				  1,
				  2,
				  254,
				  255,
				  256,
				  257,
				  511,
				  65534,
				  65535,
				  65536,
				  65537,
				  (1 << 24) - 1,
				  1 << 24,
				  (1 << 24) + 1,
				  UINT64_C(255) << 24,
				  (UINT64_C(255) << 24) + 1,
				  UINT32_MAX,
				  UINT64_C(1) << 32,
				  UINT64_C(5) << 32};
	const uint64_t starts[] = {
		0, 1, 255, 256, 65535, 65536, 0xffffff, UINT32_MAX, UINT64_C(0x123456789a)};

	(void)state;
	for (size_t s = 0; s < sizeof(starts) / sizeof(starts[0]); s++) {
		for (size_t t = 0; t < sizeof(ticks) / sizeof(ticks[0]); t++) {
			uint64_t deadline = (starts[s] + ticks[t]) * TICK;
			struct cothon_wheel *wheel = make_wheel(starts[s] * TICK);
			struct cothon_timer timer;
			unsigned wakes = 0;

			cothon_timer_init(&timer);
			assert_false(cothon_timer_armed(&timer));
			cothon_wheel_arm(wheel, &timer, deadline);
			assert_true(cothon_timer_armed(&timer));
			/*
			 * Called only when it asks for it, the wheel is never late and seldom
			 * early.
			 */
			for (;;) {
				uint64_t next = cothon_wheel_next(wheel);

				assert_true(next <= deadline);
				wakes++;
				if (cothon_wheel_expired(wheel, next))
					break;
			}
			assert_false(cothon_timer_armed(&timer));
			assert_int_equal(wheel->tick * TICK, deadline);
			assert_true(wakes <=
				    COTHON_WHEEL_LEVELS + ticks[t] / (UINT64_C(255) << 24));
			assert_null(cothon_wheel_expired(wheel, deadline + 100 * day));
			assert_int_equal(cothon_wheel_next(wheel), UINT64_MAX);
			free(wheel);
		}
	}
}

static void test_never_early_and_past_deadlines(void **state)
{
	struct cothon_wheel *wheel = make_wheel(10 * second);
	struct cothon_timer timer;

	(void)state;
	cothon_timer_init(&timer);
	cothon_wheel_arm(wheel, &timer, 11 * second);
	assert_null(cothon_wheel_expired(wheel, 11 * second - 1));
	assert_ptr_equal(cothon_wheel_expired(wheel, 11 * second + TICK), &timer);

	/* What lies in the past is due at once, even if time has not moved since. */
	cothon_wheel_arm(wheel, &timer, 5 * second);
	assert_true(cothon_wheel_next(wheel) <= 11 * second + TICK);
	assert_ptr_equal(cothon_wheel_expired(wheel, 11 * second + TICK), &timer);
	cothon_wheel_arm(wheel, &timer, 0);
	assert_ptr_equal(cothon_wheel_expired(wheel, 11 * second + TICK), &timer);
	assert_null(cothon_wheel_expired(wheel, 11 * second + TICK));

	/* A clock that goes back is none; the wheel does not go with it. */
	cothon_wheel_arm(wheel, &timer, 12 * second);
	assert_null(cothon_wheel_expired(wheel, second));
	assert_int_equal(wheel->tick, (11 * second + TICK) / TICK);
	assert_ptr_equal(cothon_wheel_expired(wheel, 12 * second + TICK), &timer);

	/* Never is a deadline too. */
	cothon_wheel_arm(wheel, &timer, UINT64_MAX);
	assert_null(cothon_wheel_expired(wheel, 100000 * day));
	assert_true(cothon_timer_armed(&timer));
	cothon_wheel_disarm(wheel, &timer);
	assert_int_equal(cothon_wheel_next(wheel), UINT64_MAX);
	cothon_wheel_disarm(wheel, &timer);
	free(wheel);
}

static void test_changes_between_calls(void **state)
{
	struct cothon_wheel *wheel = make_wheel(0);
	struct cothon_timer timers[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		cothon_timer_init(&timers[i]);
		cothon_wheel_arm(wheel, &timers[i], second);
	}
	/* The first that is due disarms the second, moves the third, and arms itself anew. */
	assert_ptr_equal(cothon_wheel_expired(wheel, 2 * second), &timers[0]);
	cothon_wheel_disarm(wheel, &timers[1]);
	cothon_wheel_arm(wheel, &timers[2], 3 * second);
	cothon_wheel_arm(wheel, &timers[0], 2 * second - TICK);
	assert_ptr_equal(cothon_wheel_expired(wheel, 2 * second), &timers[0]);
	assert_null(cothon_wheel_expired(wheel, 2 * second));
	assert_ptr_equal(cothon_wheel_expired(wheel, 4 * second), &timers[2]);
	assert_int_equal(cothon_wheel_next(wheel), UINT64_MAX);
	free(wheel);
}

/* A bit says that a slot is used if and only if it is. */
static void check_bits(const struct cothon_wheel *wheel)
{
	for (unsigned level = 0; level < COTHON_WHEEL_LEVELS; level++) {
		for (unsigned slot = 0; slot < COTHON_WHEEL_SLOTS; slot++) {
			bool used = wheel->used[level][slot / 64] >> slot % 64 & 1;

			assert_int_equal(used, !cothon_list_empty(&wheel->slots[level][slot]));
		}
	}
}

enum {
	MODEL_TIMERS = 200,
	MODEL_STEPS = 40000
};

/* The naive model: every timer's deadline, UINT64_MAX for those that are not armed. */
struct model {
	struct cothon_wheel *wheel;
	struct cothon_timer timers[MODEL_TIMERS];
	uint64_t deadlines[MODEL_TIMERS];
	struct cothon_random random;
	uint64_t now;
	unsigned fired, far;
};

/* A time span of any magnitude: from nothing to some months. */
static uint64_t random_span(struct model *model)
{
	unsigned bits = cothon_random_below(&model->random, 43);

	return cothon_random_u64(&model->random) >> (63 - bits);
}

static uint64_t earliest(const struct model *model)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < MODEL_TIMERS; i++)
		first = model->deadlines[i] < first ? model->deadlines[i] : first;
	return first;
}

/* Every timer that is due must come, none else, and each once. */
static void run_to(struct model *model, uint64_t now)
{
	struct cothon_timer *timer;

	model->now = now;
	while ((timer = cothon_wheel_expired(model->wheel, now))) {
		ptrdiff_t i = timer - model->timers;

		assert_in_range(i, 0, MODEL_TIMERS - 1);
		assert_int_not_equal(model->deadlines[i], UINT64_MAX);
		assert_true(model->deadlines[i] <= now);
		assert_false(cothon_timer_armed(timer));
		model->deadlines[i] = UINT64_MAX;
		model->fired++;
		/* Some arm themselves again, also for a time that is past. */
		if (cothon_random_below(&model->random, 8) == 0) {
			model->deadlines[i] = now + 1 + random_span(model);
			cothon_wheel_arm(model->wheel, timer, model->deadlines[i]);
		}
	}
	/* At most one tick late. */
	if (earliest(model) != UINT64_MAX)
		assert_true(rounded(earliest(model)) > now / TICK * TICK);
}

static void change_one(struct model *model)
{
	unsigned i = cothon_random_below(&model->random, MODEL_TIMERS);
	uint64_t span;

	switch (cothon_random_below(&model->random, 4)) {
	case 0:
		cothon_wheel_disarm(model->wheel, &model->timers[i]);
		model->deadlines[i] = UINT64_MAX;
		break;
	default:
		span = random_span(model);
		model->far += span > 50 * day;
		model->deadlines[i] = model->now + span;
		cothon_wheel_arm(model->wheel, &model->timers[i], model->deadlines[i]);
	}
	assert_int_equal(cothon_timer_armed(&model->timers[i]), model->deadlines[i] != UINT64_MAX);
}

static void run_model(uint64_t purpose, uint64_t start)
{
	static const uint8_t seed[32] = "wheel";
	struct model model = {.wheel = make_wheel(start), .now = start};

	cothon_random_init(&model.random, seed, purpose);
	for (unsigned i = 0; i < MODEL_TIMERS; i++) {
		cothon_timer_init(&model.timers[i]);
		model.deadlines[i] = UINT64_MAX;
	}
	for (unsigned step = 0; step < MODEL_STEPS; step++) {
		uint64_t next;

		change_one(&model);
		next = cothon_wheel_next(model.wheel);
		if (earliest(&model) == UINT64_MAX) {
			assert_int_equal(next, UINT64_MAX);
			continue;
		}
		assert_true(next <= rounded(earliest(&model)));
		switch (cothon_random_below(&model.random, 4)) {
		case 0: /* as the wheel asks */
			run_to(&model, next > model.now ? next : model.now);
			break;
		case 1: /* too late, perhaps by much */
			run_to(&model, model.now + random_span(&model) / 16);
			break;
		}
		if (step % 512 == 0)
			check_bits(model.wheel);
	}
	/* All that is left fires by following the wheel. */
	for (;;) {
		uint64_t next = cothon_wheel_next(model.wheel);

		if (next == UINT64_MAX)
			break;
		run_to(&model, next > model.now ? next : model.now);
	}
	assert_int_equal(earliest(&model), UINT64_MAX);
	check_bits(model.wheel);
	/* It has been about something: years of time, thousands of timers, some beyond the span. */
	assert_true(model.now - start > 1000 * day);
	assert_true(model.fired > MODEL_STEPS / 8);
	assert_true(model.far > 50);
	free(model.wheel);
}

static void test_against_model(void **state)
{
	(void)state;
	run_model(1, 0);
	run_model(2, 0xfffffff * (uint64_t)TICK);
	run_model(3, UINT64_C(0x123456789abcdef));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_timer),
		cmocka_unit_test(test_never_early_and_past_deadlines),
		cmocka_unit_test(test_changes_between_calls),
		cmocka_unit_test(test_against_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
