/* SPDX-License-Identifier: MIT */

/*
 * What arrives: which of it is taken, in what order, and how it is acknowledged (RFC 9293 sections 3.8.6.3 and
 * 3.10.7.4, RFC 2018, RFC 7323).
 */

#include "script.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	ALL = SCRIPT_WITH_MSS | SCRIPT_WITH_SCALE | SCRIPT_WITH_TIMESTAMPS | SCRIPT_WITH_SACK,
	WINDOW = 10000,
};

static void small_buffer(struct cothon_stack_config *config)
{
	config->max_receive = WINDOW;
}

/* Peers whose sequence numbers wrap somewhere in the test, or do not. */
static const uint32_t isses[] = {0,          0x7ffffff0, 0xfffffffe, 0xffffffff,
				 0xffffff00, 0xffffd8ee, 0xffffd8ef, 0xffffd8f0};

enum {
	ISSES = sizeof(isses) / sizeof(isses[0])
};

/*
 * The acceptability test at both edges of the window, one to either side, and of segments that only overlap
 * it: what is inside is taken, the rest is cut off or answered.
 */
static void test_acceptance(void **state)
{
	/* RCV.NXT is 101, its right edge 10001. */
	static const struct {
		uint32_t seq, len;
		uint32_t taken; /* bytes in order from 101 on */
		bool out_of_order, fin;
	} cases[] = {
		{101, 1, 1, false, false},
		{101, 0, 0, false, false},
		{102, 0, 0, false, false},
		{10000, 0, 0, false, false},
		{100, 0, 0, false, false},
		{10001, 0, 0, false, false},
		{100, 1, 0, false, false},
		{100, 2, 1, false, false},
		{1, 100, 0, false, false},
		{1, 101, 1, false, false},
		{51, 100, 50, false, false},
		{102, 1, 0, true, false},
		{10000, 1, 0, true, false},
		{10001, 1, 0, false, false},
		{10000, 2, 0, true, false},
		{9990, 100, 0, true, false},
		{101, 9900, 9900, false, false},
		{101, 9901, 9900, false, false},
		{10002, 1, 0, false, false},
		{101 + 0x80000000, 10, 0, false, false},
		{0x90000000, 10, 0, false, false},
		/* FIN takes a place of its own: the last of the window, or none. */
		{101, 9899, 9899, false, true},
		{101, 9900, 9900, false, false},
	};

	(void)state;
	for (unsigned i = 0; i < ISSES * sizeof(cases) / sizeof(cases[0]); i++) {
		struct script_setup setup = {.host.configure = small_buffer,
					     .iss = isses[i % ISSES],
					     .options = SCRIPT_WITH_MSS};
		uint32_t taken = cases[i / ISSES].taken;
		bool fin = cases[i / ISSES].fin || cases[i / ISSES].len == 9900;
		struct script script;

		script_established(&script, &setup);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 101, .window = WINDOW - 100);
		assert_int_equal(script.flow.edge, 10001);
		script_send(&script, .flags = (uint8_t)(fin ? FIN | ACK : ACK),
			    .seq = cases[i / ISSES].seq, .ack = 1, .len = cases[i / ISSES].len);
		/* Without text, what is in the window is no reason to answer. */
		if (cases[i / ISSES].len == 0 && cases[i / ISSES].seq > 100 &&
		    cases[i / ISSES].seq < 10001)
			script_quiet(&script);
		else
			script_expect(&script, .flags = ACK, .seq = 1,
				      .ack = 101 + taken + cases[i / ISSES].fin);
		assert_int_equal(cothon_tcp_readable(script.flow.tcp), 100 + taken);
		assert_int_equal(script.host.counters->tcp_out_of_order,
				 cases[i / ISSES].out_of_order);
		assert_int_equal(script_read(&script, 20000), 100 + taken);
		assert_int_equal(script_state(&script), cases[i / ISSES].fin
								? COTHON_TCP_CLOSE_WAIT
								: COTHON_TCP_ESTABLISHED);
		script_close(&script);
	}
}

