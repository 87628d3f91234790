/* SPDX-License-Identifier: MIT */
#ifndef HOST_SCRIBE_H
#define HOST_SCRIBE_H

/*
 * The scribe: whoever writes to a file what the engine hands over. The engine may not wait for a disk,
 * and has no files; so another process does both, and they are joined by a stream socket. The scribe
 * writes all that comes, up to the end of the stream, and closes its side when that is in the file. Where
 * writing fails it says why, with the negative errno as an int, before it closes.
 */

#include <stdbool.h>
#include <sys/types.h>

/*
 * Makes the two ends, both closed on exec: *engine, which the engine sends to with MSG_DONTWAIT, and *scribe. Returns 0, or the
 * errno of socketpair(2).
 */
int host_scribe_join(int *engine, int *scribe);
/*
 * The scribe's work: writes what comes from `socket` to `file` until it ends, then closes the socket.
 * Returns 0 or the errno of read(2) or write(2).
 */
int host_scribe_write(int socket, int file);
/*
 * Starts a process that does it and then ends. It takes no signal, so that it lives until the stream ends,
 * and keeps no descriptor but these two; in a session of its own when `apart`. The process must
 * have one thread. Returns its ID, or the errno of fork(2). `socket` and `file` stay the caller's.
 */
pid_t host_scribe_start(int socket, int file, bool apart);
/* Waits for the end of a scribe that was started. */
void host_scribe_await(pid_t pid);

#endif
