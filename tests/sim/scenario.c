/* SPDX-License-Identifier: MIT */
#include "scenario.h"

#include "call.h"
#include "datagram.h"
#include "fault.h"
#include "world.h"
#include "stack/stack.h"
#include <errno.h>
#include <string.h>

enum {
	/* Seconds within which everything ends once faults are over. */
	PATIENCE = 600,
	/* Seconds after which no stack remembers anything: TIME-WAIT and the like. */
	SILENCE = 1200,
	/* Of a million packets, those that are marked for congestion at most. */
	MAX_MARKS = 200000,
};

struct scenario {
	struct cothon_random random; /* of the part that is being planned */
	struct world world;
	struct calls calls;
	struct datagrams datagrams;
	struct faults faults;
	uint32_t marks; /* of a million packets that may be marked for congestion, those that are */
	uint64_t cut_at; /* when all stacks are ended; COTHON_NEVER: when they have nothing more to do */
};

/* Each part has numbers of its own, so that one can change without the others. */
enum part {
	PART_WORLD = 4000,
	PART_FAULTS,
	PART_CALLS,
	PART_DATAGRAMS,
	PART_ECN,
};

static void begin_part(struct scenario *scenario, uint64_t seed, enum part part)
{
	uint8_t bytes[32] = {0};

	memcpy(bytes, &seed, sizeof(seed));
	cothon_random_init(&scenario->random, bytes, part);
}

static uint32_t below(struct scenario *scenario, uint32_t bound)
{
	return cothon_random_below(&scenario->random, bound);
}

/* A number up to `max` of which each order of magnitude is as likely as the next. */
static uint32_t of_any_size(struct scenario *scenario, uint32_t max)
{
	uint32_t bits = 32 - (uint32_t)__builtin_clz(max | 1);
	uint32_t bound = UINT32_C(1) << below(scenario, bits);
	uint32_t value = bound - 1 + below(scenario, bound);

	return value < max ? value : max;
}

#define ONE_OF(scenario, list) (list)[below(scenario, sizeof(list) / sizeof(*(list)))]

static uint8_t choose_ecn(struct scenario *scenario, uint64_t seed)
{
	static const uint8_t choices[] = {COTHON_ECN_OFF, COTHON_ECN_ACCEPT, COTHON_ECN_REQUEST,
					  COTHON_ECN_REQUEST};

	begin_part(scenario, seed, PART_ECN);
	scenario->marks = below(scenario, 3) ? of_any_size(scenario, MAX_MARKS) : 0;
	return ONE_OF(scenario, choices);
}

static void open_world(struct scenario *scenario, uint64_t seed, uint8_t ecn, bool hash, bool trace)
{
	static const uint32_t mtus[] = {1280, 1500, 1500, 9000, 65520};
	static const uint32_t bounds[] = {4096, 16384, 65536, 262144, 1048576};
	static const unsigned features[] = {0, 0, COTHON_LINK_CSUM,
					    COTHON_LINK_CSUM | COTHON_LINK_TSO,
					    COTHON_LINK_CSUM | COTHON_LINK_TSO | COTHON_LINK_USO};
	struct world_setup setup = {
		.seed = seed,
		.nodes = below(scenario, 3) ? 2 : 3 + below(scenario, WORLD_NODES - 2),
		.features = ONE_OF(scenario, features),
		.queue = 4096,
		.pool_limit = below(scenario, 4) ? 4 << 20 : 64 << 10,
		.config =
			{
				.max_receive = ONE_OF(scenario, bounds),
				.max_send = ONE_OF(scenario, bounds),
				.max_half_open = below(scenario, 4) ? 0 : 4,
				.ephemeral_first = below(scenario, 4) ? 0 : 65535 - 63,
				.forwarder = &calls_forwarder,
				.congestion = below(scenario, 4) ? "cubic" : "newreno",
				.ecn = ecn,
			},
		.audit = true,
		.hash = hash,
		.trace = trace,
	};
	bool mixed = below(scenario, 4) == 0;

	for (unsigned i = 0; i < WORLD_NODES; i++)
		setup.mtu[i] = i == 0 || mixed ? ONE_OF(scenario, mtus) : setup.mtu[0];
	world_open(&scenario->world, &setup);
	scenario->cut_at = COTHON_NEVER;
	if (below(scenario, 8) == 0)
		scenario->cut_at = scenario->world.now + of_any_size(scenario, 40 * WORLD_MILLION);
}

/* TCP */

/*
 * A side that only reads does not learn that the other has gone if the reset is lost, unless it asks
 * (RFC 9293 section 3.8.4).
 */
