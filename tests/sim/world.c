/* SPDX-License-Identifier: MIT */
#include "world.h"

#include "../hostile/audit.h"
#include "stack/tcp/connection.h"
#include "trace.h"
#include "wire/ip.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Frames that a stack reads before it is polled. */
	BURST = 64,
	/* Microseconds after which a stack that has found no memory for a frame reads again. */
	READ_AGAIN = 1000,
	/* Events at one time after which nothing moves any more. */
	STEPS_HERE = 1000000,
	/* Seconds: the oldest that a packet gets. */
	MSL = 120,
};

_Noreturn void world_fail(const struct world *world, const char *format, ...)
{
	uint64_t passed = world->now - world->began;
	char text[500];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fflush(stdout);
	fprintf(stderr, "seed %" PRIu64 ", at %" PRIu64 ".%06" PRIu64 " s: %s\n", world->setup.seed,
		passed / WORLD_MILLION, passed % WORLD_MILLION, text);
	fflush(stderr);
	_Exit(1);
}

/* Memory */

static void *node_alloc(void *context, size_t size)
{
	struct node *node = context;
	struct world *world = node->world;
	void *memory;

	if (node->starved && cothon_random_below(&world->random, WORLD_MILLION) < node->starved)
		return NULL;
	memory = malloc(size);
	if (!memory)
		world_fail(world, "the machine has no memory left");
	node->live += size;
	if (node->live > node->peak)
		node->peak = node->live;
	return memory;
}

static void node_free(void *context, void *memory, size_t size)
{
	struct node *node = context;

	node->live -= size;
	free(memory);
}

static void set_bound(struct node *node)
{
	const struct cothon_stack_config *config = &node->stack->config;
	struct audit_limits limits = {
		.flows = cothon_flow_table_count(node->stack->flows) + 1,
		.receive = config->max_receive,
		.send = config->max_send,
		.fragments = config->max_fragments,
		.pool = node->world->setup.pool_limit,
		.burst = BURST,
		.events = node->events,
	};

	node->bound = audit_bound(&limits);
}

/* Frames */

static void note(struct world *world, const struct node *node, char direction, const uint8_t *data,
		 size_t len, const struct cothon_offload *offload)
{
	char text[TRACE_TEXT];

	world->frames++;
	if (world->setup.hash) {
		uint64_t way = world->now << 4 | node->index << 1 | (direction == '>');
		struct cothon_siphash_key key = {{world->hash, way}};

		world->hash = cothon_siphash24(&key, data, len) ^ offload->gso_size;
	}
	if (world->setup.trace) {
		uint64_t passed = world->now - world->began;

		printf("%" PRIu64 ".%06" PRIu64 " %u %c %s\n", passed / WORLD_MILLION,
		       passed % WORLD_MILLION, node->index, direction,
		       trace_packet(data, len, offload, text));
	}
}

static struct node *node_of(struct cothon_link *link)
{
	return cothon_container(link, struct node, tap);
}

static void look(struct node *node, const struct cothon_frame *frame)
{
	const char *wrong;
	struct world *world = node->world;
	uint8_t data[COTHON_FRAME_MAX];
	size_t len = 0;

	if (!world->setup.audit && !world->setup.hash && !world->setup.trace)
		return;
	for (unsigned i = 1; i < frame->count; i++) {
		if (frame->iov[i].iov_len > sizeof(data) - len)
			world_fail(world, "a frame is larger than any");
		if (frame->iov[i].iov_len > 0)
			memcpy(data + len, frame->iov[i].iov_base, frame->iov[i].iov_len);
		len += frame->iov[i].iov_len;
	}
	if (len != frame->len)
		world_fail(world, "a frame's pieces are not its length");
	note(world, node, '>', data, len, &frame->offload);
	wrong = audit_frame(&node->tap, &frame->offload, data, len);
	if (!wrong)
		wrong = edges_look(&world->edges, data, len, &frame->offload);
	if (wrong)
		world_fail(world, "node %u sends: %s", node->index, wrong);
}

