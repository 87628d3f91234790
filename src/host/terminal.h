/* SPDX-License-Identifier: MIT */
#ifndef HOST_TERMINAL_H
#define HOST_TERMINAL_H

/* Whose terminal it is: the foreground process group of the controlling terminal (tcsetpgrp(3)). */

#include <sys/types.h>

/* The foreground process group, or a negative errno: -ENXIO without a controlling terminal. */
pid_t host_terminal_foreground(void);
/*
 * Makes a group of the caller's session the foreground one, whether or not the caller is in the
 * foreground itself; the caller blocks or ignores SIGTTOU. Returns 0, -ENXIO, or the errno of
 * tcsetpgrp(3).
 */
int host_terminal_give(pid_t group);

#endif
