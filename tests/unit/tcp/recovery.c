/* SPDX-License-Identifier: MIT */

/*
 * Loss found by what arrives, and what is sent again: RFC 5681, RFC 6582 (NewReno), RFC 8985 with SACK, RFC 9937, RFC 3042
 * (limited transmit). Segments are of 1,000 bytes, a round trip takes 20 ms.
 */

#include "stack/tcp/connection.h"

#include "script.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	SACK = SCRIPT_WITH_MSS | SCRIPT_WITH_SACK | SCRIPT_WITH_SCALE,
	NO_SACK = SCRIPT_WITH_MSS | SCRIPT_WITH_SCALE,
};

static const uint64_t second = 1000000, round_trip = 20000;

static void newreno(struct cothon_stack_config *config)
{
	config->congestion = "newreno";
}

static struct cothon_tcp_info info_of(struct script *script)
{
	struct cothon_tcp_info info;

	cothon_tcp_info(script->flow.tcp, &info);
	return info;
}

/* The start of the segment with this number, from 0. */
static uint32_t at(uint32_t number)
{
	return 1 + 1000 * number;
}

/*
 * An established flow, of which so many segments (10, 20 or 40) went out together a round trip ago; more is written than is
 * sent. Numbers count from 0; returns that of the first in flight.
 */
static uint32_t start(struct script *script, unsigned options, uint32_t flight)
{
	struct script_setup setup = {
		.options = options, .mss = 1000, .scale = 7, .host.configure = newreno};
	uint32_t acked = 0, sent = 0;

	script_established(script, &setup);
	/* As if the handshake had taken a round trip as well. */
	cothon_rtt_init(&script->flow.tcp->snd.rtt);
	cothon_rtt_sample(&script->flow.tcp->snd.rtt, round_trip);
	assert_int_equal(script_write(script, 200000), 200000);
	for (;;) {
		while (script->host.first) {
			script_expect(script, .flags = ACK, .seq = at(sent), .ack = 1, .len = 1000);
			sent++;
		}
		script_wait(script, round_trip);
		if (sent - acked == flight)
			break;
		acked = sent;
		script_send(script, .flags = ACK, .seq = 1, .ack = at(acked));
	}
	return acked;
}

/* Duplicate ACKs of segment `first`, holding [first + from, first + to) if the peer speaks SACK. */
static void duplicate(struct script *script, uint32_t first, uint32_t from, uint32_t to)
{
	struct script_segment segment = {.flags = ACK, .seq = 1, .ack = at(first)};

	if (script->setup.options & SCRIPT_WITH_SACK) {
		segment.sacks = 1;
		segment.sack[0] = (struct script_block){at(first + from), at(first + to)};
	}
	script_send_segment(script, &segment);
}

/*
 * RFC 5681 section 3.2: the third duplicate brings the first segment again, at once, however much is still in flight; the two
 * before it bring new data (RFC 3042).
 */
static void test_fast_retransmit(void **state)
{
	(void)state;
	for (int sack = 0; sack < 2; sack++) {
		struct script script;
		uint32_t first = start(&script, sack ? SACK : NO_SACK, 20), cwnd;

		cwnd = info_of(&script).cwnd;
		assert_int_equal(cwnd, 20000);
		duplicate(&script, first, 1, 2);
		script_expect(&script, .flags = ACK, .seq = at(first + 20), .ack = 1, .len = 1000);
		script_quiet(&script);
		duplicate(&script, first, 1, 3);
		script_expect(&script, .flags = ACK, .seq = at(first + 21), .ack = 1, .len = 1000);
		script_quiet(&script);
		assert_int_equal(info_of(&script).cwnd, cwnd);
		duplicate(&script, first, 1, 4);
		script_expect(&script, .flags = ACK, .seq = at(first), .ack = 1, .len = 1000);
		script_quiet(&script);
		/* Equation 4: half of what was in flight; the window comes down to it as more arrives (RFC 9937). */
		assert_int_equal(script.flow.tcp->cc.ssthresh, 11000);
		assert_in_range(info_of(&script).cwnd, 18000, 19000);
		assert_int_equal(script.host.counters->tcp_fast_recoveries, 1);
		assert_int_equal(script.host.counters->tcp_timeouts, 0);
		/* As more arrives, new data goes out once what is in the network is below the window. */
		for (uint32_t arrived = 4; arrived < 22; arrived++)
			duplicate(&script, first, 1, arrived + 1);
		assert_in_range(script.host.waiting, 8, 12);
		script_expect(&script, .flags = ACK, .seq = at(first + 22), .ack = 1, .len = 1000);
		script_ignore(&script);
		/* All that was in flight then is acknowledged: recovery is over, and the window stays halved. */
		script_send(&script, .flags = ACK, .seq = 1, .ack = at(first + 22));
		assert_in_range(info_of(&script).cwnd, 11000, 12000);
		script_ignore(&script);
		script_close(&script);
	}
}

