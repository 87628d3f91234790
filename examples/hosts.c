/* SPDX-License-Identifier: MIT */
#include "hosts.h"

#include <errno.h>
#include <sys/random.h>

enum {
	QUEUE = 256,            /* frames under way in one direction */
	BURST = 64,             /* frames taken in before what they brought is worked on */
	POOL_LIMIT = 256 << 20, /* bytes of buffers beyond which windows close */
	POOL_KEEP = 32 << 20,   /* bytes of free buffers kept for the next packets */
};

static int create_stack(struct hosts *hosts, unsigned side, uint64_t now)
{
	struct cothon_stack_config config = {
		.memory = cothon_memory_malloc,
		.link = hosts->links[side],
		.pool = hosts->pool,
		.now = now,
	};

	/* Initial sequence numbers and ports must not be foreseeable: the seed has to be a secret. */
	if (getrandom(config.seed, sizeof(config.seed), 0) < 0)
		return -errno;
	return cothon_stack_create(&config, &hosts->stacks[side]);
}

int hosts_create(struct hosts *hosts, uint64_t now)
{
	const struct cothon_pool_config pool = {
		.memory = cothon_memory_malloc,
		.limit = POOL_LIMIT,
		.keep = POOL_KEEP,
	};
	int error;

	*hosts = (struct hosts){.pool = cothon_pool_create(&pool)};
	if (!hosts->pool)
		return -ENOMEM;
	/* The wire carries frames of up to 64 KiB whole, as a network card with these offloads takes them. */
	error = cothon_wire_open(&cothon_memory_malloc, hosts->pool, HOSTS_MTU,
				 COTHON_LINK_CSUM | COTHON_LINK_TSO, QUEUE, hosts->links);
	for (unsigned side = 0; side < 2 && !error; side++)
		error = create_stack(hosts, side, now);
	if (error)
		hosts_destroy(hosts);
	return error;
}

void hosts_destroy(struct hosts *hosts)
{
	for (unsigned side = 0; side < 2; side++) {
		if (hosts->stacks[side])
			cothon_stack_destroy(hosts->stacks[side]);
	}
	for (unsigned side = 0; side < 2; side++) {
		if (hosts->links[side])
			cothon_link_close(hosts->links[side]);
	}
	cothon_pool_destroy(hosts->pool);
}

uint64_t hosts_turn(struct hosts *hosts, uint64_t now)
{
	uint64_t next = COTHON_NEVER;
	bool arrived = false;

	/* What one host sends here the other one receives here, or in the next turn. */
	for (unsigned side = 0; side < 2; side++) {
		struct cothon_stack *stack = hosts->stacks[side];
		uint64_t deadline;

		if (cothon_stack_receive(stack, BURST, now) > 0)
			arrived = true;
		deadline = cothon_stack_poll(stack, now);
		next = deadline < next ? deadline : next;
	}
	return arrived ? now : next;
}
