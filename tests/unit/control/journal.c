/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "control/journal.h"
#include <stdio.h>
#include <string.h>

/* What is read: how many lines, the first and the last, and whether each is what was written. */
struct seen {
	unsigned count, most;
	uint64_t first, last;
};

/* Line number N is of N % 100 letters, each the same. */
static size_t write_line(uint64_t number, char text[static 100])
{
	size_t len = number % 100;

	memset(text, 'a' + (int)(number % 26), len);
	return len;
}

static bool see(const struct control_line *line, void *context)
{
	struct seen *seen = context;
	char text[100];

	assert_int_equal(line->len, write_line(line->number, text));
	assert_memory_equal(line->text, text, line->len);
	assert_int_equal(line->at, 1000 + line->number);
	assert_int_equal(line->source, line->number % 3);
	if (seen->count++ == 0)
		seen->first = line->number;
	else
		assert_int_equal(line->number, seen->last + 1);
	seen->last = line->number;
	return seen->count != seen->most;
}

static struct control_journal *journal_of(uint64_t lines)
{
	struct control_journal *journal = control_journal_create(32 << 10);
	char text[100];

	assert_non_null(journal);
	for (uint64_t i = 0; i < lines; i++) {
		size_t len = write_line(i, text);

		control_journal_add(journal, (enum control_source)(i % 3), 1000 + i, text, len);
	}
	return journal;
}

static void test_lines_come_back_in_order(void **state)
{
	struct control_journal *journal = journal_of(150);
	struct seen seen = {0};

	(void)state;
	control_journal_read(journal, 0, see, &seen);
	assert_int_equal(seen.count, 150);
	assert_int_equal(control_journal_next(journal), 150);
	seen = (struct seen){.most = 7};
	control_journal_read(journal, 20, see, &seen);
	assert_int_equal(seen.first, 20);
	assert_int_equal(seen.last, 26);
	seen = (struct seen){0};
	control_journal_read(journal, 150, see, &seen);
	assert_int_equal(seen.count, 0);
	control_journal_destroy(journal);
}

static void test_the_oldest_make_room(void **state)
{
	(void)state;
	/* Each number of lines has the ring's end at another place. */
	for (uint64_t lines = 1000; lines < 1300; lines++) {
		struct control_journal *journal = journal_of(lines);
		struct seen seen = {0};

		control_journal_read(journal, 0, see, &seen);
		assert_int_equal(seen.last, lines - 1);
		assert_true(seen.count > 100 && seen.count < 600);
		control_journal_destroy(journal);
	}
}

struct longest {
	const char *text;
	unsigned count;
};

static bool see_longest(const struct control_line *line, void *context)
{
	struct longest *longest = context;

	assert_int_equal(line->number, 3);
	assert_int_equal(line->len, CONTROL_JOURNAL_LINE);
	assert_memory_equal(line->text, longest->text, line->len);
	longest->count++;
	return true;
}

static void test_the_longest_line(void **state)
{
	static char text[CONTROL_JOURNAL_LINE + 100];
	/* Less than it needs is made as much as it needs. */
	struct control_journal *journal = control_journal_create(0);
	struct longest longest = {text, 0};

	(void)state;
	assert_non_null(journal);
	/* After it, each of the others lies around the ring's end. */
	control_journal_add(journal, CONTROL_STDOUT, 0, "x", 1);
	for (size_t i = 0; i < 3; i++) {
		for (size_t at = 0; at < sizeof(text); at++)
			text[at] = (char)('a' + (at + i) % 26);
		control_journal_add(journal, CONTROL_STDOUT, 0, text, sizeof(text));
	}
	assert_int_equal(control_journal_next(journal), 4);
	/* There is room for the last one only, and it is cut. */
	control_journal_read(journal, 0, see_longest, &longest);
	assert_int_equal(longest.count, 1);
	control_journal_destroy(journal);
}

struct waiting {
	struct control_journal_listener listener;
	struct control_journal *journal; /* to listen again */
	unsigned heard;
};

static void hear(struct control_journal_listener *listener)
{
	struct waiting *waiting = cothon_container(listener, struct waiting, listener);

	waiting->heard++;
	if (waiting->journal)
		control_journal_listen(waiting->journal, listener);
}

static void test_listeners(void **state)
{
	struct control_journal *journal = journal_of(0);
	struct waiting once = {.listener.heard = hear};
	struct waiting always = {.listener.heard = hear, .journal = journal};
	struct waiting gone = {.listener.heard = hear};

	(void)state;
	control_journal_listen(journal, &once.listener);
	control_journal_listen(journal, &always.listener);
	control_journal_listen(journal, &gone.listener);
	cothon_list_remove(&gone.listener.node);
	control_journal_add(journal, CONTROL_STDOUT, 0, "a", 1);
	control_journal_add(journal, CONTROL_STDOUT, 0, "b", 1);
	assert_int_equal(once.heard, 1);
	assert_int_equal(always.heard, 2);
	assert_int_equal(gone.heard, 0);
	always.journal = NULL;
	control_journal_destroy(journal);
	assert_int_equal(always.heard, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_come_back_in_order),
		cmocka_unit_test(test_the_oldest_make_room),
		cmocka_unit_test(test_the_longest_line),
		cmocka_unit_test(test_listeners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
