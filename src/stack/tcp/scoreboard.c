/* SPDX-License-Identifier: MIT */
#include "stack/tcp/scoreboard.h"

#include <string.h>

static size_t size_of_ranges(void)
{
	return COTHON_SCOREBOARD_RANGES * sizeof(struct cothon_tcp_sack);
}

static uint32_t length(const struct cothon_tcp_sack *range)
{
	return cothon_seq_sub(range->end, range->start);
}

static void remove_at(struct cothon_scoreboard *board, uint32_t at, uint32_t count)
{
	memmove(board->ranges + at, board->ranges + at + count,
		(board->count - at - count) * sizeof(*board->ranges));
	board->count -= count;
}

uint32_t cothon_scoreboard_add(struct cothon_scoreboard *board, const struct cothon_memory *memory,
			       struct cothon_seq start, struct cothon_seq end)
{
	struct cothon_tcp_sack whole = {start, end};
	uint32_t first = 0, last, before = board->bytes;

	if (!board->ranges)
		board->ranges = memory->alloc(memory->context, size_of_ranges());
	if (!board->ranges)
		return 0;
	while (first < board->count && cothon_seq_before(board->ranges[first].end, start))
		first++;
	/* All ranges in [first, last) touch the new one and become part of it. */
	for (last = first; last < board->count; last++) {
		if (cothon_seq_after(board->ranges[last].start, end))
			break;
		whole.start = cothon_seq_min(whole.start, board->ranges[last].start);
		whole.end = cothon_seq_max(whole.end, board->ranges[last].end);
		board->bytes -= length(&board->ranges[last]);
	}
	if (first == last) {
		if (board->count == COTHON_SCOREBOARD_RANGES)
			return 0;
		memmove(board->ranges + first + 1, board->ranges + first,
			(board->count - first) * sizeof(*board->ranges));
		board->count++;
	} else {
		remove_at(board, first, last - first - 1);
	}
	board->ranges[first] = whole;
	board->bytes += length(&whole);
	return board->bytes - before;
}

void cothon_scoreboard_ack(struct cothon_scoreboard *board, struct cothon_seq una)
{
	uint32_t gone = 0;

	while (gone < board->count && !cothon_seq_after(board->ranges[gone].end, una))
		board->bytes -= length(&board->ranges[gone++]);
	if (gone)
		remove_at(board, 0, gone);
	if (board->count && cothon_seq_before(board->ranges[0].start, una)) {
		board->bytes -= cothon_seq_sub(una, board->ranges[0].start);
		board->ranges[0].start = una;
	}
}

void cothon_scoreboard_clear(struct cothon_scoreboard *board)
{
	board->count = board->bytes = 0;
}

void cothon_scoreboard_free(struct cothon_scoreboard *board, const struct cothon_memory *memory)
{
	if (board->ranges)
		memory->free(memory->context, board->ranges, size_of_ranges());
	*board = (struct cothon_scoreboard){0};
}

uint32_t cothon_scoreboard_held(const struct cothon_scoreboard *board, struct cothon_seq start,
				struct cothon_seq end)
{
	uint32_t bytes = 0;

	for (uint32_t i = 0; i < board->count; i++) {
		struct cothon_seq from = cothon_seq_max(board->ranges[i].start, start);
		struct cothon_seq to = cothon_seq_min(board->ranges[i].end, end);

		if (cothon_seq_before(from, to))
			bytes += cothon_seq_sub(to, from);
	}
	return bytes;
}

bool cothon_scoreboard_hole(const struct cothon_scoreboard *board, struct cothon_seq from,
			    struct cothon_seq limit, struct cothon_seq *start,
			    struct cothon_seq *end)
{
	*start = from;
	for (uint32_t i = 0; i < board->count; i++) {
		if (cothon_seq_before(*start, board->ranges[i].start)) {
			limit = cothon_seq_min(limit, board->ranges[i].start);
			break;
		}
		*start = cothon_seq_max(*start, board->ranges[i].end);
	}
	*end = limit;
	return cothon_seq_before(*start, *end);
}

struct cothon_seq cothon_scoreboard_lost_edge(const struct cothon_scoreboard *board,
					      struct cothon_seq una, uint32_t mss)
{
	uint32_t bytes = 0, ranges = 0;

	for (uint32_t i = board->count; i > 0; i--) {
		bytes += length(&board->ranges[i - 1]);
		if (bytes > 2 * mss || ++ranges == 3)
			return board->ranges[i - 1].start;
	}
	return una;
}
