/* SPDX-License-Identifier: MIT */

/* How connections come into being: SYNs, their options, answers, refusals, repetitions (RFC 9293 section 3.5). */

#include "script.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	ALL = SCRIPT_WITH_MSS | SCRIPT_WITH_SCALE | SCRIPT_WITH_TIMESTAMPS | SCRIPT_WITH_SACK,
	/* 4 MiB take 7 bits more than a window has. */
	SCALE = 7,
};

static void small_buffer(struct cothon_stack_config *config)
{
	config->max_receive = 10000;
}

/* Options */

/* A SYN offers all; its answer offers MSS, and of the others what was offered (RFC 7323, RFC 2018). */
static void test_options(void **state)
{
	(void)state;
	for (unsigned offered = 0; offered <= ALL; offered++) {
		struct script_setup setup = {.options = offered, .ipv6 = offered % 2, .scale = 2};
		uint16_t mss = setup.ipv6 ? 1440 : 1460;
		struct script_segment got;
		struct script script;

		script_open(&script, &setup);
		script_listen(&script);
		script_send(&script, .flags = SYN, .options = offered, .mss = 1000, .scale = 2);
		got = script_expect(&script, .flags = SYN | ACK, .ack = 1, .mss = mss,
				    .options = offered | SCRIPT_WITH_MSS, .window = 65535);
		if (offered & SCRIPT_WITH_SCALE)
			assert_int_equal(got.scale, SCALE);
		script_close(&script);

		script_open(&script, &setup);
		script_connect(&script);
		got = script_expect(&script, .flags = SYN, .mss = mss, .options = ALL,
				    .window = 65535);
		assert_int_equal(got.scale, SCALE);
		assert_int_equal(got.ts_echo, 0);
		script_close(&script);
	}
}

/* RFC 7323 section 2.2: both have to offer a scale, be it 0, else neither scales. */
static void test_scale_of_small_buffer(void **state)
{
	struct script_setup setup = {
		.host.configure = small_buffer,
		.options = SCRIPT_WITH_MSS | SCRIPT_WITH_SCALE,
		.scale = 7,
		.window = 10,
	};
	struct script script;

	(void)state;
	script_open(&script, &setup);
	script_listen(&script);
	script_send(&script, .flags = SYN, .options = setup.options, .mss = 1460, .scale = 7);
	script_expect(&script, .flags = SYN | ACK, .ack = 1, .window = 10000,
		      .options = SCRIPT_WITH_MSS | SCRIPT_WITH_SCALE);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	/* 10 << 7 bytes. */
	script_write(&script, 2000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1280);
	script_quiet(&script);
	script_close(&script);
	/* Without the peer's option its windows mean what they say. */
	setup.options = SCRIPT_WITH_MSS;
	setup.window = 1000;
	script_established(&script, &setup);
	script_write(&script, 2000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 1000);
	script_quiet(&script);
	script_close(&script);
}

/* RFC 7323 section 2.3: a scale above 14 counts as 14. */
static void test_scale_limit(void **state)
{
	static const uint8_t scales[] = {14, 15, 31, 255};

	(void)state;
	for (size_t i = 0; i < sizeof(scales); i++) {
		struct script_setup setup = {
			.options = SCRIPT_WITH_MSS | SCRIPT_WITH_SCALE, .mss = 1460, .scale = 0};
		/* The fixture would cut the scale down too. */
		uint8_t raw[4] = {3, 3, scales[i], 1};
		struct script script;

		script_open(&script, &setup);
		script_listen(&script);
		script_send(&script, .flags = SYN, .options = SCRIPT_WITH_MSS, .mss = 1460,
			    .raw_options = raw, .raw_len = 4);
		script_expect(&script, .flags = SYN | ACK, .ack = 1);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .window = 1);
		/* 16,384 bytes and no more, though the congestion window lets out only ten segments. */
		assert_int_equal(script_write(&script, 30000), 30000);
		for (uint32_t at = 1; at < 14601; at += 1460)
			script_expect(&script, .flags = ACK, .seq = at, .ack = 1, .len = 1460);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1461, .window = 1);
		script_expect(&script, .flags = ACK, .seq = 14601, .ack = 1, .len = 1460);
		script_expect(&script, .flags = ACK, .seq = 16061, .ack = 1, .len = 1460);
		script_quiet(&script);
		script_close(&script);
	}
}

