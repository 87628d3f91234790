/* SPDX-License-Identifier: MIT */
#ifndef TCP_SCOREBOARD_H
#define TCP_SCOREBOARD_H

/* What the peer has said it holds beyond the cumulative ACK (RFC 2018, RFC 6675 section 3). */

#include "wire/tcp.h"
#include <cothon/buf.h>

enum {
	COTHON_SCOREBOARD_RANGES = 128
};

struct cothon_scoreboard {
	struct cothon_tcp_sack
		*ranges; /* sorted, apart from each other; room for all from the first SACK on */
	uint32_t count;
	uint32_t bytes; /* in all of them */
};

/*
 * Adds [start, end). Returns how many bytes of it are news. A range for which there is no room, or no
 * memory, is left out: the sender then only knows less.
 */
uint32_t cothon_scoreboard_add(struct cothon_scoreboard *board, const struct cothon_memory *memory,
			       struct cothon_seq start, struct cothon_seq end);
/* Everything below `una` has been acknowledged. */
void cothon_scoreboard_ack(struct cothon_scoreboard *board, struct cothon_seq una);
void cothon_scoreboard_clear(struct cothon_scoreboard *board);
void cothon_scoreboard_free(struct cothon_scoreboard *board, const struct cothon_memory *memory);
/* Bytes held in [start, end). */
uint32_t cothon_scoreboard_held(const struct cothon_scoreboard *board, struct cothon_seq start,
				struct cothon_seq end);
/*
 * The first hole at or after `from` and below `limit`: sets [*start, *end). Returns false when there is none.
 */
bool cothon_scoreboard_hole(const struct cothon_scoreboard *board, struct cothon_seq from,
			    struct cothon_seq limit, struct cothon_seq *start,
			    struct cothon_seq *end);
/*
 * IsLost of RFC 6675 section 4 for all at once: the sequence number below which every byte not held counts as lost, for more
 * than two segments of `mss`, or three ranges, are held above it; `una` when none is.
 */
struct cothon_seq cothon_scoreboard_lost_edge(const struct cothon_scoreboard *board,
					      struct cothon_seq una, uint32_t mss);

#endif
