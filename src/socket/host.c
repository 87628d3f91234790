/* SPDX-License-Identifier: MIT */
#include "socket/host.h"

#include <errno.h>
#include <string.h>

enum {
	DEFAULT_MTU = 1500,
	DEFAULT_QUEUE = 1024,
	/* Frames that one poll takes from a link at most. */
	RECEIVE_BUDGET = 64,
};

/* The link by hand: a queue of the packets that leave. It has no features, so none of them is offloaded. */

static int transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	struct cothon_host *host = cothon_container(link, struct cothon_host, link);
	struct cothon_buf *buf;

	if (host->count >= host->queue)
		return -EAGAIN;
	buf = cothon_buf_get(host->pool, frame->len);
	if (!buf)
		return -ENOMEM;
	for (unsigned i = 1; i < frame->count; i++) {
		if (frame->iov[i].iov_len > 0)
			memcpy(buf->data + buf->len, frame->iov[i].iov_base, frame->iov[i].iov_len);
		buf->len += (uint32_t)frame->iov[i].iov_len;
	}
	buf->next = NULL;
	*host->last = buf;
	host->last = &buf->next;
	host->count++;
	return 0;
}

/* What arrives is given to the stack at once. */
static int receive(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	(void)link;
	(void)pool;
	(void)buf;
	return -EAGAIN;
}

/* It is a part of the host. */
static void close_link(struct cothon_link *link)
{
	(void)link;
}

static const struct cothon_link_ops by_hand = {transmit, receive, close_link};

/* Life */

int cothon_host_create(const struct cothon_host_config *config, struct cothon_host **result)
{
	const struct cothon_memory *memory = config->stack.memory.alloc ? &config->stack.memory
									: &cothon_memory_malloc;
	uint32_t mtu = config->mtu ? config->mtu : DEFAULT_MTU;
	struct cothon_stack_config stack = config->stack;
	struct cothon_host *host;
	int error;

	if (mtu < 1280 || mtu > 65535)
		return -EINVAL;
	host = memory->alloc(memory->context, sizeof(*host));
	if (!host)
		return -ENOMEM;
	*host = (struct cothon_host){
		.link = {.ops = &by_hand, .mtu = mtu},
		.queue = config->queue ? config->queue : DEFAULT_QUEUE,
		.memory = *memory,
		.pool = config->stack.pool,
		.given = config->stack.link,
	};
	host->last = &host->first;
	cothon_list_init(&host->sockets);
	if (!host->pool) {
		struct cothon_pool_config pool = {.memory = *memory, .limit = SIZE_MAX};

		host->pool = cothon_pool_create(&pool);
		host->own_pool = true;
	}
	stack.memory = *memory;
	stack.pool = host->pool;
	stack.link = host->given ? host->given : &host->link;
	error = host->pool ? cothon_stack_create(&stack, &host->stack) : -ENOMEM;
	if (error) {
		cothon_host_destroy(host);
		return error;
	}
	*result = host;
	return 0;
}

void cothon_host_destroy(struct cothon_host *host)
{
	struct cothon_memory memory = host->memory;

	cothon_socket_abort_all(host);
	if (host->stack)
		cothon_stack_destroy(host->stack);
	cothon_buf_put_list(host->first);
	if (host->own_pool && host->pool)
		cothon_pool_destroy(host->pool);
	memory.free(memory.context, host, sizeof(*host));
}

struct cothon_stack *cothon_host_stack(struct cothon_host *host)
{
	return host->stack;
}

/* Driving it */

int cothon_host_input(struct cothon_host *host, const void *packet, size_t len, uint64_t now)
{
	struct cothon_buf *buf;

	if (len > COTHON_FRAME_MAX)
		return -EMSGSIZE;
	buf = cothon_buf_get(host->pool, len);
	if (!buf)
		return -ENOMEM;
	if (len > 0)
		memcpy(buf->data, packet, len);
	buf->len = (uint32_t)len;
	cothon_stack_input(host->stack, buf, now);
	return 0;
}

ptrdiff_t cothon_host_output(struct cothon_host *host, void *packet, size_t size)
{
	struct cothon_buf *buf = host->first;
	size_t len;

	if (!buf)
		return -EAGAIN;
	len = buf->len;
	if (len > size)
		return -EMSGSIZE;
	memcpy(packet, buf->data, len);
	host->first = buf->next;
	if (!host->first)
		host->last = &host->first;
	host->count--;
	cothon_buf_put(buf);
	return (ptrdiff_t)len;
}

uint64_t cothon_host_poll(struct cothon_host *host, uint64_t now)
{
	int count = host->given ? cothon_stack_receive(host->stack, RECEIVE_BUDGET, now) : 0;
	uint64_t deadline = cothon_stack_poll(host->stack, now);

	return count == RECEIVE_BUDGET ? now : deadline;
}
