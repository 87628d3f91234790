/* SPDX-License-Identifier: MIT */
#include "storm.h"

#include "audit.h"
#include "client.h"
#include "generate.h"
#include "stage.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	BURST_MAX = 8,
	/* Frames from one calm to the next. */
	CALM_EVERY = 5000,
	/*
	 * Seconds of silence after which no flow is left: R2 is 924 of them, the others' patience
	 * is shorter, and the last deadline may be one RTO late.
	 */
	CALM = 1200,
	ORDINARY_PORT = 50000,
	ORDINARY_BYTES = 5000,
	/* Frames behind the last calm. */
	REST = 300,
};

/* Where the storm is; read when it ends in a way that nobody has foreseen. */
static struct {
	uint64_t seed, count;
	volatile int running;
} where;

void storm_say_where(void)
{
	char text[100];
	int len;

	if (!where.running)
		return;
	len = snprintf(text, sizeof(text), "replay with: --seed %llu --count %llu\n",
		       (unsigned long long)where.seed, (unsigned long long)where.count);
	if (write(STDERR_FILENO, text, (size_t)len) < 0)
		return;
}

struct storm {
	struct stage stage;
	struct generator generator;
	struct cothon_random random;
	uint64_t calms;
};

static uint32_t below(struct storm *storm, uint32_t bound)
{
	return cothon_random_below(&storm->random, bound);
}

/* A stack with small bounds, so that they are reached. */
static void open_stage(struct storm *storm, uint64_t seed)
{
	static const uint32_t mtus[] = {1280, 1500, 1500, 9000, 65520};
	static const uint32_t receives[] = {4096, 32768, 300000};
	struct stage_setup setup = {
		.seed = seed,
		.features = below(storm, 8),
		.mtu = mtus[below(storm, sizeof(mtus) / sizeof(*mtus))],
		.plain = below(storm, 8) == 0,
		.keepalive = 60,
		.max_flows = below(storm, 2) ? 12 : 48,
		.max_half_open = below(storm, 2) ? 4 : 16,
		.max_receive = receives[below(storm, 3)],
		.max_send = below(storm, 2) ? 4096 : 65536,
		.max_fragments = below(storm, 2) ? 8192 : 100000,
		.pool_limit = below(storm, 2) ? 64 << 10 : 2 << 20,
		.newreno = below(storm, 2),
		/*
		 * Each frame may bring about an answer, and there is at most one whim for a burst.
		 */
		.events = 3 * (CALM_EVERY + REST),
	};

	stage_open(&storm->stage, &setup);
	storm->stage.keep_out = false;
}

/* Time, from nothing to a month; the stack is asked in time, or all too late. */
static void let_time_pass(struct storm *storm)
{
	uint32_t scale = below(storm, 1000);
	uint64_t passed;

	if (scale < 500)
		return;
	if (scale < 850)
		passed = below(storm, 2000);
	else if (scale < 950)
		passed = below(storm, 1000000);
	else if (scale < 990)
		passed = STAGE_SECONDS(below(storm, 70));
	else if (scale < 999)
		passed = STAGE_SECONDS(below(storm, 1000));
	else
		passed = STAGE_SECONDS(below(storm, 30 * 24 * 3600));
	if (below(storm, 3))
		stage_pass(&storm->stage, passed);
	else
		stage_sleep(&storm->stage, passed);
}

/* The link is full for a while, or loses frames; memory is short. */
static void change_weather(struct storm *storm)
{
	struct stage *stage = &storm->stage;

	if (below(storm, 20) == 0)
		stage->link_error = below(storm, 2) ? -EAGAIN : -ENOBUFS;
	else if (below(storm, 3) == 0)
		stage->link_error = 0;
	if (below(storm, 30) == 0)
		stage->refuse = below(storm, 200);
	else if (below(storm, 3) == 0)
		stage->refuse = 0;
}

void storm_audit(const struct stage *stage)
{
	const char *wrong = audit_stack(stage->stack);

	if (!wrong)
		wrong = audit_counters(stage->counters, stage->offered - stage->in.count,
				       stage->rejected, stage->uncounted);
	if (wrong)
		fail_msg("%s", wrong);
}

void storm_calm(struct stage *stage)
{
	const char *wrong = NULL;

	stage->link_error = 0;
	stage->refuse = 0;
	app_listen_all(stage);
	stage_pass(stage, STAGE_SECONDS(CALM));
	storm_audit(stage);
	assert_int_equal(cothon_pool_used(stage->pool), 0);
	stage->keep_out = true;
	for (enum scene_family family = SCENE_V4; !wrong && family < SCENE_FAMILIES; family++)
		wrong = client_ordinary(stage, family, ORDINARY_PORT, ORDINARY_BYTES);
	if (wrong)
		fail_msg("%s", wrong);
	stage->keep_out = false;
	stage_drop_out(stage);
}

void storm_round(uint64_t seed, uint64_t count, struct storm_sum *sum)
{
	struct storm storm;
	uint8_t bytes[32] = {0};

	memcpy(bytes, &seed, sizeof(seed));
	cothon_random_init(&storm.random, bytes, 3000);
	storm.calms = 0;
	where.seed = seed;
	where.count = 0;
	where.running = 1;
	open_stage(&storm, seed);
	generator_init(&storm.generator, seed, &storm.stage.scene, storm.stage.stack);
	for (where.count = 1; where.count <= count; where.count++) {
		generator_next(&storm.generator, &storm.stage.scratch);
		stage_offer(&storm.stage, &storm.stage.scratch);
		if (below(&storm, BURST_MAX))
			continue;
		stage_run(&storm.stage);
		if (below(&storm, 2))
			app_whim(&storm.stage);
		change_weather(&storm);
		let_time_pass(&storm);
		stage_run(&storm.stage);
		storm_audit(&storm.stage);
		if (where.count / CALM_EVERY > storm.calms) {
			storm.calms++;
			storm_calm(&storm.stage);
		}
	}
	stage_run(&storm.stage);
	storm_calm(&storm.stage);
	/* Every second stack ends in the middle of everything. */
	for (uint64_t rest = below(&storm, 2) ? REST : 0; rest > 0; rest--) {
		generator_next(&storm.generator, &storm.stage.scratch);
		stage_input(&storm.stage, &storm.stage.scratch);
	}
	generator_finish(&storm.generator);
	stage_close(&storm.stage);
	where.running = 0;
	if (storm.stage.peak > sum->peak)
		sum->peak = storm.stage.peak;
	sum->frames += storm.stage.offered;
}

static uint64_t seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

void storm_seconds(uint64_t seed, unsigned seconds, struct storm_sum *sum)
{
	uint64_t end = seconds_now() + seconds;

	while (seconds_now() < end)
		storm_round(seed++, STORM_ROUND, sum);
}