/* Fewer than three duplicates are reordering, not loss. */
static void test_reordering(void **state)
{
	(void)state;
	for (int sack = 0; sack < 2; sack++) {
		struct script script;
		uint32_t first = start(&script, sack ? SACK : NO_SACK, 20);

		for (unsigned i = 0; i < 5; i++) {
			duplicate(&script, first, 1, 2);
			duplicate(&script, first, 1, 3);
			script_send(&script, .flags = ACK, .seq = 1, .ack = at(first + 3));
			first += 3;
		}
		script_ignore(&script);
		assert_int_equal(script.host.counters->tcp_retransmits, 0);
		assert_int_equal(script.host.counters->tcp_fast_recoveries, 0);
		script_close(&script);
	}
}

/* RFC 5681 section 2: what counts as a duplicate where the peer does not speak SACK. */
static void test_not_duplicates(void **state)
{
	struct script script;
	uint32_t first = start(&script, NO_SACK, 20);

	(void)state;
	for (uint32_t i = 0; i < 4; i++) {
		/* Data beside it; another window; one older. */
		script_send(&script, .flags = ACK, .seq = 1 + i, .ack = at(first), .len = 1);
		script_send(&script, .flags = ACK, .seq = 5, .ack = at(first), .window = 60000 + i);
		script_send(&script, .flags = ACK, .seq = 5, .ack = at(first - 1));
	}
	script_ignore(&script);
	assert_int_equal(script.host.counters->tcp_retransmits, 0);
	script_close(&script);
	/* With nothing in flight no ACK is a duplicate. */
	script_established(&script, NULL);
	for (unsigned i = 0; i < 5; i++)
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_fast_recoveries, 0);
	script_close(&script);
}

/* RFC 6582 section 3.2: each partial ACK brings the next hole, without waiting for duplicates or the timer. */
static void test_partial_acks(void **state)
{
	struct script script;
	uint32_t first = start(&script, NO_SACK, 20);

	(void)state;
	/* 0, 5 and 10 are lost. */
	for (unsigned i = 0; i < 17; i++)
		duplicate(&script, first, 0, 0);
	script_ignore(&script);
	assert_int_equal(script.host.counters->tcp_retransmits, 1);
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(first + 5));
	script_expect(&script, .flags = ACK, .seq = at(first + 5), .ack = 1, .len = 1000);
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(first + 10));
	script_expect(&script, .flags = ACK, .seq = at(first + 10), .ack = 1, .len = 1000);
	script_ignore(&script);
	assert_int_equal(script.host.counters->tcp_retransmits, 3);
	/* The whole ACK: back to normal, reduced once. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(first + 22));
	script_ignore(&script);
	assert_int_equal(script.host.counters->tcp_fast_recoveries, 1);
	assert_int_equal(script.host.counters->tcp_timeouts, 0);
	assert_int_equal(script.host.counters->tcp_retransmits, 3);
	script_close(&script);
}

/* A receiver that speaks SACK: which segments it has, by number. */
struct receiver {
	bool has[201];
	uint8_t lost[200]; /* times a segment is still to be lost */
	uint32_t expects;
};

/* Takes the oldest segment that was sent, and answers it. */
static void receive(struct script *script, struct receiver *receiver)
{
	struct script_segment got = script_take(script), ack = {.flags = ACK, .seq = 1, .sacks = 1};
	uint32_t number = (got.seq - 1) / 1000, from, to;

	/* The way takes longer than the sender needs to send. */
	script_wait(script, 100);

	assert_int_equal(got.len, 1000);
	/* What it has said it has is not sent again. */
	assert_false(receiver->has[number]);
	if (receiver->lost[number]) {
		receiver->lost[number]--;
		return;
	}
	receiver->has[number] = true;
	while (receiver->has[receiver->expects])
		receiver->expects++;
	for (from = number; from > 0 && receiver->has[from - 1];)
		from--;
	for (to = number; to < 200 && receiver->has[to];)
		to++;
	ack.ack = at(receiver->expects);
	ack.sacks = number > receiver->expects;
	ack.sack[0] = (struct script_block){at(from), at(to)};
	script_send_segment(script, &ack);
}