static void plan_keepalive(struct scenario *scenario, struct call *call)
{
	bool needed = scenario->calls.excuses & CALL_MAY_TIME_OUT;

	for (unsigned n = 0; n < CALL_SIDES; n++)
		needed |= call->sides[n].plan.end >= CALL_LEAVES;
	for (unsigned n = 0; n < CALL_SIDES; n++) {
		struct cothon_tcp_options *options = &call->sides[n].plan.options;

		if (needed || below(scenario, 4) == 0) {
			options->keepalive_idle = 1 + below(scenario, 30);
			options->keepalive_interval = 10;
		}
	}
}

static void plan_side(struct scenario *scenario, struct call_plan *plan)
{
	static const uint32_t totals[] = {0, 1000, 60000, 300000, 300000, 2000000};
	static const uint32_t gaps[] = {0, 0, 0, 100, 20000};

	*plan = (struct call_plan){
		.total = of_any_size(scenario, ONE_OF(scenario, totals)),
		.write_gap = ONE_OF(scenario, gaps),
		.read_gap = ONE_OF(scenario, gaps),
		.in_place = below(scenario, 2),
		.options.no_delay = below(scenario, 2),
	};
	/* No more than some hundred pieces. */
	plan->write_size = (uint32_t)plan->total / 300 + 1 + of_any_size(scenario, 100000);
	plan->read_size = 400 + of_any_size(scenario, 100000);
	if (below(scenario, 2))
		plan->accept_after = of_any_size(scenario, 5 * WORLD_MILLION);
	if (below(scenario, 6) == 0)
		plan->read_after = below(scenario, 10 * WORLD_MILLION);
	if (below(scenario, 3) == 0)
		plan->end = CALL_LINGERS;
	if (below(scenario, 8) == 0) {
		plan->end = below(scenario, 2) ? CALL_LEAVES : CALL_ABORTS;
		plan->end_at = below(scenario, (uint32_t)plan->total + 1);
	}
}

/* How a call comes about. */
static void plan_way(struct scenario *scenario, struct call *call)
{
	static const int refusals[] = {-ECONNREFUSED, -ENETUNREACH, -EHOSTUNREACH, -EACCES,
				       -ETIMEDOUT};

	switch (below(scenario, 10)) {
	case 0:
		call->crossed = true;
		break;
	case 1:
		call->outside = true;
		call->refusal = ONE_OF(scenario, refusals);
		break;
	case 2:
	case 3:
		call->outside = true;
		break;
	default:
		break;
	}
}

static void plan_calls(struct scenario *scenario)
{
	unsigned nodes = scenario->world.setup.nodes;
	unsigned count = 1 + below(scenario, 4) + of_any_size(scenario, 25);

	for (unsigned i = 0; i < count; i++) {
		unsigned client = below(scenario, nodes);
		unsigned server = (client + 1 + below(scenario, nodes - 1)) % nodes;
		uint64_t at = scenario->world.now + of_any_size(scenario, 20 * WORLD_MILLION);
		struct call *call = calls_add(&scenario->calls, client, server,
					      below(scenario, WORLD_FAMILIES), at);

		plan_way(scenario, call);
		for (unsigned n = 0; n < CALL_SIDES; n++)
			plan_side(scenario, &call->sides[n].plan);
		plan_keepalive(scenario, call);
	}
}

/* UDP and ICMP */

/* Where no frame is lost for any reason, every datagram arrives. */
static void excuse_datagrams(struct scenario *scenario)
{
	const struct faults *faults = &scenario->faults;
	unsigned nodes = scenario->world.setup.nodes;
	unsigned *excuses = &scenario->datagrams.excuses;

	/* Incomplete datagrams wait for half a minute at most, and give way when memory is short. */
	if (faults->harm || scenario->world.setup.pool_limit < 1 << 20)
		*excuses |= DATAGRAM_MAY_BE_LOST;
	for (unsigned i = 0; i < nodes; i++) {
		/* The switch neither cuts packets nor says that they are too big. */
		if (scenario->world.setup.mtu[i] != scenario->world.setup.mtu[0])
			*excuses |= DATAGRAM_MAY_BE_LOST;
		for (unsigned way = 0; way < 2; way++) {
			const struct cothon_impairment *how = &faults->weather[i][way];

			if (how->loss || how->burst_loss || how->damage || how->queue)
				*excuses |= DATAGRAM_MAY_BE_LOST;
			if (how->damage)
				*excuses |= DATAGRAM_MAY_BE_SPOILT;
			if (how->duplicate)
				*excuses |= DATAGRAM_MAY_BE_DOUBLED;
		}
	}
}

