/* SPDX-License-Identifier: MIT */
#ifndef UNIT_STACK_HOST_H
#define UNIT_STACK_HOST_H

/*
 * One stack on a link that keeps what it sends, on a virtual clock. Packets are put in and looked at by hand: the
 * host under test is 192.0.2.1 and 2001:db8::1, what is on the other side of its link 192.0.2.2 and 2001:db8::2.
 *
 * All memory is counted, so that a leak fails the test in every build, and may be refused.
 */

#include "base/bytes.h"
#include "wire/ip.h"
#include <cothon/cothon.h>

struct host_memory {
	size_t live;          /* bytes */
	uint64_t allocations; /* asked for */
	uint64_t fail_every;  /* every so many-th is refused; 0: none */
	uint64_t fail_from;   /* from this one on all are refused; 0: none */
};

/* Allocates as `memory` says; it must outlive what is made from it. */
struct cothon_memory host_memory_of(struct host_memory *memory);

struct host_frame {
	struct host_frame *next;
	struct cothon_offload offload;
	size_t len;
	uint8_t data[];
};

struct host_setup {
	uint32_t mtu;      /* 0: 1500 */
	unsigned features; /* COTHON_LINK_* */
	uint64_t now;      /* 0: one second */
	uint64_t seed;
	size_t pool_limit; /* 0: without */
	const struct cothon_forwarder *forwarder;
	void *context;
	/* Changes what the config would be. May be NULL. */
	void (*configure)(struct cothon_stack_config *config);
};

struct host {
	struct cothon_link link;
	struct host_memory memory;
	struct cothon_pool *pool;
	struct cothon_stack *stack;
	const struct cothon_counters *counters;
	uint64_t now, deadline;
	struct host_frame *first, **last;
	unsigned waiting; /* frames sent and not taken */
	int refuse;       /* what the link says instead of taking a frame; 0: it takes them */
};

void host_create(struct host *host, const struct host_setup *setup);
/* Fails the test if memory is left. */
void host_destroy(struct host *host);
/* The host's address, and its neighbour's, of a family. */
struct cothon_addr host_addr(bool ipv6);
struct cothon_addr host_peer(bool ipv6);
struct cothon_addr host_parse(const char *text);
struct cothon_endpoint host_endpoint(const char *addr, uint16_t port);

/* Gives the stack a packet and polls it. */
void host_input(struct host *host, const void *data, size_t len);
void host_input_offload(struct host *host, const void *data, size_t len,
			const struct cothon_offload *offload);
void host_poll(struct host *host);
/* Lets time pass, with a poll whenever the stack wants one. */
void host_advance(struct host *host, uint64_t microseconds);
/* The oldest frame sent, to be freed by the caller; the test fails if there is none. */
struct host_frame *host_take(struct host *host);
void host_drop_all(struct host *host);

/*
 * Building packets: `out` has room for COTHON_FRAME_MAX bytes; returns the packet's length. In `ip`, what
 * matters are addresses, protocol, fragment fields and traffic class; hops of 0 become 64.
 */
size_t host_ip(uint8_t *out, struct cothon_ip ip, const void *payload, size_t len);
size_t host_udp(uint8_t *out, const struct cothon_endpoint *from, const struct cothon_endpoint *to,
		const void *payload, size_t len);
/* `word`: the four bytes behind the checksum. */
size_t host_icmp(uint8_t *out, const struct cothon_addr *from, const struct cothon_addr *to,
		 uint8_t type, uint8_t code, uint32_t word, const void *rest, size_t len);
/* An IP header between host and peer: from the peer to the host, or from the host. */
struct cothon_ip host_header(bool ipv6, bool from_host, uint8_t protocol);

/* What takes datagrams, from bindings or a forwarder, and remembers the last. */
struct host_inbox {
	unsigned count;
	int answer; /* of the forwarder */
	struct cothon_udp *udp;
	struct cothon_datagram last; /* its payload is below */
	uint8_t payload[65536];
};

/* To be freed by free(). */
struct host_inbox *host_inbox_open(void);
/* Binds an endpoint whose datagrams go to an inbox. */
struct cothon_udp *host_bind(struct host *host, const char *addr, uint16_t port,
			     struct host_inbox *inbox);
/* The handler of a binding, and what a forwarder does, with an inbox as owner or context. */
void host_take_datagram(struct cothon_udp *udp, void *owner,
			const struct cothon_datagram *datagram);
int host_forward_datagram(void *context, const struct cothon_datagram *datagram);

/* Bytes that repeat nowhere soon. */
void host_fill(uint8_t *data, size_t len, uint32_t seed);

#endif