/* Of what lies outside nothing counts, its ACK neither; of what overlaps the window, it does. */
static void test_ack_outside(void **state)
{
	static const struct {
		uint32_t seq, len;
		bool counts;
	} cases[] = {
		{1, 0, true},  {10000, 1, true},  {9999, 0, true},
		{0, 2, true},  {10001, 1, false}, {10001, 0, false},
		{0, 0, false}, {0, 1, false},     {0x80000001, 1, false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct script_setup setup = {.host.configure = small_buffer};
		struct script script;

		script_established(&script, &setup);
		assert_int_equal(script.flow.edge, 10001);
		script_write(&script, 100);
		script_ignore(&script);
		script_send(&script, .flags = ACK, .seq = cases[i].seq, .ack = 101,
			    .len = cases[i].len);
		assert_int_equal(cothon_tcp_unacknowledged(script.flow.tcp),
				 cases[i].counts ? 0 : 100);
		script_ignore(&script);
		script_close(&script);
	}
}

/* With the window closed only what stands at its edge and carries nothing is taken; ACKs always count (MUST-66). */
static void test_zero_window(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ISSES; i++) {
		struct script_setup setup = {.host.configure = small_buffer, .iss = isses[i]};
		struct script script;

		script_established(&script, &setup);
		assert_int_equal(script_write(&script, 100), 100);
		script_ignore(&script);
		for (uint32_t at = 1; at < 10001; at += 1000)
			script_send(&script, .flags = ACK, .seq = at, .ack = 1, .len = 1000);
		script_ignore(&script);
		assert_int_equal(script.flow.edge, 10001);
		/* A probe with a byte, one without, one below: each is answered, none is taken. */
		script_send(&script, .flags = ACK, .seq = 10001, .ack = 1, .len = 1);
		script_expect(&script, .flags = ACK, .seq = 101, .ack = 10001, .zero_window = true);
		script_send(&script, .flags = ACK, .seq = 10000, .ack = 1);
		script_expect(&script, .flags = ACK, .seq = 101, .ack = 10001, .zero_window = true);
		script_send(&script, .flags = ACK, .seq = 10002, .ack = 1);
		script_expect(&script, .flags = ACK, .seq = 101, .ack = 10001, .zero_window = true);
		script_send(&script, .flags = FIN | ACK, .seq = 10001, .ack = 1);
		script_expect(&script, .flags = ACK, .seq = 101, .ack = 10001, .zero_window = true);
		assert_int_equal(script_state(&script), COTHON_TCP_ESTABLISHED);
		/* The ACK beside data that is not taken counts. */
		assert_int_equal(cothon_tcp_unacknowledged(script.flow.tcp), 100);
		script_send(&script, .flags = ACK, .seq = 10001, .ack = 101, .len = 1);
		script_expect(&script, .flags = ACK, .seq = 101, .ack = 10001, .zero_window = true);
		assert_int_equal(cothon_tcp_unacknowledged(script.flow.tcp), 0);
		assert_int_equal(script_read(&script, 20000), 10000);
		script_expect(&script, .flags = ACK, .seq = 101, .ack = 10001, .window = WINDOW);
		script_send(&script, .flags = ACK, .seq = 10001, .ack = 101, .len = 1);
		script_expect(&script, .flags = ACK, .seq = 101, .ack = 10002);
		script_close(&script);
	}
}

/* Out of order: every permutation of five segments and the end, each sent twice, across the wrap. */
static void test_every_order(void **state)
{
	static const struct {
		uint32_t seq, len;
		bool fin;
	} segments[] = {{1, 100, false},
			{101, 1, false},
			{102, 500, false},
			{602, 60, false},
			{662, 10, true}};

	(void)state;
	for (unsigned number = 0; number < 120 * 4; number++) {
		struct script_setup setup = {.iss = isses[2 + number % 4],
					     .options = number % 2 ? ALL : SCRIPT_WITH_MSS};
		unsigned left[5] = {0, 1, 2, 3, 4}, rest = number / 4;
		struct script script;

		if (number % 4 == 3)
			setup.iss = 0xffffff00;
		script_established(&script, &setup);
		for (unsigned i = 5; i > 0; i--) {
			unsigned at = rest % i, pick = left[at];

			rest /= i;
			memmove(left + at, left + at + 1, (i - at - 1) * sizeof(*left));
			for (int twice = 0; twice < 2; twice++)
				script_send(&script, .flags = segments[pick].fin ? FIN | ACK : ACK,
					    .seq = segments[pick].seq, .ack = 1,
					    .len = segments[pick].len);
		}
		script_ignore(&script);
		assert_int_equal(script_read(&script, 1000), 671);
		assert_int_equal(script_read(&script, 1000), 0);
		assert_int_equal(script_state(&script), COTHON_TCP_CLOSE_WAIT);
		script_close(&script);
	}
}

