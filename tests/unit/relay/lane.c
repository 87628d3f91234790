/* SPDX-License-Identifier: MIT */

/* A relay with several queues: what is left when it cannot be made, and that its threads start and end. */

#include "relay/relay.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

enum {
	QUEUES = 3,
	/* More descriptors than a relay with so many queues opens. */
	MANY = 64,
};

struct device {
	struct host_loop *loop;
	struct cothon_pool *pool;
	struct cothon_link *queues[QUEUES], *far[QUEUES];
	struct relay_queue others[QUEUES - 1];
	struct relay *relay;
};

static int open_device(void **state)
{
	static struct device device;
	const struct cothon_pool_config pool = {.memory = cothon_memory_malloc, .limit = 1 << 20};

	device = (struct device){.pool = cothon_pool_create(&pool)};
	assert_int_equal(host_loop_create(&device.loop), 0);
	for (unsigned i = 0; i < QUEUES; i++) {
		struct cothon_link *ends[2];

		assert_int_equal(
			cothon_wire_open(&cothon_memory_malloc, device.pool, 1500, 0, 16, ends), 0);
		device.queues[i] = ends[0];
		device.far[i] = ends[1];
		if (i > 0)
			device.others[i - 1] = (struct relay_queue){ends[0], -1};
	}
	*state = &device;
	return 0;
}

static int close_device(void **state)
{
	struct device *device = *state;

	for (unsigned i = 0; i < QUEUES; i++)
		cothon_link_close(device->far[i]);
	host_loop_destroy(device->loop);
	cothon_pool_destroy(device->pool);
	return 0;
}

static int create(struct device *device)
{
	const struct relay_config config = {
		.loop = device->loop,
		.link = device->queues[0],
		.link_fd = -1,
		.queues = device->others,
		.queue_count = QUEUES - 1,
		.network = relay_network_default(),
		.limits = {.tcp_flows = 10},
	};

	return relay_create(&config, &device->relay);
}

/* The lowest number that a new descriptor would have. */
static int next_descriptor(void)
{
	int fd = dup(STDERR_FILENO);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

/* Wherever descriptors run out, nothing is left open, and the queues are still the caller's. */
static void without_descriptors_nothing_is_left(void **state)
{
	struct device *device = *state;
	const int first = next_descriptor();
	struct rlimit before, few;
	int error = -EMFILE, count;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (count = 0; error && count < MANY; count++) {
		few = (struct rlimit){(rlim_t)(first + count), before.rlim_max};
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
		error = create(device);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		if (error) {
			assert_int_equal(error, -EMFILE);
			assert_int_equal(next_descriptor(), first);
		}
	}
	assert_int_equal(error, 0);
	/* A mailbox for each, and a loop for all but the first. */
	assert_true(count > 2 * QUEUES - 1);
	relay_destroy(device->relay);
	assert_int_equal(next_descriptor(), first);
}

static void find_flows(const struct relay_limit *limit, void *context)
{
	uint64_t *bound = context;

	/* The first of them all. */
	if (*bound == 0)
		*bound = limit->bound;
}

struct stopper {
	struct host_hook hook;
	struct host_loop *loop;
};

static uint64_t stop_loop(struct host_hook *hook, uint64_t now)
{
	struct stopper *stopper = (struct stopper *)(void *)hook;

	host_loop_stop(stopper->loop);
	return now;
}

/* Asked again and again, while the loop runs and while it does not: nobody waits for ever. */
static void threads_rest_and_go_on(void **state)
{
	struct device *device = *state;
	struct stopper stopper = {{.turn = stop_loop}, device->loop};

	assert_int_equal(create(device), 0);
	assert_int_equal(relay_counters(device->relay)->handed, 0);
	assert_int_equal(relay_start_lanes(device->relay), 0);
	host_loop_hook(device->loop, &stopper.hook);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t bound = 0;

		assert_int_equal(relay_flow_count(device->relay).tcp, 0);
		assert_int_equal(relay_stack_counters(device->relay)->frames_in, 0);
		relay_limits(device->relay, find_flows, &bound);
		/* Of all together, though each has a part. */
		assert_int_equal(bound, 10);
		if (i % 2)
			assert_int_equal(host_loop_run(device->loop), 0);
	}
	host_loop_unhook(device->loop, &stopper.hook);
	relay_drain(device->relay);
	assert_int_equal(relay_undelivered(device->relay), 0);
	relay_destroy(device->relay);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(without_descriptors_nothing_is_left, open_device,
						close_device),
		cmocka_unit_test_setup_teardown(threads_rest_and_go_on, open_device, close_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
