/* SPDX-License-Identifier: MIT */
#ifndef TCP_SCOREBOARD_H
#define TCP_SCOREBOARD_H

/*
 * What has been sent and is not acknowledged: when each byte of it was last sent, and what has become of it (RFC 2018,
 * RFC 6675 section 3, RFC 8985 section 5.2). It is kept as spans, side by side from snd.una to snd.nxt; bytes that went
 * out at the same time and fared alike are one span, however many segments they made.
 */

#include "wire/tcp.h"
#include <cothon/buf.h>

enum {
	/* Spans at most; powers of two. The first few take no memory of their own. */
	COTHON_SCOREBOARD_SPANS = 1024,
	COTHON_SCOREBOARD_FEW = 4,
};

enum cothon_span_state {
	COTHON_SPAN_SENT,   /* in the network, as far as is known */
	COTHON_SPAN_SACKED, /* the peer holds it */
	COTHON_SPAN_LOST,   /* to be sent again */
};

struct cothon_span {
	uint64_t sent_at;      /* microseconds; the last time */
	struct cothon_seq end; /* it begins where the one before ends */
	uint8_t state;         /* enum cothon_span_state */
	bool resent;           /* it was sent more than once */
};

struct cothon_scoreboard {
	struct cothon_span *ring; /* `room` of them, a power of two */
	uint32_t first, count, room;
	struct cothon_seq una; /* where the first span begins */
	uint32_t sacked, lost; /* bytes of spans in these states */
	uint64_t resent_at;    /* when something was last sent again */
	struct cothon_span few[COTHON_SCOREBOARD_FEW];
};

/* Told of every span, or part of one, that is newly known to have arrived, as it was until then. */
typedef void cothon_scoreboard_delivered(void *context, struct cothon_seq start,
					 const struct cothon_span *span);

/* Empty, with the next byte to be sent at `una`. It must not be moved afterwards. */
void cothon_scoreboard_init(struct cothon_scoreboard *board, struct cothon_seq una);
void cothon_scoreboard_free(struct cothon_scoreboard *board, const struct cothon_memory *memory);
/*
 * Everything up to `end` was sent for the first time. What was sent within `grain` microseconds counts as sent together,
 * in the order of its sequence numbers, if nothing was sent again in between.
 */
void cothon_scoreboard_sent(struct cothon_scoreboard *board, const struct cothon_memory *memory,
			    struct cothon_seq end, uint64_t now, uint32_t grain);
/* [start, end), which is on the board, was sent again. What of it is held by the peer stays so. */
void cothon_scoreboard_resent(struct cothon_scoreboard *board, const struct cothon_memory *memory,
			      struct cothon_seq start, struct cothon_seq end, uint64_t now);
/*
 * The peer holds [start, end), which is on the board. Returns how many bytes of it are news. Where there are too many
 * spans already, or no memory, it is left out: the sender then only knows less.
 */
uint32_t cothon_scoreboard_sack(struct cothon_scoreboard *board, const struct cothon_memory *memory,
				struct cothon_seq start, struct cothon_seq end,
				cothon_scoreboard_delivered *delivered, void *context);
/*
 * Everything below `una` has been acknowledged. Returns how many bytes of it were not known to have arrived.
 */
uint32_t cothon_scoreboard_ack(struct cothon_scoreboard *board, struct cothon_seq una,
			       cothon_scoreboard_delivered *delivered, void *context);
/* Of [start, end), what is thought to be in the network is lost. */
void cothon_scoreboard_lose(struct cothon_scoreboard *board, const struct cothon_memory *memory,
			    struct cothon_seq start, struct cothon_seq end);
/* The span with the number `i`, below count, is lost; nothing if it is not in the network. */
void cothon_scoreboard_lose_span(struct cothon_scoreboard *board, uint32_t i);
/* Nothing is lost after all: what was, is in the network. */
void cothon_scoreboard_find(struct cothon_scoreboard *board);
/* The peer holds nothing after all. */
void cothon_scoreboard_forget(struct cothon_scoreboard *board);
/* The first span that is lost: sets [*start, *end). Returns false when there is none. */
bool cothon_scoreboard_first_lost(const struct cothon_scoreboard *board, struct cothon_seq *start,
				  struct cothon_seq *end);

static inline struct cothon_span *cothon_scoreboard_at(const struct cothon_scoreboard *board,
						       uint32_t i)
{
	return &board->ring[(board->first + i) & (board->room - 1)];
}

static inline struct cothon_seq cothon_scoreboard_start(const struct cothon_scoreboard *board,
							uint32_t i)
{
	return i > 0 ? cothon_scoreboard_at(board, i - 1)->end : board->una;
}

#endif