/* Segments that overlap each other in every way make one stream. */
static void test_overlaps(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct script_setup setup = {.iss = isses[round % ISSES],
					     .options = SCRIPT_WITH_SACK};
		struct script script;
		bool got[201] = {0};
		unsigned missing = 200;

		script_established(&script, &setup);
		while (missing > 0) {
			uint32_t from, to;

			x = x * 1664525 + 1013904223;
			from = 1 + (x >> 8) % 200;
			to = from + 1 + (x >> 16) % 30;
			if (to > 201)
				to = 201;
			for (uint32_t i = from; i < to; i++) {
				missing -= !got[i];
				got[i] = true;
			}
			script_send(&script, .flags = to == 201 ? FIN | ACK : ACK, .seq = from,
				    .ack = 1, .len = to - from);
			script_ignore(&script);
		}
		assert_int_equal(script_read(&script, 1000), 200);
		assert_int_equal(script_state(&script), COTHON_TCP_CLOSE_WAIT);
		assert_int_equal(cothon_tcp_readable(script.flow.tcp), 0);
		script_close(&script);
	}
}

/* SHLD-31, SegmentSmack: a flood of holes takes a bounded place and is answered at once. */
static void test_hole_flood(void **state)
{
	(void)state;
	for (unsigned pattern = 0; pattern < 3; pattern++) {
		struct script_setup setup = {.options = ALL, .scale = 7};
		struct script script;
		uint32_t start;
		size_t before;

		script_established(&script, &setup);
		start = script_widen(&script, 1);
		before = script.host.memory.live;
		for (uint32_t i = 0; i < 100000; i++) {
			uint32_t place = pattern == 0   ? i
					 : pattern == 1 ? 99999 - i
							: i * 7919 % 100000;

			script_send(&script, .flags = ACK, .seq = start + 9 + 2 * place, .ack = 1,
				    .len = 1);
			if (i % 100 == 0) {
				script_ignore(&script);
				assert_true(script.host.memory.live < before + 1000000);
			}
			host_drop_all(&script.host);
		}
		assert_true(script.host.counters->tcp_out_of_order_dropped > 90000);
		/* What is in order is always taken. */
		script_send(&script, .flags = ACK, .seq = start, .ack = 1, .len = 3);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = start + 3);
		script_close(&script);
	}
}

/* A FIN that has data behind it is a lie: where it would cut off what is held it does not count. */
static void test_data_behind_fin(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_send(&script, .flags = ACK, .seq = 50, .ack = 1, .len = 10);
	script_send(&script, .flags = FIN | ACK, .seq = 20, .ack = 1, .len = 35);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 19);
	script_ignore(&script);
	assert_int_equal(script_read(&script, 100), 59);
	assert_int_equal(script_state(&script), COTHON_TCP_ESTABLISHED);
	script_close(&script);
}

/* When memory is short nothing more is held out of order, but what was reported as held stays. */
static void test_no_reneging(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_SACK, .host.pool_limit = 100000};
	struct cothon_buf *ballast[2];
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_send(&script, .flags = ACK, .seq = 101, .ack = 1, .len = 100);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .sacks = 1, .sack = {{101, 201}});
	for (unsigned i = 0; i < 2; i++)
		ballast[i] = cothon_buf_get(script.host.pool, COTHON_FRAME_MAX);
	script_send(&script, .flags = ACK, .seq = 51, .ack = 1, .len = 300);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .sacks = 1, .sack = {{101, 201}});
	assert_int_equal(script.host.counters->tcp_out_of_order_dropped, 1);
	/* What is in order is taken, short or not. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 201);
	assert_int_equal(script_read(&script, 1000), 200);
	for (unsigned i = 0; i < 2; i++)
		cothon_buf_put(ballast[i]);
	script_close(&script);
}

/* Acknowledgments */