/* RFC 6675: every hole is filled once, without the timer, whatever is lost of a window, as long as something arrives. */
static void test_sack_holes(void **state)
{
	uint32_t x = 3;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct receiver receiver = {0};
		struct script script;
		uint32_t first = start(&script, SACK, 20);
		unsigned lost = 0;

		for (uint32_t i = 0; i < first + 20; i++)
			receiver.has[i] = true;
		receiver.expects = first + 20;
		/* What is in flight arrives, but for the ones that are lost. */
		for (uint32_t i = first; i < first + 20; i++) {
			x = x * 1664525 + 1013904223;
			if (x >> 30 == 0 || (round == 0 && i % 2 == 0)) {
				receiver.has[i] = false;
				if (lost++ == 0)
					receiver.expects = i;
			}
		}
		if (!receiver.has[first + 19]) {
			receiver.has[first + 19] = true;
			lost--;
		}
		for (uint32_t i = first; i < first + 20; i++) {
			uint32_t cumulative = i < receiver.expects ? i + 1 : receiver.expects;
			struct script_segment ack = {.flags = ACK, .seq = 1, .ack = at(cumulative)};

			if (!receiver.has[i])
				continue;
			ack.sacks = i > receiver.expects;
			ack.sack[0] = (struct script_block){at(i), at(i + 1)};
			script_wait(&script, 10);
			script_send_segment(&script, &ack);
		}
		while (receiver.expects < 199 && script.host.first)
			receive(&script, &receiver);
		assert_true(receiver.expects >= 199);
		assert_int_equal(script.host.counters->tcp_retransmits, lost);
		assert_int_equal(script.host.counters->tcp_timeouts, 0);
		assert_true(script.host.counters->tcp_fast_recoveries <= 1);
		script_close(&script);
	}
}

/* RFC 8985: what is lost once more when it is sent again is found by what is sent after it, not by the timer. */
static void test_lost_again(void **state)
{
	struct receiver receiver = {0};
	struct script script;
	uint32_t first = start(&script, SACK, 20);

	(void)state;
	for (uint32_t i = 0; i < first + 20; i++)
		receiver.has[i] = i != first;
	receiver.expects = first;
	receiver.lost[first] = 2;
	for (uint32_t i = 1; i < 20; i++)
		duplicate(&script, first, i, i + 1);
	while (receiver.expects == first && script.host.first)
		receive(&script, &receiver);
	assert_int_equal(receiver.lost[first], 0);
	assert_true(receiver.expects > first + 20);
	assert_int_equal(script.host.counters->tcp_timeouts, 0);
	assert_int_equal(script.host.counters->tcp_retransmits, 3);
	script_ignore(&script);
	script_close(&script);
}

/* RFC 2018 section 8: what was reported as held and then thrown away is sent again after a time-out. */
static void test_reneging(void **state)
{
	struct script script;
	uint32_t first = start(&script, SACK, 10);
	bool again[10] = {0};

	(void)state;
	duplicate(&script, first, 1, 10);
	script_ignore(&script);
	script_wait(&script, second);
	script_ignore(&script);
	assert_true(script.host.counters->tcp_timeouts > 0);
	/* The peer holds nothing: it acknowledges segment by segment. */
	for (uint32_t i = 0; i < 10; i++) {
		while (!again[i]) {
			struct script_segment got;
			uint32_t number;

			while (!script.host.first)
				script_wait(&script, second / 10);
			got = script_take(&script);
			number = (got.seq - at(first)) / 1000;
			for (uint32_t k = number; k < 10 && k < number + got.len / 1000; k++)
				again[k] = true;
		}
		script_send(&script, .flags = ACK, .seq = 1, .ack = at(first + i + 1));
	}
	script_ignore(&script);
	script_close(&script);
}

