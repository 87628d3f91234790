/* SPDX-License-Identifier: MIT */

/* Sequence numbers that wrap at 2^32 and at 2^31, on either side, at every step of a connection. */

#include "script.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	ALL = SCRIPT_WITH_MSS | SCRIPT_WITH_SCALE | SCRIPT_WITH_TIMESTAMPS | SCRIPT_WITH_SACK,
};

/*
 * When the host's initial sequence number is `wanted`: it is a clock of four microseconds (RFC 6528), so one look
 * tells all.
 */
static uint64_t time_for(const struct script_setup *setup, uint32_t wanted)
{
	struct script_setup first = *setup;
	struct script script;
	uint32_t ahead;

	first.host.now = 1000000;
	script_open(&script, &first);
	script_listen(&script);
	script_send(&script, .flags = SYN, .options = setup->options, .mss = 1000, .scale = 3);
	script_expect(&script, .flags = SYN | ACK, .ack = 1);
	ahead = wanted - script.flow.host_iss;
	script_close(&script);
	return 1000000 + 4 * (uint64_t)ahead;
}

/* Sends and receives 10,000 bytes, with holes, duplicates, a lost segment and edges tried, then ends. */
static void live(struct script *script)
{
	struct script_segment got = {0};
	uint32_t sent;

	/* In: out of order, twice, overlapping. */
	for (uint32_t base = 1; base < 10001; base += 1000) {
		script_send(script, .flags = ACK, .seq = base + 500, .ack = 1, .len = 300);
		script_send(script, .flags = ACK, .seq = base + 700, .ack = 1, .len = 300);
		script_send(script, .flags = ACK, .seq = base, .ack = 1, .len = 600);
		script_send(script, .flags = ACK, .seq = base, .ack = 1, .len = 600);
		while (script->host.first)
			got = script_take(script);
		assert_int_equal(got.ack, base + 1000);
		assert_int_equal(script_read(script, 5000), 1000);
		script_ignore(script);
	}
	/* Out: the second segment is lost. */
	assert_int_equal(script_write(script, 10000), 10000);
	got = script_take(script);
	assert_int_equal(got.seq, 1);
	script_send(script, .flags = ACK, .seq = 10001, .ack = 1 + got.len);
	sent = 1 + got.len;
	for (unsigned i = 0; i < 4 && script->host.first; i++) {
		uint32_t end;

		do {
			got = script_take(script);
			end = got.seq + got.len;
		} while (got.seq == sent && script->host.first);
		script_send(script, .flags = ACK, .seq = 10001, .ack = sent,
			    .sacks = script->setup.options & SCRIPT_WITH_SACK ? 1 : 0,
			    .sack = {{got.seq, end}});
	}
	/* Neither what is not sent yet nor a stranger's reset is believed. */
	script_send(script, .flags = ACK, .seq = 10001, .ack = 20001);
	script_send(script, .flags = RST, .seq = 10000);
	script_send(script, .flags = RST, .seq = 10001 + 0x40000000);
	assert_false(script->flow.ended);
	while (cothon_tcp_unacknowledged(script->flow.tcp)) {
		if (!script->host.first)
			script_wait(script, 61 * UINT64_C(1000000));
		got = script_take(script);
		if (got.len && got.seq <= sent && got.seq + got.len > sent)
			sent = got.seq + got.len;
		script_send(script, .flags = ACK, .seq = 10001, .ack = sent);
	}
	assert_int_equal(sent, 10001);
	script_ignore(script);
	script_shutdown(script);
	script_expect(script, .flags = FIN | ACK, .seq = 10001, .ack = 10001);
	script_send(script, .flags = FIN | ACK, .seq = 10001, .ack = 10002);
	script_expect(script, .flags = ACK, .seq = 10002, .ack = 10002);
	assert_int_equal(script_state(script), COTHON_TCP_TIME_WAIT);
	assert_int_equal(script->flow.error, 0);
}

static void test_wrap(void **state)
{
	static const uint32_t before[] = {0,    1,    2,    3,    500,   999,   1000,  1001, 1002,
					  1500, 2001, 3000, 9999, 10000, 10001, 10002, 12000};
	static const uint32_t places[] = {0, 0x80000000};

	(void)state;
	for (unsigned i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		for (unsigned k = 0; k < 8; k++) {
			struct script_setup setup = {
				.options = k & 1 ? ALL : SCRIPT_WITH_MSS, .mss = 1000, .scale = 3};
			uint32_t iss = places[k >> 1 & 1] - before[i];
			struct script script;

			/* The host's numbers wrap, or the peer's. */
			if (k & 4)
				setup.iss = iss;
			else
				setup.host.now = time_for(&setup, iss);
			script_established(&script, &setup);
			if (!(k & 4))
				assert_int_equal(script.flow.host_iss, iss);
			live(&script);
			script_close(&script);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
