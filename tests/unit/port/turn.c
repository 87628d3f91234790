/* SPDX-License-Identifier: MIT */
#include "port/turn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

enum {
	QUANTUM = 1500,
	FLOWS = 8
};

/* Flows that send frames of a size each. */
struct link {
	struct cothon_turns turns;
	struct flow {
		struct cothon_turn turn;
		bool waits;
		uint32_t frame; /* bytes */
		uint64_t sent;  /* bytes */
	} flows[FLOWS];
};

static void link_init(struct link *link, int32_t quantum)
{
	memset(link, 0, sizeof(*link));
	cothon_turns_init(&link->turns, quantum);
	for (int i = 0; i < FLOWS; i++) {
		cothon_turn_init(&link->flows[i].turn);
		link->flows[i].frame = 1000;
	}
}

static void request(struct link *link, int flow)
{
	cothon_turn_request(&link->turns, &link->flows[flow].turn);
	link->flows[flow].waits = true;
}

/* The number of the flow whose turn it is, or -1. */
static int next(struct link *link)
{
	struct cothon_turn *turn = cothon_turn_next(&link->turns);

	if (!turn)
		return -1;
	assert_true(turn->deficit > 0);
	struct flow *flow = cothon_container(turn, struct flow, turn);
	assert_true(flow->waits);
	return (int)(flow - link->flows);
}

/* Sends one frame of the flow whose turn it is. */
static void send(struct link *link, int flow, bool more)
{
	struct flow *f = &link->flows[flow];

	f->sent += f->frame;
	f->waits = more;
	cothon_turn_done(&link->turns, &f->turn, f->frame, more);
}

static void nobody_waits(void **state)
{
	(void)state;
	struct link link;

	link_init(&link, QUANTUM);
	assert_int_equal(next(&link), -1);
	request(&link, 0);
	assert_int_equal(next(&link), 0);
	/* It stays first until it is done, whoever comes. */
	request(&link, 1);
	assert_int_equal(next(&link), 0);
	/* A second request is of no effect. */
	request(&link, 0);
	send(&link, 0, false);
	assert_int_equal(next(&link), 1);
	send(&link, 1, false);
	assert_int_equal(next(&link), -1);
	assert_int_equal(next(&link), -1);
	request(&link, 0);
	assert_int_equal(next(&link), 0);
}

/* A done that comes without bytes, as from a flow that could not send after all. */
static void nothing_sent(void **state)
{
	(void)state;
	struct link link;

	link_init(&link, QUANTUM);
	request(&link, 0);
	request(&link, 1);
	assert_int_equal(next(&link), 0);
	cothon_turn_done(&link.turns, &link.flows[0].turn, 0, false);
	link.flows[0].waits = false;
	assert_int_equal(next(&link), 1);
	cothon_turn_done(&link.turns, &link.flows[1].turn, 0, false);
	assert_int_equal(next(&link), -1);
}

/* Whatever the sizes of their frames, flows that always have more get equal shares. */
static void fair_shares(void **state)
{
	(void)state;
	static const uint32_t frames[FLOWS] = {40, 100, 536, 1000, 1499, 1500, 9000, 65535};
	static const int32_t quanta[] = {1500, 16384, 65536};

	for (size_t q = 0; q < sizeof(quanta) / sizeof(quanta[0]); q++) {
		struct link link;
		uint64_t total = 0;
		link_init(&link, quanta[q]);
		for (int i = 0; i < FLOWS; i++) {
			link.flows[i].frame = frames[i];
			request(&link, i);
		}
		while (total < 100000000) {
			int flow = next(&link);
			assert_in_range(flow, 0, FLOWS - 1);
			send(&link, flow, true);
			total += frames[flow];
			/*
			 * No two are ever further apart than their largest frame and a quantum or
			 * two.
			 */
			uint64_t least = UINT64_MAX, most = 0;
			for (int i = 0; i < FLOWS; i++) {
				least = link.flows[i].sent < least ? link.flows[i].sent : least;
				most = link.flows[i].sent > most ? link.flows[i].sent : most;
			}
			assert_true(most - least <= 65535 + 2 * (uint64_t)quanta[q]);
		}
	}
}

/*
 * A flow that had been quiet is served before those in bulk, and those that are new in the order
 * they came.
 */
static void new_before_old(void **state)
{
	(void)state;
	struct link link;

	link_init(&link, QUANTUM);
	for (int i = 0; i < 3; i++)
		request(&link, i);
	for (int i = 0; i < 100; i++)
		send(&link, next(&link), true);
	/* In the middle of the turn of one of those. */
	assert_in_range(next(&link), 0, 2);
	request(&link, 5);
	request(&link, 4);
	assert_int_equal(next(&link), 5);
	send(&link, 5, false);
	assert_int_equal(next(&link), 4);
	send(&link, 4, false);
	assert_in_range(next(&link), 0, 2);
}

/*
 * A new flow that sends in bulk is served first only once: a quantum, then it waits like the
 * others.
 */
