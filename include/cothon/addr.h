/* SPDX-License-Identifier: MIT */
#ifndef COTHON_ADDR_H
#define COTHON_ADDR_H

/*
 * Addresses, endpoints and flows.
 *
 * There is one address type for both families: 128 bits, IPv4 in the mapped form ::ffff:a.b.c.d
 * (RFC 4291 section 2.5.5.2), in network byte order. Ports are in host byte order.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cothon_addr {
	union {
		uint8_t b[16];
		uint32_t w[4];
		uint64_t q[2];
	};
};

/* The transports that have ports; values are IP protocol numbers (IANA). */
enum cothon_transport {
	COTHON_TCP = 6,
	COTHON_UDP = 17,
	COTHON_DCCP = 33,
	COTHON_SCTP = 132,
};

struct cothon_endpoint {
	struct cothon_addr addr;
	uint16_t port;
};

/* Ports from the first to the last, both included. */
struct cothon_port_range {
	uint16_t first, last;
};

/*
 * A flow: the key by which packets are demultiplexed. "Local" is the side of the stack that holds
 * the flow, "remote" the far side of its link. All of its 40 bytes count when it is hashed or
 * compared, so it is made only by cothon_flow_make(), which leaves no byte undefined.
 */
struct cothon_flow {
	struct cothon_addr local, remote;
	uint16_t local_port, remote_port;
	uint8_t transport;
	uint8_t zero[3];
};

/* Room for the longest text of each, with its terminating NUL. */
enum {
	COTHON_ADDR_TEXT = 46,
	COTHON_ENDPOINT_TEXT = 54,
};

/* The mapped form of an IPv4 address given as four bytes in network order. */
struct cothon_addr cothon_addr_ipv4(const uint8_t bytes[static 4]);
/* An address from 16 bytes in network order. */
struct cothon_addr cothon_addr_ipv6(const uint8_t bytes[static 16]);

static inline bool cothon_addr_equal(const struct cothon_addr *a, const struct cothon_addr *b)
{
	return a->q[0] == b->q[0] && a->q[1] == b->q[1];
}

bool cothon_addr_is_ipv4(const struct cothon_addr *addr);
/* 0.0.0.0 or :: */
bool cothon_addr_is_any(const struct cothon_addr *addr);
/* 127.0.0.0/8 or ::1 */
bool cothon_addr_is_loopback(const struct cothon_addr *addr);
/* 169.254.0.0/16 or fe80::/10 */
bool cothon_addr_is_link_local(const struct cothon_addr *addr);
/* 224.0.0.0/4 or ff00::/8 */
bool cothon_addr_is_multicast(const struct cothon_addr *addr);
/*
 * True for an address that one host can send from: not any, not multicast, not limited broadcast,
 * not in 0.0.0.0/8 or 240.0.0.0/4 (RFC 1122 section 3.2.1.3).
 */
bool cothon_addr_is_unicast(const struct cothon_addr *addr);
/*
 * True if the first `bits` bits of both are equal. `bits` counts in the address's own family: 0 to 32
 * for IPv4, 0 to 128 for IPv6; addresses of two families never match.
 */
bool cothon_addr_in_prefix(const struct cothon_addr *addr, const struct cothon_addr *prefix,
			   unsigned bits);

/*
 * Reads an address in its usual text form ("10.0.2.3", "fd00::1"). The whole text must be the
 * address. Returns 0, or -EINVAL.
 */
int cothon_addr_parse(const char *text, struct cothon_addr *addr);
/* Writes the usual text form (IPv6 by RFC 5952); returns `text`. */
char *cothon_addr_format(const struct cothon_addr *addr, char text[static COTHON_ADDR_TEXT]);
/* Writes "10.0.2.3:80" or "[fd00::1]:80"; returns `text`. */
char *cothon_endpoint_format(const struct cothon_endpoint *endpoint,
			     char text[static COTHON_ENDPOINT_TEXT]);

struct cothon_flow cothon_flow_make(enum cothon_transport transport,
				    const struct cothon_endpoint *local,
				    const struct cothon_endpoint *remote);
struct cothon_endpoint cothon_flow_local(const struct cothon_flow *flow);
struct cothon_endpoint cothon_flow_remote(const struct cothon_flow *flow);
bool cothon_flow_equal(const struct cothon_flow *a, const struct cothon_flow *b);

#endif
