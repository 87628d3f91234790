/* SPDX-License-Identifier: MIT */
#ifndef COTHON_UDP_H
#define COTHON_UDP_H

/* UDP bindings of a stack: the application on it holds a port (RFC 768). */

#include <cothon/stack.h>

struct cothon_udp;

/* Called from inside cothon_stack_input(); the payload is valid during the call. */
typedef void cothon_udp_handler(struct cothon_udp *udp, void *owner,
				const struct cothon_datagram *datagram);

/*
 * Holds `local` (address any: all addresses of the stack; port 0: an ephemeral one). Returns 0,
 * -EADDRINUSE, -EADDRNOTAVAIL (not an address of the stack, or no port left), -EACCES (a port below
 * `unprivileged_first`) or -ENOMEM.
 */
int cothon_udp_bind(struct cothon_stack *stack, const struct cothon_endpoint *local,
		    cothon_udp_handler *handler, void *owner, struct cothon_udp **udp);
/* The same with options; NULL: none of them. -EINVAL also for v6_only with an IPv4 address. */
int cothon_udp_bind_as(struct cothon_stack *stack, const struct cothon_endpoint *local,
		       const struct cothon_bind_options *options, cothon_udp_handler *handler,
		       void *owner, struct cothon_udp **udp);

/* An ICMP or ICMPv6 error about a datagram that a binding has sent. */
struct cothon_udp_error {
	struct cothon_endpoint local, remote; /* whom the datagram was from, and whom it was for */
	enum cothon_unreachable reason;
	uint32_t mtu; /* COTHON_TOO_BIG: what fits; 0: it was not said */
};

/*
 * Called from inside cothon_stack_input(). Anybody who knows or guesses both endpoints can send
 * such an error: it is a hint, and says nothing for certain.
 */
typedef void cothon_udp_error_handler(struct cothon_udp *udp, void *owner,
				      const struct cothon_udp_error *error);

/* Has the owner told of every ICMP error from now on (RFC 1122 section 4.1.3.3); NULL: of none. */
void cothon_udp_on_error(struct cothon_udp *udp, cothon_udp_error_handler *handler);
struct cothon_endpoint cothon_udp_local(const struct cothon_udp *udp);
/*
 * Sends from the binding's endpoint (or `source`, if not NULL, for a binding of any address). Returns 0,
 * -EADDRNOTAVAIL when the stack has no address of the family of `to`, or an error of
 * cothon_stack_send_datagram().
 */
int cothon_udp_send(struct cothon_udp *udp, const struct cothon_addr *source,
		    const struct cothon_endpoint *to, const void *payload, size_t len);
void cothon_udp_close(struct cothon_udp *udp);

#endif
