/* SPDX-License-Identifier: MIT */

/* Listeners, what they may hold, what a flood of SYNs may take, and what a forwarder does with one. */

#include "script.h"
#include "wire/icmp.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Listeners */

static void test_backlog(void **state)
{
	struct script_setup setup = {.backlog = 3};
	struct script_flow flows[3];
	struct script script;

	(void)state;
	script_open(&script, &setup);
	script_listen(&script);
	for (uint16_t i = 0; i < 3; i++) {
		script_another(&script, SCRIPT_PORT, (uint16_t)(5000 + i));
		script_send(&script, .flags = SYN);
		script_expect(&script, .flags = SYN | ACK, .ack = 1);
		flows[i] = script.flow;
	}
	/* Full: dropped without a word, so that the peer tries again. */
	script_another(&script, SCRIPT_PORT, 6000);
	script_send(&script, .flags = SYN);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_half_open_dropped, 1);
	/* One that is open makes room, and so does one that was reset. */
	script.flow = flows[0];
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	flows[0] = script_another(&script, SCRIPT_PORT, 6000);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	script.flow = flows[1];
	script_send(&script, .flags = RST, .seq = 1);
	script_another(&script, SCRIPT_PORT, 6001);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	script_another(&script, SCRIPT_PORT, 6002);
	script_send(&script, .flags = SYN);
	script_quiet(&script);
	cothon_tcp_abort(flows[0].tcp);
	script_close(&script);
}

/* Half-open flows are reset with their listener, open ones go on. */
static void test_close(void **state)
{
	struct script_flow open, half_open;
	struct script script;

	(void)state;
	script_established(&script, NULL);
	open = script_another(&script, SCRIPT_PORT, 5000);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	half_open = script.flow;
	cothon_listener_close(script.listener);
	script.listener = NULL;
	host_poll(&script.host);
	script_expect(&script, .flags = RST | ACK, .seq = 1, .ack = 1);
	script_quiet(&script);
	script.flow = open;
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 5);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 6);
	script.flow = half_open;
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_expect(&script, .flags = RST, .seq = 1);
	script.flow = open;
	/* The port is free. */
	script_listen(&script);
	script_close(&script);
}

/* A handler that must not be called any more. */
static void never(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	(void)tcp;
	(void)owner;
	fail_msg("told %u after the listener was closed", events);
}