/* Blocks that cannot be true count for nothing: beyond what was sent, below what was acknowledged, turned round. */
static void test_forged_sack(void **state)
{
	struct script script;
	uint32_t first = start(&script, SACK, 20);
	const struct script_block forged[] = {
		{at(first + 21), at(first + 25)},
		{at(first + 1), at(first + 300)},
		{at(first - 3), at(first - 2)},
		{at(first - 1), at(first + 3)},
		{at(first), at(first + 2)},
		{at(first + 5), at(first + 5)},
		{at(first + 7), at(first + 6)},
		{at(first + 1) + 0x80000000, at(first + 2) + 0x80000000},
	};

	(void)state;
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++)
			script_send(&script, .flags = ACK, .seq = 1, .ack = at(first), .sacks = 1,
				    .sack = {{forged[i].start, forged[i].end}});
	}
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_fast_recoveries, 0);
	script_close(&script);
}

/*
 * With nothing in flight no block can be true; one of exactly half the sequence space is both before and after its
 * other edge.
 */
static void test_forged_half(void **state)
{
	struct script_setup setup = {.options = SACK, .mss = 1000, .scale = 7};
	struct script script;

	(void)state;
	script_established(&script, &setup);
	for (uint32_t from = 2; from < 5; from++)
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .sacks = 1,
			    .sack = {{from, from + 0x80000000}});
	assert_null(script.flow.tcp->recovery);
	assert_int_equal(script_write(&script, 1000), 1000);
	script_expect(&script, .flags = ACK | PSH, .seq = 1, .ack = 1, .len = 1000);
	script_close(&script);
}

/* The same block again is no news: only what tells of something new counts as a duplicate (RFC 6675 section 2). */
static void test_old_news(void **state)
{
	struct script script;
	uint32_t first = start(&script, SACK, 20);

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		duplicate(&script, first, 1, 2);
	script_expect(&script, .flags = ACK, .seq = at(first + 20), .ack = 1, .len = 1000);
	script_quiet(&script);
	assert_int_equal(script.host.counters->tcp_fast_recoveries, 0);
	script_close(&script);
}

/* SACK Panic: the smallest segments there are, every second one reported held, take bounded memory and time. */
static void test_sack_storm(void **state)
{
	struct script_setup setup = {.options = SACK, .mss = 1, .scale = 14};
	struct script script;
	uint32_t sent = 1, acked = 1;
	size_t most;

	(void)state;
	script_established(&script, &setup);
	assert_int_equal(info_of(&script).mss, 48);
	most = script.host.memory.live + (2 << 20);
	for (unsigned round = 0; round < 300; round++) {
		script_write(&script, 100000);
		while (script.host.first) {
			struct script_segment got = script_take(&script);

			if (got.seq + got.len > sent)
				sent = got.seq + got.len;
		}
		for (uint32_t hole = acked + 48; hole + 96 <= sent; hole += 96) {
			script_send(&script, .flags = ACK, .seq = 1, .ack = acked, .sacks = 4,
				    .sack = {{hole, hole + 48},
					     {hole, hole + 1},
					     {hole + 5, hole + 9},
					     {hole, hole + 48}});
			assert_true(script.host.memory.live < most);
		}
		/* Now and then the peer takes all of it. */
		acked = sent;
		script_send(&script, .flags = ACK, .seq = 1, .ack = acked);
	}
	assert_true(sent > 20000);
	script_ignore(&script);
	script_close(&script);
}

