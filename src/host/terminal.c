/* SPDX-License-Identifier: MIT */
#include "host/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int host_terminal_open(void)
{
	int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? -errno : fd;
}

pid_t host_terminal_foreground(int terminal)
{
	pid_t group;

	if (terminal < 0)
		return terminal;
	group = tcgetpgrp(terminal);
	return group < 0 ? -errno : group;
}

bool host_terminal_in_use(void)
{
	int terminal = host_terminal_open();
	bool in_use = host_terminal_foreground(terminal) > 0;

	if (terminal >= 0)
		close(terminal);
	return in_use;
}

int host_terminal_give(int terminal, pid_t group)
{
	if (terminal < 0)
		return terminal;
	return tcsetpgrp(terminal, group) < 0 ? -errno : 0;
}
