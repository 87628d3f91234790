/* SPDX-License-Identifier: MIT */
#include "stack/tcp/reassembly.h"

#include <errno.h>
#include <string.h>

enum {
	FIRST_ROOM = 8,
	/* Bytes up to which a segment is copied behind the one before it instead of keeping a buffer of its own. */
	COALESCE = 1024,
};

static struct cothon_seq start_of(const struct cothon_buf *buf)
{
	return (struct cothon_seq){buf->mark};
}

static struct cothon_seq end_of(const struct cothon_buf *buf)
{
	return (struct cothon_seq){buf->mark + buf->len};
}

/* The table */

static bool grow(struct cothon_reassembly *reassembly, const struct cothon_memory *memory)
{
	uint32_t room = reassembly->room ? 2 * reassembly->room : FIRST_ROOM;
	struct cothon_reassembly_range *ranges;

	if (reassembly->room >= COTHON_REASSEMBLY_RANGES)
		return false;
	ranges = memory->alloc(memory->context, room * sizeof(*ranges));
	if (!ranges)
		return false;
	if (reassembly->ranges) {
		memcpy(ranges, reassembly->ranges, reassembly->count * sizeof(*ranges));
		memory->free(memory->context, reassembly->ranges,
			     reassembly->room * sizeof(*ranges));
	}
	reassembly->ranges = ranges;
	reassembly->room = room;
	return true;
}

/* Puts `insert` places in the stead of `remove` at `at`; there is room for them. */
static void splice(struct cothon_reassembly *reassembly, uint32_t at, uint32_t remove,
		   uint32_t insert)
{
	struct cothon_reassembly_range *ranges = reassembly->ranges;

	memmove(ranges + at + insert, ranges + at + remove,
		(reassembly->count - at - remove) * sizeof(*ranges));
	reassembly->count += insert - remove;
}

