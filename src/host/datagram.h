/* SPDX-License-Identifier: MIT */
#ifndef HOST_DATAGRAM_H
#define HOST_DATAGRAM_H

/* UDP sockets of the host, many datagrams a call, with what travels beside their payload. */

#include "host/socket.h"

enum {
	/* Datagrams that one call takes. */
	HOST_DATAGRAM_BATCH = 32,
	/* Room for any payload, and for what UDP_GRO puts together. */
	HOST_DATAGRAM_MAX = 65536,
	/*
	 * Pieces that UDP_SEGMENT cuts one call's payload into at most (UDP_MAX_SEGMENTS of older
	 * kernels).
	 */
	HOST_DATAGRAM_SEGMENTS = 64,
};

struct host_datagram {
	struct host_sockaddr peer;
	/* The host's own address it came to, or is to leave from; any: as the host chooses. */
	struct cothon_addr local;
	/* `len` bytes at `data`. To receive: the room there is. */
	uint8_t *data;
	size_t len;
	/*
	 * Not 0: `data` holds several datagrams of this many bytes, the last one perhaps shorter.
	 */
	uint16_t gso_size;
	/* As it arrived; not used for sending. */
	uint8_t hops, traffic_class;
};

/*
 * Opens a socket of a family whose error queue is on (IP_RECVERR), that tells TTL and traffic class
 * of what it receives and puts together what belongs together (UDP_GRO); with `tell_local` also the
 * address it came to. An IPv6 one is for IPv6 alone. It is not bound. Returns a descriptor, or a
 * negative errno.
 */
int host_datagram_open(int family, bool tell_local);
/*
 * Receives up to `count` (at most HOST_DATAGRAM_BATCH) datagrams. Returns how many, -EAGAIN when
 * there is none, or the socket's pending error.
 */
int host_datagram_receive(int fd, struct host_datagram *datagrams, unsigned count);
/*
 * Sends up to `count` (at most HOST_DATAGRAM_BATCH) datagrams. Returns how many were sent, or, when
 * the first one was not, why: an earlier one's error that was pending is such a reason too.
 */
int host_datagram_send(int fd, const struct host_datagram *datagrams, unsigned count);

#endif