/* MUST-7: an option without a length that can be, drops the segment; MUST-6: one that is not known is skipped. */
static void test_malformed_options(void **state)
{
	static const uint8_t wrong[][4] = {
		{2, 0, 0, 0}, {2, 1, 0, 0}, {2, 5, 5, 0xb4}, {254, 0, 1, 1},
		{1, 1, 1, 2}, {1, 1, 8, 4}, {30, 40, 0, 0},  {4, 0, 0, 0},
	};
	static const uint8_t right[][4] = {
		{1, 1, 1, 1},     {0, 2, 0, 0}, {253, 4, 9, 9},
		{253, 2, 254, 2}, {1, 0, 8, 1}, {3, 2, 2, 2},
	};
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_listen(&script);
	for (size_t i = 0; i < sizeof(wrong) / 4; i++) {
		script_send(&script, .flags = SYN, .raw_options = wrong[i], .raw_len = 4);
		script_quiet(&script);
		assert_int_equal(script.host.counters->tcp_bad, i + 1);
	}
	for (size_t i = 0; i < sizeof(right) / 4; i++) {
		script_another(&script, SCRIPT_PORT, (uint16_t)(5000 + i));
		script_send(&script, .flags = SYN, .raw_options = right[i], .raw_len = 4);
		script_expect(&script, .flags = SYN | ACK, .ack = 1, .options = SCRIPT_WITH_MSS);
	}
	script_close(&script);
}

/* MUST-14, MUST-15, MUST-16, MUST-65, MUST-67; RFC 6691. */
static void test_mss(void **state)
{
	static const struct {
		bool named, timestamps;
		uint16_t mss;
		uint32_t v4, v6; /* payload of a full segment */
	} cases[] = {
		{false, false, 0, 536, 1220},     {false, true, 0, 524, 1208},
		{true, false, 1000, 1000, 1000},  {true, true, 1000, 988, 988},
		{true, false, 65535, 1460, 1440}, {true, true, 65535, 1448, 1428},
		{true, false, 0, 48, 48},         {true, false, 1, 48, 48},
		{true, false, 47, 48, 48},        {true, false, 48, 48, 48},
		{true, true, 0, 36, 36},          {true, false, 49, 49, 49},
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		bool ipv6 = i % 2;
		struct script_setup setup = {
			.ipv6 = ipv6,
			.options = (cases[i / 2].named ? SCRIPT_WITH_MSS : 0u) |
				   (cases[i / 2].timestamps ? SCRIPT_WITH_TIMESTAMPS : 0u),
		};
		uint32_t full = ipv6 ? cases[i / 2].v6 : cases[i / 2].v4;
		struct cothon_tcp_info info;
		struct script script;

		script_open(&script, &setup);
		script_listen(&script);
		script_send(&script, .flags = SYN, .options = setup.options,
			    .mss = cases[i / 2].mss);
		script_expect(&script, .flags = SYN | ACK, .ack = 1);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
		cothon_tcp_info(script.flow.tcp, &info);
		assert_int_equal(info.mss, full);
		script_write(&script, 3 * full);
		for (uint32_t k = 0; k < 3; k++)
			script_expect(&script, .flags = ACK, .seq = 1 + k * full, .ack = 1,
				      .len = full);
		script_close(&script);
	}
}

/* The whole handshake */

static void test_passive(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct script_setup setup = {
			.ipv6 = ipv6, .options = ALL, .scale = 3, .iss = 0xfffffffe};
		struct cothon_tcp_info info;
		struct script script;

		script_open(&script, &setup);
		script_listen(&script);
		script_send(&script, .flags = SYN, .options = ALL, .mss = 1400, .scale = 3);
		script_expect(&script, .flags = SYN | ACK, .ack = 1);
		assert_null(script.flow.tcp);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
		assert_true(script.flow.events & COTHON_TCP_OPENED);
		assert_true(script.flow.events & COTHON_TCP_WRITABLE);
		cothon_tcp_info(script.flow.tcp, &info);
		assert_int_equal(info.state, COTHON_TCP_ESTABLISHED);
		assert_false(info.active);
		assert_int_equal(script.host.counters->tcp_opened, 1);
		script_quiet(&script);
		script_close(&script);
	}
}

static void test_active(void **state)
{
	(void)state;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct script_setup setup = {
			.ipv6 = ipv6, .options = ALL, .scale = 3, .iss = 0x7fffffff};
		struct cothon_tcp_info info;
		struct script script;

		script_open(&script, &setup);
		script_connected(&script);
		cothon_tcp_info(script.flow.tcp, &info);
		assert_int_equal(info.state, COTHON_TCP_ESTABLISHED);
		assert_true(info.active);
		script_close(&script);
	}
}

