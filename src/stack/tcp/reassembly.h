/* SPDX-License-Identifier: MIT */
#ifndef TCP_REASSEMBLY_H
#define TCP_REASSEMBLY_H

/*
 * What has arrived out of order: ranges of bytes with a hole before each, sorted; what touches is one range. Whatever
 * order a peer chooses, a segment costs a search among the ranges and at most a move of their table.
 */

#include "wire/tcp.h"
#include <cothon/buf.h>

enum {
	/* Ranges at most: so many holes a window of 4 MiB has when every third segment of it is lost. */
	COTHON_REASSEMBLY_RANGES = 1024,
};

struct cothon_reassembly_range {
	struct cothon_seq start, end;
	struct cothon_buf *head,
		*tail; /* its bytes, each once, `mark` is the number of a buffer's first */
};

struct cothon_reassembly {
	struct cothon_reassembly_range *ranges; /* `room` of them */
	uint32_t count, room;
	uint32_t bytes;           /* held */
	size_t memory;            /* that their buffers take */
	bool fin;                 /* the peer's end has come */
	struct cothon_seq fin_at; /* its sequence number */
};

/* Gives up all that is held. */
void cothon_reassembly_clear(struct cothon_reassembly *reassembly,
			     const struct cothon_memory *memory);
/*
 * Takes the buffer of a segment, of which `mark` and `fin` are set, and which is within `limit` bytes of memory. What is
 * there already wins over what overlaps. Returns 0, and sets *range to the one it is now part of, which is empty when
 * it was only a FIN; -EEXIST when all of it was there, and sets *range to it; or -ENOBUFS when it is over a bound or memory has none: then
 * what was held before still is.
 */
int cothon_reassembly_hold(struct cothon_reassembly *reassembly, const struct cothon_memory *memory,
			   struct cothon_buf *buf, size_t limit, struct cothon_tcp_sack *range);
/*
 * The first range, if no hole is before it when all up to `nxt` is there: a list that is the caller's. NULL: there is
 * none.
 */
struct cothon_buf *cothon_reassembly_take(struct cothon_reassembly *reassembly,
					  struct cothon_seq nxt);

/* True when something is held. */
static inline bool cothon_reassembly_holds(const struct cothon_reassembly *reassembly)
{
	return reassembly->count > 0 || reassembly->fin;
}

#endif
