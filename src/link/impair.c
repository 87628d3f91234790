/* SPDX-License-Identifier: MIT */
#include <cothon/link.h>

#include "base/list.h"
#include "base/random.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include <errno.h>
#include <string.h>

enum {
	MILLION = 1000000,
	CHECKSUM_AT = 10, /* in an IPv4 header */
};

/* A frame under way. */
struct held {
	struct cothon_list node; /* in impair->held */
	uint64_t due;
	struct cothon_offload offload;
	size_t len;
	uint8_t data[];
};

struct impair {
	struct cothon_link link;
	struct cothon_link *inner;
	struct cothon_memory memory;
	struct cothon_impairment how;
	struct cothon_random random;
	uint64_t now;
	bool burst;              /* frames are being lost in one */
	uint64_t busy_until;     /* the last frame has left by then, at the rate */
	uint64_t last_due;       /* of the frames that were not reordered */
	struct cothon_list held; /* by due; those of the same time as they came */
	size_t bytes;            /* of memory in `held` */
};

static struct impair *impair_of(const struct cothon_link *link)
{
	return cothon_container(link, struct impair, link);
}

static bool chance(struct impair *impair, uint32_t of_a_million)
{
	return of_a_million && cothon_random_below(&impair->random, MILLION) < of_a_million;
}

/* Loss */

static bool lost_in_burst(struct impair *impair)
{
	const struct cothon_impairment *how = &impair->how;

	if (chance(impair, impair->burst ? how->burst_end : how->burst_begin))
		impair->burst = !impair->burst;
	return impair->burst && chance(impair, how->burst_loss);
}

/* The largest packet that a frame stands for. */
static size_t packet_len(const struct cothon_frame *frame)
{
	size_t packet = (size_t)frame->offload.header_len + frame->offload.gso_size;

	return frame->offload.gso != COTHON_GSO_NONE && packet < frame->len ? packet : frame->len;
}

static bool is_lost(struct impair *impair, const struct cothon_frame *frame)
{
	const struct cothon_impairment *how = &impair->how;
	bool burst = lost_in_burst(impair);
	bool alone = chance(impair, how->loss);

	return burst || alone || how->down ||
	       (how->black_hole && packet_len(frame) > how->black_hole);
}

/* Time */

/* Bytes that wait for the rate. */
static uint64_t backlog(const struct impair *impair)
{
	if (impair->busy_until <= impair->now)
		return 0;
	return (impair->busy_until - impair->now) * impair->how.rate / MILLION;
}

/* When a frame of `len` bytes that leaves now arrives. */
static uint64_t arrival(struct impair *impair, size_t len)
{
	const struct cothon_impairment *how = &impair->how;
	uint64_t at = impair->now;

	if (how->rate) {
		if (impair->busy_until > at)
			at = impair->busy_until;
		at += (len * MILLION + how->rate - 1) / how->rate;
		impair->busy_until = at;
	}
	at += how->delay;
	if (how->jitter)
		at += cothon_random_u64(&impair->random) % (how->jitter + 1);
	if (chance(impair, how->reorder))
		return at + how->reorder_delay;
	if (at < impair->last_due)
		at = impair->last_due;
	impair->last_due = at;
	return at;
}

/* Frames under way */

/* The one that is due first, of at least one. */
static struct held *first(const struct impair *impair)
{
	return cothon_container(impair->held.next, struct held, node);
}

static void insert(struct impair *impair, struct held *held)
{
	struct cothon_list *after = impair->held.prev;

	while (after != &impair->held &&
	       cothon_container(after, struct held, node)->due > held->due)
		after = after->prev;
	/* Appended to the ring that begins behind `after`. */
	cothon_list_append(after->next, &held->node);
	impair->bytes += sizeof(*held) + held->len;
}

static void discard(struct impair *impair, struct held *held)
{
	size_t size = sizeof(*held) + held->len;

	cothon_list_remove(&held->node);
	impair->bytes -= size;
	impair->memory.free(impair->memory.context, held, size);
}

static struct held *gather(struct impair *impair, const struct cothon_frame *frame)
{
	struct held *held =
		impair->memory.alloc(impair->memory.context, sizeof(*held) + frame->len);
	size_t len = 0;

	if (!held)
		return NULL;
	for (unsigned i = 1; i < frame->count; i++) {
		const struct iovec *piece = &frame->iov[i];

		if (piece->iov_len > 0)
			memcpy(held->data + len, piece->iov_base, piece->iov_len);
		len += piece->iov_len;
	}
	held->len = frame->len;
	held->offload = frame->offload;
	return held;
}

static void damage(struct impair *impair, struct held *held)
{
	uint32_t bit;

	if (held->offload.csum_partial || held->len == 0 || !chance(impair, impair->how.damage))
		return;
	bit = cothon_random_below(&impair->random, (uint32_t)held->len * 8);
	held->data[bit / 8] ^= (uint8_t)(1U << bit % 8);
}

