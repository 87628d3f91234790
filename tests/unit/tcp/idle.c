/* SPDX-License-Identifier: MIT */

/*
 * Memory of a flow that has nothing under way: what recovery and reassembly need comes when they need it, is given back
 * afterwards, and may be refused meanwhile.
 */

#include "stack/tcp/connection.h"

#include "script.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
	SACK = SCRIPT_WITH_MSS | SCRIPT_WITH_SACK | SCRIPT_WITH_SCALE,
	HOUR = 3600,
	/* What a flow may take while it is silent. */
	BOUND = 704,
};

static const uint64_t second = 1000000, round_trip = 40000;

static struct cothon_tcp *tcp_of(struct script *script)
{
	return script->flow.tcp;
}

/* An established flow that has measured a round trip. */
static void start(struct script *script)
{
	struct script_setup setup = {.options = SACK, .mss = 1000, .scale = 7};

	script_established(script, &setup);
	cothon_rtt_init(&tcp_of(script)->snd.rtt);
	for (unsigned i = 0; i < 4; i++)
		cothon_rtt_sample(&tcp_of(script)->snd.rtt, round_trip);
}

/* The peer acknowledges all that there is, as it comes. */
static void acknowledge_all(struct script *script)
{
	struct cothon_tcp *tcp = tcp_of(script);

	do {
		script_ignore(script);
		script_send(script, .flags = ACK, .seq = 1,
			    .ack = cothon_seq_sub(tcp->snd.nxt, tcp->snd.iss));
	} while (cothon_tcp_unacknowledged(tcp) > 0);
}

/* Longer than anything that was sent could have an echo. */
static void fall_silent(struct script *script)
{
	script_wait(script, 10 * second);
	script_quiet(script);
	assert_null(tcp_of(script)->recovery);
	/* Nothing wakes the stack for it again. */
	assert_int_equal(script->host.deadline, COTHON_NEVER);
}

static void test_size(void **state)
{
	(void)state;
	assert_true(sizeof(struct cothon_tcp) <= BOUND);
}

/* Whatever was sent, lost and sent again: when all is acknowledged and a while has passed, it is as if nothing had been. */
static void test_given_back(void **state)
{
	struct script script;
	size_t before;

	(void)state;
	start(&script);
	before = script.host.memory.live;
	for (unsigned round = 0; round < 3; round++) {
		uint32_t at = 1 + (uint32_t)script.flow.written;

		/* In so many pieces that the scoreboard has memory of its own. */
		for (unsigned i = 0; i < 10; i++) {
			script_write(&script, 1000);
			script_wait(&script, 2000);
		}
		script_send(&script, .flags = ACK, .seq = 1, .ack = at, .sacks = 3,
			    .sack = {{at + 3000, at + 4000},
				     {at + 2000, at + 2500},
				     {at + 1000, at + 1500}});
		script_wait(&script, second);
		assert_true(tcp_of(&script)->recovery->board.room > COTHON_SCOREBOARD_FEW);
		acknowledge_all(&script);
		assert_non_null(tcp_of(&script)->recovery);
		fall_silent(&script);
		assert_int_equal(script.host.memory.live, before);
	}
	assert_true(script.host.counters->tcp_retransmits > 0);
	script_close(&script);
}

/* Who speaks at least once a second keeps it: the way of a request costs no allocation. */
static void test_kept_while_used(void **state)
{
	struct script script;
	uint64_t recovery;

	(void)state;
	start(&script);
	script_write(&script, 100);
	script_ignore(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 101);
	recovery = (uintptr_t)tcp_of(&script)->recovery;
	for (uint32_t at = 101; at < 6101; at += 100) {
		uint64_t allocations;

		script_wait(&script, second);
		script_write(&script, 100);
		script_ignore(&script);
		allocations = script.host.memory.allocations;
		script_send(&script, .flags = ACK, .seq = 1, .ack = at + 100);
		assert_int_equal(script.host.memory.allocations, allocations + 1); /* the ACK */
		assert_int_equal((uintptr_t)tcp_of(&script)->recovery, recovery);
	}
	script_close(&script);
}

