/* SPDX-License-Identifier: MIT */
#ifndef COTHON_HOST_H
#define COTHON_HOST_H

/*
 * One host with sockets, driven by hand: bare IP packets and the time go in, packets come out, and between
 * them stand calls that are named after and behave like those of POSIX on a non-blocking socket. For those
 * who embed or test the stack and do not want callbacks; what it is made of is in stack.h, tcp.h and udp.h,
 * and may be used beside it.
 *
 * A call never waits. What cannot be done now is refused with -EAGAIN, and cothon_socket_ready() says when
 * it can; that changes only in cothon_host_input(), cothon_host_poll() and by calls for the same socket. A
 * host and its sockets are used by one thread at a time.
 */

#include <cothon/stack.h>
#include <cothon/tcp.h>
#include <cothon/udp.h>

struct cothon_host;
struct cothon_socket;

struct cothon_host_config {
	/*
	 * The stack's. Here `memory` with NULL functions is the C library's malloc, a `pool` of NULL is one of
	 * the host's own without bound, and a `link` of NULL means that packets go in and out by hand. `seed`
	 * is to be random bytes wherever peers are not trusted.
	 */
	struct cothon_stack_config stack;
	/* Only by hand: the largest packet in bytes, 1280 to 65535; 0: 1500. */
	uint32_t mtu;
	/* Only by hand: packets that wait to be taken at most; 0: 1024. More wait inside until there is room. */
	unsigned queue;
};

/*
 * Makes a host without addresses in *host; it is the caller's. The config is copied, what it points to is
 * not. Returns 0, -ENOMEM, or -EINVAL for an mtu out of range or what cothon_stack_create() says is invalid.
 */
int cothon_host_create(const struct cothon_host_config *config, struct cothon_host **host);
/*
 * Aborts the sockets that are still open and ends the host; packets that wait are lost. A link or pool that
 * was given stays the caller's.
 */
void cothon_host_destroy(struct cothon_host *host);
/*
 * The stack inside, which stays the host's: for addresses (cothon_stack_add_address()), counters, datagrams
 * from other sources. It is polled through the host only.
 */
struct cothon_stack *cothon_host_stack(struct cothon_host *host);

/*
 * A packet of `len` bytes has arrived at `now` (microseconds, as everywhere). It is copied. What it brings
 * about happens in the next poll. Returns 0, -EMSGSIZE for more than COTHON_FRAME_MAX bytes, or -ENOMEM; a
 * packet that is malformed is counted and dropped by the stack, which is no error.
 */
int cothon_host_input(struct cothon_host *host, const void *packet, size_t len, uint64_t now);
/*
 * Copies the oldest packet that leaves into `packet`, which has room for `size` bytes, and forgets it.
 * Returns its length, -EAGAIN when none waits, or -EMSGSIZE when it is longer than `size` (it then stays).
 */
ptrdiff_t cothon_host_output(struct cothon_host *host, void *packet, size_t size);
/*
 * Takes in what the link has, if one was given, does what is due, and sends: a bounded amount of it. Returns
 * when it is to be called again at the latest: `now` when there is more to do at once, COTHON_NEVER when
 * nothing is pending. It is also to be called after a packet has come and after calls for sockets, which
 * only leave word of what is to be sent.
 */
uint64_t cothon_host_poll(struct cothon_host *host, uint64_t now);

/* What a socket is ready for, or-ed together. */
enum cothon_socket_readiness {
	/* There is something to read, or the end, or a connection to accept, or, for UDP, an error. */
	COTHON_SOCKET_READABLE = 1 << 0,
	/* There is room to write to an open connection; always for UDP. */
	COTHON_SOCKET_WRITABLE = 1 << 1,
	/* The connection is over: cothon_socket_error() says how. */
	COTHON_SOCKET_ENDED = 1 << 2,
};

enum {
	/* Bytes of memory that the datagrams waiting in one socket take at most; later ones are dropped. */
	COTHON_SOCKET_QUEUE = 1 << 18,
};

/*
 * Makes a socket of a host in *socket, COTHON_TCP or COTHON_UDP; either serves both families. It is the
 * caller's until cothon_socket_close() or _abort(), or the host's end. Returns 0, -EPROTONOSUPPORT for
 * another transport, or -ENOMEM.
 */
int cothon_socket_open(struct cothon_host *host, enum cothon_transport transport,
		       struct cothon_socket **socket);
/*
 * Says which endpoint of the host a socket is to have: address any is all of the host's, port 0 an ephemeral
 * one. UDP holds it from now on, TCP from listen or connect on. Returns 0, -EINVAL for a socket that has
 * one, -EADDRNOTAVAIL (not an address of the host, or no port is left), or, for UDP, another error of
 * cothon_udp_bind().
 */
