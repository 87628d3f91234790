/* SPDX-License-Identifier: MIT */
#include "goodput.h"

#include "call.h"
#include <inttypes.h>

enum {
	SECONDS = 10,
	ROUNDS = 2,
	/* The bottleneck, in bytes per second: 100 Mbit/s. */
	RATE = 12500000,
	/* Bytes that wait there at least. */
	QUEUE = 100000,
	SENDERS = 4,
	FLOWS = 8,
};

static struct world world;
static struct calls calls;

static void open_all(uint64_t seed, unsigned nodes, const char *congestion)
{
	struct world_setup setup = {
		.seed = seed,
		.nodes = nodes,
		.mtu = {1500, 1500, 1500, 1500, 1500},
		.queue = 100000,
		.pool_limit = 256 << 20,
		.config.congestion = congestion,
	};

	world_open(&world, &setup);
	calls_open(&calls, &world);
}

static void close_all(void)
{
	calls_close(&calls);
	world_close(&world);
}

/* A way of which half the round trip is on each side; it loses packets behind the bottleneck. */
static void shape(unsigned receiver, uint64_t rtt, uint32_t loss)
{
	uint64_t product = rtt * RATE / WORLD_MILLION;
	struct cothon_impairment forth = {
		.delay = rtt / 2,
		.rate = RATE,
		.queue = product > QUEUE ? product : QUEUE,
		.loss = loss,
	};
	struct cothon_impairment back = {.delay = rtt - rtt / 2};

	world_impair(&world, receiver, &back, &forth);
}

/* A flow that sends all the time. */
static struct call *send_from(unsigned sender, unsigned receiver, uint64_t at)
{
	struct call *call = calls_add(&calls, sender, receiver, 0, at);

	call->sides[CALL_CLIENT].plan = (struct call_plan){
		.total = UINT64_MAX,
		.write_size = 65536,
		.in_place = true,
	};
	call->sides[CALL_SERVER].plan = (struct call_plan){.read_size = 65536, .in_place = true};
	return call;
}

static uint64_t kbits(uint64_t bytes, uint64_t seconds)
{
	return bytes * 8 / 1000 / seconds;
}

static uint64_t goodput(uint32_t loss, uint64_t rtt, const char *congestion)
{
	uint64_t bytes = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		const struct call *call;

		open_all(round, 2, congestion);
		shape(1, rtt, loss);
		call = send_from(0, 1, world.now);
		while (world_step(&world, world.began + WORLD_SECONDS(SECONDS)))
			;
		bytes += call->sides[CALL_SERVER].read;
		close_all();
	}
	return kbits(bytes, SECONDS * ROUNDS);
}

static void write_table(FILE *out, const char *congestion)
{
	static const uint32_t losses[] = {0, 1000, 5000, 10000, 20000, 50000};
	static const uint64_t rtts[] = {1000, 10000, 20000, 50000, 100000};
	enum {
		LOSSES = sizeof(losses) / sizeof(*losses),
		RTTS = sizeof(rtts) / sizeof(*rtts),
	};

	fprintf(out, "\n%-8s", congestion);
	for (unsigned i = 0; i < RTTS; i++)
		fprintf(out, "%5" PRIu64 " ms", rtts[i] / 1000);
	fputc('\n', out);
	for (unsigned n = 0; n < LOSSES; n++) {
		fprintf(out, "%u.%u %%   ", losses[n] / 10000, losses[n] / 1000 % 10);
		for (unsigned i = 0; i < RTTS; i++) {
			uint64_t rate = goodput(losses[n], rtts[i], congestion);

			fprintf(out, "%4" PRIu64 ".%03" PRIu64, rate / 1000, rate % 1000);
		}
		fputc('\n', out);
	}
}

/* The sender must be told of every room that reading makes, or it waits for its persist timer. */
static void write_slow_readers(FILE *out)
{
	static const uint32_t gaps[] = {2000, 5000, 20000, 100000};

	for (unsigned i = 0; i < sizeof(gaps) / sizeof(*gaps); i++) {
		struct call *call;
		uint64_t rate;

		open_all(1, 2, "cubic");
		shape(1, 10000, 0);
		call = send_from(0, 1, world.now);
		call->sides[CALL_SERVER].plan.read_size = 16384;
		call->sides[CALL_SERVER].plan.read_gap = gaps[i];
		while (world_step(&world, world.began + WORLD_SECONDS(SECONDS)))
			;
		rate = kbits(call->sides[CALL_SERVER].read, SECONDS);
		fprintf(out, "every %3u ms %4" PRIu64 ".%03" PRIu64 "\n", gaps[i] / 1000,
			rate / 1000, rate % 1000);
		close_all();
	}
}

/* Two flows from each of four senders, one after the other, over the receiver's bottleneck. */
static void write_fairness(FILE *out, const char *congestion)
{
	const struct call *flows[FLOWS];
	uint64_t before[FLOWS], sum = 0, squares = 0;
	uint64_t settled = WORLD_START + WORLD_SECONDS(SECONDS);

	open_all(1, SENDERS + 1, congestion);
	shape(SENDERS, 20000, 0);
	for (unsigned i = 0; i < FLOWS; i++)
		flows[i] = send_from(i % SENDERS, SENDERS, world.now + i * 100000);
	while (world_step(&world, settled))
		;
	for (unsigned i = 0; i < FLOWS; i++)
		before[i] = flows[i]->sides[CALL_SERVER].read;
	while (world_step(&world, settled + WORLD_SECONDS(3 * SECONDS)))
		;
	fprintf(out, "%-8s", congestion);
	for (unsigned i = 0; i < FLOWS; i++) {
		uint64_t rate = kbits(flows[i]->sides[CALL_SERVER].read - before[i], 3 * SECONDS);

		fprintf(out, "%4" PRIu64 ".%03" PRIu64, rate / 1000, rate % 1000);
		sum += rate;
		squares += rate * rate;
	}
	close_all();
	/* Jain, Chiu and Hawe 1984, in thousandths. */
	sum = sum * sum * 1000 / (FLOWS * squares);
	fprintf(out, "   index %" PRIu64 ".%03" PRIu64 "\n", sum / 1000, sum % 1000);
}

void goodput_write(FILE *out)
{
	fputs("Goodput in Mbit/s of one flow through a bottleneck of 100 Mbit/s, in ten seconds from its\n"
	      "beginning, by loss and round trip. The queue holds one round trip, 100 kB at least.\n",
	      out);
	write_table(out, "cubic");
	write_table(out, "newreno");
	fputs("\nThe same of a reader that takes 16 KiB at a time, round trip 10 ms.\n\n", out);
	write_slow_readers(out);
	fputs("\nEight flows through the same bottleneck, 20 ms: Mbit/s of each in thirty seconds, and Jain's\n"
	      "index of fairness.\n\n",
	      out);
	write_fairness(out, "cubic");
	write_fairness(out, "newreno");
}
