/* SPDX-License-Identifier: MIT */

/*
 * What flows cost that are open and silent, having carried a byte there and back.
 *
 *   idle_flows [--json] [FLOWS...]
 *
 * Two stacks are joined by a wire in memory; one opens a thousand, a hundred thousand and a million
 * flows to the other, which is then looked at:
 *
 *   bytes     of its memory, all of it, for each flow
 *   segment   nanoseconds to take in a byte for a flow that was chosen at random, tell its owner, have
 *             it read, and acknowledge it; in bursts of 32
 *   tick      nanoseconds of a poll at which nothing is due, a second after the last
 *   probe     nanoseconds for each flow whose keepalive timer expires, its probe sent
 *
 * A million flows take about 1.6 GB, for both sides are here, and a minute.
 */

#include <cothon/cothon.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	MTU = 1500,
	WIRE = 4096, /* frames */
	BATCH = 256, /* flows opened at a time */
	BURST = 32,
	SEGMENTS = 100000,
	TICKS = 1000,
	PORTS = 32, /* that are listened to */
	FIRST_PORT = 1024,
	PER_PORT = 60000, /* flows to each */
	KEEPALIVE = 7200,
};

static const uint64_t second = 1000000;

struct side {
	size_t live; /* bytes of memory */
	struct cothon_memory memory;
	struct cothon_pool *pool;
	struct cothon_stack *stack;
	struct cothon_addr addr;
};

struct bench {
	struct side client, server;
	struct cothon_pool *wire;
	struct cothon_tcp **flows;
	uint32_t count, opened, answered;
	uint64_t now;
	bool answers; /* the server sends back what it gets */
};

struct figures {
	uint32_t flows;
	double bytes, segment, tick, probe;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "idle_flows: %s\n", what);
	exit(1);
}

static void *count_alloc(void *context, size_t size)
{
	struct side *side = context;

	side->live += size;
	return malloc(size);
}

static void count_free(void *context, void *memory, size_t size)
{
	struct side *side = context;

	if (memory)
		side->live -= size;
	free(memory);
}

static double clock_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The server's flows: a handle is kept for as long as the flow lives. */
static void serve(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	const struct bench *bench = owner;
	char bytes[16];
	ptrdiff_t len;

	if (events & COTHON_TCP_OPENED) {
		static const struct cothon_tcp_options probed = {.keepalive_idle = KEEPALIVE};

		cothon_tcp_own(tcp, serve, owner);
		cothon_tcp_set_options(tcp, &probed);
	}
	if (events & COTHON_TCP_READABLE)
		while ((len = cothon_tcp_read(tcp, bytes, sizeof(bytes))) > 0)
			if (bench->answers)
				cothon_tcp_write(tcp, bytes, (size_t)len);
	if (events & COTHON_TCP_ENDED)
		fail("a flow has ended");
}

static void opened(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct bench *bench = owner;
	char byte;

	if (events & COTHON_TCP_ENDED)
		fail("a flow could not be opened");
	bench->opened += (events & COTHON_TCP_OPENED) != 0;
	if (events & COTHON_TCP_READABLE)
		while (cothon_tcp_read(tcp, &byte, 1) > 0)
			bench->answered++;
}

static void open_side(struct bench *bench, struct side *side, struct cothon_link *link,
		      const char *addr)
{
	struct cothon_pool_config pool = {.limit = (size_t)1 << 30, .keep = 1 << 20};
	struct cothon_stack_config config = {
		.link = link, .now = bench->now, .max_flows = bench->count + BATCH};

	side->memory = (struct cothon_memory){count_alloc, count_free, side};
	pool.memory = config.memory = side->memory;
	side->pool = config.pool = cothon_pool_create(&pool);
	if (!side->pool || cothon_stack_create(&config, &side->stack) ||
	    cothon_addr_parse(addr, &side->addr) ||
	    cothon_stack_add_address(side->stack, &side->addr))
		fail("no stack");
}

/* Lets both sides take in what the other has sent until neither has more. */
static void exchange(struct bench *bench)
{
	int frames;

	do {
		frames = cothon_stack_receive(bench->server.stack, WIRE, bench->now);
		cothon_stack_poll(bench->server.stack, bench->now);
		frames += cothon_stack_receive(bench->client.stack, WIRE, bench->now);
		cothon_stack_poll(bench->client.stack, bench->now);
	} while (frames > 0);
}

static void open_flow(struct bench *bench, uint32_t number)
{
	struct cothon_endpoint local = {bench->client.addr,
					(uint16_t)(FIRST_PORT + number % PER_PORT)};
	struct cothon_endpoint remote = {bench->server.addr,
					 (uint16_t)(FIRST_PORT + number / PER_PORT)};

	if (cothon_tcp_connect(bench->client.stack, &local, &remote, opened, bench,
			       &bench->flows[number]))
		fail("cannot connect");
}

