/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_TUN_HOST_H
#define EXAMPLES_TUN_HOST_H

/* A host on a TUN device of this machine. Shows how a host is driven by the real clock. */

#include <cothon/cothon.h>

struct tun_host {
	int fd; /* the link's */
	struct cothon_link *link;
	struct cothon_host *host;
};

/*
 * Opens the TUN device of that name, which is made if the caller may, and puts a host with this address on it. Returns
 * 0, or what open(2), ioctl(2), cothon_tun_open() or cothon_host_create() say; -EINVAL for what is no address.
 */
int tun_host_create(struct tun_host *host, const char *device, const char *address);
void tun_host_destroy(struct tun_host *host);
/*
 * Polls the host, waits until something may have happened, and polls again. Between two calls the sockets' turn is.
 * Returns 0, or what ppoll(2) says.
 */
int tun_host_turn(struct tun_host *host);

#endif
