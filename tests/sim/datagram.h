/* SPDX-License-Identifier: MIT */
#ifndef SIM_DATAGRAM_H
#define SIM_DATAGRAM_H

/*
 * Datagrams of all sizes between nodes, and echo requests from the switch. What arrives is what was sent
 * or it does not arrive; it arrives once unless frames are doubled on the way, and where nothing goes wrong it
 * does arrive. Each size is used once: it says which datagram this is.
 */

#include "world.h"
#include <cothon/udp.h>

enum {
	DATAGRAMS = 64,
	DATAGRAM_PORT = 5000,  /* every node holds it */
	DATAGRAM_WHOLE = 1200, /* bytes that every way takes in one packet */
};

enum datagram_kind {
	DATAGRAM_UDP,
	DATAGRAM_ECHO,
};

struct datagram {
	enum datagram_kind kind;
	struct node *from, *to; /* the switch sends echo requests, and has no node */
	unsigned family;
	uint64_t at;
	size_t len;
	bool begun, sent; /* the stack has taken it */
	unsigned arrived;
};

/* What the ways may do to datagrams, or-ed together. */
enum datagram_excuse {
	DATAGRAM_MAY_BE_LOST = 1 << 0,
	DATAGRAM_MAY_BE_DOUBLED = 1 << 1,
	/* Bits turned in two fragments may hide each other from the checksum. */
	DATAGRAM_MAY_BE_SPOILT = 1 << 2,
};

struct datagrams {
	struct world *world;
	struct world_work *work;
	unsigned excuses;
	unsigned count;
	struct datagram all[DATAGRAMS];
	struct cothon_udp *bindings[WORLD_NODES];
	struct cothon_addr stranger[WORLD_FAMILIES]; /* who sends echo requests */
};

/* Binds on all nodes. */
void datagrams_open(struct datagrams *datagrams, struct world *world);
/* Adds one that goes out at `at`, with the next free size from `len` on. */
void datagrams_add(struct datagrams *datagrams, const struct datagram *datagram);
/* True when all have been sent. */
bool datagrams_done(const struct datagrams *datagrams);
/* Fails if one did not arrive that has to. */
void datagrams_check(const struct datagrams *datagrams);
void datagrams_close(struct datagrams *datagrams);

#endif
