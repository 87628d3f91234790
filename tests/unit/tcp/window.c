/* SPDX-License-Identifier: MIT */

/* Windows, both ways: closed for long, opened by crumbs, shrunk, and memory that runs short (RFC 9293 section 3.8.6). */

#include "stack/tcp/connection.h"

#include "script.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	MSS_AND_SCALE = SCRIPT_WITH_MSS | SCRIPT_WITH_SCALE,
	MEBIBYTE = 1 << 20,
	HOUR = 3600,
};

static const uint64_t second = 1000000;

/* The host's own window */

static void one_mebibyte(struct cothon_stack_config *config)
{
	config->max_receive = MEBIBYTE;
}

static void ten_thousand(struct cothon_stack_config *config)
{
	config->max_receive = 10000;
}

/* Sends `len` bytes at a time for as long as the window lets it; returns the next sequence number. */
static uint32_t fill(struct script *script, uint32_t at, uint32_t len, unsigned segments)
{
	for (unsigned i = 0; i < segments && script->flow.edge - at >= len; i++) {
		script_send(script, .flags = ACK, .seq = at, .ack = 1, .len = len);
		script_ignore(script);
		at += len;
	}
	return at;
}

/* What a flow may hold is bounded, also by a peer that sends byte by byte and counts on the window being rounded. */
static void test_bound(void **state)
{
	static const uint32_t lens[] = {1, 7, 31, 33, 100, 1460};

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct script_setup setup = {.host.configure = one_mebibyte,
					     .options = MSS_AND_SCALE};
		struct script script;
		uint32_t at;

		script_established(&script, &setup);
		at = fill(&script, script_widen(&script, 1), 1460, 2000);
		at = fill(&script, at, lens[i], 4000);
		fill(&script, at, 1, 4000);
		/* The scale is 5: rounding may add no more than 31 bytes. */
		assert_true(cothon_tcp_readable(script.flow.tcp) <= MEBIBYTE + 31);
		assert_true(cothon_tcp_readable(script.flow.tcp) > MEBIBYTE - 3000);
		script_close(&script);
	}
}

/* A flow begins with little, and has more as its owner reads: nothing for one who never does. */
static void test_grows_by_reading(void **state)
{
	struct script_setup setup = {.host.configure = one_mebibyte, .options = MSS_AND_SCALE};
	struct script script;
	uint32_t at;

	(void)state;
	script_established(&script, &setup);
	at = fill(&script, 1, 1000, 2000);
	assert_in_range(cothon_tcp_readable(script.flow.tcp), 64000, 65536);
	script_read(&script, 1000);
	at = fill(&script, at, 1000, 2000);
	/* One who reads, but never all. */
	for (unsigned i = 0; i < 1000; i++) {
		script_read(&script, 1000);
		script_ignore(&script);
		at = fill(&script, at, 1000, 2000);
	}
	assert_in_range(cothon_tcp_readable(script.flow.tcp), 60000, 65536);
	script_read(&script, MEBIBYTE);
	script_ignore(&script);
	assert_int_equal(script.host.stack->receive_granted, 65536);
	at = script_widen(&script, at);
	assert_in_range(script.flow.edge - at, MEBIBYTE - 3000, MEBIBYTE + 31);
	assert_int_equal(script.host.stack->receive_granted, MEBIBYTE - 65536);
	/* What it was given others may have when it is over. */
	script_send(&script, .flags = RST, .seq = at);
	assert_int_equal(script.host.stack->receive_granted, 0);
	script_close(&script);
}

/* Together the buffers grow by no more than the pool's limit. */
static void test_growth_is_shared(void **state)
{
	struct script_setup setup = {.host.configure = one_mebibyte,
				     .host.pool_limit = 300000,
				     .options = MSS_AND_SCALE};
	struct script script;
	uint32_t at = 1;

	(void)state;
	script_established(&script, &setup);
	for (unsigned i = 0; i < 4000; i++) {
		at = fill(&script, at, 1000, 1);
		script_read(&script, 1000);
		script_ignore(&script);
	}
	assert_int_equal(script.host.stack->receive_granted, 3 * 65536);
	assert_in_range(script.flow.edge - at, 4 * 65536 - 2000, 4 * 65536);
	script_close(&script);
}

