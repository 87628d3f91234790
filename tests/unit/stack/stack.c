/* SPDX-License-Identifier: MIT */

/* A stack's life, addresses, bindings, drive and counters. */

#include "stack/stack.h"

#include "host.h"
#include "stack/icmp.h"
#include <cothon/tcp.h>
#include <cothon/udp.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void take_datagram(struct cothon_udp *udp, void *owner,
			  const struct cothon_datagram *datagram)
{
	(void)udp;
	(void)owner;
	(void)datagram;
}

static void handle(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	(void)tcp;
	(void)owner;
	(void)events;
}

static void test_create_errors(void **state)
{
	static const struct {
		uint16_t first, last;
		const char *congestion;
	} wrong[] = {
		{1023, 2000, NULL}, {1, 2, NULL}, {50000, 49999, NULL}, {0, 49151, NULL},
		{0, 0, "vegas"},    {0, 0, ""},   {0, 0, "CUBIC"},
	};
	struct cothon_stack *stack;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct cothon_stack_config config = {
			.memory = host_memory_of(&host.memory),
			.link = &host.link,
			.pool = host.pool,
			.ephemeral_first = wrong[i].first,
			.ephemeral_last = wrong[i].last,
			.congestion = wrong[i].congestion,
		};
		size_t before = host.memory.live;

		assert_int_equal(cothon_stack_create(&config, &stack), -EINVAL);
		assert_int_equal(host.memory.live, before);
	}
	host_destroy(&host);
}

/* Whichever allocation fails, none is left. */
static void test_create_without_memory(void **state)
{
	struct host_memory memory = {0};
	struct cothon_pool_config pool_config = {.memory = cothon_memory_malloc, .limit = SIZE_MAX};
	struct cothon_stack_config config = {.memory = host_memory_of(&memory)};
	struct cothon_stack *stack;
	struct host host;
	int error;

	(void)state;
	host_create(&host, NULL);
	config.link = &host.link;
	config.pool = cothon_pool_create(&pool_config);
	for (unsigned at = 1;; at++) {
		memory = (struct host_memory){.fail_from = at};
		error = cothon_stack_create(&config, &stack);
		if (!error)
			break;
		assert_int_equal(error, -ENOMEM);
		assert_int_equal(memory.live, 0);
		assert_true(at < 100);
	}
	cothon_stack_destroy(stack);
	assert_int_equal(memory.live, 0);
	cothon_pool_destroy(config.pool);
	host_destroy(&host);
}

static void test_congestion_names(void **state)
{
	static const char *const names[] = {"cubic", "newreno"};
	struct host host;

	(void)state;
	host_create(&host, NULL);
	for (size_t i = 0; i < 2; i++) {
		struct cothon_stack_config config = {
			.memory = host_memory_of(&host.memory),
			.link = &host.link,
			.pool = host.pool,
			.congestion = names[i],
		};
		struct cothon_stack *stack;

		assert_int_equal(cothon_stack_create(&config, &stack), 0);
		cothon_stack_destroy(stack);
	}
	host_destroy(&host);
}

static void test_addresses(void **state)
{
	static const char *const wrong[] = {"0.0.0.0",   "224.0.0.1", "255.255.255.255",
					    "240.0.0.1", "::",        "ff02::1"};
	struct cothon_addr addr = host_addr(false);
	struct host host;

	(void)state;
	host_create(&host, NULL);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		addr = host_parse(wrong[i]);
		assert_int_equal(cothon_stack_add_address(host.stack, &addr), -EINVAL);
		assert_false(cothon_stack_has_address(host.stack, &addr));
	}
	addr = host_addr(false);
	assert_int_equal(cothon_stack_add_address(host.stack, &addr), -EEXIST);
	/* Two are there already. */
	for (unsigned i = 0; i < 14; i++) {
		char text[32];

		snprintf(text, sizeof(text), "198.51.100.%u", i + 1);
		addr = host_parse(text);
		assert_false(cothon_stack_has_address(host.stack, &addr));
		assert_int_equal(cothon_stack_add_address(host.stack, &addr), 0);
		assert_true(cothon_stack_has_address(host.stack, &addr));
	}
	addr = host_parse("203.0.113.1");
	assert_int_equal(cothon_stack_add_address(host.stack, &addr), -ENOSPC);
	assert_false(cothon_stack_has_address(host.stack, &addr));
	host_destroy(&host);
}

/* What is bound at a time conflicts within its transport, not across. */
static void test_transports_apart(void **state)
{
	struct cothon_endpoint local = host_endpoint("192.0.2.1", 80);
	struct cothon_listener *listener, *other;
	struct cothon_udp *udp;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	assert_int_equal(cothon_tcp_listen(host.stack, &local, 8, handle, NULL, &listener), 0);
	assert_int_equal(cothon_udp_bind(host.stack, &local, take_datagram, NULL, &udp), 0);
	assert_int_equal(cothon_tcp_listen(host.stack, &local, 8, handle, NULL, &other),
			 -EADDRINUSE);
	assert_int_equal(cothon_tcp_listen(host.stack, &local, 0, handle, NULL, &other), -EINVAL);
	local = host_endpoint("192.0.2.8", 80);
	assert_int_equal(cothon_tcp_listen(host.stack, &local, 8, handle, NULL, &other),
			 -EADDRNOTAVAIL);
	/* One that the system chooses is of the dynamic range. */
	local = host_endpoint("::", 0);
	assert_int_equal(cothon_tcp_listen(host.stack, &local, 8, handle, NULL, &other), 0);
	assert_in_range(cothon_listener_local(other).port, 49152, 65535);
	cothon_listener_close(other);
	cothon_listener_close(listener);
	cothon_udp_close(udp);
	host_destroy(&host);
}

