/* SPDX-License-Identifier: MIT */
#ifndef HOST_SYSCALL_FILTER_H
#define HOST_SYSCALL_FILTER_H

/*
 * The filter of system calls (seccomp(2)), made of the list in src/host/syscalls when the program is
 * built, so that starting it takes one system call.
 */

#include <linux/filter.h>

extern const struct sock_filter host_syscall_filter[];
extern const unsigned short host_syscall_filter_len;

#endif