static int tap_transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	struct node *node = node_of(link);

	if (node->refusal == WORLD_BUSY)
		return -EAGAIN;
	if (node->refusal == WORLD_FULL)
		return -ENOBUFS;
	node->events++;
	look(node, frame);
	return cothon_link_transmit(node->up, frame);
}

static int tap_receive(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct node *node = node_of(link);
	int error = cothon_link_receive(node->up, pool, buf);

	if (error)
		return error;
	node->events++;
	note(node->world, node, '<', (*buf)->data, (*buf)->len, &(*buf)->offload);
	return 0;
}

static void tap_close(struct cothon_link *link)
{
	cothon_link_close(node_of(link)->up);
}

static const struct cothon_link_ops tap_ops = {tap_transmit, tap_receive, tap_close};

/* The switch */

static struct node *find_node(struct world *world, const uint8_t *data, size_t len)
{
	struct cothon_ip ip;
	int error = cothon_ip_parse((struct cothon_bytes){data, len}, true, &ip);

	/* A header that is understood no further still has its addresses. */
	if (error && error != -EPROTONOSUPPORT)
		return NULL;
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		for (unsigned family = 0; family < WORLD_FAMILIES; family++) {
			struct node *node = &world->nodes[i];

			if (cothon_addr_equal(&node->addr[family], &ip.destination) ||
			    cothon_addr_equal(&node->outside[family], &ip.destination))
				return node;
		}
	}
	return NULL;
}

static void forward(struct world *world, struct cothon_buf *buf)
{
	struct node *to = find_node(world, buf->data, buf->len);
	struct cothon_frame frame = {
		.iov = {{0}, {buf->data, buf->len}},
		.count = 2,
		.len = buf->len,
		.offload = buf->offload,
	};

	if (to)
		(void)cothon_link_transmit(to->down, &frame);
	else if (world->stranger)
		world->stranger(world->stranger_context, buf);
	cothon_buf_put(buf);
}

static void drain(struct world *world, struct node *node)
{
	struct cothon_buf *buf;

	while (cothon_link_receive(node->down, world->pool, &buf) == 0)
		forward(world, buf);
}

void world_send(struct world *world, const void *data, size_t len)
{
	struct node *to = find_node(world, data, len);
	struct cothon_frame frame = {
		.iov = {{0}, {(void *)(uintptr_t)data, len}},
		.count = 2,
		.len = len,
	};

	if (to)
		(void)cothon_link_transmit(to->down, &frame);
}

/* Life */

static void seed_of(const struct world *world, unsigned purpose, uint8_t seed[static 32])
{
	memset(seed, 0, 32);
	memcpy(seed, &world->setup.seed, sizeof(world->setup.seed));
	seed[16] = (uint8_t)purpose;
}

static struct cothon_link *impair(struct world *world, struct cothon_link *link, unsigned purpose)
{
	struct cothon_impair_config config = {
		.memory = cothon_memory_malloc,
		.link = link,
		.features = world->setup.features,
		.now = world->now,
	};
	struct cothon_link *impaired;

	seed_of(world, purpose, config.seed);
	if (cothon_impair_open(&config, &impaired))
		world_fail(world, "no impaired link can be made");
	return impaired;
}

static struct cothon_addr address(const struct node *node, const char *format)
{
	char text[COTHON_ADDR_TEXT];
	struct cothon_addr addr;

	snprintf(text, sizeof(text), format, 1 + node->index);
	if (cothon_addr_parse(text, &addr))
		world_fail(node->world, "%s is no address", text);
	return addr;
}

