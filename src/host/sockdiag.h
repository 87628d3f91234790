/* SPDX-License-Identifier: MIT */
#ifndef HOST_SOCKDIAG_H
#define HOST_SOCKDIAG_H

/* The TCP and UDP sockets of the network namespace that the caller is in, by sock_diag(7). */

#include <cothon/tcp.h>

struct nlmsghdr;

struct host_inet_socket {
	uint8_t transport; /* COTHON_TCP or COTHON_UDP */
	uint8_t family;    /* AF_INET or AF_INET6: the socket's, not that of its addresses */
	bool v6only;       /* an AF_INET6 one that is not for IPv4 as well */
	/* UDP: ESTABLISHED when it is connected, else CLOSED. */
	enum cothon_tcp_state state;
	struct cothon_endpoint local, remote;
	uint32_t inode; /* 0: no process holds it any longer, or not yet */
	uint32_t uid;   /* its owner's, as the caller's user namespace has it */
	/* TCP: payload sent, and received in order. */
	uint64_t bytes_out, bytes_in;
	uint32_t retransmits;
	uint32_t srtt; /* microseconds; 0: not known */
};

/*
 * Calls `each` for every socket of a transport and family (AF_INET, AF_INET6). TCP: all but those in
 * TIME-WAIT, which nobody holds. An AF_INET6 socket may have IPv4 addresses. `each` returns 0 to go
 * on, or what ends the list and is returned. Returns 0; -ENOENT where the kernel cannot list them or has not the family; -EBADMSG for an
 * answer that is none; -ENOMEM; or the errno of a call to the socket.
 */
int host_sockdiag_list(enum cothon_transport transport, int family,
		       int (*each)(const struct host_inet_socket *socket, void *context),
		       void *context);

/*
 * Reads one message of the kernel's answer, of which mnl_nlmsg_ok() is true. Returns 0, or -EBADMSG when it is
 * too short, of another kind, or of a family that is neither.
 */
int host_sockdiag_parse(const struct nlmsghdr *message, enum cothon_transport transport,
			struct host_inet_socket *socket);

#endif
