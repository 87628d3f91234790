/* SPDX-License-Identifier: MIT */
#ifndef TESTS_UNIT_LINK_DEVICE_H
#define TESTS_UNIT_LINK_DEVICE_H

/*
 * A real TUN device with the kernel's own sockets on its other side: in a network namespace of this
 * process, so that nothing of the host is touched. What goes wrong here fails the test.
 */

#include <cothon/addr.h>
#include <cothon/link.h>
#include <net/if.h>
#include <sys/socket.h>

enum {
	DEVICE_MTU = 1500,
	DEVICE_WAIT = 5000, /* milliseconds until a test gives up */
	DEVICE_PORT = 7777, /* of the kernel's sockets */
};

/* A device, its link, and the addresses of the kernel's side and of ours. */
struct device {
	int fd; /* the link's */
	char name[IFNAMSIZ];
	struct cothon_link *link;
	struct cothon_pool *pool;
	struct cothon_addr kernel[2], ours[2]; /* IPv4, IPv6 */
};

/* For a group's set-up: enters a new network namespace and finds out what the machine permits. */
int device_find_out(void **state);
/* Skips the test, and says why, where the machine does not permit what it is about. */
void device_need(void);
/* Opens a device with these IFF_* flags, the caller's; returns it or a negative errno. */
int device_open(short flags, char name[static IFNAMSIZ]);

/* Makes a device that is up, with addresses on both sides and a link; or skips the test. */
void device_begin(struct device *device);
/* Ends the link, which must close the device, and checks that all buffers have come back. */
void device_end(struct device *device);
/* Takes a device up or down. */
void device_set_up(const char *name, bool up);

/* An address and port in the kernel's terms; returns the length. */
socklen_t device_sockaddr(const struct cothon_addr *addr, uint16_t port,
			  struct sockaddr_storage *storage);
/*
 * A socket of the kernel's side: family 0 is IPv4, 1 is IPv6; bound to its address and DEVICE_PORT.
 */
int device_socket(const struct device *device, unsigned family, int type);

#endif
