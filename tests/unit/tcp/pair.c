/* SPDX-License-Identifier: MIT */
#include "pair.h"

#include "wire/tcp.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct pair_frame {
	struct pair_frame *next;
	uint64_t at;
	struct cothon_offload offload;
	size_t len;
	uint8_t data[];
};

/* The link */

static bool chance(struct pair *pair, uint32_t of_10000)
{
	return of_10000 && cothon_random_below(&pair->random, 10000) < of_10000;
}

static struct pair_frame *gather(const struct cothon_frame *frame)
{
	struct pair_frame *copy = malloc(sizeof(*copy) + frame->len);
	size_t len = 0;

	assert_non_null(copy);
	for (unsigned i = 1; i < frame->count; i++) {
		memcpy(copy->data + len, frame->iov[i].iov_base, frame->iov[i].iov_len);
		len += frame->iov[i].iov_len;
	}
	assert_int_equal(len, frame->len);
	copy->len = len;
	copy->offload = frame->offload;
	return copy;
}

static void enqueue(struct pair_link *to, const struct pair_frame *frame, uint64_t at)
{
	struct pair_frame *copy = malloc(sizeof(*copy) + frame->len);
	struct pair_frame **place = &to->queue;
	struct pair *pair = to->pair;

	assert_non_null(copy);
	memcpy(copy, frame, sizeof(*copy) + frame->len);
	copy->at = at;
	/* What is not summed yet could not tell. */
	if (!copy->offload.csum_partial && chance(pair, pair->impairment.damage))
		copy->data[cothon_random_below(&pair->random, (uint32_t)copy->len)] ^=
			(uint8_t)(1u << cothon_random_below(&pair->random, 8));
	while (*place && (*place)->at <= at)
		place = &(*place)->next;
	copy->next = *place;
	*place = copy;
}

static void check_edge(struct pair_link *from, const struct pair_frame *frame)
{
	struct pair_edge *edge = &from->edge;
	struct cothon_tcp_header tcp;
	struct cothon_ip ip;
	uint32_t right, grain;

	if (cothon_ip_parse((struct cothon_bytes){frame->data, frame->len},
			    frame->offload.gso != COTHON_GSO_NONE, &ip) ||
	    ip.protocol != COTHON_TCP ||
	    cothon_tcp_parse((struct cothon_bytes){frame->data + ip.header_len, ip.payload_len},
			     &ip, true, &tcp) ||
	    (tcp.flags & COTHON_TCP_RST))
		return;
	if (tcp.flags & COTHON_TCP_SYN) {
		*edge = (struct pair_edge){
			.ports = {tcp.source_port, tcp.destination_port},
			.scale = tcp.window_scale,
			.scaled = tcp.has_window_scale,
		};
		return;
	}
	if (edge->ports[0] != tcp.source_port || edge->ports[1] != tcp.destination_port)
		return;
	/* A scale counts when both have offered one. */
	grain = edge->scaled && from->peer->edge.scaled ? 1u << edge->scale : 1;
	right = tcp.ack.v + tcp.window * grain;
	if (edge->known)
		assert_true((int32_t)(right - edge->edge) > -(int32_t)grain);
	if (!edge->known || (int32_t)(right - edge->edge) > 0)
		edge->edge = right;
	edge->known = true;
}

/* When a frame arrives that leaves now; 0 when there is no place for it in the queue. */
static uint64_t arrival(struct pair_link *from, size_t len)
{
	struct pair *pair = from->pair;
	const struct pair_impairment *impairment = &pair->impairment;
	uint64_t at = pair->now;

	if (impairment->rate) {
		uint64_t start = from->busy_until > at ? from->busy_until : at;

		if (impairment->queue && (start - at) * impairment->rate / 1000 > impairment->queue)
			return 0;
		from->busy_until = at = start + len * 1000 / impairment->rate;
	}
	at += impairment->delay;
	if (impairment->jitter)
		at += cothon_random_below(&pair->random, (uint32_t)impairment->jitter);
	return at;
}

static int transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	struct pair_link *from = (struct pair_link *)link;
	struct pair *pair = from->pair;
	const struct pair_impairment *impairment = &pair->impairment;
	struct pair_frame *copy = gather(frame);
	uint64_t at = arrival(from, frame->len);

	from->frames++;
	assert_true(frame->offload.gso || frame->len <= link->mtu);
	check_edge(from, copy);
	if (at && !from->cut && !chance(pair, impairment->loss)) {
		if (chance(pair, impairment->reorder))
			at += impairment->delay + 1;
		enqueue(from->peer, copy, at);
		if (chance(pair, impairment->duplicate))
			enqueue(from->peer, copy, at + 1);
	}
	free(copy);
	return 0;
}

