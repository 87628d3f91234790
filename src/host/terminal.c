/* SPDX-License-Identifier: MIT */
#include "host/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int open_terminal(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

pid_t host_terminal_foreground(void)
{
	int fd = open_terminal();
	pid_t group;

	if (fd < 0)
		return fd;
	group = tcgetpgrp(fd);
	if (group < 0)
		group = -errno;
	close(fd);
	return group;
}

int host_terminal_give(pid_t group)
{
	int fd = open_terminal();
	int error = 0;

	if (fd < 0)
		return fd;
	if (tcsetpgrp(fd, group) < 0)
		error = -errno;
	close(fd);
	return error;
}
