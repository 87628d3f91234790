/* SPDX-License-Identifier: MIT */
#ifndef HOST_SOCKET_H
#define HOST_SOCKET_H

/* Sockets of the host: non-blocking, closed on exec, and never a signal from any of them. */

#include <cothon/addr.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* An address as the socket calls take it. */
struct host_sockaddr {
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	};
	socklen_t len;
};

/* AF_INET or AF_INET6 */
int host_socket_family(const struct cothon_addr *addr);
/*
 * The endpoint in its own family's form. `scope` is the interface's index of a link-local IPv6
 * address, else 0.
 */
struct host_sockaddr host_sockaddr_make(const struct cothon_endpoint *endpoint, uint32_t scope);
/*
 * The endpoint that it stands for; what is not AF_INET or AF_INET6 stands for address any, port 0.
 */
struct cothon_endpoint host_sockaddr_endpoint(const struct host_sockaddr *sockaddr);

/* Returns a descriptor, or the negative errno of socket(2). */
int host_socket_open(int family, int type, int protocol);
/* Sets an option whose value is an int. Returns 0, or the negative errno of setsockopt(2). */
int host_socket_set(int fd, int level, int option, int value);
/* Takes the socket's pending error (SO_ERROR): 0 or a negative errno. */
int host_socket_error(int fd);
/* The endpoint that the socket is bound to (any, port 0: none, or not an internet socket). */
struct cothon_endpoint host_socket_local(int fd);
/* Closes a TCP socket with RST; what it has not sent is dropped. */
void host_socket_reset(int fd);

enum {
	/* Bytes kept of a packet that an error is about: what an ICMPv6 message has room for. */
	HOST_ERROR_PAYLOAD = 1280,
};

/* Who found an error. */
enum host_error_origin {
	HOST_ERROR_LOCAL,  /* the host's own kernel, before anything was sent */
	HOST_ERROR_ICMP,   /* an ICMP message of `type` and `code` */
	HOST_ERROR_ICMPV6, /* an ICMPv6 message of `type` and `code` */
	HOST_ERROR_OTHER,
};

/* An entry of a socket's error queue (IP_RECVERR in ip(7), IPV6_RECVERR). */
struct host_socket_error {
	enum host_error_origin origin;
	int error; /* negative errno */
	uint8_t type, code;
	uint32_t info;                      /* the MTU, for -EMSGSIZE */
	struct cothon_addr offender;        /* who sent the ICMP message; any: not known */
	struct cothon_endpoint destination; /* where the packet was to go */
	/* The first bytes of what the packet carried behind its transport header. */
	size_t len;
	uint8_t payload[HOST_ERROR_PAYLOAD];
};

/*
 * Takes the oldest entry of the error queue. Returns 0, -EAGAIN when it is empty, or recvmsg(2)'s
 * errno.
 */
int host_socket_take_error(int fd, struct host_socket_error *error);

#endif