/* Nor is its owner told of one that became open and that it had not heard of yet: the owner may be gone. */
static void test_close_before_told(void **state)
{
	struct cothon_endpoint local = {.addr = host_addr(false), .port = SCRIPT_PORT};
	static const struct script_segment third[] = {
		{.flags = ACK, .seq = 1, .ack = 1},
		{.flags = ACK, .seq = 1, .ack = 1, .len = 10},
		{.flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(third) / sizeof(third[0]); i++) {
		struct cothon_listener *listener;
		struct script script;
		uint8_t packet[200];
		struct cothon_buf *buf;

		script_open(&script, NULL);
		assert_int_equal(cothon_tcp_listen(script.host.stack, &local, 4, never, &script,
						   &listener),
				 0);
		script_send(&script, .flags = SYN);
		script_expect(&script, .flags = SYN | ACK, .ack = 1);
		buf = cothon_buf_get(script.host.pool, sizeof(packet));
		buf->len = (uint32_t)script_packet(&script, &third[i], buf->data);
		/* In the same round: open, and the listener closed. */
		cothon_stack_input(script.host.stack, buf, script.host.now);
		cothon_listener_close(listener);
		host_poll(&script.host);
		script_expect(&script, .flags = RST | ACK, .seq = 1,
			      .ack = 1 + third[i].len + !!(third[i].flags & FIN));
		script_quiet(&script);
		script_close(&script);
	}
}

/* A flow that was reset before its listener's owner was told of it is not worth telling. */
static void test_reset_before_told(void **state)
{
	struct cothon_endpoint local = {.addr = host_addr(false), .port = SCRIPT_PORT};
	static const struct script_segment segments[] = {
		{.flags = ACK, .seq = 1, .ack = 1, .len = 4},
		{.flags = RST, .seq = 5},
	};
	struct cothon_listener *listener;
	struct script script;

	(void)state;
	script_open(&script, NULL);
	assert_int_equal(cothon_tcp_listen(script.host.stack, &local, 1, never, &script, &listener),
			 0);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	for (unsigned i = 0; i < 2; i++) {
		struct cothon_buf *buf = cothon_buf_get(script.host.pool, 200);

		buf->len = (uint32_t)script_packet(&script, &segments[i], buf->data);
		cothon_stack_input(script.host.stack, buf, script.host.now);
	}
	host_poll(&script.host);
	script_quiet(&script);
	/* And the backlog has its place back. */
	script_another(&script, SCRIPT_PORT, 5000);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	cothon_listener_close(listener);
	script_close(&script);
}

/* A handler may close the listener and the flow it is told of. */
static void close_all(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct script *script = owner;

	assert_true(events & COTHON_TCP_OPENED);
	if (script->listener)
		cothon_listener_close(script->listener);
	script->listener = NULL;
	cothon_tcp_abort(tcp);
}

static void test_close_in_handler(void **state)
{
	struct cothon_endpoint local = {.addr = host_addr(false), .port = SCRIPT_PORT};
	struct script_flow flows[4];
	struct script script;

	(void)state;
	script_open(&script, NULL);
	assert_int_equal(cothon_tcp_listen(script.host.stack, &local, 8, close_all, &script,
					   &script.listener),
			 0);
	for (uint16_t i = 0; i < 4; i++) {
		script_another(&script, SCRIPT_PORT, (uint16_t)(5000 + i));
		script_send(&script, .flags = SYN);
		script_expect(&script, .flags = SYN | ACK, .ack = 1);
		flows[i] = script.flow;
	}
	/* Two become open in one round; the other two stay half-open. */
	for (unsigned i = 0; i < 2; i++) {
		struct cothon_buf *buf = cothon_buf_get(script.host.pool, 200);

		script.flow = flows[i];
		buf->len = (uint32_t)script_packet(
			&script, &(struct script_segment){.flags = ACK, .seq = 1, .ack = 1},
			buf->data);
		cothon_stack_input(script.host.stack, buf, script.host.now);
	}
	host_poll(&script.host);
	assert_null(script.listener);
	assert_int_equal(script.host.counters->tcp_closed, 4);
	assert_int_equal(script.host.waiting, 4);
	host_drop_all(&script.host);
	script_close(&script);
}

/* MUST-57, MUST-63: from or to addresses that are nobody's, no SYN opens anything. */
static void test_invalid_addresses(void **state)
{
	static const char *const sources[] = {"0.0.0.0", "127.0.0.1", "224.0.0.1",
					      "255.255.255.255", "192.0.2.1"};
	static const char *const destinations[] = {"224.0.0.1", "255.255.255.255", "127.0.0.1",
						   "0.0.0.0"};
	struct script script;
	uint8_t packet[200];
	size_t len;

	(void)state;
	script_open(&script, NULL);
	script_listen(&script);
	len = script_packet(&script, &(struct script_segment){.flags = SYN}, packet);
	for (size_t i = 0; i < 9; i++) {
		struct cothon_ip ip = host_header(false, false, COTHON_IPPROTO_TCP);

		if (i < 5)
			ip.source = host_parse(sources[i]);
		else
			ip.destination = host_parse(destinations[i - 5]);
		len = host_ip(packet, ip, packet + 20, len - 20);
		/* The link vouches for the checksum, which these addresses spoil. */
		host_input_offload(&script.host, packet, len,
				   &(struct cothon_offload){.csum_valid = true});
	}
	assert_int_equal(script.host.counters->tcp_in, 0);
	script_quiet(&script);
	script_close(&script);
}

/* Floods */

static void few_flows(struct cothon_stack_config *config)
{
	config->max_half_open = 1000;
}

/* RFC 4987: a million SYNs take a bounded place and time, and do no harm to what is open. */
static void test_syn_flood(void **state)
{
	struct script_setup setup = {.host.configure = few_flows, .backlog = 100000};
	const struct cothon_offload offload = {.csum_valid = true};
	struct cothon_pool *pool;
	struct script script;
	uint8_t packet[200];
	size_t len, most;

	(void)state;
	script_established(&script, &setup);
	pool = script.host.pool;
	len = script_packet(&script, &(struct script_segment){.flags = SYN}, packet);
	most = script.host.memory.live + 1000 * 2048;
	for (uint32_t i = 0; i < 1000000; i++) {
		struct cothon_buf *buf = cothon_buf_get(pool, len);

		cothon_put16(packet + 20, (uint16_t)(i % 50000));
		cothon_put32(packet + 24, i * 7919);
		memcpy(buf->data, packet, len);
		buf->len = (uint32_t)len;
		buf->offload = offload;
		cothon_stack_input(script.host.stack, buf, script.host.now);
		if (i % 1000 == 0) {
			script.host.deadline =
				cothon_stack_poll(script.host.stack, script.host.now);
			host_drop_all(&script.host);
			assert_true(script.host.memory.live < most);
			script.host.now += 100;
		}
	}
	host_poll(&script.host);
	host_drop_all(&script.host);
	assert_true(script.host.counters->tcp_half_open_dropped > 900000);
	/* The flow that was open goes on. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 101);
	/* After a while those that never answered are gone, and there is room again. */
	while (script.host.memory.live > most - 1000 * 1024) {
		script_wait(&script, 10 * UINT64_C(1000000));
		host_drop_all(&script.host);
		assert_true(script.host.now < 400 * UINT64_C(1000000));
	}
	script_wait(&script, 240 * UINT64_C(1000000));
	host_drop_all(&script.host);
	assert_int_equal(script.host.deadline, COTHON_NEVER);
	script_close(&script);
}

/* The bound on flows, and how those in TIME-WAIT give way */

static void eight_flows(struct cothon_stack_config *config)
{
	config->max_flows = 8;
}

static void test_flow_bound(void **state)
{
	struct script_setup setup = {.host.configure = eight_flows};
	struct script_flow open[8];
	struct cothon_tcp *tcp;
	struct script script;

	(void)state;
	script_open(&script, &setup);
	script_listen(&script);
	for (uint16_t i = 0; i < 8; i++) {
		script_another(&script, SCRIPT_PORT, (uint16_t)(5000 + i));
		script_accept(&script);
		open[i] = script.flow;
	}
	script_another(&script, SCRIPT_PORT, 6000);
	script_send(&script, .flags = SYN);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_half_open_dropped, 1);
	assert_int_equal(cothon_tcp_connect(script.host.stack,
					    &(struct cothon_endpoint){.addr = host_addr(false)},
					    &(struct cothon_endpoint){host_peer(false), 9}, never,
					    NULL, &tcp),
			 -ENOBUFS);
	/* Two go to TIME-WAIT; the first of them makes room, and its owner keeps the handle. */
	for (unsigned i = 0; i < 2; i++) {
		struct script_segment next;

		script.flow = open[i];
		script_enter(&script, COTHON_TCP_TIME_WAIT, &next);
		open[i] = script.flow;
	}
	script_another(&script, SCRIPT_PORT, 6000);
	script_accept(&script);
	assert_int_equal(script.host.counters->tcp_closed, 1);
	cothon_tcp_abort(script.flow.tcp);
	host_poll(&script.host);
	script_ignore(&script);
	for (unsigned i = 0; i < 2; i++) {
		script.flow = open[i];
		assert_int_equal(script_state(&script),
				 i ? COTHON_TCP_TIME_WAIT : COTHON_TCP_CLOSED);
	}
	/* A quarter of all is the most that may wait: a third one takes the place of the second. */
	for (unsigned i = 2; i < 5; i++) {
		struct script_segment next;

		script.flow = open[i];
		script_enter(&script, COTHON_TCP_TIME_WAIT, &next);
		open[i] = script.flow;
	}
	script.flow = open[1];
	assert_int_equal(script_state(&script), COTHON_TCP_CLOSED);
	script.flow = open[4];
	assert_int_equal(script_state(&script), COTHON_TCP_TIME_WAIT);
	for (unsigned i = 0; i < 8; i++)
		cothon_tcp_abort(open[i].tcp);
	script.flow.tcp = NULL;
	host_poll(&script.host);
	host_drop_all(&script.host);
	script_close(&script);
}

