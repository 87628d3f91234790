/* SPDX-License-Identifier: MIT */
#ifndef HOST_PASSING_H
#define HOST_PASSING_H

/* Descriptors that go from one process to another beside the bytes of a Unix stream (unix(7)). */

#include <sys/types.h>

enum {
	HOST_PASSING_MAX = 8
};

/*
 * Sends bytes as send(2) does, without waiting, and copies of `count` (at most HOST_PASSING_MAX)
 * descriptors with the first of them. Returns how many bytes were sent, with them all descriptors;
 * or the errno of sendmsg(2), and then nothing was.
 */
ssize_t host_passing_send(int socket, const void *bytes, size_t len, const int *descriptors,
			  unsigned count);
/*
 * Receives bytes as recv(2) does, without waiting. Descriptors that came along, closed on exec and the caller's, are
 * put into descriptors[*count .. HOST_PASSING_MAX), and *count grows; what finds no room there is closed.
 */
ssize_t host_passing_receive(int socket, void *bytes, size_t len, int *descriptors,
			     unsigned *count);

#endif