/* SHLD-14 is checked on every segment by script.c; what was offered is also taken. */
static void test_offer_is_kept(void **state)
{
	struct script_setup setup = {.host.configure = one_mebibyte, .options = MSS_AND_SCALE};
	uint32_t x = 9;

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		struct script script;
		uint32_t at = 1;

		script_established(&script, &setup);
		for (unsigned i = 0; i < 2000; i++) {
			uint32_t len = 1 + (x >> 20) % 1460, left = script.flow.edge - at;
			struct script_segment got;

			x = x * 1664525 + 1013904223;
			if (len > left)
				len = left;
			if (len) {
				script_send(&script, .flags = ACK, .seq = at, .ack = 1, .len = len);
				at += len;
				got = script_take(&script);
				assert_int_equal(got.ack, at);
			}
			script_ignore(&script);
			if (x >> 10 & 1)
				script_read(&script, (x >> 12) % 3000);
			script_ignore(&script);
		}
		script_close(&script);
	}
}

/* MUST-39: reading byte by byte moves the right edge by a segment or half the buffer, not by a byte. */
static void test_crumbs(void **state)
{
	struct script_setup setup = {.host.configure = ten_thousand, .options = SCRIPT_WITH_MSS};
	uint32_t edge, at = 1, updates = 0;
	struct script script;

	(void)state;
	script_established(&script, &setup);
	while (at < 10001) {
		script_send(&script, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
		at += 1000;
	}
	script_ignore(&script);
	edge = script.flow.edge;
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(script_read(&script, 1), 1);
		script_send(&script, .flags = ACK, .seq = at - 1, .ack = 1);
		script_ignore(&script);
		if (script.flow.edge != edge) {
			assert_true(script.flow.edge - edge >= 1000);
			edge = script.flow.edge;
			updates++;
		}
	}
	assert_in_range(updates, 5, 10);
	assert_int_equal(edge, 20001);
	script_close(&script);
}

/* A window that was closed is offered again as soon as there is room for a segment, without being asked. */
static void test_update(void **state)
{
	struct script_setup setup = {.host.configure = ten_thousand, .options = SCRIPT_WITH_MSS};
	struct script script;
	uint32_t at = 1;

	(void)state;
	script_established(&script, &setup);
	while (at < 10001) {
		script_send(&script, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
		at += 1000;
	}
	script_ignore(&script);
	assert_int_equal(script.flow.edge, at);
	assert_int_equal(script_read(&script, 999), 999);
	script_quiet(&script);
	assert_int_equal(script_read(&script, 1), 1);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = at, .window = 1000);
	script_close(&script);
}

/* The peer's window */

/* MUST-35, MUST-36, MUST-37: a closed window is probed, ever less often, for ever while the peer answers. */
static void test_persist(void **state)
{
	struct script script;
	uint64_t last = 0, end;
	unsigned probes = 0;

	(void)state;
	script_established(&script, NULL);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .zero_window = true);
	script_write(&script, 5000);
	script_quiet(&script);
	last = script.host.now;
	end = last + 24 * HOUR * second;
	while (script.host.now < end) {
		uint64_t gap;

		script_wait(&script, second / 100);
		if (!script.host.first)
			continue;
		/* A segment below the window: the peer has to answer (RFC 9293 section 3.8.6.1). */
		script_expect(&script, .flags = ACK, .seq = 0, .ack = 1);
		gap = script.host.now - last;
		/* SHLD-29, SHLD-30: first after the time-out, then after doubling times up to a minute. */
		if (probes == 0)
			assert_in_range(gap, second / 5, second * 11 / 10);
		assert_true(gap < 61 * second);
		if (probes > 10)
			assert_true(gap > 59 * second);
		last = script.host.now;
		probes++;
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .zero_window = true);
		script_quiet(&script);
	}
	assert_in_range(probes, 24 * 60 - 5, 24 * 60 + 15);
	assert_false(script.flow.ended);
	/* Then it goes on at once, and what is lost is sent again after the usual time. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .window = 536);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 536);
	script_quiet(&script);
	script_wait(&script, second / 4);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 536);
	assert_int_equal(script.host.counters->tcp_timeouts, 1);
	script_close(&script);
}

/* Nor does a probe that was just due hurry what is sent when the window opens. */
static void test_persist_leaves_no_trace(void **state)
{
	struct cothon_tcp_info info;

	(void)state;
	for (uint64_t wait = 0; wait < 100; wait += 7) {
		struct script script;
		uint64_t sent;

		script_established(&script, NULL);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .zero_window = true);
		script_write(&script, 536);
		/* Before, at and after the first probes. */
		script_wait(&script, wait * second / 25);
		script_ignore(&script);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 536);
		sent = script.host.now;
		cothon_tcp_info(script.flow.tcp, &info);
		while (!script.host.first)
			script_wait(&script, 1000);
		assert_in_range(script.host.now - sent, info.rto, info.rto + 4000);
		script_close(&script);
	}
}

