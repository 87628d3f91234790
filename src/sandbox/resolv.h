/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_RESOLV_H
#define SANDBOX_RESOLV_H

/*
 * The sandbox's resolv.conf(5): the gateway is its name server; where to search stays as the host
 * has it.
 */

#include "relay/relay.h"

#include <stddef.h>
#include <sys/types.h>

/* The most of a host's file that is read, and that is written. */
enum {
	SANDBOX_RESOLV_MAX = 32768
};

/*
 * Writes the content for a network into text[room], with the lines `search`, `domain` and
 * `options` of the host's own file, `host` (NUL-terminated). Returns its length, or -EFBIG.
 */
int sandbox_resolv_make(const struct relay_network *network, const char *host, char *text,
			size_t room);

/* The file where it is in place. */
struct sandbox_resolv {
	const char *path; /* "/etc/resolv.conf" */
	dev_t device;     /* of the file system that holds nothing else */
	int mounts;       /* /proc/self/mountinfo: poll(2) tells of changes by POLLPRI */
};

/*
 * Puts that content in the place of `path` in the caller's mount namespace. Returns 0 with *resolv
 * filled in, or a negative errno as host_mount_file(). What is in *resolv lasts as long as the
 * process.
 */
int sandbox_resolv_mount(struct sandbox_resolv *resolv, const struct relay_network *network,
			 const char *path);
/*
 * To be called when mounts have changed. The kernel takes a mount away when the file below it is
 * replaced or removed from outside, as those who manage the host's file do: then it is put in place
 * again. Returns 0, or the error of that: there may be no file for a moment.
 */
int sandbox_resolv_keep(struct sandbox_resolv *resolv, const struct relay_network *network);

#endif