static void test_bindings_without_memory(void **state)
{
	struct cothon_endpoint local = host_endpoint("192.0.2.1", 80);
	struct cothon_endpoint remote = host_endpoint("192.0.2.2", 80);
	struct cothon_endpoint any = host_endpoint("0.0.0.0", 0);
	struct cothon_listener *listener;
	struct cothon_udp *udp;
	struct cothon_tcp *tcp;
	struct host host;
	size_t before;

	(void)state;
	host_create(&host, NULL);
	before = host.memory.live;
	host.memory.fail_every = 1;
	assert_int_equal(cothon_tcp_listen(host.stack, &local, 8, handle, NULL, &listener),
			 -ENOMEM);
	assert_int_equal(cothon_udp_bind(host.stack, &local, take_datagram, NULL, &udp), -ENOMEM);
	assert_int_equal(cothon_tcp_connect(host.stack, &any, &remote, handle, NULL, &tcp),
			 -ENOMEM);
	assert_int_equal(host.counters->memory_refused, 3);
	assert_int_equal(host.memory.live, before);
	host_destroy(&host);
}

/* With nothing to do a stack does not want to be called. */
static void test_idle(void **state)
{
	struct host host;

	(void)state;
	host_create(&host, NULL);
	assert_int_equal(host.deadline, COTHON_NEVER);
	host_advance(&host, UINT64_C(100000000000));
	assert_int_equal(host.deadline, COTHON_NEVER);
	assert_int_equal(host.counters->frames_out, 0);
	host_destroy(&host);
}

static void test_bucket(void **state)
{
	struct cothon_bucket bucket = {.rate = 3, .tokens = 3};
	unsigned taken = 0;

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		taken += cothon_bucket_take(&bucket, 0);
	assert_int_equal(taken, 3);
	/* A third of a second each, however often it is asked. */
	for (uint64_t now = 0; now <= 10000000; now += 7)
		taken += cothon_bucket_take(&bucket, now);
	assert_in_range(taken, 32, 33);
	assert_true(cothon_bucket_take(&bucket, UINT64_C(1) << 40));
	assert_true(cothon_bucket_take(&bucket, UINT64_C(1) << 40));
	assert_true(cothon_bucket_take(&bucket, UINT64_C(1) << 40));
	assert_false(cothon_bucket_take(&bucket, UINT64_C(1) << 40));
}

/* What a link without answers says when it is read. */
struct fake_link {
	struct cothon_link link;
	int results[8];
	unsigned at;
};

static int fake_receive(struct cothon_link *link, struct cothon_pool *pool, struct cothon_buf **buf)
{
	struct fake_link *fake = (struct fake_link *)link;
	int result = fake->results[fake->at++];

	if (result == 0) {
		*buf = cothon_buf_get(pool, 1);
		assert_non_null(*buf);
		(*buf)->data[0] = 0;
		(*buf)->len = 1;
	}
	return result;
}

static void test_receive(void **state)
{
	static const struct cothon_link_ops ops = {.receive = fake_receive};
	struct fake_link fake = {
		.link = {.ops = &ops, .mtu = 1500},
		.results = {0, 0, -EBADMSG, 0, -EAGAIN, -EIO, -ENOMEM, 0},
	};
	struct cothon_stack_config config = {.link = &fake.link};
	struct cothon_stack *stack;
	struct host host;

	(void)state;
	host_create(&host, NULL);
	config.memory = host_memory_of(&host.memory);
	config.pool = host.pool;
	assert_int_equal(cothon_stack_create(&config, &stack), 0);
	assert_int_equal(cothon_stack_receive(stack, 2, 1), 2);
	assert_int_equal(cothon_stack_receive(stack, 8, 2), 2);
	assert_int_equal(cothon_stack_receive(stack, 8, 3), -EIO);
	assert_int_equal(cothon_stack_receive(stack, 8, 4), -ENOMEM);
	assert_int_equal(cothon_stack_receive(stack, 1, 5), 1);
	/* Four frames of one byte, and one whose link header lied. */
	assert_int_equal(cothon_stack_counters(stack)->ip_bad_header, 5);
	assert_int_equal(cothon_stack_counters(stack)->frames_in, 4);
	cothon_stack_destroy(stack);
	host_destroy(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_create_errors),
		cmocka_unit_test(test_create_without_memory),
		cmocka_unit_test(test_congestion_names),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_transports_apart),
		cmocka_unit_test(test_bindings_without_memory),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_bucket),
		cmocka_unit_test(test_receive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