/* A peer that answers nothing is given up after R2, with the window closed too. */
static void test_persist_unanswered(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .zero_window = true);
	script_write(&script, 100);
	script_wait(&script, 920 * second);
	assert_false(script.flow.ended);
	script_wait(&script, 120 * second);
	assert_true(script.flow.ended);
	assert_int_equal(script.flow.error, -ETIMEDOUT);
	host_drop_all(&script.host);
	script_close(&script);
}

/* Silence before there was anything to send is nobody's fault: R2 counts from when it waited for the window. */
static void test_persist_after_silence(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .zero_window = true);
	script_wait(&script, HOUR * second);
	script_write(&script, 100);
	script_wait(&script, 900 * second);
	assert_false(script.flow.ended);
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	script_close(&script);
}

/* RFC 6429: nobody is left who could give up a flow that its owner has closed, so the time does, answers or not. */
static void test_persist_orphaned(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .zero_window = true);
	script_write(&script, 100);
	script_close_flow(&script);
	for (unsigned i = 0; i < 100; i++) {
		script_wait(&script, 10 * second);
		script_ignore(&script);
		if (i < 90)
			assert_int_equal(script.host.counters->tcp_closed, 0);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .zero_window = true);
	}
	script_wait(&script, 60 * second);
	assert_int_equal(script.host.counters->tcp_closed, 1);
	script_ignore(&script);
	script_close(&script);
}

/* MUST-34: a peer may take its window back. What lies beyond it is sent when it opens, and nothing is given up. */
static void test_shrinking_peer(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_MSS, .mss = 1000};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_write(&script, 9000);
	for (uint32_t at = 1; at < 9001; at += 1000)
		script_expect(&script, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 2001, .window = 500);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 2001, .zero_window = true);
	/* Two hours of a closed window, of which the peer speaks whenever it is asked. */
	for (unsigned i = 0; i < 720; i++) {
		script_wait(&script, 10 * second);
		if (!script.host.first)
			continue;
		script_ignore(&script);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 2001, .zero_window = true);
	}
	assert_false(script.flow.ended);
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 2001, .window = 20000);
	for (uint32_t acked = 2001; acked < 9001;) {
		struct script_segment got;

		if (!script.host.first)
			script_wait(&script, 61 * second);
		got = script_take(&script);
		if (got.seq <= acked && got.seq + got.len > acked)
			acked = got.seq + got.len;
		script_send(&script, .flags = ACK, .seq = 1, .ack = acked, .window = 20000);
	}
	script_ignore(&script);
	assert_int_equal(cothon_tcp_unacknowledged(script.flow.tcp), 0);
	script_close(&script);
}

/* SND.WL1, SND.WL2: an old segment does not bring an old window back. */
static void test_old_window(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_write(&script, 536);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 536);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 537, .window = 1000);
	/* Sent before, come after: an older ACK, then older data. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .window = 5000);
	script_write(&script, 5000);
	script_expect(&script, .flags = ACK, .seq = 537, .ack = 1, .len = 536);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 101, .ack = 537, .window = 2000, .len = 100);
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 537, .window = 60000, .len = 100);
	script_expect(&script, .flags = ACK, .seq = 2145, .ack = 201);
	script_quiet(&script);
	script_close(&script);
}

/* Crumbs */

