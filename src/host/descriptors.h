/* SPDX-License-Identifier: MIT */
#ifndef HOST_DESCRIPTORS_H
#define HOST_DESCRIPTORS_H

/* The process's table of file descriptors. */

#include <stddef.h>
#include <stdint.h>

/*
 * Fills those of 0, 1 and 2 that are closed with /dev/null, close-on-exec, so that nothing that is
 * opened later takes their place. Returns 0 or the errno of open(2).
 */
int host_descriptors_guard(void);
/* Replaces 0 and 1 by /dev/null. Returns 0 or the errno of open(2). */
int host_descriptors_release(void);
/*
 * Closes all from `first` up but the `count` that are kept; as far as the kernel can (Linux 5.9).
 */
void host_descriptors_close(int first, const int *kept, size_t count);
/* Raises the limit to open descriptors as far as it may be. */
void host_descriptors_unlimit(void);
/* How many descriptors this process may have; 0 when the kernel does not tell. */
uint64_t host_descriptors_limit(void);
/*
 * Lowers that for good. Returns 0, or the errno of setrlimit(2): -EPERM for more than it may be.
 */
int host_descriptors_set_limit(uint64_t count);

#endif
