/* SPDX-License-Identifier: MIT */
#include "fault.h"

enum {
	UP,
	DOWN,
	/* Microseconds between two looks at what goes wrong. */
	PACE = 250000,
	/* Of a million frames, what is lost when the weather has calmed. */
	CALM_LOSS = 30000,
	/* Seconds: a month, after which timestamps have come half around (RFC 7323 section 5.5). */
	FAR_JUMP = 30 * 24 * 3600,
};

static uint32_t below(struct faults *faults, uint32_t bound)
{
	return cothon_random_below(&faults->random, bound);
}

static bool one_in(struct faults *faults, uint32_t count)
{
	return below(faults, count) == 0;
}

/* Weather */

/* A chance of up to `max` of a million, often none. */
static uint32_t some(struct faults *faults, uint32_t max)
{
	return one_in(faults, 2) ? below(faults, max + 1) : 0;
}

static void make_weather(struct faults *faults, struct cothon_impairment *how, uint32_t harsh)
{
	static const uint64_t delays[] = {20, 500, 5000, 20000, 100000};
	static const uint64_t rates[] = {0, 0, 100000, 1000000, 20000000};

	*how = (struct cothon_impairment){
		.delay = delays[below(faults, 5)] + below(faults, 100),
		.rate = rates[below(faults, 5)],
	};
	if (how->rate)
		how->queue = 5000 + below(faults, 200000);
	if (!harsh)
		return;
	how->loss = some(faults, 1000 * harsh);
	if (one_in(faults, 4)) {
		how->burst_begin = below(faults, 500 * harsh);
		how->burst_end = 100000 + below(faults, 500000);
		how->burst_loss = below(faults, WORLD_MILLION);
	}
	how->duplicate = some(faults, 2000 * harsh);
	how->reorder = some(faults, 2000 * harsh);
	how->reorder_delay = how->reorder ? below(faults, 50000) : 0;
	how->jitter = some(faults, 20000);
}

/* What is left of the weather when it calms: packets still get lost, but not for minutes. */
static void calm(struct faults *faults, struct cothon_impairment *how)
{
	how->burst_begin = how->burst_loss = 0;
	how->burst_end = WORLD_MILLION;
	if (how->loss > CALM_LOSS)
		how->loss = below(faults, CALM_LOSS);
}

/* Faults */

static void set_link(struct faults *faults, unsigned node, bool down)
{
	struct cothon_impairment how[2] = {faults->weather[node][UP], faults->weather[node][DOWN]};

	how[UP].down = how[DOWN].down = down;
	world_impair(faults->world, node, &how[UP], &how[DOWN]);
}

/* Large packets vanish, one way. */
static void set_black_hole(struct faults *faults, unsigned node)
{
	struct cothon_impairment how[2] = {faults->weather[node][UP], faults->weather[node][DOWN]};

	how[below(faults, 2)].black_hole = 1280 + below(faults, 300);
	world_impair(faults->world, node, &how[UP], &how[DOWN]);
}

static void mend(struct faults *faults, unsigned index)
{
	struct node *node = &faults->world->nodes[index];

	set_link(faults, index, false);
	node->starved = 0;
	node->refusal = WORLD_TAKES;
	faults->until[index] = 0;
	world_kick(node);
}

static void hurt(struct faults *faults, unsigned index)
{
	struct node *node = &faults->world->nodes[index];
	uint64_t now = faults->world->now;
	uint64_t until = now + below(faults, one_in(faults, 3) ? 10000000 : 1000000);

	faults->until[index] = until;
	switch (below(faults, 7)) {
	case 0:
		set_link(faults, index, true);
		break;
	case 1:
		node->starved = 1 + below(faults, one_in(faults, 3) ? WORLD_MILLION : 100000);
		break;
	case 2:
		node->refusal = WORLD_BUSY;
		break;
	case 3:
		node->refusal = WORLD_FULL;
		break;
	case 4:
		set_black_hole(faults, index);
		break;
	case 5:
		node->asleep_until = until;
		break;
	default:
		calls_stall(faults->calls, until);
		break;
	}
}

static uint64_t run(void *context, uint64_t now)
{
	struct faults *faults = context;
	bool over = now >= faults->over_at;

	for (unsigned i = 0; i < faults->world->setup.nodes; i++) {
		if (over) {
			calm(faults, &faults->weather[i][UP]);
			calm(faults, &faults->weather[i][DOWN]);
			mend(faults, i);
		} else if (faults->until[i]) {
			if (faults->until[i] <= now)
				mend(faults, i);
		} else if (faults->harm && one_in(faults, 20)) {
			hurt(faults, i);
		}
	}
	if (over) {
		faults->over_since = now;
		return COTHON_NEVER;
	}
	if (faults->harm && one_in(faults, 100))
		world_jump(faults->world, below(faults, 20 * WORLD_MILLION));
	if (faults->far_jumps && one_in(faults, 100))
		world_jump(faults->world, WORLD_SECONDS(below(faults, FAR_JUMP)));
	return now + PACE;
}

void faults_open(struct faults *faults, struct world *world, struct calls *calls,
		 const struct cothon_random *random)
{
	static const uint32_t harshness[] = {0, 5, 20, 20, 60};
	struct world_work work = {run, faults, world->now};
	uint32_t harsh;

	*faults = (struct faults){
		.world = world, .calls = calls, .random = *random, .over_since = COTHON_NEVER};
	harsh = harshness[below(faults, 5)];
	faults->over_at = world->now + below(faults, 40 * WORLD_MILLION);
	faults->harm = !one_in(faults, 3);
	faults->clean = !faults->harm && !harsh;
	faults->far_jumps = faults->harm && one_in(faults, 8);
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		make_weather(faults, &faults->weather[i][UP], harsh);
		make_weather(faults, &faults->weather[i][DOWN], harsh);
		/* One place only: two bits that are turned may hide each other from a checksum. */
		faults->weather[i][DOWN].damage = harsh ? some(faults, 1000 * harsh) : 0;
		set_link(faults, i, false);
		faults->clean &= !faults->weather[i][UP].rate && !faults->weather[i][DOWN].rate;
	}
	/* Bursts and the harshest loss may take a SYN and all of its repetitions. */
	if (harsh >= 60 || faults->far_jumps)
		calls->excuses |= CALL_MAY_TIME_OUT;
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		if (faults->weather[i][UP].burst_loss || faults->weather[i][DOWN].burst_loss)
			calls->excuses |= CALL_MAY_TIME_OUT;
	}
	if (faults->harm)
		calls->excuses |= CALL_MAY_STARVE;
	world_add(world, &work);
}

void faults_mark(struct faults *faults, uint32_t marks)
{
	for (unsigned i = 0; i < faults->world->setup.nodes; i++) {
		faults->weather[i][UP].mark = faults->weather[i][DOWN].mark = marks;
		set_link(faults, i, false);
	}
}