static void new_only_once(void **state)
{
	(void)state;
	struct link link;

	link_init(&link, QUANTUM);
	for (int i = 0; i < 3; i++)
		request(&link, i);
	for (int i = 0; i < 100; i++)
		send(&link, next(&link), true);
	request(&link, 7);
	for (int frames = 0; frames < 2; frames++) {
		assert_int_equal(next(&link), 7);
		send(&link, 7, true);
	}
	bool seen[3] = {false};
	for (int flow = next(&link); flow != 7; flow = next(&link)) {
		seen[flow] = true;
		send(&link, flow, true);
	}
	assert_true(seen[0] && seen[1] && seen[2]);
}

/*
 * One that has gone and comes back before its next turn waits for that, with what is left of its
 * last one.
 */
static void back_too_soon(void **state)
{
	(void)state;
	struct link link;

	link_init(&link, QUANTUM);
	request(&link, 1);
	send(&link, next(&link), true);
	send(&link, next(&link), true);
	assert_int_equal(next(&link), 1);
	request(&link, 0);
	assert_int_equal(next(&link), 0);
	send(&link, 0, false);
	request(&link, 0);
	/* Flow 1 is an old one and has 1000 bytes left of its turn. */
	assert_int_equal(next(&link), 1);
	send(&link, 1, true);
	/* Flow 0 has 500 left, which one more frame exceeds. */
	assert_int_equal(next(&link), 0);
	send(&link, 0, true);
	assert_int_equal(next(&link), 1);
}

/* Flows that are always new cannot keep an old one waiting: each comes back only behind it. */
static void no_starvation(void **state)
{
	(void)state;
	struct link link;
	int since = 0;

	link_init(&link, QUANTUM);
	request(&link, 0);
	send(&link, next(&link), true);
	send(&link, next(&link), true);
	for (int i = 0; i < 10000; i++) {
		for (int flow = 1; flow < FLOWS; flow++)
			request(&link, flow);
		int flow = next(&link);
		send(&link, flow, flow == 0);
		since = flow == 0 ? 0 : since + 1;
		/* Two frames of each of the others at most. */
		assert_true(since <= 2 * (FLOWS - 1));
	}
	assert_true(link.flows[0].sent >= 10000 * 1000 / FLOWS * 9 / 10);
}

/*
 * Ways to come and go, against a flow that always has more: after so many frames the flow says that
 * it has no more, and asks again at once, or after so many turns of the other.
 */
static void coming_and_going(void **state)
{
	(void)state;
	static const uint32_t frames[] = {1, 100, 700, 749, 750, 1000, 1499, 1500, 9000, 65535};

	for (size_t f = 0; f < sizeof(frames) / sizeof(frames[0]); f++) {
		for (int pattern = 0; pattern < 6 * 4; pattern++) {
			int leave_after = 1 + pattern % 6, back_after = pattern / 6;
			int sent = 0, away = 0;
			struct link link;
			link_init(&link, QUANTUM);
			link.flows[0].frame = 1500;
			link.flows[1].frame = frames[f];
			request(&link, 0);
			request(&link, 1);
			for (int i = 0; i < 30000; i++) {
				int flow = next(&link);
				assert_in_range(flow, 0, 1);
				bool more = flow == 0 || ++sent % leave_after != 0;
				send(&link, flow, more);
				if (flow == 1 && !more)
					away = back_after;
				else if (flow == 0 && away > 0)
					away--;
				if (away == 0)
					request(&link, 1);
			}
			/* Its share is never more than the other's, but for what is still owed. */
			assert_true(link.flows[1].sent <= link.flows[0].sent + 65535 + 2 * QUANTUM);
		}
	}
}

/* A flow that is freed in the middle of its turn, or while it waits, is gone at once. */
static void cancelling(void **state)
{
	(void)state;
	struct link link;

	link_init(&link, QUANTUM);
	for (int i = 0; i < 4; i++)
		request(&link, i);
	assert_int_equal(next(&link), 0);
	cothon_turn_cancel(&link.flows[0].turn);
	assert_int_equal(next(&link), 1);
	send(&link, 1, true);
	send(&link, 1, true);
	assert_int_equal(next(&link), 2);
	cothon_turn_cancel(&link.flows[1].turn);
	cothon_turn_cancel(&link.flows[3].turn);
	send(&link, 2, false);
	assert_int_equal(next(&link), -1);
	/*
	 * One that was cancelled while it sent stays away, and one that is idle may be cancelled.
	 */
	request(&link, 5);
	assert_int_equal(next(&link), 5);
	cothon_turn_cancel(&link.flows[5].turn);
	send(&link, 5, false);
	assert_true(cothon_list_empty(&link.turns.fresh) && cothon_list_empty(&link.turns.old));
	assert_int_equal(next(&link), -1);
	cothon_turn_cancel(&link.flows[5].turn);
	request(&link, 5);
	assert_int_equal(next(&link), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_waits),  cmocka_unit_test(nothing_sent),
		cmocka_unit_test(fair_shares),   cmocka_unit_test(new_before_old),
		cmocka_unit_test(new_only_once), cmocka_unit_test(back_too_soon),
		cmocka_unit_test(no_starvation), cmocka_unit_test(coming_and_going),
		cmocka_unit_test(cancelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
