/* SPDX-License-Identifier: MIT */
#include "stack/tcp/scoreboard.h"

#include <stddef.h>

static uint32_t length(const struct cothon_scoreboard *board, uint32_t i)
{
	return cothon_seq_sub(cothon_scoreboard_at(board, i)->end,
			      cothon_scoreboard_start(board, i));
}

/* Room */

/* Puts `insert` places in the stead of `remove` at `at`; there is room for them. */
static void splice(struct cothon_scoreboard *board, uint32_t at, uint32_t remove, uint32_t insert)
{
	if (insert > remove) {
		for (uint32_t i = board->count; i > at + remove; i--)
			*cothon_scoreboard_at(board, i - 1 + insert - remove) =
				*cothon_scoreboard_at(board, i - 1);
	} else if (insert < remove) {
		for (uint32_t i = at + remove; i < board->count; i++)
			*cothon_scoreboard_at(board, i + insert - remove) =
				*cothon_scoreboard_at(board, i);
	}
	board->count += insert - remove;
}

static bool grow(struct cothon_scoreboard *board, const struct cothon_memory *memory)
{
	uint32_t room = board->room == COTHON_SCOREBOARD_FEW ? 32 : 2 * board->room;
	struct cothon_span *ring;

	if (board->room >= COTHON_SCOREBOARD_SPANS)
		return false;
	ring = memory->alloc(memory->context, room * sizeof(*ring));
	if (!ring)
		return false;
	for (uint32_t i = 0; i < board->count; i++)
		ring[i] = *cothon_scoreboard_at(board, i);
	if (board->ring != board->few)
		memory->free(memory->context, board->ring, board->room * sizeof(*ring));
	board->ring = ring;
	board->first = 0;
	board->room = room;
	return true;
}

/* What was known of a span is forgotten: it is in the network, as far as is known. */
static void reset(struct cothon_scoreboard *board, uint32_t i)
{
	struct cothon_span *span = cothon_scoreboard_at(board, i);

	if (span->state == COTHON_SPAN_SACKED)
		board->sacked -= length(board, i);
	else if (span->state == COTHON_SPAN_LOST)
		board->lost -= length(board, i);
	span->state = COTHON_SPAN_SENT;
}

/* Makes one span of `i` and the one behind it: it knows what both knew, and was sent when the later one was. */
static void unite(struct cothon_scoreboard *board, uint32_t i)
{
	struct cothon_span *a = cothon_scoreboard_at(board, i);
	const struct cothon_span *b = cothon_scoreboard_at(board, i + 1);

	if (a->state != b->state) {
		reset(board, i);
		reset(board, i + 1);
	}
	if (a->sent_at < b->sent_at)
		a->sent_at = b->sent_at;
	a->resent |= b->resent;
	a->end = b->end;
	splice(board, i, 2, 1);
}

/* Makes room by uniting two spans that are alike, the latest. Returns false when there are none. */
static bool squeeze(struct cothon_scoreboard *board)
{
	for (uint32_t i = board->count; i > 1; i--) {
		if (cothon_scoreboard_at(board, i - 1)->state ==
		    cothon_scoreboard_at(board, i - 2)->state) {
			unite(board, i - 2);
			return true;
		}
	}
	return false;
}

static void ensure(struct cothon_scoreboard *board, const struct cothon_memory *memory,
		   uint32_t more)
{
	while (board->count + more > board->room) {
		if (!grow(board, memory) && !squeeze(board))
			unite(board, board->count - 2);
	}
}

/* Finding and cutting */

