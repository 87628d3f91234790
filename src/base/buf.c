/* SPDX-License-Identifier: MIT */
#include <cothon/buf.h>

#include <stdlib.h>
#include <string.h>

/*
 * Capacities of the classes: an acknowledgement, a packet of an Ethernet's MTU, a TLS record's
 * worth, and the largest frame.
 */
static const uint32_t capacities[] = {512, 2048, 16384, COTHON_FRAME_MAX + COTHON_HEADROOM};

enum {
	CLASSES = sizeof(capacities) / sizeof(capacities[0])
};

struct cothon_pool {
	struct cothon_pool_config config;
	/* Bytes of the buffers in use, and of those in the free lists. */
	size_t used, kept;
	struct cothon_buf *free[CLASSES];
};

static void *malloc_alloc(void *context, size_t size)
{
	(void)context;
	return malloc(size);
}

static void malloc_free(void *context, void *memory, size_t size)
{
	(void)context;
	(void)size;
	free(memory);
}

const struct cothon_memory cothon_memory_malloc = {.alloc = malloc_alloc, .free = malloc_free};

/* The smallest class that holds `size` bytes; CLASSES if none does. */
static unsigned class_for(size_t size)
{
	unsigned class = 0;

	while (class < CLASSES && size > capacities[class])
		class ++;
	return class;
}

/*
 * What a buffer for `size` bytes holds, which is no more than that where there are to be no pools.
 */
static uint32_t capacity_for(size_t size)
{
	return COTHON_POOL ? capacities[class_for(size)] : (uint32_t)size;
}

static void release(struct cothon_pool *pool, struct cothon_buf *buf)
{
	const struct cothon_memory *memory = &pool->config.memory;

	memory->free(memory->context, buf, cothon_buf_truesize(buf));
}

struct cothon_pool *cothon_pool_create(const struct cothon_pool_config *config)
{
	struct cothon_pool *pool = config->memory.alloc(config->memory.context, sizeof(*pool));

	if (pool)
		*pool = (struct cothon_pool){.config = *config};
	return pool;
}

void cothon_pool_destroy(struct cothon_pool *pool)
{
	struct cothon_memory memory = pool->config.memory;

	for (unsigned class = 0; class < CLASSES; class ++) {
		while (pool->free[class]) {
			struct cothon_buf *buf = pool->free[class];

			pool->free[class] = buf->next;
			release(pool, buf);
		}
	}
	memory.free(memory.context, pool, sizeof(*pool));
}

size_t cothon_pool_used(const struct cothon_pool *pool)
{
	return pool->used;
}

size_t cothon_pool_limit(const struct cothon_pool *pool)
{
	return pool->config.limit;
}

bool cothon_pool_pressed(const struct cothon_pool *pool)
{
	return pool->used > pool->config.limit;
}

size_t cothon_buf_truesize(const struct cothon_buf *buf)
{
	return sizeof(*buf) + buf->size;
}

struct cothon_buf *cothon_buf_get(struct cothon_pool *pool, size_t size)
{
	unsigned class = class_for(size);
	struct cothon_buf *buf;

	if (class == CLASSES)
		return NULL;
	buf = pool->free[class];
	if (buf) {
		pool->free[class] = buf->next;
		pool->kept -= cothon_buf_truesize(buf);
	} else {
		const struct cothon_memory *memory = &pool->config.memory;
		uint32_t capacity = capacity_for(size);

		buf = memory->alloc(memory->context, sizeof(*buf) + capacity);
		if (!buf)
			return NULL;
		buf->pool = pool;
		buf->size = capacity;
	}
	buf->next = NULL;
	buf->data = buf->store;
	buf->len = 0;
	buf->offload = (struct cothon_offload){0};
	buf->mark = 0;
	buf->fin = false;
	buf->offered = 0;
	pool->used += cothon_buf_truesize(buf);
	return buf;
}

void cothon_buf_put(struct cothon_buf *buf)
{
	if (!buf)
		return;

	struct cothon_pool *pool = buf->pool;
	size_t truesize = cothon_buf_truesize(buf);

	pool->used -= truesize;
	if (COTHON_POOL && pool->kept + truesize <= pool->config.keep) {
		unsigned class = class_for(buf->size);

		buf->next = pool->free[class];
		pool->free[class] = buf;
		pool->kept += truesize;
	} else {
		release(pool, buf);
	}
}

void cothon_buf_put_list(struct cothon_buf *buf)
{
	while (buf) {
		struct cothon_buf *next = buf->next;

		cothon_buf_put(buf);
		buf = next;
	}
}

struct cothon_buf *cothon_buf_compact(struct cothon_buf *buf)
{
	if (capacity_for(buf->len) >= buf->size)
		return buf;

	struct cothon_buf *compact = cothon_buf_get(buf->pool, buf->len);

	if (!compact)
		return buf;
	memcpy(compact->data, buf->data, buf->len);
	compact->len = buf->len;
	compact->offload = buf->offload;
	compact->mark = buf->mark;
	compact->fin = buf->fin;
	cothon_buf_put(buf);
	return compact;
}