/* What RFC 8985 learns of a path outlives the silence: its least round trip, and that it reorders. */
static void test_learned_stays(void **state)
{
	struct script script;
	struct cothon_rack before;

	(void)state;
	start(&script);
	script_write(&script, 4000);
	script_ignore(&script);
	script_wait(&script, round_trip);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .sacks = 1, .sack = {{1001, 2001}});
	script_wait(&script, 1000);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 4001);
	before = tcp_of(&script)->rack;
	assert_true(before.reordering_seen);
	fall_silent(&script);
	script_write(&script, 8000);
	script_ignore(&script);
	script_wait(&script, round_trip);
	script_ignore(&script);
	/* More than DupThresh, at once: only late, until a quarter of the round trip is over. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 4001, .sacks = 1,
		    .sack = {{5001, 12001}});
	script_quiet(&script);
	script_wait(&script, before.min_rtt / 4 + 4000);
	script_expect(&script, .flags = ACK, .seq = 4001, .ack = 1, .len = 1000);
	script_close(&script);
}

/*
 * RFC 8985 section 7.4.2: nothing has told that the tail which was sent again had arrived the first time: it was a loss,
 * though nothing more is ever sent.
 */
static void test_probe_is_judged(void **state)
{
	struct script script;
	uint32_t before;

	(void)state;
	start(&script);
	script_write(&script, 3000);
	before = tcp_of(&script)->cc.ssthresh;
	while (script.host.counters->tcp_tail_probes == 0)
		script_wait(&script, 1000);
	acknowledge_all(&script);
	assert_int_equal(tcp_of(&script)->cc.ssthresh, before);
	fall_silent(&script);
	assert_true(tcp_of(&script)->cc.ssthresh < before);
	script_close(&script);
}

/* An ACK that tells of congestion, and blocks of SACK, though nothing is in flight. */
static void test_acks_at_rest(void **state)
{
	struct script script;

	(void)state;
	start(&script);
	for (unsigned rested = 0; rested < 2; rested++) {
		uint32_t acked = rested ? 1001 : 1;

		assert_null(tcp_of(&script)->recovery);
		script_send(&script, .flags = ACK | COTHON_TCP_ECE, .seq = 1, .ack = acked);
		script_send(&script, .flags = ACK, .seq = 1, .ack = acked, .sacks = 2,
			    .sack = {{acked + 1000, acked + 2000}, {acked, acked + 5000}});
		script_send(&script, .flags = ACK, .seq = 1, .ack = acked, .sacks = 1,
			    .sack = {{1, 2}});
		for (unsigned i = 0; i < 5; i++)
			script_send(&script, .flags = ACK, .seq = 1, .ack = acked, .window = 9);
		script_quiet(&script);
		assert_null(tcp_of(&script)->recovery);
		script_send(&script, .flags = ACK, .seq = 1, .ack = acked);
		if (rested)
			break;
		script_write(&script, 1000);
		script_ignore(&script);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1001);
		fall_silent(&script);
	}
	script_close(&script);
}

/* A segment in a buffer that was there before memory ran out. */
static struct cothon_buf *held_back(struct script *script, const struct script_segment *segment)
{
	struct cothon_buf *buf = cothon_buf_get(script->host.pool, COTHON_FRAME_MAX);

	assert_non_null(buf);
	buf->len = (uint32_t)script_packet(script, segment, buf->data);
	return buf;
}

static void arrive(struct script *script, struct cothon_buf *buf)
{
	cothon_stack_input(script->host.stack, buf, script->host.now);
	host_poll(&script->host);
}

/*
 * Without memory for what is to be known of it nothing goes out, data or FIN; ACKs do not wait for that, and what could
 * not go out does when there is memory again.
 */