static void plan_datagrams(struct scenario *scenario)
{
	unsigned nodes = scenario->world.setup.nodes;
	unsigned count = below(scenario, 4) ? of_any_size(scenario, DATAGRAMS / 2) : 0;

	for (unsigned i = 0; i < count; i++) {
		unsigned from = below(scenario, nodes);
		unsigned to = (from + 1 + below(scenario, nodes - 1)) % nodes;
		struct datagram datagram = {
			.kind = below(scenario, 4) ? DATAGRAM_UDP : DATAGRAM_ECHO,
			.from = &scenario->world.nodes[from],
			.to = &scenario->world.nodes[to],
			.family = below(scenario, WORLD_FAMILIES),
			.at = scenario->world.now + of_any_size(scenario, 20 * WORLD_MILLION),
		};

		datagram.len = of_any_size(scenario,
					   datagram.kind == DATAGRAM_UDP ? 65507 : DATAGRAM_WHOLE);
		datagrams_add(&scenario->datagrams, &datagram);
	}
}

/* The end */

static bool is_quiet(const struct world *world)
{
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		const struct node *node = &world->nodes[i];

		if (cothon_flow_table_count(node->stack->flows) || cothon_pool_used(node->pool))
			return false;
		/* Frames under way. */
		if (node->input || cothon_impair_due(node->up) != UINT64_MAX ||
		    cothon_impair_due(node->down) != UINT64_MAX)
			return false;
	}
	return true;
}

/* Lets TIME-WAIT and incomplete datagrams pass. */
static void run_quiet(struct world *world)
{
	uint64_t limit = world->now + WORLD_SECONDS(SILENCE);

	while (!is_quiet(world)) {
		if (world_step(world, limit))
			continue;
		for (unsigned i = 0; i < world->setup.nodes; i++) {
			const struct node *node = &world->nodes[i];

			if (cothon_flow_table_count(node->stack->flows))
				world_fail(world, "node %u has flows that nobody wants", i);
			if (cothon_pool_used(node->pool))
				world_fail(world, "node %u holds %zu bytes for nobody", i,
					   cothon_pool_used(node->pool));
		}
	}
}

/* Where nothing is lost, nothing is sent twice. */
static void check_clean(const struct world *world)
{
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		const struct cothon_counters *counters =
			cothon_stack_counters(world->nodes[i].stack);

		if (counters->tcp_retransmits)
			world_fail(world, "node %u sends something again that was not lost", i);
	}
}

static void run_out(struct scenario *scenario)
{
	struct world *world = &scenario->world;
	uint64_t limit = COTHON_NEVER;

	while (!calls_done(&scenario->calls) || !datagrams_done(&scenario->datagrams) ||
	       scenario->faults.over_since == COTHON_NEVER) {
		if (scenario->faults.over_since != COTHON_NEVER)
			limit = scenario->faults.over_since + WORLD_SECONDS(PATIENCE);
		if (!world_step(world, limit))
			break;
	}
	calls_check(&scenario->calls);
	if (scenario->faults.clean)
		check_clean(world);
	calls_close(&scenario->calls);
	run_quiet(world);
	datagrams_check(&scenario->datagrams);
	datagrams_close(&scenario->datagrams);
}

/* Ends in the midst of everything. */
static void run_until(struct scenario *scenario, uint64_t limit)
{
	while (world_step(&scenario->world, limit))
		;
	calls_close(&scenario->calls);
	datagrams_close(&scenario->datagrams);
}

static void sum_up(const struct scenario *scenario, struct scenario_result *result)
{
	const struct world *world = &scenario->world;

	*result = (struct scenario_result){
		.hash = world->hash,
		.frames = world->frames,
		.steps = world->steps,
		.passed = world->now - world->began,
	};
	for (unsigned i = 0; i < scenario->calls.count; i++) {
		const struct call *call = &scenario->calls.all[i];

		result->bytes += call->sides[CALL_CLIENT].read + call->sides[CALL_SERVER].read;
	}
}

void scenario_run(uint64_t seed, bool hash, bool trace, struct scenario_result *result)
{
	static struct scenario scenario;
	uint8_t ecn;

	ecn = choose_ecn(&scenario, seed);
	begin_part(&scenario, seed, PART_WORLD);
	open_world(&scenario, seed, ecn, hash, trace);
	calls_open(&scenario.calls, &scenario.world);
	begin_part(&scenario, seed, PART_FAULTS);
	faults_open(&scenario.faults, &scenario.world, &scenario.calls, &scenario.random);
	faults_mark(&scenario.faults, scenario.marks);
	begin_part(&scenario, seed, PART_CALLS);
	plan_calls(&scenario);
	datagrams_open(&scenario.datagrams, &scenario.world);
	begin_part(&scenario, seed, PART_DATAGRAMS);
	plan_datagrams(&scenario);
	excuse_datagrams(&scenario);
	if (scenario.cut_at == COTHON_NEVER)
		run_out(&scenario);
	else
		run_until(&scenario, scenario.cut_at);
	sum_up(&scenario, result);
	world_close(&scenario.world);
}