/* Data and the end may come with the third segment. */
static void test_data_in_third(void **state)
{
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_listen(&script);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	script_send(&script, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 12);
	assert_true(script.flow.events & COTHON_TCP_READABLE);
	assert_int_equal(script_read(&script, 100), 10);
	assert_int_equal(script_read(&script, 100), 0);
	assert_int_equal(script_state(&script), COTHON_TCP_CLOSE_WAIT);
	script_close(&script);
}

/* Data beside a SYN is not taken, and so comes again. */
static void test_data_in_syn(void **state)
{
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_listen(&script);
	script_send(&script, .flags = SYN, .len = 10);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 10);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 11);
	assert_int_equal(script_read(&script, 100), 10);
	script_close(&script);
}

/* MUST-10: both have sent a SYN; the peer's answer to ours may or may not carry its SYN again. */
static void test_simultaneous(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct script_setup setup = {.ipv6 = i & 1,
					     .options = i & 2 ? ALL : SCRIPT_WITH_MSS,
					     .scale = 2,
					     .window = 4000};
		struct script script;

		script_open(&script, &setup);
		script_connect(&script);
		script_expect(&script, .flags = SYN);
		script_send(&script, .flags = SYN, .options = setup.options, .mss = 1000,
			    .scale = 2);
		script_expect(&script, .flags = SYN | ACK, .seq = 0, .ack = 1,
			      .options = setup.options | SCRIPT_WITH_MSS);
		assert_int_equal(script_state(&script), COTHON_TCP_SYN_RECEIVED);
		assert_false(script.flow.opened);
		if (i & 4)
			script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
		else
			script_send(&script, .flags = SYN | ACK, .seq = 0, .ack = 1,
				    .options = setup.options, .mss = 1000, .scale = 2);
		assert_true(script.flow.opened);
		assert_int_equal(script_state(&script), COTHON_TCP_ESTABLISHED);
		script_send(&script, .flags = ACK, .seq = 1, .ack = 1, .len = 5);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 6);
		script_write(&script, 50);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 6, .len = 50);
		script_close(&script);
	}
}

/* A reset, and a second SYN, in the midst of crossed SYNs. */
static void test_simultaneous_refused(void **state)
{
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_connect(&script);
	script_expect(&script, .flags = SYN);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .seq = 0, .ack = 1);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .seq = 0, .ack = 1);
	script_send(&script, .flags = RST, .seq = 1);
	assert_true(script.flow.ended);
	assert_int_equal(script.flow.error, -ECONNREFUSED);
	script_close(&script);
}

/* SYN-SENT */

static void test_refused(void **state)
{
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_connect(&script);
	script_expect(&script, .flags = SYN);
	/* RFC 9293 section 3.10.7.3: only one that acknowledges the SYN. */
	script_send(&script, .flags = RST, .seq = 1);
	script_send(&script, .flags = RST | ACK, .seq = 0, .ack = 0);
	script_send(&script, .flags = RST | ACK, .seq = 0, .ack = 2);
	script_quiet(&script);
	assert_false(script.flow.ended);
	script_send(&script, .flags = RST | ACK, .seq = 0, .ack = 1);
	assert_true(script.flow.ended);
	assert_int_equal(script.flow.error, -ECONNREFUSED);
	assert_false(script.flow.events & COTHON_TCP_OPENED);
	script_quiet(&script);
	assert_int_equal(cothon_tcp_write(script.flow.tcp, "x", 1), -ECONNREFUSED);
	script_close(&script);
}

static void test_wrong_ack_in_syn_sent(void **state)
{
	static const uint32_t wrong[] = {0, 2, 0xffffffff, 0x80000001};
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_connect(&script);
	script_expect(&script, .flags = SYN);
	for (unsigned i = 0; i < 2 * sizeof(wrong) / sizeof(wrong[0]); i++) {
		script_send(&script, .flags = (uint8_t)(i % 2 ? ACK : SYN | ACK),
			    .ack = wrong[i / 2]);
		script_expect(&script, .flags = RST, .seq = wrong[i / 2]);
	}
	/* Neither SYN nor RST, but the right ACK: nothing. */
	script_send(&script, .flags = ACK, .ack = 1);
	script_send(&script, .flags = FIN | ACK, .ack = 1, .len = 4);
	script_quiet(&script);
	assert_false(script.flow.ended);
	script_send(&script, .flags = SYN | ACK, .ack = 1);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
	assert_true(script.flow.opened);
	script_close(&script);
}

