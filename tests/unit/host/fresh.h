/* SPDX-License-Identifier: MIT */
#ifndef TESTS_HOST_FRESH_H
#define TESTS_HOST_FRESH_H

/*
 * Runs the body of a test in fresh namespaces, as their root. The body runs in a child, so it
 * reports by its return value: 0, or the line of the check that failed.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                 \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

/* What fresh() returns where the machine gives nobody namespaces; lines are smaller. */
enum {
	FRESH_REFUSED = 1 << 20
};

static inline int fresh_map(const char *path, unsigned id)
{
	char line[32];
	int len = snprintf(line, sizeof(line), "0 %u 1", id);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int done = fd >= 0 && write(fd, line, (size_t)len) == len;

	close(fd);
	return done;
}

/* In the child. */
static inline int fresh_enter(int flags)
{
	unsigned user = geteuid(), group = getegid();
	int fd;

	if (unshare(CLONE_NEWUSER | flags) < 0)
		return 0;
	fd = open("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "deny", 4) != 4)
		return 0;
	close(fd);
	return fresh_map("/proc/self/gid_map", group) && fresh_map("/proc/self/uid_map", user);
}

/* `flags` are CLONE_NEW*. Returns what the body does, or FRESH_REFUSED. */
static inline int fresh(int flags, int (*body)(void))
{
	int result[2], value = -1;
	pid_t child;

	if (pipe2(result, O_CLOEXEC) < 0)
		return -1;
	child = fork();
	if (child == 0) {
		value = fresh_enter(flags) ? body() : FRESH_REFUSED;
		_exit(write(result[1], &value, sizeof(value)) != sizeof(value));
	}
	close(result[1]);
	if (read(result[0], &value, sizeof(value)) != sizeof(value))
		value = -1;
	close(result[0]);
	waitpid(child, NULL, 0);
	return value;
}

/* As a test of cmocka's: skips, and says so, where the machine refuses. */
#define ASSERT_FRESH(flags, body)                                                            \
	do {                                                                                 \
		int fresh_result = fresh(flags, body);                                       \
		if (fresh_result == FRESH_REFUSED) {                                         \
			print_message("# this machine gives %u no namespaces\n", geteuid()); \
			skip();                                                              \
		}                                                                            \
		/* The line of the check that failed. */                                     \
		assert_int_equal(fresh_result, 0);                                           \
	} while (0)

#endif