static int receive(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct pair_link *to = (struct pair_link *)link;
	struct pair_frame *frame = to->queue;

	if (!frame || frame->at > to->pair->now)
		return -EAGAIN;
	to->queue = frame->next;
	*buf = cothon_buf_get(pool, frame->len);
	if (!*buf) {
		free(frame);
		return -ENOMEM;
	}
	memcpy((*buf)->data, frame->data, frame->len);
	(*buf)->len = (uint32_t)frame->len;
	(*buf)->offload = frame->offload;
	(*buf)->offload.csum_valid |= frame->offload.csum_partial;
	free(frame);
	return 0;
}

static void close_link(struct cothon_link *link)
{
	struct pair_link *to = (struct pair_link *)link;

	while (to->queue) {
		struct pair_frame *frame = to->queue;

		to->queue = frame->next;
		free(frame);
	}
}

static const struct cothon_link_ops ops = {transmit, receive, close_link};

/* Life */

static void create_side(struct pair *pair, const struct pair_setup *setup, int side)
{
	const struct pair_impairment *impairment = &setup->impairment;
	struct pair_link *link = &pair->links[side];
	struct cothon_stack_config config = {
		.memory = host_memory_of(&pair->memory),
		.link = &link->link,
		.pool = pair->pool,
		.now = pair->now,
	};

	*link = (struct pair_link){
		.link = {.ops = &ops,
			 .mtu = impairment->mtu ? impairment->mtu : 1500,
			 .features = impairment->features},
		.pair = pair,
		.peer = &pair->links[!side],
	};
	memcpy(config.seed, &setup->seed, sizeof(setup->seed));
	config.seed[16] = (uint8_t)side;
	if (setup->configure)
		setup->configure(setup->context, side, &config);
	assert_int_equal(cothon_stack_create(&config, &pair->stacks[side]), 0);
	pair->ipv4[side] = host_parse(side ? "192.0.2.2" : "192.0.2.1");
	pair->ipv6[side] = host_parse(side ? "2001:db8::2" : "2001:db8::1");
	assert_int_equal(cothon_stack_add_address(pair->stacks[side], &pair->ipv4[side]), 0);
	assert_int_equal(cothon_stack_add_address(pair->stacks[side], &pair->ipv6[side]), 0);
	pair->deadlines[side] = pair->now;
}

void pair_create(struct pair *pair, const struct pair_setup *setup)
{
	struct cothon_pool_config pool = {.limit = setup->pool_limit ? setup->pool_limit
								     : 64 << 20};
	uint8_t seed[COTHON_SEED_LEN] = {0};

	memset(pair, 0, sizeof(*pair));
	pair->now = setup->now ? setup->now : 1000000;
	pair->impairment = setup->impairment;
	pool.memory = host_memory_of(&pair->memory);
	pair->pool = cothon_pool_create(&pool);
	assert_non_null(pair->pool);
	memcpy(seed, &setup->seed, sizeof(setup->seed));
	cothon_random_init(&pair->random, seed, 99);
	for (int side = 0; side < 2; side++)
		create_side(pair, setup, side);
}

void pair_destroy(struct pair *pair)
{
	for (int side = 0; side < 2; side++) {
		cothon_stack_destroy(pair->stacks[side]);
		cothon_link_close(&pair->links[side].link);
	}
	assert_int_equal(cothon_pool_used(pair->pool), 0);
	cothon_pool_destroy(pair->pool);
	assert_int_equal(pair->memory.live, 0);
}

/* Driving it */

void pair_kick(struct pair *pair)
{
	pair->deadlines[0] = pair->deadlines[1] = pair->now;
}

bool pair_step(struct pair *pair, uint64_t limit)
{
	uint64_t next = UINT64_MAX;

	for (int side = 0; side < 2; side++) {
		struct pair_frame *frame = pair->links[side].queue;

		if (frame && frame->at < next)
			next = frame->at;
		if (pair->deadlines[side] < next)
			next = pair->deadlines[side];
	}
	if (next > limit)
		return false;
	if (next > pair->now)
		pair->now = next;
	for (int side = 0; side < 2; side++) {
		cothon_stack_receive(pair->stacks[side], 64, pair->now);
		pair->deadlines[side] = cothon_stack_poll(pair->stacks[side], pair->now);
	}
	return true;
}

bool pair_run(struct pair *pair, uint64_t limit, bool (*done)(void *context), void *context)
{
	while (!done(context)) {
		if (!pair_step(pair, limit))
			return false;
	}
	return true;
}
