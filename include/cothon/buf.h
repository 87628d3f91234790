/* SPDX-License-Identifier: MIT */
#ifndef COTHON_BUF_H
#define COTHON_BUF_H

/*
 * Buffers and the memory they come from.
 *
 * A buffer has one owner at any time. A packet's buffer goes from the link to the stack, from there
 * into the queue of the flow it belongs to, and is put back when its bytes have been consumed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where all of a stack's memory comes from. Both functions may be called at any time. */
struct cothon_memory {
	/* Returns `size` bytes aligned for any type, or NULL. */
	void *(*alloc)(void *context, size_t size);
	/* Gives back what alloc returned for the same `size`. */
	void (*free)(void *context, void *memory, size_t size);
	void *context;
};

/* The C library's malloc and free. */
extern const struct cothon_memory cothon_memory_malloc;

enum {
	/*
	 * The largest frame that a link carries: an IPv6 header and 65,535 bytes of payload.
	 */
	COTHON_FRAME_MAX = 65575,
	/* Free bytes in front of a packet that a link reads, for the link's own header. */
	COTHON_HEADROOM = 64,
};

/* How the payload of a frame stands for several packets, after virtio's VIRTIO_NET_HDR_GSO_*. */
enum cothon_gso {
	COTHON_GSO_NONE,
	COTHON_GSO_TCP,
	COTHON_GSO_UDP,
};

/* What the far side of a link left undone, or may be left to do, in a frame. */
struct cothon_offload {
	/* COTHON_GSO_*: the frame is to be cut into packets of `gso_size` payload bytes. */
	uint8_t gso;
	/* The transport checksum holds only the pseudo header's sum and is to be completed. */
	bool csum_partial;
	/* The transport checksum was verified already, or need not be. */
	bool csum_valid;
	uint16_t gso_size;
	/* Bytes of headers before the first byte cut by GSO. */
	uint16_t header_len;
	/* With csum_partial: where summing starts, and the checksum's offset from there. */
	uint16_t csum_start, csum_offset;
};

struct cothon_pool;

struct cothon_buf {
	struct cothon_buf *next;
	struct cothon_pool *pool;
	/* The content: `len` bytes from `data`, inside store[0 .. size). */
	uint8_t *data;
	uint32_t len;
	uint32_t size;
	struct cothon_offload offload;
	/* For the owner: a TCP queue keeps the sequence number of the first byte here. */
	uint32_t mark;
	bool fin;
	/* For who shares a link among stacks: how many this packet has been offered to before. */
	uint8_t offered;
	_Alignas(16) uint8_t store[];
};

struct cothon_pool_config {
	struct cothon_memory memory;
	/* Bytes in use above which cothon_pool_pressed() says so. */
	size_t limit;
	/* Bytes of free buffers kept for the next use instead of being given back to `memory`. */
	size_t keep;
};

/* Returns a pool, or NULL when `memory` has none. */
struct cothon_pool *cothon_pool_create(const struct cothon_pool_config *config);
/* All buffers must have been put back. */
void cothon_pool_destroy(struct cothon_pool *pool);
/* Bytes of all buffers that are in use, their own headers included. */
size_t cothon_pool_used(const struct cothon_pool *pool);
/* The limit that it was made with. */
size_t cothon_pool_limit(const struct cothon_pool *pool);
/*
 * True when more is in use than the limit. Nothing that was acknowledged is ever dropped for it:
 * windows close and what may be refused is refused.
 */
bool cothon_pool_pressed(const struct cothon_pool *pool);
/*
 * An empty buffer of at least `size` bytes (at most COTHON_FRAME_MAX + COTHON_HEADROOM), its data at
 * the start of its store. Capacities are rounded up to one of a few classes. NULL when memory has none.
 */
struct cothon_buf *cothon_buf_get(struct cothon_pool *pool, size_t size);
/* Puts a buffer back; NULL is allowed. */
void cothon_buf_put(struct cothon_buf *buf);
/* Puts back a whole list linked by `next`. */
void cothon_buf_put_list(struct cothon_buf *buf);
/*
 * Returns a buffer with the same content, mark and fin in the smallest class that holds it, and puts
 * `buf` back; returns `buf` itself where that saves nothing or memory has none.
 */
struct cothon_buf *cothon_buf_compact(struct cothon_buf *buf);
/* Bytes of memory that this buffer takes. */
size_t cothon_buf_truesize(const struct cothon_buf *buf);

/* Bytes free behind the content. */
static inline size_t cothon_buf_tailroom(const struct cothon_buf *buf)
{
	return (size_t)(buf->store + buf->size - buf->data) - buf->len;
}

#endif