static void open_all(struct bench *bench)
{
	struct cothon_listener *listener;

	for (unsigned port = FIRST_PORT; port < FIRST_PORT + PORTS; port++) {
		struct cothon_endpoint local = {bench->server.addr, (uint16_t)port};

		if (cothon_tcp_listen(bench->server.stack, &local, BATCH, serve, bench, &listener))
			fail("cannot listen");
	}
	for (uint32_t i = 0; i < bench->count; i++) {
		open_flow(bench, i);
		if (i % BATCH == BATCH - 1 || i == bench->count - 1) {
			cothon_stack_poll(bench->client.stack, bench->now);
			exchange(bench);
		}
	}
	if (bench->opened != bench->count)
		fail("not all flows were opened");
}

/* Each flow carries a byte there and back; then all are silent, until what was under way for it is given back. */
static void use_all(struct bench *bench)
{
	bench->answers = true;
	for (uint32_t i = 0; i < bench->count; i++) {
		cothon_tcp_write(bench->flows[i], "x", 1);
		if (i % BATCH == BATCH - 1 || i == bench->count - 1) {
			cothon_stack_poll(bench->client.stack, bench->now);
			exchange(bench);
		}
	}
	bench->answers = false;
	if (bench->answered != bench->count)
		fail("not all flows have answered");
	for (unsigned i = 0; i < 10; i++) {
		bench->now += second;
		exchange(bench);
	}
}

/* Nanoseconds the server needs for a segment. */
static double measure_segments(struct bench *bench)
{
	uint64_t random = 88172645463325252;
	double spent = 0;

	for (unsigned done = 0; done < SEGMENTS; done += BURST) {
		double before;

		for (unsigned i = 0; i < BURST; i++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			cothon_tcp_write(bench->flows[random % bench->count], "x", 1);
		}
		cothon_stack_poll(bench->client.stack, bench->now);
		before = clock_now();
		cothon_stack_receive(bench->server.stack, WIRE, bench->now);
		cothon_stack_poll(bench->server.stack, bench->now);
		spent += clock_now() - before;
		bench->now += second / 2;
		exchange(bench);
	}
	return spent / SEGMENTS;
}

static double measure_ticks(struct bench *bench)
{
	double before = clock_now();

	for (unsigned i = 0; i < TICKS; i++) {
		bench->now += second;
		cothon_stack_poll(bench->server.stack, bench->now);
	}
	return (clock_now() - before) / TICKS;
}

/* All flows have been silent for so long that each is probed. */
static double measure_probes(struct bench *bench)
{
	uint64_t sent = cothon_stack_counters(bench->server.stack)->tcp_out, probes = 0;
	double spent = 0;

	while (probes < bench->count) {
		double before = clock_now();

		bench->now += second;
		cothon_stack_poll(bench->server.stack, bench->now);
		spent += clock_now() - before;
		probes = cothon_stack_counters(bench->server.stack)->tcp_out - sent;
		exchange(bench);
	}
	return spent / (double)probes;
}

static void close_side(struct side *side)
{
	cothon_stack_destroy(side->stack);
	cothon_pool_destroy(side->pool);
}

static struct figures measure(uint32_t count)
{
	struct bench bench = {.count = count, .now = second};
	struct figures figures = {.flows = count};
	struct cothon_pool_config pool = {
		.memory = cothon_memory_malloc, .limit = 1 << 30, .keep = 1 << 20};
	struct cothon_link *ends[2];
	size_t before;

	bench.wire = cothon_pool_create(&pool);
	bench.flows = calloc(count, sizeof(struct cothon_tcp *));
	if (!bench.wire || !bench.flows ||
	    cothon_wire_open(&cothon_memory_malloc, bench.wire, MTU, 0, WIRE, ends))
		fail("no wire");
	open_side(&bench, &bench.client, ends[0], "192.0.2.1");
	open_side(&bench, &bench.server, ends[1], "192.0.2.2");
	before = bench.server.live;
	open_all(&bench);
	use_all(&bench);
	figures.bytes = (double)(bench.server.live - before) / count;
	figures.segment = measure_segments(&bench);
	figures.tick = measure_ticks(&bench);
	figures.probe = measure_probes(&bench);
	for (uint32_t i = 0; i < count; i++)
		cothon_tcp_abort(bench.flows[i]);
	close_side(&bench.client);
	close_side(&bench.server);
	cothon_link_close(ends[0]);
	cothon_link_close(ends[1]);
	cothon_pool_destroy(bench.wire);
	free(bench.flows);
	return figures;
}

int main(int argc, char **argv)
{
	static const uint32_t usual[] = {1000, 100000, 1000000};
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	int first = 1 + json, count = argc > first ? argc - first : 3;

	if (!json)
		printf("%10s %10s %10s %10s %10s\n", "flows", "bytes", "segment", "tick", "probe");
	for (int i = 0; i < count; i++) {
		long wanted = argc > first ? strtol(argv[first + i], NULL, 10) : usual[i];
		struct figures got;

		if (wanted < 1 || wanted > (long)PORTS * PER_PORT)
			fail("a number of flows is from 1 to 1920000");
		got = measure((uint32_t)wanted);
		printf(json ? "{\"flows\": %u, \"bytes\": %.0f, \"segment_ns\": %.0f, "
			      "\"tick_ns\": %.0f, \"probe_ns\": %.0f}\n"
			    : "%10u %10.0f %10.0f %10.0f %10.0f\n",
		       got.flows, got.bytes, got.segment, got.tick, got.probe);
		fflush(stdout);
	}
	return 0;
}