/* MUST-38: no crumbs into a window that opens by crumbs, but not never either. */
static void test_no_crumbs_sent(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_MSS, .mss = 1000};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .zero_window = true);
	script_write(&script, 5000);
	for (uint32_t window = 1; window < 1000; window += 333) {
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .window = window);
		script_quiet(&script);
	}
	/* A whole segment goes. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .window = 1999);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	script_quiet(&script);
	/* A window that stays small: RFC 9293 section 3.8.6.2.1 (4), after a while it is used. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1001, .window = 100);
	script_quiet(&script);
	script_wait(&script, second / 4);
	script_expect(&script, .flags = ACK, .seq = 1001, .ack = 1, .len = 100);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1101, .window = 100);
	script_wait(&script, second / 4);
	script_expect(&script, .flags = ACK, .seq = 1101, .ack = 1, .len = 100);
	script_close(&script);
}

/* A peer whose window was never larger gets halves of it. */
static void test_small_windows(void **state)
{
	struct script_setup setup = {.window = 100};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_write(&script, 1000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 50, .window = 51);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 101, .window = 49);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 101, .window = 50);
	script_expect(&script, .flags = ACK, .seq = 101, .ack = 1, .len = 50);
	script_quiet(&script);
	script_close(&script);
}

/* SHLD-7, MUST-17: small writes wait while something is in flight, unless the owner wants otherwise. */
static void test_nagle(void **state)
{
	struct cothon_tcp_options options = {.no_delay = true};
	struct script_setup setup = {.options = SCRIPT_WITH_MSS, .mss = 1000};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_write(&script, 10);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	script_write(&script, 10);
	script_write(&script, 10);
	script_quiet(&script);
	/* A full segment does not wait. */
	script_write(&script, 990);
	script_expect(&script, .flags = ACK, .seq = 11, .ack = 1, .len = 1000);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 11);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1011);
	script_expect(&script, .flags = ACK, .seq = 1011, .ack = 1, .len = 10);
	/* The end does not wait either. */
	script_write(&script, 5);
	script_quiet(&script);
	cothon_tcp_set_options(script.flow.tcp, &options);
	script_write(&script, 5);
	script_expect(&script, .flags = ACK, .seq = 1021, .ack = 1, .len = 10);
	script_write(&script, 5);
	script_expect(&script, .flags = ACK, .seq = 1031, .ack = 1, .len = 5);
	options.no_delay = false;
	cothon_tcp_set_options(script.flow.tcp, &options);
	script_write(&script, 5);
	script_quiet(&script);
	script_shutdown(&script);
	script_expect(&script, .flags = FIN | ACK, .seq = 1036, .ack = 1, .len = 5);
	script_close(&script);
}

/* MUST-60, MUST-61: the last of what there is to send is pushed, what is followed by more is not. */
static void test_push(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_MSS, .mss = 1000};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_write(&script, 2500);
	assert_false(script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1000).flags &
		     PSH);
	assert_false(
		script_expect(&script, .flags = ACK, .seq = 1001, .ack = 1, .len = 1000).flags &
		PSH);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 2001);
	assert_true(script_expect(&script, .flags = ACK, .seq = 2001, .ack = 1, .len = 500).flags &
		    PSH);
	script_close(&script);
}

/* Room to write */

static void send_little(struct cothon_stack_config *config)
{
	config->max_send = 10000;
}

/* What a flow may have written is bounded, and its owner is told when there is room again. */
static void test_writable(void **state)
{
	struct script_setup setup = {
		.host.configure = send_little, .options = SCRIPT_WITH_MSS, .mss = 1000};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	assert_int_equal(script_write(&script, 20000), 10000);
	assert_int_equal(script_write(&script, 1), 0);
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 4001);
	assert_false(script.flow.events & COTHON_TCP_WRITABLE);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 5001);
	assert_true(script.flow.events & COTHON_TCP_WRITABLE);
	script_ignore(&script);
	assert_int_equal(script_write(&script, 20000), 5000);
	script_close(&script);
}