/* RFC 2018 section 4: the block that was just received comes first, then the others by age; RFC 5681: at once. */
static void test_sack_blocks(void **state)
{
	struct script_setup setup = {.options = SCRIPT_WITH_SACK | SCRIPT_WITH_MSS};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_send(&script, .flags = ACK, .seq = 11, .ack = 1, .len = 10);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .sacks = 1, .sack = {{11, 21}});
	script_send(&script, .flags = ACK, .seq = 31, .ack = 1, .len = 10);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .sacks = 2,
		      .sack = {{31, 41}, {11, 21}});
	script_send(&script, .flags = ACK, .seq = 51, .ack = 1, .len = 10);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .sacks = 3,
		      .sack = {{51, 61}, {31, 41}, {11, 21}});
	script_send(&script, .flags = ACK, .seq = 71, .ack = 1, .len = 10);
	script_send(&script, .flags = ACK, .seq = 91, .ack = 1, .len = 10);
	script_take(&script);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .sacks = 4,
		      .sack = {{91, 101}, {71, 81}, {51, 61}, {31, 41}});
	/* Two become one, from the first on. */
	script_send(&script, .flags = ACK, .seq = 41, .ack = 1, .len = 10);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .sacks = 3,
		      .sack = {{31, 61}, {91, 101}, {71, 81}});
	/* What has come in order is no longer told. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 35);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 61, .sacks = 2,
		      .sack = {{91, 101}, {71, 81}});
	script_send(&script, .flags = ACK, .seq = 61, .ack = 1, .len = 10);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 81, .sacks = 1, .sack = {{91, 101}});
	script_send(&script, .flags = ACK, .seq = 81, .ack = 1, .len = 10);
	assert_int_equal(script_expect(&script, .flags = ACK, .seq = 1, .ack = 101).sacks, 0);
	assert_int_equal(script_read(&script, 1000), 100);
	script_close(&script);
}

/* Data on its way out carries no blocks (RFC 6691); what is held is told by an ACK of its own beside it. */
static void test_sack_beside_data(void **state)
{
	struct script_setup setup = {.options = ALL};
	struct cothon_buf *buf;
	struct script script;

	(void)state;
	script_established(&script, &setup);
	buf = cothon_buf_get(script.host.pool, 200);
	buf->len = (uint32_t)script_packet(
		&script, &(struct script_segment){.flags = ACK, .seq = 11, .ack = 1, .len = 10},
		buf->data);
	cothon_stack_input(script.host.stack, buf, script.host.now);
	script_write(&script, 1448);
	assert_int_equal(
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1448).sacks, 0);
	script_expect(&script, .flags = ACK, .seq = 1449, .ack = 1, .sacks = 1, .sack = {{11, 21}});
	script_quiet(&script);
	script_close(&script);
}

/* Three blocks fit beside timestamps; without the peer's leave there are none. */
static void test_sack_room(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct script_setup setup = {.options = (i & 1 ? SCRIPT_WITH_SACK : 0u) |
							(i & 2 ? SCRIPT_WITH_TIMESTAMPS : 0u)};
		struct script_segment got = {0};
		struct script script;

		script_established(&script, &setup);
		for (uint32_t at = 11; at < 100; at += 20) {
			script_send(&script, .flags = ACK, .seq = at, .ack = 1, .len = 10);
			got = script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
		}
		assert_int_equal(got.sacks, i == 0 || i == 2 ? 0 : i == 1 ? 4 : 3);
		script_close(&script);
	}
}

/* MUST-58, MUST-59: what comes in one burst is acknowledged once, after all of it. */
static void test_burst(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	for (uint32_t i = 0; i < 20; i++) {
		struct cothon_buf *buf = cothon_buf_get(script.host.pool, 600);
		struct script_segment segment = {
			.flags = ACK, .seq = 1 + 500 * i, .ack = 1, .len = 500};

		buf->len = (uint32_t)script_packet(&script, &segment, buf->data);
		cothon_stack_input(script.host.stack, buf, script.host.now);
	}
	script_quiet(&script);
	host_poll(&script.host);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 10001);
	script_quiet(&script);
	script_close(&script);
}