static void add_addresses(struct node *node)
{
	static const char *const addr[] = {"192.0.2.%u", "2001:db8::%x"};
	static const char *const outside[] = {"198.51.100.%u", "2001:db8:1::%x"};

	for (unsigned i = 0; i < WORLD_FAMILIES; i++) {
		node->addr[i] = address(node, addr[i]);
		node->outside[i] = address(node, outside[i]);
		if (cothon_stack_add_address(node->stack, &node->addr[i]))
			world_fail(node->world, "an address cannot be given");
	}
}

static void open_node(struct world *world, struct node *node)
{
	const struct world_setup *setup = &world->setup;
	struct cothon_memory memory = {node_alloc, node_free, node};
	struct cothon_pool_config pool = {.memory = memory, .limit = setup->pool_limit};
	struct cothon_stack_config config = setup->config;
	struct cothon_link *ends[2];

	node->world = world;
	node->index = (unsigned)(node - world->nodes);
	if (cothon_wire_open(&cothon_memory_malloc, world->pool, setup->mtu[node->index],
			     setup->features, setup->queue, ends))
		world_fail(world, "no wire can be made");
	node->up = impair(world, ends[0], 2 * node->index);
	node->down = impair(world, ends[1], 2 * node->index + 1);
	node->tap = (struct cothon_link){
		.ops = &tap_ops, .mtu = node->up->mtu, .features = node->up->features};
	node->pool = cothon_pool_create(&pool);
	config.memory = memory;
	config.link = &node->tap;
	config.pool = node->pool;
	config.now = world->now;
	config.context = node;
	seed_of(world, 100 + node->index, config.seed);
	if (!node->pool || cothon_stack_create(&config, &node->stack))
		world_fail(world, "no stack can be made");
	add_addresses(node);
	node->due = world->now;
	set_bound(node);
}

void world_open(struct world *world, const struct world_setup *setup)
{
	struct cothon_pool_config pool = {
		.memory = cothon_memory_malloc, .limit = SIZE_MAX, .keep = 1 << 20};
	uint8_t seed[32];

	memset(world, 0, sizeof(*world));
	world->setup = *setup;
	world->now = world->began = WORLD_START;
	seed_of(world, 255, seed);
	cothon_random_init(&world->random, seed, 0);
	world->pool = cothon_pool_create(&pool);
	if (!world->pool)
		world_fail(world, "no pool can be made");
	for (unsigned i = 0; i < setup->nodes; i++)
		open_node(world, &world->nodes[i]);
}

void world_close(struct world *world)
{
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		struct node *node = &world->nodes[i];

		cothon_stack_destroy(node->stack);
		if (cothon_pool_used(node->pool))
			world_fail(world, "node %u leaves %zu bytes in its pool", i,
				   cothon_pool_used(node->pool));
		cothon_pool_destroy(node->pool);
		if (node->live)
			world_fail(world, "node %u leaves %zu bytes of memory", i, node->live);
		cothon_link_close(&node->tap);
		cothon_link_close(node->down);
	}
	if (cothon_pool_used(world->pool))
		world_fail(world, "frames are left on the wires");
	cothon_pool_destroy(world->pool);
}

struct world_work *world_add(struct world *world, const struct world_work *work)
{
	struct world_work *added = &world->works[world->work_count];

	if (world->work_count == sizeof(world->works) / sizeof(*world->works))
		world_fail(world, "there are more workloads than there is room for");
	*added = *work;
	world->work_count++;
	return added;
}

void world_impair(struct world *world, unsigned node, const struct cothon_impairment *up,
		  const struct cothon_impairment *down)
{
	cothon_impair_set(world->nodes[node].up, up);
	cothon_impair_set(world->nodes[node].down, down);
}

void world_kick(struct node *node)
{
	node->events++;
	if (node->due > node->world->now)
		node->due = node->world->now;
}

/* Reads all that a link has and throws it away. */
static void discard(struct world *world, struct cothon_link *link)
{
	struct cothon_buf *buf;

	while (cothon_link_receive(link, world->pool, &buf) == 0)
		cothon_buf_put(buf);
}