int cothon_socket_bind(struct cothon_socket *socket, const struct cothon_endpoint *local);
/*
 * Waits for connections at the bound endpoint, or any address and an ephemeral port. At most `backlog`
 * (at least 1) are half-open, and as many wait to be accepted; one more is reset. Returns 0, -EOPNOTSUPP
 * for UDP, -EINVAL for a socket that listens or was connected, or an error of cothon_tcp_listen().
 */
int cothon_socket_listen(struct cothon_socket *socket, unsigned backlog);
/*
 * Takes the oldest connection that waits; *accepted is the caller's, with the options that the listening
 * socket had when it came. Returns 0, -EAGAIN when none waits, or -EINVAL for a socket that does not listen.
 */
int cothon_socket_accept(struct cothon_socket *socket, struct cothon_socket **accepted);
/*
 * TCP: begins to connect. Returns -EINPROGRESS; the socket becomes WRITABLE when the connection is open, ENDED when it
 * failed. UDP: names the peer that cothon_socket_send() sends to without an address, and from which alone
 * datagrams are taken from now on; may be called again. Returns 0.
 * Errors: -EALREADY while it connects, -EISCONN when it is or was connected, -EINVAL for a socket that
 * listens or for addresses of two families or not unicast, or an error of cothon_tcp_connect() or
 * cothon_udp_bind().
 */
int cothon_socket_connect(struct cothon_socket *socket, const struct cothon_endpoint *remote);
/*
 * TCP: takes up to `len` bytes to be sent, and returns how many; -EAGAIN when there is no room or the connection is
 * not open yet, -ENOTCONN without one, -EISCONN when `to` is given, -EPIPE after cothon_socket_shutdown() or
 * when the connection ended in order, or the error it ended with.
 * UDP: sends one datagram to `to`, or if that is NULL to the connected peer; larger ones than the MTU are
 * fragmented. Returns `len`; -EDESTADDRREQ without a peer, -EMSGSIZE beyond 65,507 bytes or, for IPv6,
 * 65,527, -EAGAIN when the link takes nothing now, or another error of
 * cothon_udp_bind() (of one that has no port yet) or cothon_udp_send().
 * UDP when connected: that the peer's port is unreachable (-ECONNREFUSED), its protocol (-ENOPROTOOPT), or
 * the way is prohibited (-EHOSTUNREACH, for IPv6 -EACCES), as an ICMP error about an earlier datagram says, is
 * told once, by the next cothon_socket_send() or cothon_socket_recv(), which then does nothing else.
 */
ptrdiff_t cothon_socket_send(struct cothon_socket *socket, const void *data, size_t len,
			     const struct cothon_endpoint *to);
/*
 * TCP: copies up to `len` bytes that have been received, and returns how many; 0 at the end, -EAGAIN when there is
 * nothing now, -ENOTCONN without a connection, or the error it ended with.
 * UDP: copies the oldest datagram, of which what is beyond `len` is lost, and returns its own length, which
 * may be more than `len` or 0; -EAGAIN when there is none, or an ICMP error as cothon_socket_send() says.
 * `from`, unless NULL, becomes who sent it.
 */
ptrdiff_t cothon_socket_recv(struct cothon_socket *socket, void *data, size_t len,
			     struct cothon_endpoint *from);
/*
 * Sends the end after all that was written (FIN); reading goes on. Returns 0, -ENOTCONN without a
 * connection, or -EOPNOTSUPP for UDP.
 */
int cothon_socket_shutdown(struct cothon_socket *socket);
/*
 * Gives a socket up. What was written is still delivered, as cothon_tcp_close() says; connections that wait
 * to be accepted are reset.
 */
void cothon_socket_close(struct cothon_socket *socket);
/* The same, but a connection is reset. */
void cothon_socket_abort(struct cothon_socket *socket);
/*
 * Options of the connection that is or will be, or of those that will be accepted. They are copied. Returns
 * 0, or -EOPNOTSUPP for UDP.
 */
int cothon_socket_set_options(struct cothon_socket *socket,
			      const struct cothon_tcp_options *options);
/* What a socket is ready for now: COTHON_SOCKET_*. */
unsigned cothon_socket_ready(const struct cothon_socket *socket);
/*
 * Why its connection ended, as cothon_tcp_error() says, or the ICMP error that the next call for a UDP socket
 * is to be told of; otherwise 0. It stays as it is when read.
 */
int cothon_socket_error(const struct cothon_socket *socket);
/* The endpoint it has or is to have: address any and port 0 as long as nothing has chosen one. */
struct cothon_endpoint cothon_socket_local(const struct cothon_socket *socket);
/* The peer of a connection, or of a connected UDP socket; address any and port 0 without one. */
struct cothon_endpoint cothon_socket_remote(const struct cothon_socket *socket);
/* Datagrams dropped because too many waited. */
uint64_t cothon_socket_dropped(const struct cothon_socket *socket);
/*
 * The connection inside, which stays the socket's, or NULL: for cothon_tcp_info(), and for reading and
 * writing without copying. It is not to be closed or owned by others.
 */
struct cothon_tcp *cothon_socket_tcp(const struct cothon_socket *socket);

#endif