/* On a link that cuts segments itself, loss is found and mended as well, in frames. */
static void test_offload(void **state)
{
	struct script_setup setup = {.options = SACK,
				     .mss = 1000,
				     .scale = 7,
				     .host = {.configure = newreno,
					      .features = COTHON_LINK_CSUM | COTHON_LINK_TSO}};
	struct script_segment got;
	struct script script;

	(void)state;
	script_established(&script, &setup);
	script_write(&script, 100000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 10000, .gso_size = 1000);
	script_quiet(&script);
	/* Of ten, 2 to 5 are lost. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 2001);
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 2001, .sacks = 1,
		    .sack = {{6001, 10001}});
	got = script_take(&script);
	assert_int_equal(got.seq, 2001);
	assert_true(got.len >= 1000 && got.len <= 4000);
	while (got.seq + got.len < 6001) {
		uint32_t end = got.seq + got.len;

		script_send(&script, .flags = ACK, .seq = 1, .ack = end, .sacks = 1,
			    .sack = {{6001, 10001}});
		do
			got = script_take(&script);
		while (got.seq != end);
	}
	assert_int_equal(got.seq + got.len, 6001);
	script_ignore(&script);
	script_close(&script);
}

/* RFC 5681 section 4.1: after a pause of a time-out the window starts anew, once. */
static void test_idle(void **state)
{
	struct script script;
	uint32_t first, acked;

	(void)state;
	first = start(&script, SACK, 40) + 40;
	while (cothon_tcp_unacknowledged(script.flow.tcp)) {
		while (script.host.first) {
			struct script_segment got = script_take(&script);

			if (got.seq + got.len > at(first))
				first = (got.seq + got.len - 1) / 1000;
		}
		script_send(&script, .flags = ACK, .seq = 1, .ack = at(first));
	}
	acked = at(first);
	assert_true(info_of(&script).cwnd > 40000);
	script_wait(&script, second);
	script_write(&script, 100000);
	assert_int_equal(script.host.waiting, 10);
	assert_int_equal(info_of(&script).cwnd, 10000);
	script_expect(&script, .flags = ACK, .seq = acked, .ack = 1, .len = 1000);
	script_ignore(&script);
	script_close(&script);
}

/* A pause counts once, however often the connection is looked at in it: cubic's curve goes on from where it was. */
static void test_idle_counts_once(void **state)
{
	struct script_setup setup = {.options = SACK, .mss = 1000, .scale = 7};
	const struct cothon_congestion *cc;
	struct script script;
	uint64_t before;

	(void)state;
	script_established(&script, &setup);
	cc = &script.flow.tcp->cc;
	script_write(&script, 60000);
	duplicate(&script, 0, 1, 5);
	script_ignore(&script);
	/* Out of recovery, and some way up the curve. */
	for (uint32_t acked = 10; acked < 60; acked++) {
		script_wait(&script, 20000);
		script_send(&script, .flags = ACK, .seq = 1, .ack = at(acked));
		script_ignore(&script);
	}
	script_send(&script, .flags = ACK, .seq = 1, .ack = at(60), .zero_window = true);
	assert_int_equal(cothon_tcp_unacknowledged(script.flow.tcp), 0);
	before = cc->cubic.epoch;
	assert_true(before > 0);
	script_write(&script, 10000);
	for (unsigned i = 0; i < 100; i++) {
		script_wait(&script, second);
		script_send(&script, .flags = ACK, .seq = 1, .ack = at(60), .zero_window = true,
			    .len = 1);
		script_ignore(&script);
	}
	assert_true(cc->cubic.epoch > before);
	assert_true(cc->cubic.epoch <= script.host.now);
	script_close(&script);
}

/* A loss that is found twice is paid for once; a new one, again. */
static void test_one_reduction(void **state)
{
	struct script script;
	uint32_t first = start(&script, SACK, 40);

	(void)state;
	duplicate(&script, first, 1, 10);
	assert_int_equal(script.flow.tcp->cc.ssthresh, 20000);
	for (uint32_t i = 10; i < 40; i += 2)
		duplicate(&script, first, i + 1, i + 2);
	assert_int_equal(script.flow.tcp->cc.ssthresh, 20000);
	assert_int_equal(script.host.counters->tcp_fast_recoveries, 1);
	/* The timer, after fast recovery did not help. */
	script_ignore(&script);
	script_wait(&script, 2 * second);
	script_ignore(&script);
	assert_int_equal(info_of(&script).cwnd, 1000);
	/* It is the same loss however often the timer expires. */
	script_wait(&script, 100 * second);
	script_ignore(&script);
	assert_int_equal(info_of(&script).cwnd, info_of(&script).mss);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fast_retransmit),
		cmocka_unit_test(test_reordering),
		cmocka_unit_test(test_not_duplicates),
		cmocka_unit_test(test_partial_acks),
		cmocka_unit_test(test_sack_holes),
		cmocka_unit_test(test_lost_again),
		cmocka_unit_test(test_reneging),
		cmocka_unit_test(test_forged_sack),
		cmocka_unit_test(test_forged_half),
		cmocka_unit_test(test_old_news),
		cmocka_unit_test(test_sack_storm),
		cmocka_unit_test(test_offload),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_idle_counts_once),
		cmocka_unit_test(test_one_reduction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