static void one_flow(struct cothon_stack_config *config)
{
	config->max_flows = 1;
}

/* With the smallest bound there is, a flow can still end in order. */
static void test_single_flow(void **state)
{
	struct script_setup setup = {.host.configure = one_flow};
	struct script_segment next;
	struct script script;

	(void)state;
	for (int owned = 0; owned < 2; owned++) {
		script_established(&script, &setup);
		script_enter(&script, COTHON_TCP_CLOSING, &next);
		if (!owned)
			script_close_flow(&script);
		script_send(&script, .flags = ACK, .seq = 2, .ack = 2);
		if (owned)
			assert_int_equal(script_state(&script), COTHON_TCP_TIME_WAIT);
		script_close(&script);
	}
}

/* Handles that were told of the end and not given up are freed with the stack. */
static void test_destroy_with_handles(void **state)
{
	struct script_segment next;
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	script_send(&script, .flags = RST, .seq = 101);
	assert_true(script.flow.ended);
	script_ignore(&script);
	script_another(&script, SCRIPT_PORT, 5000);
	script_accept(&script);
	script_enter(&script, COTHON_TCP_TIME_WAIT, &next);
	script_another(&script, SCRIPT_PORT, 5001);
	script_accept(&script);
	script_write(&script, 1000);
	script_another(&script, SCRIPT_PORT, 5002);
	host_drop_all(&script.host);
	script_send(&script, .flags = SYN);
	script.flow.tcp = NULL;
	cothon_listener_close(script.listener);
	script.listener = NULL;
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backlog),
		cmocka_unit_test(test_close),
		cmocka_unit_test(test_close_before_told),
		cmocka_unit_test(test_reset_before_told),
		cmocka_unit_test(test_close_in_handler),
		cmocka_unit_test(test_invalid_addresses),
		cmocka_unit_test(test_syn_flood),
		cmocka_unit_test(test_flow_bound),
		cmocka_unit_test(test_single_flow),
		cmocka_unit_test(test_destroy_with_handles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