/* Questions, each answered in the round in which it comes, until ACKs are no longer sent at once. */
static void converse(struct script *script, uint32_t *at, uint32_t *mine)
{
	for (unsigned i = 0; i < 20; i++) {
		struct cothon_buf *buf = cothon_buf_get(script->host.pool, 1100);
		struct script_segment question = {
			.flags = ACK, .seq = *at, .ack = *mine, .len = 1000};

		buf->len = (uint32_t)script_packet(script, &question, buf->data);
		cothon_stack_input(script->host.stack, buf, script->host.now);
		*at += 1000;
		script_write(script, 10);
		script_expect(script, .flags = ACK, .seq = *mine, .ack = *at, .len = 10);
		assert_int_equal(script_read(script, 2000), 1000);
		script_ignore(script);
		*mine += 10;
	}
	script_send(script, .flags = ACK, .seq = *at, .ack = *mine);
	script_quiet(script);
}

/*
 * MUST-40, SHLD-18, SHLD-19: where the application answers what it reads an ACK may wait for the answer, but less than half
 * a second, and not for a second full segment.
 */
static void test_delayed_ack(void **state)
{
	struct script script;
	uint32_t at = 1, mine = 1;

	(void)state;
	script_established(&script, NULL);
	converse(&script, &at, &mine);
	/* The answer carries the ACK, when it comes a little later too. */
	script_send(&script, .flags = ACK, .seq = at, .ack = mine, .len = 1000);
	at += 1000;
	script_wait(&script, 20 * SCRIPT_MILLISECOND);
	script_quiet(&script);
	script_write(&script, 10);
	script_expect(&script, .flags = ACK, .seq = mine, .ack = at, .len = 10);
	mine += 10;
	script_quiet(&script);
	/* The second segment does not wait. */
	script_send(&script, .flags = ACK, .seq = at, .ack = mine, .len = 1000);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = at + 1000, .ack = mine, .len = 1000);
	at += 2000;
	script_expect(&script, .flags = ACK, .seq = mine, .ack = at);
	/* No answer: the timer. */
	script_send(&script, .flags = ACK, .seq = at, .ack = mine, .len = 1000);
	at += 1000;
	script_wait(&script, 39 * SCRIPT_MILLISECOND);
	script_quiet(&script);
	script_wait(&script, 3 * SCRIPT_MILLISECOND);
	script_expect(&script, .flags = ACK, .seq = mine, .ack = at);
	script_quiet(&script);
	/* And then they are sent at once again. */
	script_send(&script, .flags = ACK, .seq = at, .ack = mine, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = mine, .ack = at + 1000);
	script_close(&script);
}

/* What is no news, or lies behind a hole, is acknowledged at once, delayed ACK or not (RFC 5681 section 4.2). */
static void test_immediate_ack(void **state)
{
	struct script script;
	uint32_t at = 1, mine = 1;

	(void)state;
	script_established(&script, NULL);
	converse(&script, &at, &mine);
	script_send(&script, .flags = ACK, .seq = at + 1000, .ack = mine, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = mine, .ack = at);
	script_send(&script, .flags = ACK, .seq = at, .ack = mine, .len = 1000);
	at += 2000;
	script_expect(&script, .flags = ACK, .seq = mine, .ack = at);
	script_send(&script, .flags = ACK, .seq = at - 1000, .ack = mine, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = mine, .ack = at);
	script_send(&script, .flags = FIN | ACK, .seq = at, .ack = mine);
	script_expect(&script, .flags = ACK, .seq = mine, .ack = at + 1);
	script_close(&script);
}

/* A frame that the link put together counts as the segments it stands for. */
static void test_gso(void **state)
{
	struct script script;

	(void)state;
	script_established(&script, NULL);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 60000, .gso_size = 1460);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 60001);
	assert_int_equal(script_read(&script, 100000), 60000);
	script_ignore(&script);
	/* Of one that is half old the new half is taken; one behind a hole is held whole. */
	script_send(&script, .flags = ACK, .seq = 30001, .ack = 1, .len = 60000, .gso_size = 1460);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 90001);
	script_send(&script, .flags = ACK, .seq = 91001, .ack = 1, .len = 20000, .gso_size = 1460);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 90001);
	script_send(&script, .flags = ACK, .seq = 90001, .ack = 1, .len = 1000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 111001);
	assert_int_equal(script_read(&script, 100000), 51000);
	script_close(&script);
}

/* PAWS */

