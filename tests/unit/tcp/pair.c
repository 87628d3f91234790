/* SPDX-License-Identifier: MIT */
#include "pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct pair_frame {
	struct pair_frame *next;
	uint64_t at;
	struct cothon_offload offload;
	size_t len;
	uint8_t data[];
};

static void enqueue(struct pair_link *to, const struct cothon_frame *frame, uint64_t at)
{
	struct pair_frame *copy = malloc(sizeof(*copy) + frame->len);
	struct pair_frame **place = &to->queue;
	size_t len = 0;

	if (!copy)
		abort();
	for (unsigned i = 1; i < frame->count; i++) {
		memcpy(copy->data + len, frame->iov[i].iov_base, frame->iov[i].iov_len);
		len += frame->iov[i].iov_len;
	}
	if (len != frame->len)
		abort();
	copy->len = len;
	copy->at = at;
	copy->offload = frame->offload;
	while (*place && (*place)->at <= at)
		place = &(*place)->next;
	copy->next = *place;
	*place = copy;
}

static bool chance(struct pair *pair, uint32_t of_10000)
{
	return of_10000 && cothon_random_below(&pair->random, 10000) < of_10000;
}

static int transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	struct pair_link *from = (struct pair_link *)link;
	struct pair *pair = from->pair;
	const struct pair_impairment *impairment = &pair->impairment;
	uint64_t at = pair->now + impairment->delay;

	from->frames++;
	if (!frame->offload.gso && frame->len > link->mtu)
		abort();
	if (from->cut || chance(pair, impairment->loss))
		return 0;
	if (chance(pair, impairment->reorder))
		at += impairment->delay + 1;
	enqueue(from->peer, frame, at);
	if (chance(pair, impairment->duplicate))
		enqueue(from->peer, frame, at + 1);
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
	if (!*buf)
		abort();
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

static const struct cothon_link_ops ops = { transmit, receive, close_link };

void pair_create_with(struct pair *pair, uint64_t seed, const struct pair_impairment *impairment,
		      void (*configure)(int side, struct cothon_stack_config *config))
{
	struct cothon_pool_config pool = {
		.memory = cothon_memory_malloc, .limit = 64 << 20, .keep = 0
	};
	uint8_t bytes[COTHON_SEED_LEN] = { 0 };

	memset(pair, 0, sizeof(*pair));
	memcpy(bytes, &seed, sizeof(seed));
	pair->now = 1000000;
	pair->impairment = *impairment;
	pair->pool = cothon_pool_create(&pool);
	cothon_random_init(&pair->random, bytes, 99);
	for (int side = 0; side < 2; side++) {
		struct pair_link *link = &pair->links[side];
		struct cothon_stack_config config = {
			.memory = cothon_memory_malloc,
			.link = &link->link,
			.pool = pair->pool,
			.now = pair->now,
		};

		*link = (struct pair_link){
			.link = { &ops, impairment->mtu ? impairment->mtu : 1500,
				  impairment->features },
			.pair = pair,
			.peer = &pair->links[!side],
		};
		bytes[16] = (uint8_t)side;
		memcpy(config.seed, bytes, sizeof(bytes));
		if (configure)
			configure(side, &config);
		if (cothon_stack_create(&config, &pair->stacks[side]))
			abort();
		cothon_addr_parse(side ? "192.0.2.2" : "192.0.2.1", &pair->ipv4[side]);
		cothon_addr_parse(side ? "2001:db8::2" : "2001:db8::1", &pair->ipv6[side]);
		if (cothon_stack_add_address(pair->stacks[side], &pair->ipv4[side]) ||
		    cothon_stack_add_address(pair->stacks[side], &pair->ipv6[side]))
			abort();
		pair->deadlines[side] = pair->now;
	}
}

void pair_create(struct pair *pair, uint64_t seed, const struct pair_impairment *impairment)
{
	pair_create_with(pair, seed, impairment, NULL);
}

void pair_destroy(struct pair *pair)
{
	for (int side = 0; side < 2; side++) {
		cothon_stack_destroy(pair->stacks[side]);
		cothon_link_close(&pair->links[side].link);
	}
	if (cothon_pool_used(pair->pool) != 0)
		abort();
	cothon_pool_destroy(pair->pool);
}

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
