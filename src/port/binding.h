/* SPDX-License-Identifier: MIT */
#ifndef PORT_BINDING_H
#define PORT_BINDING_H

/*
 * Bindings: which application listens on which endpoint, per transport. Entries are embedded in
 * their owners.
 *
 * Two bindings of one transport and port conflict when their addresses are equal or one of them is
 * the wildcard; :: with `both_families` covers IPv4 too, and 0.0.0.0 (mapped) covers IPv4 only.
 * With `reuse` set on both, none of them conflicts.
 */

#include "base/list.h"
#include <cothon/addr.h>
#include <cothon/buf.h>

struct cothon_binding {
	struct cothon_list node;
	struct cothon_endpoint endpoint;
	uint8_t transport;
	bool both_families; /* for the wildcard :: : IPv4 as well */
	bool reuse;
};

struct cothon_bindings;

struct cothon_bindings *cothon_bindings_create(const struct cothon_memory *memory);
void cothon_bindings_destroy(struct cothon_bindings *bindings);
/* Adds a binding with a port that is not 0. Returns 0 or -EADDRINUSE. */
int cothon_bindings_add(struct cothon_bindings *bindings, struct cothon_binding *binding);
void cothon_bindings_remove(struct cothon_bindings *bindings, struct cothon_binding *binding);
/* The binding that a packet to `to` belongs to: an exact address before the wildcard; or NULL. */
struct cothon_binding *cothon_bindings_find(const struct cothon_bindings *bindings,
					    uint8_t transport, const struct cothon_endpoint *to);
/* True when any binding of the transport holds the port, on any address. */
bool cothon_bindings_hold(const struct cothon_bindings *bindings, uint8_t transport, uint16_t port);

#endif
