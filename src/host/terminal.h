/* SPDX-License-Identifier: MIT */
#ifndef HOST_TERMINAL_H
#define HOST_TERMINAL_H

/* Whose terminal it is: the foreground process group of the controlling terminal (tcsetpgrp(3)). */

#include <stdbool.h>
#include <sys/types.h>

/* Opens the controlling terminal, closed on exec. Returns a descriptor; -ENXIO without one. */
int host_terminal_open(void);
/* The foreground process group; or a negative errno, which is `terminal` where that is one. */
pid_t host_terminal_foreground(int terminal);
/*
 * Whether there is a controlling terminal whose foreground process group is in the caller's PID namespace.
 */
bool host_terminal_in_use(void);
/*
 * Makes a group of the caller's session the foreground one, whether or not the caller is in the
 * foreground itself; the caller blocks or ignores SIGTTOU. Returns 0, `terminal` where that is negative, or
 * the errno of tcsetpgrp(3).
 */
int host_terminal_give(int terminal, pid_t group);

#endif