/* MUST-23: a SYN is tried for at least three minutes, after doubling times (RFC 6298). */
static void check_syn_timeout(struct script *script)
{
	uint64_t start = script->host.now;
	static const uint32_t at[] = {1, 3, 7, 15, 31, 63, 123};

	script_expect(script, .flags = SYN);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		script_wait(script, start + at[i] * UINT64_C(1000000) - 1 - script->host.now);
		script_quiet(script);
		script_wait(script, 5 * SCRIPT_MILLISECOND);
		script_expect(script, .flags = SYN, .options = ALL);
	}
	script_wait(script, start + 180 * UINT64_C(1000000) - 1 - script->host.now);
	assert_false(script->flow.ended);
	script_wait(script, 60 * UINT64_C(1000000));
	assert_true(script->flow.ended);
	assert_int_equal(script->flow.error, -ETIMEDOUT);
	script_quiet(script);
	assert_int_equal(script->host.deadline, COTHON_NEVER);
}

static void test_syn_timeout(void **state)
{
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_connect(&script);
	check_syn_timeout(&script);
	script_close(&script);
}

/* The time counts from the SYN, though the stack was last looked after long before. */
static void test_syn_timeout_after_pause(void **state)
{
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script.host.now += 10000 * UINT64_C(1000000);
	script_connect(&script);
	check_syn_timeout(&script);
	script_close(&script);
}

/* RFC 6298 rule 5.7 and RFC 6928 section 2: a SYN that was lost makes for a careful start. */
static void test_after_lost_syn(void **state)
{
	(void)state;
	for (int timestamps = 0; timestamps < 2; timestamps++) {
		struct script_setup setup = {.options = SCRIPT_WITH_MSS |
							(timestamps ? SCRIPT_WITH_TIMESTAMPS : 0u)};
		uint32_t full = timestamps ? 1448 : 1460;
		struct cothon_tcp_info info;
		struct script script;

		script_open(&script, &setup);
		script_connect(&script);
		script_expect(&script, .flags = SYN);
		script_wait(&script, SCRIPT_SECOND + 5000);
		script_expect(&script, .flags = SYN);
		script_wait(&script, 20 * SCRIPT_MILLISECOND);
		script_send(&script, .flags = SYN | ACK, .ack = 1, .options = setup.options,
			    .mss = 1460);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
		cothon_tcp_info(script.flow.tcp, &info);
		assert_int_equal(info.cwnd, full);
		if (timestamps) {
			/* The echo says which SYN was answered (RFC 7323 section 4). */
			assert_in_range(info.srtt, 19000, 27000);
		} else {
			assert_int_equal(info.srtt, 0);
			assert_int_equal(info.rto, 3000000);
		}
		script_write(&script, 5000);
		script_expect(&script, .flags = ACK, .seq = 1, .ack = 1, .len = full);
		script_quiet(&script);
		script_close(&script);
	}
}

/* SYN-RECEIVED */

static void test_half_open(void **state)
{
	static const uint32_t at[] = {1, 3, 7, 15, 31, 63, 123};
	struct script script;
	uint64_t start;

	(void)state;
	script_open(&script, NULL);
	script_listen(&script);
	start = script.host.now;
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		script_wait(&script, start + at[i] * UINT64_C(1000000) - 1 - script.host.now);
		script_quiet(&script);
		script_wait(&script, 5 * SCRIPT_MILLISECOND);
		script_expect(&script, .flags = SYN | ACK, .ack = 1);
	}
	script_wait(&script, 120 * UINT64_C(1000000));
	script_expect(&script, .flags = RST | ACK, .seq = 1, .ack = 1);
	script_quiet(&script);
	assert_null(script.flow.tcp);
	assert_int_equal(script.host.deadline, COTHON_NEVER);
	script_close(&script);
}

