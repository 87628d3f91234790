/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include "audit.h"
#include "base/bytes.h"
#include "wire/ip.h"
#include "wire/vnet.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	MTU = 1500,
	POOL_LIMIT = 16 << 20,
	/* Polls that a stack may ask for at one time, and in one passage of time. */
	POLLS_AT_ONCE = 1000,
	POLLS_PER_PASSAGE = 2000,
};

/* Memory */

static void *count_alloc(void *context, size_t size)
{
	struct stage *stage = context;
	void *memory;

	if (stage->refuse && cothon_random_below(&stage->random, 1000) < stage->refuse)
		return NULL;
	memory = malloc(size);
	assert_non_null(memory);
	/* What is not written before it is read shall not look like nothing. */
	memset(memory, 0xa5, size);
	stage->live += size;
	stage->blocks++;
	if (stage->live > stage->peak)
		stage->peak = stage->live;
	if (stage->bound && stage->live > stage->bound)
		fail_msg("%zu bytes of memory in use, more than the bound of %zu", stage->live,
			 stage->bound);
	return memory;
}

static void count_free(void *context, void *memory, size_t size)
{
	struct stage *stage = context;

	assert_true(size <= stage->live && stage->blocks > 0);
	stage->live -= size;
	stage->blocks--;
	memset(memory, 0x5a, size);
	free(memory);
}

/* The link */

static void queue_init(struct stage_queue *queue)
{
	*queue = (struct stage_queue){.last = &queue->first};
}

static void queue_push(struct stage_queue *queue, struct stage_frame *frame)
{
	frame->next = NULL;
	*queue->last = frame;
	queue->last = &frame->next;
	queue->count++;
}

static struct stage_frame *queue_pop(struct stage_queue *queue)
{
	struct stage_frame *frame = queue->first;

	if (!frame)
		return NULL;
	queue->first = frame->next;
	if (!queue->first)
		queue->last = &queue->first;
	queue->count--;
	return frame;
}

static void queue_clear(struct stage_queue *queue)
{
	struct stage_frame *frame;

	while ((frame = queue_pop(queue)))
		free(frame);
}

static struct stage_frame *new_frame(size_t len)
{
	struct stage_frame *frame = malloc(sizeof(*frame) + len);

	assert_non_null(frame);
	memset(frame, 0, sizeof(*frame));
	frame->len = len;
	return frame;
}

static int link_transmit(struct cothon_link *link, struct cothon_frame *frame)
{
	struct stage *stage = (struct stage *)link;
	struct stage_frame *copy;
	const char *wrong;
	size_t at = 0;

	if (stage->link_error)
		return stage->link_error;
	copy = new_frame(frame->len);
	copy->offload = frame->offload;
	for (unsigned i = 1; i < frame->count; i++) {
		assert_true(frame->iov[i].iov_len <= copy->len - at);
		memcpy(copy->data + at, frame->iov[i].iov_base, frame->iov[i].iov_len);
		at += frame->iov[i].iov_len;
	}
	assert_int_equal(at, copy->len);
	wrong = audit_frame(link, &copy->offload, copy->data, copy->len);
	if (wrong)
		fail_msg("a frame that was sent is wrong: %s", wrong);
	if (stage->keep_out)
		queue_push(&stage->out, copy);
	else
		free(copy);
	return 0;
}

/* What the link over a TUN device does, but that the buffer is no larger than the frame. */
static int link_receive(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct stage *stage = (struct stage *)link;
	struct stage_frame *frame = stage->in.first;
	struct cothon_buf *copy;
	int error = -EBADMSG;

	if (!frame)
		return -EAGAIN;
	if (frame->len > 0 && frame->len <= COTHON_FRAME_MAX) {
		copy = cothon_buf_get(pool, COTHON_HEADROOM + frame->len);
		if (!copy)
			return -ENOMEM;
		copy->data += COTHON_HEADROOM;
		memcpy(copy->data, frame->data, frame->len);
		copy->len = (uint32_t)frame->len;
		error = cothon_vnet_parse(frame->vnet, (struct cothon_bytes){copy->data, copy->len},
					  &copy->offload);
		if (error)
			cothon_buf_put(copy);
		else
			*buf = copy;
	}
	free(stage->last);
	stage->last = queue_pop(&stage->in);
	stage->rejected += error == -EBADMSG;
	return error;
}

static void link_close(struct cothon_link *link)
{
	(void)link;
}

static const struct cothon_link_ops link_ops = {link_transmit, link_receive, link_close};

void stage_offer(struct stage *stage, const struct packet *packet)
{
	struct stage_frame *frame = new_frame(packet->len);

	memcpy(frame->vnet, packet->vnet, sizeof(frame->vnet));
	memcpy(frame->data, packet->data, packet->len);
	queue_push(&stage->in, frame);
	stage->offered++;
}

struct stage_frame *stage_take(struct stage *stage)
{
	return queue_pop(&stage->out);
}

void stage_drop_out(struct stage *stage)
{
	queue_clear(&stage->out);
}

/* Driving it */

/* Whether the frame that was read last may be one that nothing counts. */
static bool last_is_for_nobody(const struct stage *stage)
{
	const struct stage_frame *frame = stage->last;
	struct cothon_bytes bytes = {frame->data, frame->len};
	struct cothon_offload offload;
	struct cothon_ip ip;

	if (cothon_vnet_parse(frame->vnet, bytes, &offload) ||
	    cothon_ip_parse(bytes, offload.gso, &ip))
		return false;
	/* What fragments bring is said by the first of them. */
	return ip.protocol == COTHON_IPPROTO_NONE || ip.fragment;
}