/* RFC 7323 section 5: an old timestamp is an old duplicate's; a RST needs none. */
static void test_paws(void **state)
{
	static const uint32_t recents[] = {1000, 0x7fffffff, 0x80000000, 0xffffffff, 1};

	(void)state;
	for (size_t i = 0; i < sizeof(recents) / sizeof(recents[0]); i++) {
		struct script_setup setup = {.options = ALL};
		uint32_t recent = recents[i];
		struct script_segment got;
		struct script script;

		script_open(&script, &setup);
		script_listen(&script);
		script.flow.ts_base = recent - 1 - 1000;
		script_accept(&script);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 10,
			    .ts_value = recent);
		got = script_expect(&script, .flags = ACK, .seq = 1, .ack = 11);
		assert_int_equal(got.ts_echo, recent);
		/* One behind, half the circle behind: dropped, and answered. */
		script_send(&script, .flags = ACK, .seq = 11, .ack = 1, .len = 10,
			    .ts_value = recent - 1 ? recent - 1 : 0xffffffff);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 11);
		script_send(&script, .flags = ACK, .seq = 11, .ack = 1, .len = 10,
			    .ts_value = recent - 0x7fffffff);
		got = script_expect(&script, .flags = ACK, .seq = 1, .ack = 11);
		assert_int_equal(got.ts_echo, recent);
		assert_int_equal(script.host.counters->tcp_paws_dropped, 2);
		/* The same, and later ones across the wrap, are taken. */
		script_send(&script, .flags = ACK, .seq = 11, .ack = 1, .len = 10,
			    .ts_value = recent);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 21);
		script_send(&script, .flags = ACK, .seq = 21, .ack = 1, .len = 10,
			    .ts_value = recent + 0x7fffffff);
		got = script_expect(&script, .flags = ACK, .seq = 1, .ack = 31);
		assert_int_equal(got.ts_echo, recent + 0x7fffffff);
		script_send(&script, .flags = RST, .seq = 31, .ts_value = recent);
		assert_true(script.flow.ended);
		assert_int_equal(script.flow.error, -ECONNRESET);
		script_close(&script);
	}
}

/* RFC 7323 section 4.3: the echo is of the segment that the ACK answers, not of one that came behind a hole. */
static void test_timestamp_echo(void **state)
{
	struct script_setup setup = {.options = ALL};
	struct script_segment got;
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .ts_value = 5000000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 11);
	script_send(&script, .flags = ACK, .seq = 21, .ack = 1, .len = 10, .ts_value = 5000020);
	got = script_expect(&script, .flags = ACK, .seq = 1, .ack = 11);
	assert_int_equal(got.ts_echo, 5000000);
	script_send(&script, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .ts_value = 5000010);
	got = script_expect(&script, .flags = ACK, .seq = 1, .ack = 31);
	assert_int_equal(got.ts_echo, 5000010);
	script_close(&script);
}

/* RFC 7323 section 5.5: after 24 days of silence the last timestamp means nothing, and the next one is the news. */
static void test_timestamp_too_old(void **state)
{
	struct script_setup setup = {.options = ALL};
	struct script_segment got;
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 10, .ts_value = 0x40000000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 11);
	script_wait(&script, 25 * 24 * 3600 * UINT64_C(1000000));
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 11, .ack = 1, .len = 10, .ts_value = 0xd0000000);
	got = script_expect(&script, .flags = ACK, .seq = 1, .ack = 21);
	assert_int_equal(got.ts_echo, 0xd0000000);
	/* And from it on old ones are dropped again. */
	script_send(&script, .flags = ACK, .seq = 21, .ack = 1, .len = 10, .ts_value = 0xc0000000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 21);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_acceptance),
		cmocka_unit_test(test_ack_outside),
		cmocka_unit_test(test_zero_window),
		cmocka_unit_test(test_every_order),
		cmocka_unit_test(test_overlaps),
		cmocka_unit_test(test_hole_flood),
		cmocka_unit_test(test_data_behind_fin),
		cmocka_unit_test(test_no_reneging),
		cmocka_unit_test(test_sack_blocks),
		cmocka_unit_test(test_sack_beside_data),
		cmocka_unit_test(test_sack_room),
		cmocka_unit_test(test_burst),
		cmocka_unit_test(test_delayed_ack),
		cmocka_unit_test(test_immediate_ack),
		cmocka_unit_test(test_gso),
		cmocka_unit_test(test_paws),
		cmocka_unit_test(test_timestamp_echo),
		cmocka_unit_test(test_timestamp_too_old),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
