/* SPDX-License-Identifier: MIT */

/*
 * Goodput of one connection over an impaired path: a bridge in user space between two TUN devices in namespaces of
 * their own, or between one and the library.
 *
 *	goodput library|linux sends|receives LOSS RTT SECONDS SEED
 *
 * The other end is always Linux. LOSS is of a million, on the way of the data, RTT in microseconds. Says the goodput in
 * Mbit/s.
 */

#include "end.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

enum {
	/* The bottleneck, in bytes per second: 100 Mbit/s. */
	RATE = 12500000,
	/* Bytes that wait there at least. */
	QUEUE = 100000,
	MILLION = 1000000,
	BUDGET = 64, /* frames from each side in one turn */
};

static const char near_address[] = "10.77.0.1", far_address[] = "10.77.0.2";

struct path {
	struct cothon_pool *pool;
	struct end ends[2];
	struct cothon_link *ways[2]; /* to the end of the same number */
};

static uint64_t now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * MILLION + (uint64_t)time.tv_nsec / 1000;
}

static void impair(struct path *path, unsigned to, uint64_t rtt, uint32_t loss, uint64_t seed)
{
	uint64_t product = rtt * RATE / MILLION;
	struct cothon_impair_config config = {
		.memory = cothon_memory_malloc,
		.link = path->ends[to].link,
		.now = now(),
		.impairment =
			{
				.delay = rtt / 2,
				.rate = RATE,
				.queue = product > QUEUE ? product : QUEUE,
				.loss = loss,
			},
	};
	int error;

	memcpy(config.seed, &seed, sizeof(seed));
	error = cothon_impair_open(&config, &path->ways[to]);
	if (error)
		fail("an impaired link", error);
}

/* What has come from one end is on its way to the other. Returns false when there is no more now. */
static bool carry(struct path *path, unsigned from)
{
	for (unsigned i = 0; i < BUDGET; i++) {
		struct cothon_buf *buf;
		struct cothon_frame frame = {.count = 2};

		if (cothon_link_receive(path->ends[from].link, path->pool, &buf))
			return false;
		frame.iov[1] = (struct iovec){buf->data, buf->len};
		frame.len = buf->len;
		frame.offload = buf->offload;
		cothon_link_transmit(path->ways[!from], &frame);
		cothon_buf_put(buf);
	}
	return true;
}

static void sleep_until(const struct path *path, unsigned writer, uint64_t due)
{
	uint64_t at = now();
	uint64_t left = due > at ? due - at : 0;
	struct timespec time = {(time_t)(left / MILLION), (long)(left % MILLION) * 1000};
	struct pollfd wait[4];
	unsigned count = 0;

	for (unsigned i = 0; i < 2; i++)
		count += end_wait(&path->ends[i], i == writer, &wait[count]);
	ppoll(wait, count, &time, NULL);
}

/* Returns the bytes that have arrived in the time. */
static uint64_t run(struct path *path, unsigned writer, uint64_t microseconds)
{
	uint64_t limit = now() + microseconds, at, bytes = 0;

	while ((at = now()) < limit) {
		uint64_t due = limit;

		for (unsigned i = 0; i < 2; i++)
			cothon_impair_run(path->ways[i], at);
		end_accept(&path->ends[1]);
		bytes += end_read(&path->ends[!writer]);
		end_write(&path->ends[writer]);
		for (unsigned i = 0; i < 2; i++) {
			uint64_t next = end_poll(&path->ends[i], at);

			due = next < due ? next : due;
			if (carry(path, i))
				due = at;
			next = cothon_impair_due(path->ways[!i]);
			due = next < due ? next : due;
		}
		sleep_until(path, writer, due);
	}
	return bytes;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (*end || end == text)
		fail("not a number", 0);
	return value;
}

int main(int argc, char **argv)
{
	const struct cothon_pool_config pool_config = {
		.memory = cothon_memory_malloc,
		.limit = 256 << 20,
		.keep = 1 << 20,
	};
	struct path path = {.pool = cothon_pool_create(&pool_config)};
	uint64_t loss, rtt, seconds, seed, bytes;
	bool library, receives;

	if (argc != 7)
		fail("usage: goodput library|linux sends|receives LOSS RTT SECONDS SEED", 0);
	library = strcmp(argv[1], "library") == 0;
	receives = strcmp(argv[2], "receives") == 0;
	loss = number(argv[3]);
	rtt = number(argv[4]);
	seconds = number(argv[5]);
	seed = number(argv[6]);
	/* Timers of the path that are late by the usual 50 microseconds would be 5 % of the shortest round trip. */
	prctl(PR_SET_TIMERSLACK, 1UL);
	end_open_linux(&path.ends[1], far_address);
	end_listen(&path.ends[1]);
	if (library)
		end_open_library(&path.ends[0], near_address, path.pool, seed, now());
	else
		end_open_linux(&path.ends[0], near_address);
	impair(&path, !receives, rtt, (uint32_t)loss, seed);
	impair(&path, receives, rtt, 0, seed);
	end_connect(&path.ends[0], far_address);
	bytes = run(&path, receives, seconds * MILLION);
	printf("%.3f\n", (double)bytes * 8 / 1e6 / (double)seconds);
	for (unsigned i = 0; i < 2; i++) {
		cothon_link_close(path.ways[i]);
		end_close(&path.ends[i]);
	}
	cothon_pool_destroy(path.pool);
	return EXIT_SUCCESS;
}
