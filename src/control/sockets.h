/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_SOCKETS_H
#define CONTROL_SOCKETS_H

/* The sockets of an inspection, found by their endpoints. */

#include "sandbox/inspection.h"

#include <cothon/addr.h>

struct control_sockets {
	const struct sandbox_inspection *inspection;
	/*
	 * Their places in the inspection, in order of transport, local port, local address, remote
	 * port and remote address.
	 */
	uint32_t *order;
	uint32_t count;
};

/* The socket at place `i` of that order. */
static inline const struct sandbox_socket *control_sockets_at(const struct control_sockets *sockets,
							      uint32_t i)
{
	return &sockets->inspection->sockets[sockets->order[i]];
}

/* Returns 0 or -ENOMEM. The inspection stays the caller's, and stays as it is meanwhile. */
int control_sockets_init(struct control_sockets *sockets,
			 const struct sandbox_inspection *inspection);
void control_sockets_free(struct control_sockets *sockets);

/* The socket of these two endpoints, or NULL. Port 0 and any address: it has no remote end. */
const struct sandbox_socket *control_sockets_flow(const struct control_sockets *sockets,
						  enum cothon_transport transport,
						  const struct cothon_endpoint *local,
						  const struct cothon_endpoint *remote);
/*
 * The socket that has what is sent to `local` whoever sends it: bound to the address, else to all
 * addresses; or NULL.
 */
const struct sandbox_socket *control_sockets_binding(const struct control_sockets *sockets,
						     enum cothon_transport transport,
						     const struct cothon_endpoint *local);
/* A UDP socket that is bound to `local` and connected, or NULL. */
const struct sandbox_socket *control_sockets_connected(const struct control_sockets *sockets,
						       const struct cothon_endpoint *local);

/* True for a socket that waits for whoever comes; others have, or had, a remote end. */
bool control_socket_is_binding(const struct sandbox_socket *socket);

#endif