static void test_sending_without_memory(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		bool end = i & 1, long_wait = i & 2;
		struct script script;
		struct cothon_buf *text;

		script_established(&script, NULL);
		text = held_back(&script, &(struct script_segment){
						  .flags = ACK, .seq = 1, .ack = 1, .len = 10});
		/* The chunk that is written to is the last memory that there is. */
		script.host.memory.fail_from = script.host.memory.allocations + (end ? 1 : 2);
		if (end)
			script_shutdown(&script);
		else
			assert_int_equal(script_write(&script, 100), 100);
		script_quiet(&script);
		assert_true(script.host.counters->memory_refused > 0);
		arrive(&script, text);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 11);
		script_wait(&script, second / 10);
		script_quiet(&script);
		if (long_wait) {
			/* The persist timer asks whether the peer is still there. */
			script_wait(&script, 3 * second);
			script_expect(&script, .flags = ACK, .seq = 0, .ack = 11);
			script_ignore(&script);
		}
		script.host.memory.fail_from = 0;
		script_wait(&script, 15000);
		if (end)
			script_expect(&script, .flags = FIN | ACK, .seq = 1, .ack = 11);
		else
			script_expect(&script, .flags = ACK, .seq = 1, .ack = 11, .len = 100);
		script_quiet(&script);
		script_send(&script, .flags = ACK, .seq = 11, .ack = end ? 2 : 101);
		assert_int_equal(script_state(&script),
				 end ? COTHON_TCP_FIN_WAIT_2 : COTHON_TCP_ESTABLISHED);
		assert_int_equal(script.host.counters->tcp_retransmits, 0);
		script_close(&script);
	}
}

/* Nor is an end forgotten that nobody waits for any more: it goes out late, or is given up after R2. */
static void test_closing_without_memory(void **state)
{
	(void)state;
	for (unsigned lasting = 0; lasting < 2; lasting++) {
		struct script script;

		script_established(&script, NULL);
		script.host.memory.fail_every = 1;
		script_close_flow(&script);
		script_wait(&script, 60 * second);
		script_ignore(&script);
		assert_int_equal(script.host.counters->tcp_closed, 0);
		if (lasting) {
			script_wait(&script, HOUR * second);
			script_ignore(&script);
			assert_int_equal(script.host.counters->tcp_closed, 1);
		} else {
			script.host.memory.fail_every = 0;
			script_wait(&script, 15000);
			script_expect(&script, .flags = FIN | ACK, .seq = 1, .ack = 1);
		}
		script_close(&script);
	}
}

/* What comes out of order is kept where there is memory for it; if not it is lost, and comes again. */
static void test_reassembling_without_memory(void **state)
{
	struct script_segment late = {.flags = ACK, .seq = 101, .ack = 1, .len = 100}, got;
	struct cothon_buf *text;
	struct script script;

	(void)state;
	start(&script);
	text = held_back(&script, &late);
	script.host.memory.fail_every = 1;
	arrive(&script, text);
	script.host.memory.fail_every = 0;
	got = script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
	assert_int_equal(got.sacks, 0);
	assert_int_equal(script.host.counters->tcp_out_of_order_dropped, 1);
	assert_null(tcp_of(&script)->rcv.gaps);
	script_send_segment(&script, &late);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .sacks = 1, .sack = {{101, 201}});
	assert_non_null(tcp_of(&script)->rcv.gaps);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 100);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 201);
	/* With the gap closed nothing is left of it. */
	assert_null(tcp_of(&script)->rcv.gaps);
	assert_int_equal(script_read(&script, 1000), 200);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_given_back),
		cmocka_unit_test(test_kept_while_used),
		cmocka_unit_test(test_learned_stays),
		cmocka_unit_test(test_probe_is_judged),
		cmocka_unit_test(test_acks_at_rest),
		cmocka_unit_test(test_sending_without_memory),
		cmocka_unit_test(test_closing_without_memory),
		cmocka_unit_test(test_reassembling_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