static void lose_frames(struct world *world)
{
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		struct node *node = &world->nodes[i];

		cothon_impair_run(node->up, COTHON_NEVER);
		discard(world, node->down);
		cothon_impair_run(node->down, COTHON_NEVER);
		discard(world, node->up);
	}
}

void world_jump(struct world *world, uint64_t microseconds)
{
	/* Timestamps and sequence numbers are safe only as no packet gets older (RFC 9293 section 3.4.1). */
	if (microseconds > WORLD_SECONDS(MSL))
		lose_frames(world);
	world->now += microseconds;
}

/* Events */

static void audit(struct node *node)
{
	const char *wrong;

	/* A stack that is not done at this time has not told everybody. */
	if (!node->world->setup.audit || node->due <= node->world->now)
		return;
	wrong = audit_stack(node->stack);
	if (wrong)
		world_fail(node->world, "node %u: %s", node->index, wrong);
	set_bound(node);
	if (node->live > node->bound)
		world_fail(node->world, "node %u has %zu bytes of memory, of %zu that it may",
			   node->index, node->live, node->bound);
}

static void serve(struct world *world, struct node *node)
{
	int read = cothon_stack_receive(node->stack, BURST, world->now);

	node->input = read == BURST;
	node->due = cothon_stack_poll(node->stack, world->now);
	/* No memory for a frame, which waits on the wire. */
	if (read < 0) {
		if (node->due > world->now + READ_AGAIN)
			node->due = world->now + READ_AGAIN;
	}
	audit(node);
}

static uint64_t node_next(const struct node *node, uint64_t now)
{
	uint64_t next = node->input ? now : node->due;
	uint64_t up = cothon_impair_due(node->up);
	uint64_t down = cothon_impair_due(node->down);

	if (next < node->asleep_until)
		next = node->asleep_until;
	if (up < next)
		next = up;
	return down < next ? down : next;
}

static uint64_t next_event(const struct world *world)
{
	uint64_t next = COTHON_NEVER;

	for (unsigned i = 0; i < world->setup.nodes; i++) {
		uint64_t due = node_next(&world->nodes[i], world->now);

		next = due < next ? due : next;
	}
	for (unsigned i = 0; i < world->work_count; i++)
		next = world->works[i].due < next ? world->works[i].due : next;
	return next;
}

static void arrive(struct world *world, struct node *node)
{
	node->input |= cothon_impair_due(node->down) <= world->now;
	cothon_impair_run(node->down, world->now);
}

/* Frames move on; all links know the time before any of them takes a frame. */
static void carry(struct world *world)
{
	bool sent[WORLD_NODES] = {false};

	for (unsigned i = 0; i < world->setup.nodes; i++) {
		struct node *node = &world->nodes[i];

		sent[i] = cothon_impair_due(node->up) <= world->now;
		cothon_impair_run(node->up, world->now);
		arrive(world, node);
	}
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		if (sent[i])
			drain(world, &world->nodes[i]);
	}
	for (unsigned i = 0; i < world->setup.nodes; i++)
		arrive(world, &world->nodes[i]);
}

bool world_step(struct world *world, uint64_t limit)
{
	uint64_t next = next_event(world);

	if (next > limit)
		return false;
	world->steps++;
	world->steps_here++;
	if (next > world->now) {
		world->now = next;
		world->steps_here = 0;
	}
	if (world->steps_here > STEPS_HERE)
		world_fail(world, "time stands still");
	carry(world);
	for (unsigned i = 0; i < world->work_count; i++) {
		struct world_work *work = &world->works[i];

		if (work->due <= world->now)
			work->due = work->run(work->context, world->now);
	}
	for (unsigned i = 0; i < world->setup.nodes; i++) {
		struct node *node = &world->nodes[i];

		if (node->asleep_until <= world->now && (node->input || node->due <= world->now))
			serve(world, node);
	}
	return true;
}
