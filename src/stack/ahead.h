/* SPDX-License-Identifier: MIT */
#ifndef STACK_AHEAD_H
#define STACK_AHEAD_H

/*
 * Looking ahead. With many flows a packet waits for memory again and again: for the flow table, for
 * the entry, for each part of the connection, at every step for a line that no cache holds. Of packets that
 * have come together these waits are made one, by asking for the lines of all of them first.
 */

#include "stack/stack.h"

enum {
	/* Packets that are looked at together. */
	COTHON_AHEAD = 8,
	/* Flows below which it costs more than it saves: connections then stay in caches of 10 MB. */
	COTHON_AHEAD_FLOWS = 16384,
};

/*
 * Asks for the memory of the TCP flows that `count` packets, at most COTHON_AHEAD, belong to. Nothing
 * is changed, and a packet may be anything, or NULL.
 */
void cothon_ahead(const struct cothon_stack *stack, struct cothon_buf *const *bufs, unsigned count);

#endif
