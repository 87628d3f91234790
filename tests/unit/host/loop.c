/* SPDX-License-Identifier: MIT */
#include "host/loop.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* A descriptor that is readable for as long as its count is not 0. */
struct bell {
	struct host_watch watch;
	struct host_loop *loop;
	unsigned rung;
	uint64_t last;
	/* What it does when it rings. */
	struct host_watch *remove;
	unsigned stop_after;
};

static void rung(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct bell *bell = (struct bell *)(void *)watch;

	assert_true(events & EPOLLIN);
	bell->rung++;
	bell->last = now;
	if (bell->remove)
		host_loop_remove(bell->loop, bell->remove);
	if (bell->stop_after && bell->rung >= bell->stop_after)
		host_loop_stop(bell->loop);
}

static void bell_open(struct bell *bell, struct host_loop *loop, uint32_t events)
{
	*bell = (struct bell){.loop = loop, .watch.ready = rung};
	bell->watch.fd = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_true(bell->watch.fd >= 0);
	assert_int_equal(host_loop_add(loop, &bell->watch, events), 0);
}

/* A hook that ends the loop at its `last` turn. */
struct counter {
	struct host_hook hook;
	struct host_loop *loop;
	unsigned turns, last;
	uint64_t interval; /* microseconds to the next turn; 0: at once */
	uint64_t now;
	struct host_hook *unhook;
	char *log;
	char name;
};

static uint64_t count(struct host_hook *hook, uint64_t now)
{
	struct counter *counter = (struct counter *)(void *)hook;

	counter->turns++;
	counter->now = now;
	if (counter->log)
		strncat(counter->log, &counter->name, 1);
	if (counter->unhook)
		host_loop_unhook(counter->loop, counter->unhook);
	if (counter->turns == counter->last)
		host_loop_stop(counter->loop);
	return counter->interval == UINT64_MAX ? UINT64_MAX : now + counter->interval;
}

static void counter_add(struct counter *counter, struct host_loop *loop, unsigned last,
			uint64_t interval)
{
	*counter = (struct counter){
		.hook.turn = count, .loop = loop, .last = last, .interval = interval};
	host_loop_hook(loop, &counter->hook);
}

static int setup(void **state)
{
	return host_loop_create((struct host_loop **)state);
}

static int teardown(void **state)
{
	host_loop_destroy(*state);
	return 0;
}

static void level_rings_until_it_is_answered_edge_rings_once(void **state)
{
	struct bell level, edge;
	struct counter counter;

	bell_open(&level, *state, EPOLLIN);
	bell_open(&edge, *state, EPOLLIN | EPOLLET);
	counter_add(&counter, *state, 5, 0);
	assert_int_equal(host_loop_run(*state), 0);
	assert_int_equal(level.rung, 5);
	assert_int_equal(edge.rung, 1);
	close(level.watch.fd);
	close(edge.watch.fd);
}

static void a_removed_watch_is_not_called_in_the_same_round(void **state)
{
	struct bell one, other;
	struct counter counter;

	bell_open(&one, *state, EPOLLIN);
	bell_open(&other, *state, EPOLLIN);
	/* Whichever comes first removes the other one. */
	one.remove = &other.watch;
	other.remove = &one.watch;
	counter_add(&counter, *state, 3, 0);
	assert_int_equal(host_loop_run(*state), 0);
	assert_int_equal(one.rung + other.rung, 3);
	assert_true(one.rung == 0 || other.rung == 0);
	close(one.watch.fd);
	close(other.watch.fd);
}

static void a_watch_may_remove_itself(void **state)
{
	struct counter counter;
	struct bell bell;

	bell_open(&bell, *state, EPOLLIN);
	bell.remove = &bell.watch;
	counter_add(&counter, *state, 3, 0);
	assert_int_equal(host_loop_run(*state), 0);
	assert_int_equal(bell.rung, 1);
	close(bell.watch.fd);
}

static void change_asks_for_other_events(void **state)
{
	struct counter counter;
	struct bell bell;

	bell_open(&bell, *state, EPOLLIN);
	assert_int_equal(host_loop_change(*state, &bell.watch, 0), 0);
	counter_add(&counter, *state, 2, 0);
	assert_int_equal(host_loop_run(*state), 0);
	assert_int_equal(bell.rung, 0);

	assert_int_equal(host_loop_change(*state, &bell.watch, EPOLLIN), 0);
	counter.last = 3;
	assert_int_equal(host_loop_run(*state), 0);
	assert_int_equal(bell.rung, 1);
	close(bell.watch.fd);
}

static void add_tells_what_epoll_says(void **state)
{
	struct host_watch watch = {.fd = -1, .ready = rung};

	assert_int_equal(host_loop_add(*state, &watch, EPOLLIN), -EBADF);
	assert_int_equal(host_loop_change(*state, &watch, EPOLLIN), -EBADF);
}

