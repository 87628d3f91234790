/* SPDX-License-Identifier: MIT */
#ifndef HOST_NAMESPACE_H
#define HOST_NAMESPACE_H

/*
 * Namespaces (namespaces(7)): a process in fresh ones, and what such a process does to its own
 * view of the machine. Nothing here reaches the namespaces of the caller.
 */

#include <stddef.h>
#include <sys/types.h>

/* Linux's limit to the extents of a uid or gid map (user_namespaces(7)). */
enum {
	HOST_IDMAP_EXTENTS = 340
};

/*
 * As fork(2), the child in fresh namespaces: `flags` are CLONE_NEW*. In the parent *pidfd becomes
 * a descriptor of the child (close-on-exec, the caller's). No atfork handler runs, and no other
 * thread may exist. Returns 0 in the child, its process id in the parent, or the errno of
 * clone(2): -EPERM, -ENOSPC, -EINVAL, -EUSERS, -EAGAIN, -ENOMEM.
 */
pid_t host_namespace_fork(int flags, int *pidfd);

/* Writes a value to a file of /proc, whole. Returns 0 or the errno of open(2) or write(2). */
int host_proc_write(const char *path, const char *value);

/*
 * Reads a small file into text[room], ending it with NUL. Returns its length; -EFBIG when it does
 * not fit; or the errno of open(2) or read(2).
 */
ssize_t host_read_file(const char *path, char *text, size_t room);

/*
 * Mounts a /proc that shows the caller's PID namespace over the one there is. Returns 0, or the
 * errno of mount(2): -EPERM where the old one is hidden in part, as containers do
 * (mount_namespaces(7)).
 */
int host_mount_proc(void);

/*
 * Puts a file with this content in the place of `target` (symbolic links are followed) in the
 * caller's mount namespace; the file that was there is not touched. Needs a mapped user and group.
 * Returns 0; -ENOENT where there is no target, -EISDIR where it is a directory; or the errno of
 * the system call that failed.
 */
int host_mount_file(const char *target, const void *content, size_t len);

/*
 * Gives the caller, in a mount namespace of its own, an empty, read-only root directory and nothing
 * else; what it has open stays open. Returns 0 or the errno of the call that failed.
 */
int host_empty_root(void);

#endif
