/* SPDX-License-Identifier: MIT */
#include "host/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/resource.h>
#include <unistd.h>

int host_descriptors_guard(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		/* The lowest free number is this one. */
		if (open("/dev/null", O_RDWR | O_CLOEXEC) < 0)
			return -errno;
	}
	return 0;
}

int host_descriptors_release(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	dup3(null, STDIN_FILENO, O_CLOEXEC);
	dup3(null, STDOUT_FILENO, O_CLOEXEC);
	close(null);
	return 0;
}

/* The smallest of kept[0 .. count) that is at least `least`, or INT_MAX. */
static int next_kept(int least, const int *kept, size_t count)
{
	int next = INT_MAX;

	for (size_t i = 0; i < count; i++) {
		if (kept[i] >= least && kept[i] < next)
			next = kept[i];
	}
	return next;
}

void host_descriptors_close(int first, const int *kept, size_t count)
{
	for (;;) {
		int next = next_kept(first, kept, count);

		if (next > first)
			close_range((unsigned)first, (unsigned)next - 1, 0);
		if (next == INT_MAX)
			return;
		first = next + 1;
	}
}

uint64_t host_descriptors_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? 0 : limit.rlim_cur;
}

int host_descriptors_set_limit(uint64_t count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	limit.rlim_cur = limit.rlim_max = count;
	return setrlimit(RLIMIT_NOFILE, &limit) < 0 ? -errno : 0;
}

void host_descriptors_unlimit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
