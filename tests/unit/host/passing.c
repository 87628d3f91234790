/* SPDX-License-Identifier: MIT */
#include "host/passing.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static int make_ends(void **state)
{
	static int ends[2];

	*state = ends;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

static int close_ends(void **state)
{
	const int *ends = *state;

	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void assert_same(int a, int b)
{
	struct stat status[2];

	assert_int_equal(fstat(a, &status[0]), 0);
	assert_int_equal(fstat(b, &status[1]), 0);
	assert_int_equal(status[0].st_ino, status[1].st_ino);
}

static void test_passing(void **state)
{
	const int *ends = *state;
	int sent[2], received[HOST_PASSING_MAX];
	unsigned count = 0;
	char text[16] = "";

	assert_int_equal(pipe2(sent, O_CLOEXEC), 0);
	assert_int_equal(host_passing_receive(ends[1], text, sizeof(text), received, &count),
			 -EAGAIN);
	assert_int_equal(host_passing_send(ends[0], "with", 4, sent, 2), 4);
	assert_int_equal(host_passing_send(ends[0], "out", 3, NULL, 0), 3);
	/* They come with the first byte. */
	assert_int_equal(host_passing_receive(ends[1], text, 1, received, &count), 1);
	assert_int_equal(count, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_same(sent[i], received[i]);
		assert_int_equal(fcntl(received[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		close(received[i]);
		close(sent[i]);
	}
	assert_int_equal(host_passing_receive(ends[1], text, sizeof(text), received, &count), 6);
	assert_int_equal(count, 2);
	assert_memory_equal(text, "ithout", 6);
}

/* What finds no room is closed, not kept open. */
static void test_no_room(void **state)
{
	const int *ends = *state;
	int received[HOST_PASSING_MAX], sent[HOST_PASSING_MAX];
	unsigned count = HOST_PASSING_MAX - 1;
	int before, after;
	char byte;

	for (unsigned i = 0; i < HOST_PASSING_MAX; i++)
		sent[i] = ends[0];
	before = dup(ends[0]);
	close(before);
	assert_int_equal(host_passing_send(ends[0], "x", 1, sent, HOST_PASSING_MAX), 1);
	assert_int_equal(host_passing_receive(ends[1], &byte, 1, received, &count), 1);
	assert_int_equal(count, HOST_PASSING_MAX);
	close(received[HOST_PASSING_MAX - 1]);
	after = dup(ends[0]);
	assert_int_equal(after, before);
	close(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_passing, make_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_no_room, make_ends, close_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
