/* SPDX-License-Identifier: MIT */
#include <cothon/link.h>

#include "base/list.h"
#include <errno.h>
#include <string.h>

struct wire;

struct end {
	struct cothon_link link;
	struct wire *wire;
	struct end *peer;
	bool closed;
	/* Frames on their way to this end. */
	struct cothon_buf *first, **last;
	unsigned count;
};

struct wire {
	struct cothon_memory memory;
	struct cothon_pool *pool;
	unsigned queue;
	struct end ends[2];
};

static struct end *end_of(struct cothon_link *link)
{
	return cothon_container(link, struct end, link);
}

static void push(struct end *end, struct cothon_buf *buf)
{
	buf->next = NULL;
	*end->last = buf;
	end->last = &buf->next;
	end->count++;
}

static struct cothon_buf *pop(struct end *end)
{
	struct cothon_buf *buf = end->first;

	end->first = buf->next;
	if (!end->first)
		end->last = &end->first;
	end->count--;
	buf->next = NULL;
	return buf;
}

/*
 * A wire carries only what a link without the missing feature would: anything else is the sender's
 * mistake.
 */
static int check_frame(const struct cothon_link *link, const struct cothon_frame *frame)
{
	const struct cothon_offload *offload = &frame->offload;
	unsigned needed = 0;

	if (offload->csum_partial)
		needed |= COTHON_LINK_CSUM;
	if (offload->gso == COTHON_GSO_TCP)
		needed |= COTHON_LINK_TSO;
	if (offload->gso == COTHON_GSO_UDP)
		needed |= COTHON_LINK_USO;
	if (needed & ~link->features)
		return -EOPNOTSUPP;
	if (frame->len > (offload->gso == COTHON_GSO_NONE ? link->mtu : COTHON_FRAME_MAX))
		return -EMSGSIZE;
	return 0;
}

/*
 * Gathers a frame into `buf`, which has room for it. Returns 0, or -EINVAL when its pieces make
 * another length.
 */
static int gather(const struct cothon_frame *frame, struct cothon_buf *buf)
{
	for (unsigned i = 1; i < frame->count; i++) {
		const struct iovec *piece = &frame->iov[i];

		if (piece->iov_len > frame->len - buf->len)
			return -EINVAL;
		if (piece->iov_len > 0)
			memcpy(buf->data + buf->len, piece->iov_base, piece->iov_len);
		buf->len += (uint32_t)piece->iov_len;
	}
	return buf->len == frame->len ? 0 : -EINVAL;
}

static int wire_transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	struct end *end = end_of(link);
	struct cothon_buf *buf;
	int error = check_frame(link, frame);

	if (error)
		return error;
	if (end->peer->closed)
		return -ENETDOWN;
	if (end->peer->count >= end->wire->queue)
		return -EAGAIN;
	buf = cothon_buf_get(end->wire->pool, COTHON_HEADROOM + frame->len);
	if (!buf)
		return -ENOMEM;
	buf->data += COTHON_HEADROOM;
	error = gather(frame, buf);
	if (error) {
		cothon_buf_put(buf);
		return error;
	}
	buf->offload = frame->offload;
	/* What was never summed cannot have been spoilt, as on a device. */
	if (buf->offload.csum_partial)
		buf->offload.csum_valid = true;
	push(end->peer, buf);
	return 0;
}

static int wire_receive(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct end *end = end_of(link);
	struct cothon_buf *frame = end->first;
	struct cothon_buf *copy;

	if (!frame)
		return -EAGAIN;
	if (pool == end->wire->pool) {
		*buf = pop(end);
		return 0;
	}
	copy = cothon_buf_get(pool, COTHON_HEADROOM + frame->len);
	if (!copy)
		return -ENOMEM;
	copy->data += COTHON_HEADROOM;
	memcpy(copy->data, frame->data, frame->len);
	copy->len = frame->len;
	copy->offload = frame->offload;
	cothon_buf_put(pop(end));
	*buf = copy;
	return 0;
}

static void wire_close(struct cothon_link *link)
{
	struct end *end = end_of(link);
	struct wire *wire = end->wire;

	cothon_buf_put_list(end->first);
	end->first = NULL;
	end->closed = true;
	if (end->peer->closed)
		wire->memory.free(wire->memory.context, wire, sizeof(*wire));
}

static const struct cothon_link_ops wire_ops = {
	.transmit = wire_transmit,
	.receive = wire_receive,
	.close = wire_close,
};

int cothon_wire_open(const struct cothon_memory *memory, struct cothon_pool *pool, uint32_t mtu,
		     unsigned features, unsigned queue, struct cothon_link *ends[static 2])
{
	struct wire *wire = memory->alloc(memory->context, sizeof(*wire));

	if (!wire)
		return -ENOMEM;
	*wire = (struct wire){.memory = *memory, .pool = pool, .queue = queue};
	for (unsigned i = 0; i < 2; i++) {
		wire->ends[i] = (struct end){
			.link = {.ops = &wire_ops, .mtu = mtu, .features = features},
			.wire = wire,
			.peer = &wire->ends[1 - i],
			.last = &wire->ends[i].first,
		};
		ends[i] = &wire->ends[i].link;
	}
	return 0;
}