bool stage_receive(struct stage *stage)
{
	struct cothon_counters before = *stage->counters;
	uint64_t rejected = stage->rejected;
	int got = cothon_stack_receive(stage->stack, 1, stage->now);
	uint64_t ended = audit_ended(stage->counters) - audit_ended(&before);
	bool taken = got == 1 && stage->rejected == rejected;

	assert_true(got == 0 || got == 1 || got == -ENOMEM);
	assert_int_equal(stage->counters->frames_in - before.frames_in, taken);
	assert_int_equal(stage->counters->bytes_in - before.bytes_in, taken ? stage->last->len : 0);
	if (got == 1 && ended == 0 && last_is_for_nobody(stage))
		stage->uncounted++;
	else if (ended != (got == 1))
		fail_msg("a frame was counted %d times", (int)ended);
	return got == 1;
}

void stage_run(struct stage *stage)
{
	unsigned polls = 0;

	for (;;) {
		for (unsigned i = 0; i < STAGE_BURST && stage_receive(stage); i++)
			;
		stage->deadline = cothon_stack_poll(stage->stack, stage->now);
		if (!stage->in.first && stage->deadline > stage->now)
			return;
		if (++polls > POLLS_AT_ONCE)
			fail_msg("the stack wants to be polled without end");
	}
}

void stage_input(struct stage *stage, const struct packet *packet)
{
	stage_offer(stage, packet);
	stage_run(stage);
}

void stage_sleep(struct stage *stage, uint64_t microseconds)
{
	stage->now += microseconds;
	stage_run(stage);
}

void stage_pass(struct stage *stage, uint64_t microseconds)
{
	uint64_t end = stage->now + microseconds;

	for (unsigned polls = 0; stage->deadline < end && polls < POLLS_PER_PASSAGE; polls++) {
		if (stage->deadline > stage->now)
			stage->now = stage->deadline;
		stage_run(stage);
	}
	stage->now = end;
	stage_run(stage);
}

/* Life */

/* What the stack may take at most: audit_bound() says why. */
static size_t bound_of(const struct stage *stage, const struct cothon_stack_config *config)
{
	struct audit_limits limits = {
		.flows = config->max_flows,
		.receive = config->max_receive,
		.send = config->max_send,
		.fragments = config->max_fragments,
		.pool = stage->setup.pool_limit,
		.burst = STAGE_BURST,
		.events = stage->setup.events,
	};

	return audit_bound(&limits);
}

static void make_stack(struct stage *stage, const struct cothon_memory *memory)
{
	const struct stage_setup *setup = &stage->setup;
	struct cothon_stack_config config = {
		.memory = *memory,
		.link = &stage->link,
		.pool = stage->pool,
		.now = stage->now,
		.forwarder = setup->plain ? NULL : &app_forwarder,
		.context = stage,
		.max_flows = setup->max_flows ? setup->max_flows : APPS,
		.max_half_open = setup->max_half_open,
		.max_receive = setup->max_receive,
		.max_send = setup->max_send,
		.max_fragments = setup->max_fragments,
		.congestion = setup->newreno ? "newreno" : NULL,
	};

	memcpy(config.seed, &setup->seed, sizeof(setup->seed));
	assert_int_equal(cothon_stack_create(&config, &stage->stack), 0);
	for (enum scene_family family = SCENE_V4; family < SCENE_FAMILIES; family++)
		assert_int_equal(cothon_stack_add_address(stage->stack, &stage->scene.self[family]),
				 0);
	if (setup->events)
		stage->bound = bound_of(stage, &config);
}

void stage_open(struct stage *stage, const struct stage_setup *setup)
{
	struct cothon_pool_config pool = {
		.limit = setup->pool_limit ? setup->pool_limit : POOL_LIMIT, .keep = 256 << 10};
	uint8_t seed[32] = {0};

	memset(stage, 0, sizeof(*stage));
	memcpy(seed, &setup->seed, sizeof(setup->seed));
	stage->setup = *setup;
	stage->setup.pool_limit = pool.limit;
	stage->now = STAGE_START;
	stage->keep_out = true;
	stage->link = (struct cothon_link){.ops = &link_ops,
					   .mtu = setup->mtu ? setup->mtu : MTU,
					   .features = setup->features};
	queue_init(&stage->in);
	queue_init(&stage->out);
	cothon_random_init(&stage->random, seed, 1000);
	scene_init(&stage->scene);
	pool.memory = (struct cothon_memory){count_alloc, count_free, stage};
	stage->pool = cothon_pool_create(&pool);
	assert_non_null(stage->pool);
	make_stack(stage, &pool.memory);
	stage->counters = cothon_stack_counters(stage->stack);
	app_open_all(stage);
	stage_run(stage);
}

void stage_close(struct stage *stage)
{
	stage->refuse = 0;
	app_close_all(stage);
	cothon_stack_destroy(stage->stack);
	assert_int_equal(cothon_pool_used(stage->pool), 0);
	cothon_pool_destroy(stage->pool);
	queue_clear(&stage->in);
	queue_clear(&stage->out);
	free(stage->last);
	assert_int_equal(stage->live, 0);
	assert_int_equal(stage->blocks, 0);
}
