/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_RESOLV_H
#define SANDBOX_RESOLV_H

/*
 * The sandbox's resolv.conf(5): the gateway is its name server; where to search stays as the host
 * has it.
 */

#include "relay/relay.h"

#include <stddef.h>

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

/*
 * Puts that content in the place of `path` ("/etc/resolv.conf") in the caller's mount namespace.
 * Returns 0, or a negative errno as host_mount_file().
 */
int sandbox_resolv_mount(const struct relay_network *network, const char *path);

#endif
