/* SPDX-License-Identifier: MIT */
#ifndef SIM_EDGES_H
#define SIM_EDGES_H

/*
 * The right edges of all windows, as they are seen in the segments that stacks send: none ever moves left
 * by more than its scale rounds (SHLD-14, RFC 7323 section 2.4).
 */

#include <cothon/addr.h>
#include <cothon/buf.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	EDGES = 4096 /* flows and directions; a power of two */
};

struct edge {
	struct cothon_flow flow; /* as its sender sees it */
	bool used, known, scaled;
	uint8_t scale;
	uint32_t right;
};

struct edges {
	struct edge all[EDGES];
	unsigned count;
};

/* Looks at a packet that a stack sends. Returns NULL, or what is wrong with it. */
const char *edges_look(struct edges *edges, const uint8_t *data, size_t len,
		       const struct cothon_offload *offload);

#endif