static void test_syn_received(void **state)
{
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_listen(&script);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	/* The same SYN: our answer was lost. */
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	/* An ACK of something else is answered by RST and leaves it half-open. */
	script_send(&script, .flags = ACK, .seq = 1, .ack = 2);
	script_expect(&script, .flags = RST, .seq = 2);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 0);
	script_expect(&script, .flags = RST, .seq = 0);
	/* Out of the window: an ACK. */
	script_send(&script, .flags = ACK, .seq = 70000, .ack = 1);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
	/* Another SYN is challenged (RFC 5961 section 4). */
	script_send(&script, .flags = SYN, .seq = 5000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
	/* Resets: out of the window, in it, exact. */
	script_wait(&script, SCRIPT_SECOND * 6 / 10);
	script_send(&script, .flags = RST, .seq = 70000);
	script_quiet(&script);
	script_send(&script, .flags = RST, .seq = 5000);
	script_expect(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_send(&script, .flags = RST, .seq = 1);
	script_quiet(&script);
	assert_null(script.flow.tcp);
	/* The endpoint still listens. */
	script_another(&script, SCRIPT_PORT, 40000);
	script_accept(&script);
	script_close(&script);
}

/* Karn: an answer that was sent twice says nothing about the round trip. */
static void test_repeated_answer_not_timed(void **state)
{
	struct cothon_tcp_info info;
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_listen(&script);
	script_send(&script, .flags = SYN);
	script_wait(&script, SCRIPT_SECOND / 2);
	script_send(&script, .flags = SYN);
	script_ignore(&script);
	script_wait(&script, 10 * SCRIPT_MILLISECOND);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	cothon_tcp_info(script.flow.tcp, &info);
	assert_int_equal(info.srtt, 0);
	script_close(&script);
}

/* Closing before it is open */

/* RFC 9293 section 3.10.4: an end asked for in SYN-RECEIVED or SYN-SENT follows the handshake. */
static void test_shutdown_before_open(void **state)
{
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_connect(&script);
	script_expect(&script, .flags = SYN);
	script_shutdown(&script);
	script_quiet(&script);
	script_send(&script, .flags = SYN | ACK, .ack = 1);
	script_expect(&script, .flags = FIN | ACK, .seq = 1, .ack = 1);
	assert_int_equal(script_state(&script), COTHON_TCP_FIN_WAIT_1);
	script_close(&script);
	/* With crossed SYNs, and a window that stays what it was. */
	script_open(&script, NULL);
	script_connect(&script);
	script_expect(&script, .flags = SYN);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	script_shutdown(&script);
	script_quiet(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_expect(&script, .flags = FIN | ACK, .seq = 1, .ack = 1);
	script_close(&script);
}

static void test_close_before_open(void **state)
{
	struct script script;

	(void)state;
	script_open(&script, NULL);
	script_connect(&script);
	script_expect(&script, .flags = SYN);
	script_close_flow(&script);
	script_quiet(&script);
	/* Nobody knows of it any more. */
	script_send(&script, .flags = SYN | ACK, .ack = 1);
	script_expect(&script, .flags = RST, .seq = 1);
	script_close(&script);
	/* Crossed SYNs: the peer may be open already, so it goes on to the end. */
	script_open(&script, NULL);
	script_connect(&script);
	script_expect(&script, .flags = SYN);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	script_close_flow(&script);
	script_send(&script, .flags = ACK, .seq = 1, .ack = 1);
	script_expect(&script, .flags = FIN | ACK, .seq = 1, .ack = 1);
	script_close(&script);
	/* Aborted, the peer is told. */
	script_open(&script, NULL);
	script_connect(&script);
	script_expect(&script, .flags = SYN);
	script_send(&script, .flags = SYN);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	script_abort(&script);
	script_expect(&script, .flags = RST | ACK, .seq = 1, .ack = 1);
	script_close(&script);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_scale_of_small_buffer),
		cmocka_unit_test(test_scale_limit),
		cmocka_unit_test(test_malformed_options),
		cmocka_unit_test(test_mss),
		cmocka_unit_test(test_passive),
		cmocka_unit_test(test_active),
		cmocka_unit_test(test_data_in_third),
		cmocka_unit_test(test_data_in_syn),
		cmocka_unit_test(test_simultaneous),
		cmocka_unit_test(test_simultaneous_refused),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_wrong_ack_in_syn_sent),
		cmocka_unit_test(test_syn_timeout),
		cmocka_unit_test(test_syn_timeout_after_pause),
		cmocka_unit_test(test_after_lost_syn),
		cmocka_unit_test(test_half_open),
		cmocka_unit_test(test_syn_received),
		cmocka_unit_test(test_repeated_answer_not_timed),
		cmocka_unit_test(test_shutdown_before_open),
		cmocka_unit_test(test_close_before_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
