/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_WIRE_HOSTS_H
#define EXAMPLES_WIRE_HOSTS_H

/* Two hosts with sockets in one process, joined by the simulated wire, on a clock that only they know. */

#include <cothon/cothon.h>

enum {
	WIRE_SERVER,
	WIRE_CLIENT
};

struct wire_hosts {
	struct cothon_pool *pool;
	struct cothon_link *links[2];
	struct cothon_host *hosts[2];
	struct cothon_addr addrs[2];
	uint64_t now; /* microseconds */
};

/*
 * Makes the hosts 192.0.2.1 (server) and 192.0.2.2 (client), or 2001:db8::1 and ::2. All that happens is the same for the
 * same seed. Returns 0 or -ENOMEM.
 */
int wire_hosts_create(struct wire_hosts *wire, bool ipv6, uint8_t seed);
void wire_hosts_destroy(struct wire_hosts *wire);
/* Polls both; if neither has more to do now, time goes on to when one has. Returns false when none ever will. */
bool wire_hosts_turn(struct wire_hosts *wire);

#endif