/* The span that holds the byte `seq`, which is on the board. */
static uint32_t find(const struct cothon_scoreboard *board, struct cothon_seq seq)
{
	uint32_t away = cothon_seq_sub(seq, board->una);
	uint32_t low = 0, high = board->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (cothon_seq_sub(cothon_scoreboard_at(board, middle)->end, board->una) > away)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* True when a span begins at `seq`, or the last one ends there. */
static bool begins_at(const struct cothon_scoreboard *board, struct cothon_seq seq)
{
	return cothon_seq_equal(cothon_scoreboard_start(board, find(board, seq)), seq);
}

/* Returns the span that begins at `seq`, cut off the one before where needed. There is room for one more. */
static uint32_t cut(struct cothon_scoreboard *board, struct cothon_seq seq)
{
	uint32_t i = find(board, seq);

	if (i == board->count || cothon_seq_equal(cothon_scoreboard_start(board, i), seq))
		return i;
	splice(board, i, 0, 1);
	*cothon_scoreboard_at(board, i) = *cothon_scoreboard_at(board, i + 1);
	cothon_scoreboard_at(board, i)->end = seq;
	return i + 1;
}

/* Unites the span with the one behind it if nothing tells them apart. */
static void join(struct cothon_scoreboard *board, uint32_t i)
{
	const struct cothon_span *a, *b;

	if (i + 1 >= board->count)
		return;
	a = cothon_scoreboard_at(board, i);
	b = cothon_scoreboard_at(board, i + 1);
	if (a->state == b->state && a->sent_at == b->sent_at && a->resent == b->resent)
		unite(board, i);
}

/* Life */

void cothon_scoreboard_init(struct cothon_scoreboard *board, struct cothon_seq una)
{
	*board = (struct cothon_scoreboard){.room = COTHON_SCOREBOARD_FEW, .una = una};
	board->ring = board->few;
}

void cothon_scoreboard_free(struct cothon_scoreboard *board, const struct cothon_memory *memory)
{
	if (board->ring && board->ring != board->few)
		memory->free(memory->context, board->ring, board->room * sizeof(*board->ring));
	*board = (struct cothon_scoreboard){0};
}

/* What happens */

void cothon_scoreboard_sent(struct cothon_scoreboard *board, const struct cothon_memory *memory,
			    struct cothon_seq end, uint64_t now, uint32_t grain)
{
	struct cothon_span *last;

	if (board->count > 0) {
		last = cothon_scoreboard_at(board, board->count - 1);
		if (last->state == COTHON_SPAN_SENT && !last->resent &&
		    last->sent_at >= board->resent_at && now - last->sent_at <= grain) {
			last->end = end;
			return;
		}
	}
	ensure(board, memory, 1);
	last = cothon_scoreboard_at(board, board->count++);
	*last = (struct cothon_span){.sent_at = now, .end = end, .state = COTHON_SPAN_SENT};
}

void cothon_scoreboard_resent(struct cothon_scoreboard *board, const struct cothon_memory *memory,
			      struct cothon_seq start, struct cothon_seq end, uint64_t now)
{
	uint32_t low, high;

	board->resent_at = now;
	ensure(board, memory, 2);
	low = cut(board, start);
	high = cut(board, end);
	for (uint32_t i = low; i < high; i++) {
		struct cothon_span *span = cothon_scoreboard_at(board, i);

		if (span->state == COTHON_SPAN_SACKED)
			continue;
		reset(board, i);
		span->sent_at = now;
		span->resent = true;
	}
	if (low > 0 && low < high)
		join(board, low - 1);
}

/* The spans [low, high) are held from now on, and become one, with those beside them that are. */
static uint32_t hold(struct cothon_scoreboard *board, uint32_t low, uint32_t high,
		     cothon_scoreboard_delivered *delivered, void *context)
{
	uint32_t news = 0;

	for (uint32_t i = low; i < high; i++) {
		struct cothon_span *span = cothon_scoreboard_at(board, i);

		if (span->state == COTHON_SPAN_SACKED)
			continue;
		delivered(context, cothon_scoreboard_start(board, i), span);
		reset(board, i);
		span->state = COTHON_SPAN_SACKED;
		news += length(board, i);
	}
	board->sacked += news;
	if (low > 0 && cothon_scoreboard_at(board, low - 1)->state == COTHON_SPAN_SACKED)
		low--;
	if (high < board->count && cothon_scoreboard_at(board, high)->state == COTHON_SPAN_SACKED)
		high++;
	cothon_scoreboard_at(board, low)->end = cothon_scoreboard_at(board, high - 1)->end;
	splice(board, low, high - low, 1);
	return news;
}

uint32_t cothon_scoreboard_sack(struct cothon_scoreboard *board, const struct cothon_memory *memory,
				struct cothon_seq start, struct cothon_seq end,
				cothon_scoreboard_delivered *delivered, void *context)
{
	uint32_t low = find(board, start);
	uint32_t high = find(board, cothon_seq_add(end, UINT32_MAX));

	/* What is held already at both ends need not be cut. */
	if (cothon_scoreboard_at(board, low)->state == COTHON_SPAN_SACKED)
		start = cothon_scoreboard_at(board, low)->end;
	if (cothon_scoreboard_at(board, high)->state == COTHON_SPAN_SACKED)
		end = cothon_scoreboard_start(board, high);
	if (low == high && cothon_scoreboard_at(board, low)->state == COTHON_SPAN_SACKED)
		return 0;
	if (!cothon_seq_before(start, end))
		return 0;
	/* Squeezing may take away a boundary that stood where a cut is needed then. */
	while (board->count + !begins_at(board, start) + !begins_at(board, end) > board->room) {
		if (!grow(board, memory) && !squeeze(board))
			return 0;
	}
	low = cut(board, start);
	high = cut(board, end);
	return hold(board, low, high, delivered, context);
}

uint32_t cothon_scoreboard_ack(struct cothon_scoreboard *board, struct cothon_seq una,
			       cothon_scoreboard_delivered *delivered, void *context)
{
	uint32_t news = 0;

	while (board->count > 0 && cothon_seq_before(board->una, una)) {
		struct cothon_span span = *cothon_scoreboard_at(board, 0);
		uint32_t gone;

		if (cothon_seq_after(span.end, una)) {
			span.end = una;
		} else {
			board->first = (board->first + 1) & (board->room - 1);
			board->count--;
		}
		gone = cothon_seq_sub(span.end, board->una);
		if (span.state == COTHON_SPAN_SACKED) {
			board->sacked -= gone;
		} else {
			if (span.state == COTHON_SPAN_LOST)
				board->lost -= gone;
			delivered(context, board->una, &span);
			news += gone;
		}
		board->una = span.end;
	}
	board->una = una;
	return news;
}

void cothon_scoreboard_lose_span(struct cothon_scoreboard *board, uint32_t i)
{
	struct cothon_span *span = cothon_scoreboard_at(board, i);

	if (span->state != COTHON_SPAN_SENT)
		return;
	span->state = COTHON_SPAN_LOST;
	board->lost += length(board, i);
}

void cothon_scoreboard_lose(struct cothon_scoreboard *board, const struct cothon_memory *memory,
			    struct cothon_seq start, struct cothon_seq end)
{
	uint32_t low, high;

	ensure(board, memory, 2);
	low = cut(board, start);
	high = cut(board, end);
	for (uint32_t i = low; i < high; i++)
		cothon_scoreboard_lose_span(board, i);
}

void cothon_scoreboard_find(struct cothon_scoreboard *board)
{
	for (uint32_t i = 0; i < board->count && board->lost > 0; i++) {
		if (cothon_scoreboard_at(board, i)->state == COTHON_SPAN_LOST)
			reset(board, i);
	}
}

void cothon_scoreboard_forget(struct cothon_scoreboard *board)
{
	for (uint32_t i = 0; i < board->count && board->sacked > 0; i++) {
		if (cothon_scoreboard_at(board, i)->state == COTHON_SPAN_SACKED)
			reset(board, i);
	}
}

bool cothon_scoreboard_first_lost(const struct cothon_scoreboard *board, struct cothon_seq *start,
				  struct cothon_seq *end)
{
	if (board->lost == 0)
		return false;
	for (uint32_t i = 0; i < board->count; i++) {
		if (cothon_scoreboard_at(board, i)->state != COTHON_SPAN_LOST)
			continue;
		*start = cothon_scoreboard_start(board, i);
		*end = cothon_scoreboard_at(board, i)->end;
		return true;
	}
	return false;
}
