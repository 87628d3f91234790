/* SPDX-License-Identifier: MIT */

/* The byte streams of a connection as its owner reads and writes them. */

#include "stack/tcp/receiver.h"
#include "stack/tcp/sender.h"
#include "stack/tcp/timers.h"
#include <errno.h>
#include <string.h>

/* Reading */

unsigned cothon_tcp_peek(const struct cothon_tcp *tcp, struct iovec *iov, unsigned count)
{
	unsigned filled = 0;

	for (struct cothon_buf *buf = tcp->rcv.head; buf && filled < count; buf = buf->next)
		iov[filled++] = (struct iovec){buf->data, buf->len};
	return filled;
}

void cothon_tcp_consume(struct cothon_tcp *tcp, size_t len)
{
	struct cothon_tcp_receiver *rcv = &tcp->rcv;

	rcv->queued -= (uint32_t)len;
	for (struct cothon_buf *buf = rcv->head; buf && len > 0; buf = rcv->head) {
		if (len < buf->len) {
			buf->data += len;
			buf->len -= (uint32_t)len;
			break;
		}
		len -= buf->len;
		rcv->head = buf->next;
		if (rcv->settled == buf)
			rcv->settled = NULL;
		if (!rcv->head)
			rcv->tail = NULL;
		cothon_buf_put(buf);
	}
	cothon_tcp_receiver_consumed(tcp);
}

size_t cothon_tcp_readable(const struct cothon_tcp *tcp)
{
	return tcp->rcv.queued;
}

bool cothon_tcp_at_end(const struct cothon_tcp *tcp)
{
	return tcp->rcv.fin && tcp->rcv.queued == 0;
}

ptrdiff_t cothon_tcp_read(struct cothon_tcp *tcp, void *data, size_t len)
{
	uint8_t *to = data;
	size_t done = 0;

	if (tcp->rcv.queued == 0)
		return tcp->rcv.fin ? 0 : tcp->error ? tcp->error : -EAGAIN;
	for (struct cothon_buf *buf = tcp->rcv.head; buf && done < len; buf = buf->next) {
		size_t take = buf->len < len - done ? buf->len : len - done;

		memcpy(to + done, buf->data, take);
		done += take;
	}
	cothon_tcp_consume(tcp, done);
	return (ptrdiff_t)done;
}

/* Writing */

static bool may_write(const struct cothon_tcp *tcp)
{
	return cothon_tcp_can_send(tcp) && !tcp->snd.fin_queued;
}

unsigned cothon_tcp_reserve(struct cothon_tcp *tcp, size_t want, struct iovec *iov, unsigned count)
{
	struct cothon_tcp_sender *snd = &tcp->snd;
	size_t room = cothon_tcp_sender_room(tcp);
	struct cothon_buf **end = &snd->reserve;
	unsigned filled = 0;

	if (want > room)
		want = room;
	if (!may_write(tcp))
		return 0;
	if (snd->tail && want > 0 && count > 0 && cothon_buf_tailroom(snd->tail) > 0) {
		size_t take = cothon_buf_tailroom(snd->tail);

		take = take < want ? take : want;
		iov[filled++] = (struct iovec){snd->tail->data + snd->tail->len, take};
		want -= take;
	}
	while (want > 0 && filled < count) {
		struct cothon_buf *chunk = cothon_buf_get(tcp->stack->pool, COTHON_FRAME_MAX);
		size_t take;

		if (!chunk) {
			tcp->stack->counters.memory_refused++;
			if (filled == 0 && cothon_tcp_unacknowledged(tcp) == 0)
				cothon_tcp_timers_no_memory(tcp);
			break;
		}
		take = cothon_buf_tailroom(chunk) < want ? cothon_buf_tailroom(chunk) : want;
		iov[filled++] = (struct iovec){chunk->data, take};
		want -= take;
		chunk->next = NULL;
		*end = chunk;
		end = &chunk->next;
	}
	if (filled == 0)
		snd->blocked = true;
	return filled;
}

static void append_chunk(struct cothon_tcp *tcp, struct cothon_buf *chunk)
{
	struct cothon_tcp_sender *snd = &tcp->snd;

	chunk->mark = snd->written.v;
	snd->written = cothon_seq_add(snd->written, chunk->len);
	chunk = cothon_buf_compact(chunk);
	chunk->next = NULL;
	if (snd->tail)
		snd->tail->next = chunk;
	else
		snd->head = chunk;
	snd->tail = chunk;
}

void cothon_tcp_commit(struct cothon_tcp *tcp, size_t len)
{
	struct cothon_tcp_sender *snd = &tcp->snd;
	struct cothon_buf *chunk = snd->reserve;

	snd->reserve = NULL;
	if (len > 0 && snd->tail) {
		size_t room = cothon_buf_tailroom(snd->tail);
		size_t take = room < len ? room : len;

		snd->tail->len += (uint32_t)take;
		snd->written = cothon_seq_add(snd->written, (uint32_t)take);
		len -= take;
		cothon_tcp_request(tcp);
	}
	while (chunk && len > 0) {
		struct cothon_buf *next = chunk->next;
		size_t room = cothon_buf_tailroom(chunk);

		chunk->len = (uint32_t)(room < len ? room : len);
		len -= chunk->len;
		append_chunk(tcp, chunk);
		cothon_tcp_request(tcp);
		chunk = next;
	}
	cothon_buf_put_list(chunk);
}

ptrdiff_t cothon_tcp_write(struct cothon_tcp *tcp, const void *data, size_t len)
{
	const uint8_t *from = data;
	size_t done = 0;

	if (tcp->error)
		return tcp->error;
	if (tcp->snd.fin_queued || tcp->state == COTHON_TCP_CLOSED)
		return -EPIPE;
	while (done < len) {
		struct iovec iov[2];
		size_t part = 0;
		unsigned count = cothon_tcp_reserve(tcp, len - done, iov, 2);

		for (unsigned i = 0; i < count; i++) {
			size_t take = iov[i].iov_len < len - done - part ? iov[i].iov_len
									 : len - done - part;

			memcpy(iov[i].iov_base, from + done + part, take);
			part += take;
		}
		cothon_tcp_commit(tcp, part);
		if (part == 0)
			break;
		done += part;
	}
	/* Less than all: the owner will want to know when there is room again. */
	if (done < len)
		tcp->snd.blocked = true;
	return (ptrdiff_t)done;
}

size_t cothon_tcp_unacknowledged(const struct cothon_tcp *tcp)
{
	/* A FIN or SYN that is in flight is no byte that was written. */
	if (cothon_seq_after(tcp->snd.una, tcp->snd.written) ||
	    (tcp->bytes_out == 0 && cothon_seq_equal(tcp->snd.una, tcp->snd.iss)))
		return 0;
	return cothon_seq_sub(tcp->snd.written, tcp->snd.una);
}
