/* SPDX-License-Identifier: MIT */
#ifndef HOST_ISOLATION_H
#define HOST_ISOLATION_H

/*
 * The process that parses packets gives up what it does not need for that: what breaks into it finds
 * open sockets, and nothing else to reach.
 */

/* What is given up, in this order; a text to put after "cannot". */
#define HOST_ISOLATION_STEPS(X)                              \
	X(NAMESPACES, "enter namespaces of its own")         \
	X(ROOT, "change to an empty root directory")         \
	X(CAPABILITIES, "give up capabilities")              \
	X(LANDLOCK, "forbid itself all files (landlock(7))") \
	X(THREADS, "start its threads")                      \
	X(LIMITS, "lower its own limits")                    \
	X(SECCOMP, "forbid itself most system calls (seccomp(2))")

enum host_isolation_step {
#define HOST_ISOLATION_STEP(name, text) HOST_ISOLATION_##name,
	HOST_ISOLATION_STEPS(HOST_ISOLATION_STEP)
#undef HOST_ISOLATION_STEP
};

/*
 * Isolates the calling process, which must have one thread, for the rest of its life:
 *
 *   - user, mount, IPC and UTS namespaces of its own; its user and group stay
 *   - an empty, read-only root directory, with the old one out of reach
 *   - no core file, no new process, no trace by others (PR_SET_DUMPABLE)
 *   - no capability in any set, no new privileges (PR_SET_NO_NEW_PRIVS)
 *   - no file may be opened by path (Landlock), where the kernel has that
 *   - no system call but those of src/host/syscalls, which end the process (SIGSYS)
 *
 * `start_threads` is called with `context` when new threads get all that by themselves, but the last, which is
 * laid on all that run when it has returned 0; NULL: there are none.
 *
 * Returns 0, or a negative errno with *step filled in; the process is then as isolated as the steps
 * before have made it.
 */
int host_isolate(int (*start_threads)(void *context), void *context,
		 enum host_isolation_step *step);
/* The step's text. */
const char *host_isolation_text(enum host_isolation_step step);

#endif
