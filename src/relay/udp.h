/* SPDX-License-Identifier: MIT */
#ifndef RELAY_UDP_H
#define RELAY_UDP_H

/*
 * UDP between the sandbox and sockets of the host.
 *
 * Every endpoint inside that sends has a mapping: one socket of the host from which all that it
 * sends leaves, wherever it goes (RFC 4787 REQ-1: endpoint-independent mapping), and to which
 * anybody may answer (REQ-8: endpoint-independent filtering). A mapping ends when nothing was sent
 * through it for long; a published one stays, and may have several sockets, one per publication.
 */

#include "host/datagram.h"
#include "host/loop.h"
#include "port/flow.h"
#include "relay/timer.h"
#include <cothon/stack.h>

struct relay;
struct relay_mapping;
struct relay_way;

enum {
	/*
	 * Seconds after the last datagram out at which a mapping ends. RFC 4787 REQ-5: at least two
	 * minutes, five are recommended; REQ-6: what comes in need not refresh it, and here does
	 * not, so that nobody outside can hold it open. A peer is forgotten after as long a silence
	 * of both.
	 */
	RELAY_UDP_IDLE = 300,
};

struct relay_udp_socket {
	struct host_watch watch;
	struct relay_mapping *mapping;
	struct cothon_list node; /* in the mapping's sockets */
	bool published, ipv4;
	/* What the socket puts into the headers it sends; -1: not set yet. */
	int hops, traffic_class, discovery;
	/*
	 * Datagrams of this size and above are not given to UDP_SEGMENT: the way is too narrow for
	 * them.
	 */
	uint16_t segment_limit;
};

struct relay_mapping {
	struct cothon_flow_entry entry; /* local: the endpoint inside */
	struct relay *relay;
	struct cothon_list by_use;
	uint64_t opened_at, used_at;
	uint64_t bytes_in, bytes_out; /* payload, into the sandbox and out of it */
	struct cothon_list sockets;   /* the first is the one that what is sent unasked leaves by */
	bool published;
	/* To the destinations it was let through to, under rules; the last one used, or NULL. */
	struct cothon_list ways;
	struct relay_way *last_way;
};

/* Somebody outside who spoke to a published port first, and how to answer. */
struct relay_peer {
	/* Local: its endpoint as the sandbox sees it; remote: the one inside. */
	struct cothon_flow_entry entry;
	struct cothon_list by_use;
	uint64_t used_at;
	struct relay_udp_socket *socket;
	struct host_sockaddr addr;
	struct cothon_addr local; /* the host's address that it spoke to */
};

/*
 * What the sandbox sent in one burst to be sent by one call: datagrams of one socket. Those that
 * follow one another to the same place with the same size are one entry, cut by the kernel
 * (UDP_SEGMENT).
 */
struct relay_udp_batch {
	struct relay_udp_socket *socket;
	unsigned count;
	size_t used;
	struct host_datagram datagrams[HOST_DATAGRAM_BATCH];
	/* Where they go as the sandbox sees it, for the errors it is told. */
	struct cothon_endpoint destinations[HOST_DATAGRAM_BATCH];
	uint8_t data[HOST_DATAGRAM_MAX];
};

/* Room to receive into; pages that no datagram has reached take no memory. */
struct relay_udp_inbox {
	struct host_datagram datagrams[HOST_DATAGRAM_BATCH];
	uint8_t data[HOST_DATAGRAM_BATCH][HOST_DATAGRAM_MAX];
};

struct relay_udp {
	struct cothon_flow_table *mappings, *peers;
	/* Longest unused first; published mappings are in no list. */
	struct cothon_list mappings_by_use, peers_by_use;
	struct relay_timer expiry;
	struct relay_udp_batch *batch;
	struct relay_udp_inbox *inbox;
};

/* Returns 0 or -ENOMEM. */
int relay_udp_init(struct relay *relay);
void relay_udp_finish(struct relay *relay);
/* The forwarder's answer to a datagram from the sandbox. */
int relay_udp_forward(struct relay *relay, const struct cothon_datagram *datagram);
/* Sends what has been collected: to be called after every burst of input. */
void relay_udp_flush(struct relay *relay);
/*
 * Makes the bound socket `fd` (of host_datagram_open() with tell_local) the one of `inside`; it
 * becomes the relay's. Returns 0 with *socket, -ENOMEM, -ENOBUFS at the bound of mappings, or the
 * errno of epoll_ctl(2); then `fd` stays the caller's.
 */
int relay_udp_publish(struct relay *relay, const struct cothon_endpoint *inside, int fd,
		      struct relay_udp_socket **socket);
void relay_udp_unpublish(struct relay *relay, struct relay_udp_socket *socket);
/* The mapping of an endpoint inside, or NULL. */
struct relay_mapping *relay_udp_find(const struct relay *relay,
				     const struct cothon_endpoint *inside);
/* Ends a mapping. A published one stays, and forgets its peers and ways. */
void relay_udp_end(struct relay_mapping *mapping);

/*
 * Sends a datagram of a mapping to where it really goes, by a socket of that family; it is opened
 * if there is none.
 */
void relay_udp_send_to(struct relay_mapping *mapping, const struct cothon_endpoint *target,
		       const struct cothon_datagram *datagram);

/* How many datagrams one stands for. */
uint64_t relay_udp_pieces(const struct cothon_datagram *datagram);
/* Sees to it that what is idle is ended in time; to be called when a mapping or peer is used. */
void relay_udp_watch_idle(struct relay *relay);

/* outbox.c: from the sandbox to the host */

/*
 * Sends, or collects to be sent by the next flush, a datagram that goes to `to` by `socket`, from
 * `local` unless that is any.
 */
void relay_udp_send(struct relay_udp_socket *socket, const struct host_sockaddr *to,
		    const struct cothon_addr *local, const struct cothon_datagram *datagram);
/* Sends what is collected for a socket that is about to be closed. */
void relay_udp_flush_socket(struct relay_udp_socket *socket);
/*
 * Passes what a socket's error queue says of the way into the sandbox, up to a bound. Returns how
 * many ICMP errors there were; *mtu becomes that of a datagram that was too big for the host's own
 * kernel, if that is there.
 */
unsigned relay_udp_pass_errors(struct relay_udp_socket *socket, uint32_t *mtu);

/* inbox.c: from the host into the sandbox */

void relay_udp_socket_ready(struct host_watch *watch, uint32_t events, uint64_t now);
/* Returns 0 or -ENOMEM. */
int relay_udp_inbox_init(struct relay *relay);

/* peer.c: those outside who spoke first */

/* The peer that the mapping's sandbox knows by the endpoint `visible`, marked as used; or NULL. */
struct relay_peer *relay_peer_find(struct relay *relay, const struct relay_mapping *mapping,
				   const struct cothon_endpoint *visible);
/*
 * The peer that a datagram of a published socket is from, marked as used. It is known inside by its
 * own endpoint, but those whose address means something else inside (the host's loopback,
 * link-local, the sandbox's own) by the gateway's address and, where it is free, their own port.
 * NULL when there is no room for it.
 */
struct relay_peer *relay_peer_admit(struct relay_udp_socket *socket,
				    const struct host_datagram *datagram);
/* Forgets the peers that spoke through a socket; with NULL, all of them. */
void relay_peer_forget(struct relay *relay, const struct relay_udp_socket *socket);
/*
 * Forgets the peers silent for too long; returns when the next one will be (COTHON_NEVER: none is
 * left).
 */
uint64_t relay_peer_expire(struct relay *relay);

#endif