/* The first range that does not end before `seq`. */
static uint32_t find(const struct cothon_reassembly *reassembly, struct cothon_seq seq)
{
	uint32_t low = 0, high = reassembly->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (cothon_seq_before(reassembly->ranges[middle].end, seq))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Buffers */

/* The buffers of a list are no longer held. */
static void forget(struct cothon_reassembly *reassembly, const struct cothon_buf *list)
{
	for (; list; list = list->next) {
		reassembly->bytes -= list->len;
		reassembly->memory -= cothon_buf_truesize(list);
	}
}

static void drop_range(struct cothon_reassembly *reassembly, uint32_t i)
{
	struct cothon_buf *list = reassembly->ranges[i].head;

	forget(reassembly, list);
	cothon_buf_put_list(list);
	splice(reassembly, i, 1, 0);
}

void cothon_reassembly_clear(struct cothon_reassembly *reassembly,
			     const struct cothon_memory *memory)
{
	for (uint32_t i = 0; i < reassembly->count; i++)
		cothon_buf_put_list(reassembly->ranges[i].head);
	if (reassembly->ranges)
		memory->free(memory->context, reassembly->ranges,
			     reassembly->room * sizeof(*reassembly->ranges));
	*reassembly = (struct cothon_reassembly){0};
}

/* Holding */

/*
 * The peer's end counts where nothing is held beyond it: it would be a lie that cuts off what was reported. What comes
 * later is cut there.
 */
static void note_fin(struct cothon_reassembly *reassembly, struct cothon_buf *buf)
{
	uint32_t count = reassembly->count;

	if (reassembly->fin) {
		if (cothon_seq_after(end_of(buf), reassembly->fin_at))
			buf->len = cothon_seq_after(reassembly->fin_at, start_of(buf))
					   ? cothon_seq_sub(reassembly->fin_at, start_of(buf))
					   : 0;
	} else if (buf->fin &&
		   (count == 0 ||
		    !cothon_seq_before(end_of(buf), reassembly->ranges[count - 1].end))) {
		reassembly->fin = true;
		reassembly->fin_at = end_of(buf);
	}
	buf->fin = false;
}

/* Puts a buffer behind the last one of a range, which it touches. */
static void append(struct cothon_reassembly *reassembly, struct cothon_reassembly_range *range,
		   struct cothon_buf *buf)
{
	struct cothon_buf *tail = range->tail;

	reassembly->bytes += buf->len;
	range->end = end_of(buf);
	if (buf->len <= COALESCE && cothon_buf_tailroom(tail) >= buf->len) {
		memcpy(tail->data + tail->len, buf->data, buf->len);
		tail->len += buf->len;
		cothon_buf_put(buf);
		return;
	}
	reassembly->memory += cothon_buf_truesize(buf);
	tail->next = buf;
	range->tail = buf;
}

/* Makes a range of a buffer, at the place `at`. */
static void insert(struct cothon_reassembly *reassembly, uint32_t at, struct cothon_buf *buf)
{
	splice(reassembly, at, 0, 1);
	reassembly->ranges[at] =
		(struct cothon_reassembly_range){start_of(buf), end_of(buf), buf, buf};
	reassembly->bytes += buf->len;
	reassembly->memory += cothon_buf_truesize(buf);
}

/* Makes one range of `i` and the one behind it, if they touch. */
static void join(struct cothon_reassembly *reassembly, uint32_t i)
{
	struct cothon_reassembly_range *range = &reassembly->ranges[i], *next = range + 1;

	if (i + 1 >= reassembly->count || !cothon_seq_equal(range->end, next->start))
		return;
	range->tail->next = next->head;
	range->tail = next->tail;
	range->end = next->end;
	splice(reassembly, i + 1, 1, 0);
}

/* Of a buffer, what begins at `at` and later is cut off where it is held, and held ranges inside of it give way. */
static void make_way(struct cothon_reassembly *reassembly, uint32_t at, struct cothon_buf *buf)
{
	while (at < reassembly->count &&
	       cothon_seq_before(reassembly->ranges[at].start, end_of(buf))) {
		if (cothon_seq_after(reassembly->ranges[at].end, end_of(buf)))
			buf->len = cothon_seq_sub(reassembly->ranges[at].start, start_of(buf));
		else
			drop_range(reassembly, at);
	}
}

int cothon_reassembly_hold(struct cothon_reassembly *reassembly, const struct cothon_memory *memory,
			   struct cothon_buf *buf, size_t limit, struct cothon_tcp_sack *range)
{
	uint32_t at = find(reassembly, start_of(buf));
	bool touches = at < reassembly->count &&
		       !cothon_seq_after(reassembly->ranges[at].start, start_of(buf));

	note_fin(reassembly, buf);
	*range = (struct cothon_tcp_sack){start_of(buf), end_of(buf)};
	if (touches && !cothon_seq_after(end_of(buf), reassembly->ranges[at].end)) {
		int result = buf->len > 0 ? -EEXIST : 0;

		cothon_buf_put(buf);
		return result;
	}
	if (buf->len == 0) {
		cothon_buf_put(buf);
		return 0;
	}
	if (touches) {
		uint32_t overlap = cothon_seq_sub(reassembly->ranges[at].end, start_of(buf));

		buf->data += overlap;
		buf->len -= overlap;
		buf->mark += overlap;
	}
	/* Checked first: what has been reported as held is not given up for more. */
	buf = cothon_buf_compact(buf);
	buf->next = NULL;
	if (reassembly->memory + cothon_buf_truesize(buf) > limit ||
	    (!touches && reassembly->count == reassembly->room && !grow(reassembly, memory))) {
		cothon_buf_put(buf);
		return -ENOBUFS;
	}
	make_way(reassembly, at + touches, buf);
	if (touches)
		append(reassembly, reassembly->ranges + at, buf);
	else
		insert(reassembly, at, buf);
	join(reassembly, at);
	*range = (struct cothon_tcp_sack){reassembly->ranges[at].start, reassembly->ranges[at].end};
	return 0;
}

struct cothon_buf *cothon_reassembly_take(struct cothon_reassembly *reassembly,
					  struct cothon_seq nxt)
{
	struct cothon_buf *list;

	if (reassembly->count == 0 || cothon_seq_after(reassembly->ranges[0].start, nxt))
		return NULL;
	list = reassembly->ranges[0].head;
	forget(reassembly, list);
	splice(reassembly, 0, 1, 0);
	return list;
}
