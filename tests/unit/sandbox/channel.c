/* SPDX-License-Identifier: MIT */
#include "sandbox/channel.h"

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
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int close_ends(void **state)
{
	const int *ends = *state;

	close(ends[0]);
	close(ends[1]);
	return 0;
}

static void test_messages(void **state)
{
	const struct sandbox_message sent[] = {
		{SANDBOX_EXITED, 143, 0},
		{SANDBOX_FAILED, SANDBOX_STEP_TUN_OPEN, -EACCES},
	};
	const int *ends = *state;
	struct sandbox_message seen;
	int passed = 7;

	assert_int_equal(sandbox_channel_receive(ends[1], &seen, NULL, MSG_DONTWAIT), -EAGAIN);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(sandbox_channel_send(ends[0], &sent[i], -1, 0), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(sandbox_channel_receive(ends[1], &seen, &passed, 0), 0);
		assert_memory_equal(&seen, &sent[i], sizeof(seen));
		assert_int_equal(passed, -1);
	}
}

static void test_passing(void **state)
{
	const struct sandbox_message device = {.word = SANDBOX_DEVICE};
	const int *ends = *state;
	struct sandbox_message seen;
	struct stat status[2];
	int passed;

	assert_int_equal(sandbox_channel_send(ends[0], &device, ends[1], 0), 0);
	assert_int_equal(sandbox_channel_receive(ends[1], &seen, &passed, 0), 0);
	assert_true(passed > 2);
	assert_int_equal(fcntl(passed, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(passed, &status[0]), 0);
	assert_int_equal(fstat(ends[1], &status[1]), 0);
	assert_int_equal(status[0].st_ino, status[1].st_ino);
	close(passed);
}

static void test_nothing_is_accepted_unasked(void **state)
{
	const struct sandbox_message device = {.word = SANDBOX_DEVICE};
	const int *ends = *state;
	struct sandbox_message seen;
	int before = dup(0);

	close(before);
	assert_int_equal(sandbox_channel_send(ends[0], &device, 0, 0), 0);
	assert_int_equal(sandbox_channel_receive(ends[1], &seen, NULL, 0), 0);
	/* The lowest free number is the same: no descriptor has come. */
	assert_int_equal(dup(0), before);
	close(before);
}

static void test_no_messages(void **state)
{
	char text[2 * sizeof(struct sandbox_message)] = "";
	const int *ends = *state;
	struct sandbox_message seen;

	assert_int_equal(send(ends[0], text, sizeof(seen) - 1, 0), sizeof(seen) - 1);
	assert_int_equal(sandbox_channel_receive(ends[1], &seen, NULL, 0), -EBADMSG);
	assert_int_equal(send(ends[0], text, sizeof(seen) + 1, 0), sizeof(seen) + 1);
	assert_int_equal(sandbox_channel_receive(ends[1], &seen, NULL, 0), -EBADMSG);
}

static void test_end(void **state)
{
	const struct sandbox_message message = {.word = SANDBOX_GO};
	int *ends = *state;
	struct sandbox_message seen;

	/* What was said before the end is heard. */
	assert_int_equal(sandbox_channel_send(ends[0], &message, -1, 0), 0);
	close(ends[0]);
	assert_int_equal(sandbox_channel_receive(ends[1], &seen, NULL, 0), 0);
	assert_int_equal(sandbox_channel_receive(ends[1], &seen, NULL, 0), -EPIPE);
	assert_int_equal(sandbox_channel_send(ends[1], &message, -1, 0), -EPIPE);
	ends[0] = -1;
}

static void test_end_with_unread(void **state)
{
	const struct sandbox_message message = {.word = SANDBOX_GO};
	int *ends = *state;
	struct sandbox_message seen;

	assert_int_equal(sandbox_channel_send(ends[1], &message, -1, 0), 0);
	close(ends[0]);
	assert_int_equal(sandbox_channel_receive(ends[1], &seen, NULL, 0), -EPIPE);
	ends[0] = -1;
}

static void test_sender(void **state)
{
	const struct sandbox_message message = {.word = SANDBOX_PROCESS, .value = 3};
	const int *ends = *state;
	struct sandbox_message seen;
	pid_t sender = 7;
	int passed;

	assert_int_equal(sandbox_channel_send(ends[0], &message, -1, 0), 0);
	assert_int_equal(sandbox_channel_receive_from(ends[1], &seen, &passed, &sender, 0), 0);
	assert_int_equal(sender, 0);
	assert_int_equal(sandbox_channel_identify(ends[1]), 0);
	assert_int_equal(sandbox_channel_send(ends[0], &message, ends[0], 0), 0);
	assert_int_equal(sandbox_channel_receive_from(ends[1], &seen, &passed, &sender, 0), 0);
	assert_int_equal(sender, getpid());
	assert_memory_equal(&seen, &message, sizeof(seen));
	assert_true(passed >= 0);
	close(passed);
	/* In one's own name everybody may speak. */
	assert_int_equal(sandbox_channel_send_as(ends[0], &message, getpid()), 0);
	assert_int_equal(sandbox_channel_receive_from(ends[1], &seen, &passed, &sender, 0), 0);
	assert_int_equal(sender, getpid());
	assert_int_equal(passed, -1);
	/* Above the largest number that a process can have. */
	assert_true(sandbox_channel_send_as(ends[0], &message, 1 << 30) < 0);
}

static void test_full(void **state)
{
	const struct sandbox_message message = {.word = SANDBOX_SIGNAL, .value = 15};
	const int *ends = *state;
	int error = 0;

	for (int i = 0; i < 100000 && error == 0; i++)
		error = sandbox_channel_send(ends[0], &message, -1, MSG_DONTWAIT);
	assert_int_equal(error, -EAGAIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_messages, make_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_passing, make_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_nothing_is_accepted_unasked, make_ends,
						close_ends),
		cmocka_unit_test_setup_teardown(test_no_messages, make_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_end, make_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_end_with_unread, make_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_sender, make_ends, close_ends),
		cmocka_unit_test_setup_teardown(test_full, make_ends, close_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
