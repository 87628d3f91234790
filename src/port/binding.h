/* SPDX-License-Identifier: MIT */
#ifndef PORT_BINDING_H
#define PORT_BINDING_H

/*
 * Bindings: which application listens on which endpoint, per transport. Entries are embedded in
 * their owners.
 *
 * Two bindings of one transport and port meet when their addresses are equal or one of them is the
 * wildcard that covers the other: 0.0.0.0 covers IPv4, :: covers IPv6 and, but for `v6_only`, IPv4
 * too. Bindings that meet conflict, unless both have `reuse_port`, or, UDP alone, both have
 * `reuse_address`: that is what SO_REUSEPORT and SO_REUSEADDR mean to Linux, for which TCP sockets
 * that listen never share a port by SO_REUSEADDR.
 *
 * A port has its own list, in a page for 256 ports that is made when the first of them is bound, so
 * nothing ever moves: the longest step is to clear a page of 4 KiB. Memory: 2 KiB, and 4 KiB for
 * each page, 1 MiB when all 256 are there. A search looks at the bindings of one port, of which
 * there can be many with the reuse flags alone.
 */

#include "base/list.h"
#include "base/siphash.h"
#include <cothon/addr.h>
#include <cothon/buf.h>

struct cothon_binding {
	struct cothon_list node;
	struct cothon_endpoint endpoint;
	uint8_t transport;
	bool v6_only; /* for the wildcard ::, not IPv4 as well */
	bool reuse_address, reuse_port;
};

struct cothon_bindings;

/* The key decides who gets a packet among those that share a port. NULL: no memory. */
struct cothon_bindings *cothon_bindings_create(const struct cothon_memory *memory,
					       const struct cothon_siphash_key *key);
/* Bindings are their owners' and are not touched. */
void cothon_bindings_destroy(struct cothon_bindings *bindings);
/* Adds a binding. Returns 0, -EADDRINUSE or -ENOMEM. */
int cothon_bindings_add(struct cothon_bindings *bindings, struct cothon_binding *binding);
void cothon_bindings_remove(struct cothon_bindings *bindings, struct cothon_binding *binding);
/*
 * The binding that a packet from `from` to `to` belongs to: an exact address before the wildcard;
 * of those that fit equally well the newest (with `reuse_port` and IPv6 the oldest, as in Linux), and
 * of those that share with it by `reuse_port` the same one for all packets of a flow, as long as they
 * stay the same. NULL: none.
 */
struct cothon_binding *cothon_bindings_find(const struct cothon_bindings *bindings,
					    uint8_t transport, const struct cothon_endpoint *to,
					    const struct cothon_endpoint *from);
/* True when any binding of the transport holds the port, on any address. */
bool cothon_bindings_hold(const struct cothon_bindings *bindings, uint8_t transport, uint16_t port);
/* True when a packet to `addr` may belong to a binding of that port. */
bool cothon_binding_covers(const struct cothon_binding *binding, const struct cothon_addr *addr);

#endif