/* While memory is short a flow may hold little, but goes on; its owner is told when all of that has gone. */
static void test_writable_under_pressure(void **state)
{
	struct script_setup setup = {
		.options = MSS_AND_SCALE, .mss = 1460, .scale = 7, .host.pool_limit = 300000};
	struct cothon_buf *ballast[5];
	struct script script;
	size_t wrote;

	(void)state;
	script_established(&script, &setup);
	for (unsigned i = 0; i < 5; i++)
		ballast[i] = cothon_buf_get(script.host.pool, COTHON_FRAME_MAX);
	for (unsigned round = 0; round < 10; round++) {
		wrote = script_write(&script, 100000);
		assert_in_range(wrote, 1, 16384);
		script.flow.events = 0;
		while (cothon_tcp_unacknowledged(script.flow.tcp)) {
			struct script_segment got = script_take(&script);

			script_send(&script, .flags = ACK, .seq = 1, .ack = got.seq + got.len);
		}
		assert_true(script.flow.events & COTHON_TCP_WRITABLE);
	}
	for (unsigned i = 0; i < 5; i++)
		cothon_buf_put(ballast[i]);
	assert_true(script_write(&script, 100000) > 16384);
	script_ignore(&script);
	script_close(&script);
}

/* With nothing in flight no ACK will come that could tell it: an owner who found no memory is told to try again. */
static void test_writable_without_memory(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script.host.memory.fail_every = 1;
	assert_int_equal(script_write(&script, 100), 0);
	script.flow.events = 0;
	script_wait(&script, second);
	assert_true(script.flow.events & COTHON_TCP_WRITABLE);
	script.flow.events = 0;
	/* Once for each time it found none. */
	script_wait(&script, second);
	assert_int_equal(script.flow.events, 0);
	assert_int_equal(script_write(&script, 100), 0);
	script_wait(&script, second);
	assert_true(script.flow.events & COTHON_TCP_WRITABLE);
	script.host.memory.fail_every = 0;
	assert_int_equal(script_write(&script, 100), 100);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	script_close(&script);
}

/* A full pool closes windows; nothing that was offered is dropped for it. */
static void test_window_under_pressure(void **state)
{
	struct script_setup setup = {.options = MSS_AND_SCALE, .host.pool_limit = 200000};
	struct cothon_buf *ballast[4];
	struct script script;
	uint32_t at = 1, edge;

	(void)state;
	script_established(&script, &setup);
	for (unsigned i = 0; i < 200; i++) {
		at = fill(&script, at, 1000, 1);
		script_read(&script, 1000);
		script_ignore(&script);
	}
	for (unsigned i = 0; i < 4; i++)
		ballast[i] = cothon_buf_get(script.host.pool, COTHON_FRAME_MAX);
	edge = script.flow.edge;
	for (unsigned i = 0; i < 200; i++) {
		script_send(&script, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
		at += 1000;
		script_expect(&script, .flags = ACK, .seq = 1, .ack = at);
		assert_in_range(script.flow.edge, edge, edge + 127);
	}
	assert_int_equal(script_read(&script, 300000), 200000);
	for (unsigned i = 0; i < 4; i++)
		cothon_buf_put(ballast[i]);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bound),
		cmocka_unit_test(test_grows_by_reading),
		cmocka_unit_test(test_growth_is_shared),
		cmocka_unit_test(test_offer_is_kept),
		cmocka_unit_test(test_crumbs),
		cmocka_unit_test(test_update),
		cmocka_unit_test(test_persist),
		cmocka_unit_test(test_persist_leaves_no_trace),
		cmocka_unit_test(test_persist_unanswered),
		cmocka_unit_test(test_persist_after_silence),
		cmocka_unit_test(test_persist_orphaned),
		cmocka_unit_test(test_shrinking_peer),
		cmocka_unit_test(test_old_window),
		cmocka_unit_test(test_no_crumbs_sent),
		cmocka_unit_test(test_small_windows),
		cmocka_unit_test(test_nagle),
		cmocka_unit_test(test_push),
		cmocka_unit_test(test_writable),
		cmocka_unit_test(test_writable_under_pressure),
		cmocka_unit_test(test_writable_without_memory),
		cmocka_unit_test(test_window_under_pressure),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
