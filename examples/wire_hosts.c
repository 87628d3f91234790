/* SPDX-License-Identifier: MIT */
#include "wire_hosts.h"

#include <errno.h>
#include <string.h>

enum {
	MTU = 1500,
	QUEUE = 64, /* frames under way in one direction */
	START = 1000000,
};

static int create(struct wire_hosts *wire, unsigned side, bool ipv6, uint8_t seed)
{
	static const char *const texts[2][2] = {{"192.0.2.1", "192.0.2.2"},
						{"2001:db8::1", "2001:db8::2"}};
	struct cothon_host_config config = {
		.stack = {.link = wire->links[side], .pool = wire->pool, .now = wire->now}};
	int error;

	/* No secret: the peer is known. */
	memset(config.stack.seed, seed + (int)side, sizeof(config.stack.seed));
	error = cothon_host_create(&config, &wire->hosts[side]);
	if (!error)
		error = cothon_addr_parse(texts[ipv6][side], &wire->addrs[side]);
	if (!error)
		error = cothon_stack_add_address(cothon_host_stack(wire->hosts[side]),
						 &wire->addrs[side]);
	return error;
}

int wire_hosts_create(struct wire_hosts *wire, bool ipv6, uint8_t seed)
{
	const struct cothon_pool_config pool = {.memory = cothon_memory_malloc, .limit = SIZE_MAX};
	int error;

	*wire = (struct wire_hosts){.pool = cothon_pool_create(&pool), .now = START};
	if (!wire->pool)
		return -ENOMEM;
	error = cothon_wire_open(&cothon_memory_malloc, wire->pool, MTU, 0, QUEUE, wire->links);
	for (unsigned side = 0; side < 2 && !error; side++)
		error = create(wire, side, ipv6, seed);
	if (error)
		wire_hosts_destroy(wire);
	return error;
}

void wire_hosts_destroy(struct wire_hosts *wire)
{
	for (unsigned side = 0; side < 2; side++) {
		if (wire->hosts[side])
			cothon_host_destroy(wire->hosts[side]);
	}
	for (unsigned side = 0; side < 2; side++) {
		if (wire->links[side])
			cothon_link_close(wire->links[side]);
	}
	cothon_pool_destroy(wire->pool);
}

bool wire_hosts_turn(struct wire_hosts *wire)
{
	const struct cothon_counters *counters[2];
	uint64_t sent[2], deadline = COTHON_NEVER;

	for (unsigned side = 0; side < 2; side++) {
		counters[side] = cothon_stack_counters(cothon_host_stack(wire->hosts[side]));
		sent[side] = counters[side]->frames_out;
	}
	for (unsigned side = 0; side < 2; side++) {
		uint64_t next = cothon_host_poll(wire->hosts[side], wire->now);

		deadline = next < deadline ? next : deadline;
	}
	/* What is on the wire is there now. */
	if (sent[0] != counters[0]->frames_out || sent[1] != counters[1]->frames_out)
		return true;
	if (deadline == COTHON_NEVER)
		return false;
	if (deadline > wire->now)
		wire->now = deadline;
	return true;
}