/* Sets CE where ECT(0) or ECT(1) is, and completes an IPv4 header's checksum anew. */
static void mark(struct impair *impair, struct held *held)
{
	bool ipv4 = held->len >= COTHON_IPV4_HEADER && held->data[0] >> 4 == 4;
	bool ipv6 = held->len >= COTHON_IPV6_HEADER && held->data[0] >> 4 == 6;
	unsigned shift = ipv6 ? 4 : 0; /* of the field, the lowest two bits of the traffic class */
	size_t header = ipv4 ? (size_t)(held->data[0] & 15) * 4 : COTHON_IPV6_HEADER;
	unsigned codepoint;

	if ((!ipv4 && !ipv6) || header > held->len)
		return;
	codepoint = held->data[1] >> shift & 3;
	if (codepoint == 0 || codepoint == 3 || !chance(impair, impair->how.mark))
		return;
	held->data[1] |= (uint8_t)(3U << shift);
	if (ipv4) {
		cothon_put16(held->data + CHECKSUM_AT, 0);
		cothon_put16(held->data + CHECKSUM_AT,
			     cothon_checksum_finish(cothon_checksum_add(0, held->data, header)));
	}
}

static int hold(struct impair *impair, const struct cothon_frame *frame, uint64_t due)
{
	struct held *held;

	if (impair->bytes + sizeof(*held) + frame->len > COTHON_IMPAIR_HELD_MAX)
		return 0;
	held = gather(impair, frame);
	if (!held)
		return -ENOMEM;
	held->due = due;
	mark(impair, held);
	damage(impair, held);
	insert(impair, held);
	return 0;
}

/* The link */

static int impair_transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	struct impair *impair = impair_of(link);
	const struct cothon_impairment *how = &impair->how;
	uint64_t due;
	int error;

	if (frame->offload.gso == COTHON_GSO_NONE && frame->len > link->mtu)
		return -EMSGSIZE;
	/* What is lost behind the queue has waited in it, and what finds it full never leaves. */
	if (how->queue && backlog(impair) > how->queue)
		return 0;
	due = arrival(impair, frame->len);
	if (is_lost(impair, frame))
		return 0;
	error = hold(impair, frame, due);
	if (!error && chance(impair, how->duplicate))
		error = hold(impair, frame, due);
	return error;
}

static int impair_receive(struct cothon_link *link, struct cothon_pool *pool,
			  struct cothon_buf **buf)
{
	return cothon_link_receive(impair_of(link)->inner, pool, buf);
}

static void impair_close(struct cothon_link *link)
{
	struct impair *impair = impair_of(link);

	while (!cothon_list_empty(&impair->held))
		discard(impair, first(impair));
	cothon_link_close(impair->inner);
	impair->memory.free(impair->memory.context, impair, sizeof(*impair));
}

static const struct cothon_link_ops impair_ops = {
	.transmit = impair_transmit,
	.receive = impair_receive,
	.close = impair_close,
};

int cothon_impair_open(const struct cothon_impair_config *config, struct cothon_link **impaired)
{
	struct impair *impair = config->memory.alloc(config->memory.context, sizeof(*impair));

	if (!impair)
		return -ENOMEM;
	*impair = (struct impair){
		.link = {.ops = &impair_ops,
			 .mtu = config->link->mtu,
			 .features = config->link->features & config->features},
		.inner = config->link,
		.memory = config->memory,
		.how = config->impairment,
		.now = config->now,
	};
	cothon_random_init(&impair->random, config->seed, 0);
	cothon_list_init(&impair->held);
	*impaired = &impair->link;
	return 0;
}

void cothon_impair_set(struct cothon_link *impaired, const struct cothon_impairment *impairment)
{
	impair_of(impaired)->how = *impairment;
}

static void hand_on(struct impair *impair, struct held *held)
{
	struct cothon_frame frame = {
		.iov = {{0}, {held->data, held->len}},
		.count = 2,
		.len = held->len,
		.offload = held->offload,
	};

	/* What the inner link does not take is lost, as on any wire. */
	(void)cothon_link_transmit(impair->inner, &frame);
	discard(impair, held);
}

uint64_t cothon_impair_run(struct cothon_link *impaired, uint64_t now)
{
	struct impair *impair = impair_of(impaired);

	impair->now = now;
	while (!cothon_list_empty(&impair->held) && first(impair)->due <= now)
		hand_on(impair, first(impair));
	return cothon_impair_due(impaired);
}

uint64_t cothon_impair_due(const struct cothon_link *impaired)
{
	const struct impair *impair = impair_of(impaired);

	if (cothon_list_empty(&impair->held))
		return UINT64_MAX;
	return first(impair)->due;
}