static void a_deadline_is_never_early(void **state)
{
	struct counter counter;
	uint64_t start = host_now();

	counter_add(&counter, *state, 4, 5000);
	assert_int_equal(host_loop_run(*state), 0);
	/* The first turn comes at once, three more 5 milliseconds apart. */
	assert_true(counter.now - start >= 15000);
}

static void the_earliest_deadline_counts(void **state)
{
	struct counter never, soon;
	uint64_t start = host_now();

	counter_add(&never, *state, 0, UINT64_MAX);
	counter_add(&soon, *state, 3, 2000);
	assert_int_equal(host_loop_run(*state), 0);
	assert_int_equal(never.turns, soon.turns);
	assert_true(soon.now - start < 1000000);
}

static void without_a_deadline_it_waits_for_events(void **state)
{
	struct counter never;
	struct bell bell;

	bell_open(&bell, *state, EPOLLIN | EPOLLET);
	bell.stop_after = 1;
	counter_add(&never, *state, 0, UINT64_MAX);
	assert_int_equal(host_loop_run(*state), 0);
	assert_int_equal(never.turns, 1);
	close(bell.watch.fd);
}

static void hooks_take_turns_in_order(void **state)
{
	char log[16] = "";
	struct counter hooks[3];

	for (int i = 0; i < 3; i++) {
		counter_add(&hooks[i], *state, i == 2 ? 2 : 0, 0);
		hooks[i].log = log;
		hooks[i].name = (char)('a' + i);
	}
	assert_int_equal(host_loop_run(*state), 0);
	assert_string_equal(log, "abcabc");
}

static void a_hook_may_unhook_itself_and_the_next(void **state)
{
	char log[16] = "";
	struct counter hooks[4];

	for (int i = 0; i < 4; i++) {
		counter_add(&hooks[i], *state, i == 3 ? 2 : 0, 0);
		hooks[i].log = log;
		hooks[i].name = (char)('a' + i);
	}
	hooks[0].unhook = &hooks[0].hook;
	hooks[1].unhook = &hooks[2].hook;
	assert_int_equal(host_loop_run(*state), 0);
	assert_string_equal(log, "abdbd");
}

struct adder {
	struct counter counter, added;
	bool done;
};

static uint64_t add_one(struct host_hook *hook, uint64_t now)
{
	struct adder *adder = (struct adder *)(void *)hook;

	(void)now;
	if (!adder->done)
		counter_add(&adder->added, adder->counter.loop, 1, 0);
	adder->done = true;
	return UINT64_MAX;
}

/* The loop sleeps after the first round: the added hook's turn, which ends it, comes before. */
static void a_hook_that_the_last_one_adds_has_its_turn(void **state)
{
	struct adder adder = {.counter = {.hook.turn = add_one, .loop = *state}};

	host_loop_hook(*state, &adder.counter.hook);
	assert_int_equal(host_loop_run(*state), 0);
	assert_int_equal(adder.added.turns, 1);
}

static void it_can_run_again(void **state)
{
	struct counter counter;

	counter_add(&counter, *state, 1, 0);
	assert_int_equal(host_loop_run(*state), 0);
	counter.last = 2;
	assert_int_equal(host_loop_run(*state), 0);
	assert_int_equal(counter.turns, 2);
	/* Stopped before it runs, it does not. */
	host_loop_stop(*state);
	assert_int_equal(host_loop_run(*state), 0);
	assert_int_equal(counter.turns, 2);
}

/* Microseconds of processor time of this process. */
static uint64_t processor_time(void)
{
	struct timespec time;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/* After any number of short waits, which are spent awake, deadlines are kept and a long wait is slept. */
static void an_idle_loop_sleeps(void **state)
{
	struct bell bell;
	struct counter counter;
	uint64_t began, used;

	bell_open(&bell, *state, EPOLLIN);
	bell.stop_after = 1000;
	assert_int_equal(host_loop_run(*state), 0);
	host_loop_remove(*state, &bell.watch);
	counter_add(&counter, *state, 2, 200000);
	began = host_now();
	used = processor_time();
	assert_int_equal(host_loop_run(*state), 0);
	assert_true(host_now() - began >= 200000);
	assert_true(processor_time() - used < 100000);
	close(bell.watch.fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(level_rings_until_it_is_answered_edge_rings_once),
		TEST(a_removed_watch_is_not_called_in_the_same_round),
		TEST(a_watch_may_remove_itself),
		TEST(change_asks_for_other_events),
		TEST(add_tells_what_epoll_says),
		TEST(a_deadline_is_never_early),
		TEST(the_earliest_deadline_counts),
		TEST(without_a_deadline_it_waits_for_events),
		TEST(hooks_take_turns_in_order),
		TEST(a_hook_may_unhook_itself_and_the_next),
		TEST(a_hook_that_the_last_one_adds_has_its_turn),
		TEST(it_can_run_again),
		TEST(an_idle_loop_sleeps),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}
