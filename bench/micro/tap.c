/* SPDX-License-Identifier: MIT */

/*
 * What it costs a link that it can be captured.
 *
 *   tap
 *
 * Frames cross a wire in memory, each sent and received: straight through the link's operations, through
 * the calls that ask for a tap when there is none, and with a capture. Nanoseconds per frame, medians of
 * the rounds, which take turns. It needs about two seconds.
 */

#include <cothon/capture.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
	ROUNDS = 41,
	FRAMES = 20000,
	MTU = 1500,
	SMALL = 60,
	LARGE = 64000,
};

enum way {
	STRAIGHT,
	ASKED,
	CAPTURED,
	WAYS,
};

struct stage {
	struct cothon_pool *pool;
	struct cothon_link *ends[2];
	struct cothon_capture *capture;
	struct cothon_frame frame;
};

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "tap: %s\n", what);
	exit(1);
}

static uint64_t nanoseconds(void *context)
{
	struct timespec now;

	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void take_capture(struct cothon_capture *capture)
{
	struct iovec iov[2];

	for (unsigned i = cothon_capture_peek(capture, iov); i > 0; i--)
		cothon_capture_consume(capture, iov[i - 1].iov_len);
}

static void cross(struct stage *stage, enum way way)
{
	struct cothon_link *from = stage->ends[0], *to = stage->ends[1];
	struct cothon_frame frame = stage->frame;
	struct cothon_buf *buf = NULL;
	int error;

	if (way == STRAIGHT)
		error = from->ops->transmit(from, &frame) ||
			to->ops->receive(to, stage->pool, &buf);
	else
		error = cothon_link_transmit(from, &frame) ||
			cothon_link_receive(to, stage->pool, &buf);
	if (error)
		fail("a frame was lost");
	cothon_buf_put(buf);
	if (stage->capture)
		take_capture(stage->capture);
}

static double run(struct stage *stage, enum way way, unsigned frames)
{
	struct cothon_capture_config config = {
		.memory = cothon_memory_malloc,
		.link = stage->ends[1],
		.room = 1 << 20,
		.clock = nanoseconds,
	};
	uint64_t begun;

	if (way == CAPTURED && cothon_capture_open(&config, &stage->capture) < 0)
		fail("no memory");
	begun = nanoseconds(NULL);
	for (unsigned i = 0; i < frames; i++)
		cross(stage, way);
	begun = nanoseconds(NULL) - begun;
	if (stage->capture)
		cothon_capture_close(stage->capture);
	stage->capture = NULL;
	return (double)begun / frames;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* A TCP segment over IPv4, cut by the link when it is larger than the MTU. */
static void make_frame(struct stage *stage, uint8_t *packet, size_t len)
{
	memset(packet, 0, len);
	packet[0] = 0x45;
	packet[2] = (uint8_t)(len >> 8);
	packet[3] = (uint8_t)len;
	packet[9] = 6;
	packet[20 + 12] = 5 << 4;
	stage->frame = (struct cothon_frame){
		.iov = {{0}, {packet, len}},
		.count = 2,
		.len = len,
		.offload = {.csum_partial = true,
			    .csum_start = 20,
			    .csum_offset = 16,
			    .header_len = 40},
	};
	if (len > MTU) {
		stage->frame.offload.gso = COTHON_GSO_TCP;
		stage->frame.offload.gso_size = MTU - 40;
	}
}

static void measure(struct stage *stage, uint8_t *packet, size_t len, unsigned frames)
{
	double figures[WAYS][ROUNDS];

	make_frame(stage, packet, len);
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned way = 0; way < WAYS; way++)
			figures[way][round] = run(stage, (enum way)way, frames);
	}
	printf("%6zu", len);
	for (unsigned way = 0; way < WAYS; way++) {
		qsort(figures[way], ROUNDS, sizeof(double), compare);
		printf("  %9.1f", figures[way][ROUNDS / 2]);
	}
	putchar('\n');
}

int main(void)
{
	static uint8_t packet[LARGE];
	const struct cothon_pool_config pool = {
		.memory = cothon_memory_malloc, .limit = 1 << 26, .keep = 1 << 20};
	struct stage stage = {.pool = cothon_pool_create(&pool)};

	if (!stage.pool || cothon_wire_open(&cothon_memory_malloc, stage.pool, MTU,
					    COTHON_LINK_CSUM | COTHON_LINK_TSO, 16, stage.ends) < 0)
		fail("no memory");
	puts(" bytes   straight      asked   captured    ns per frame, sent and received");
	measure(&stage, packet, SMALL, FRAMES);
	measure(&stage, packet, LARGE, FRAMES / 40);
	cothon_link_close(stage.ends[0]);
	cothon_link_close(stage.ends[1]);
	cothon_pool_destroy(stage.pool);
	return 0;
}
