/* SPDX-License-Identifier: MIT */
#include "socket/host.h"

#include <errno.h>
#include <string.h>

struct cothon_socket {
	struct cothon_host *host;
	struct cothon_list place; /* in host->sockets */
	uint8_t transport;
	struct cothon_endpoint local; /* what bind asked for */
	bool bound;

	/* TCP: a listener, or a connection, or neither yet. */
	struct cothon_listener *listener;
	unsigned backlog, waiting;
	struct cothon_list backlogged; /* connections to be accepted, oldest first */
	struct cothon_list queued;     /* in the listening socket's list, until accepted */
	struct cothon_socket *listening;
	struct cothon_tcp *tcp;
	struct cothon_tcp_options options;
	bool opened, ended;
	bool full;     /* a write found no room; WRITABLE will be told */
	bool shutdown; /* the end was sent */

	struct cothon_udp *udp;
	struct cothon_endpoint peer;
	bool connected;
	int error; /* an ICMP error that the next call is to be told of, or 0 */
	/* Datagrams that wait, each behind a struct cothon_endpoint: who sent it. */
	struct cothon_buf *first, **last;
	size_t queued_bytes;
	uint64_t dropped;
};

static const struct cothon_endpoint nowhere;

/* Life */

static struct cothon_socket *make(struct cothon_host *host, enum cothon_transport transport)
{
	struct cothon_socket *socket =
		host->memory.alloc(host->memory.context, sizeof(struct cothon_socket));

	if (!socket)
		return NULL;
	*socket = (struct cothon_socket){.host = host, .transport = (uint8_t)transport};
	socket->last = &socket->first;
	cothon_list_init(&socket->backlogged);
	cothon_list_init(&socket->queued);
	cothon_list_append(&host->sockets, &socket->place);
	return socket;
}

int cothon_socket_open(struct cothon_host *host, enum cothon_transport transport,
		       struct cothon_socket **socket)
{
	if (transport != COTHON_TCP && transport != COTHON_UDP)
		return -EPROTONOSUPPORT;
	*socket = make(host, transport);
	return *socket ? 0 : -ENOMEM;
}

static void leave_backlog(struct cothon_socket *socket)
{
	if (socket->listening)
		socket->listening->waiting--;
	socket->listening = NULL;
	cothon_list_remove(&socket->queued);
}

/* Gives up a socket that does not listen. */
static void release(struct cothon_socket *socket, void (*end)(struct cothon_tcp *tcp))
{
	struct cothon_memory *memory = &socket->host->memory;

	if (socket->tcp)
		end(socket->tcp);
	if (socket->udp)
		cothon_udp_close(socket->udp);
	cothon_buf_put_list(socket->first);
	leave_backlog(socket);
	cothon_list_remove(&socket->place);
	memory->free(memory->context, socket, sizeof(*socket));
}

static void give_up(struct cothon_socket *socket, void (*end)(struct cothon_tcp *tcp))
{
	if (socket->listener)
		cothon_listener_close(socket->listener);
	while (!cothon_list_empty(&socket->backlogged))
		release(cothon_container(socket->backlogged.next, struct cothon_socket, queued),
			cothon_tcp_abort);
	release(socket, end);
}

void cothon_socket_close(struct cothon_socket *socket)
{
	give_up(socket, cothon_tcp_close);
}

void cothon_socket_abort(struct cothon_socket *socket)
{
	give_up(socket, cothon_tcp_abort);
}

void cothon_socket_abort_all(struct cothon_host *host)
{
	while (!cothon_list_empty(&host->sockets))
		cothon_socket_abort(
			cothon_container(host->sockets.next, struct cothon_socket, place));
}

/* What the stack tells */

static void changed(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct cothon_socket *socket = owner;

	(void)tcp;
	if (events & COTHON_TCP_OPENED)
		socket->opened = true;
	if (events & (COTHON_TCP_OPENED | COTHON_TCP_WRITABLE))
		socket->full = false;
	if (events & COTHON_TCP_ENDED)
		socket->ended = true;
}

/* A connection is open that nobody has accepted yet. */
static void arrived(struct cothon_tcp *tcp, void *owner, unsigned events)
{
	struct cothon_socket *listening = owner;
	struct cothon_socket *socket =
		listening->waiting < listening->backlog ? make(listening->host, COTHON_TCP) : NULL;

	if (!socket) {
		cothon_tcp_abort(tcp);
		return;
	}
	socket->tcp = tcp;
	socket->listening = listening;
	cothon_list_append(&listening->backlogged, &socket->queued);
	listening->waiting++;
	socket->options = listening->options;
	cothon_tcp_set_options(tcp, &socket->options);
	cothon_tcp_own(tcp, changed, socket);
	changed(tcp, socket, events);
}

/* Keeps one datagram. */
static void keep(struct cothon_socket *socket, const struct cothon_endpoint *from,
		 const uint8_t *payload, size_t len)
{
	struct cothon_buf *buf = NULL;

	if (socket->queued_bytes < COTHON_SOCKET_QUEUE)
		buf = cothon_buf_get(socket->host->pool, sizeof(*from) + len);
	if (!buf) {
		socket->dropped++;
		return;
	}
	memcpy(buf->data, from, sizeof(*from));
	if (len > 0)
		memcpy(buf->data + sizeof(*from), payload, len);
	buf->len = (uint32_t)(sizeof(*from) + len);
	buf->next = NULL;
	*socket->last = buf;
	socket->last = &buf->next;
	socket->queued_bytes += cothon_buf_truesize(buf);
}

static bool same(const struct cothon_endpoint *a, const struct cothon_endpoint *b)
{
	return a->port == b->port && cothon_addr_equal(&a->addr, &b->addr);
}

static void datagram_arrived(struct cothon_udp *udp, void *owner,
			     const struct cothon_datagram *datagram)
{
	struct cothon_socket *socket = owner;
	size_t piece = datagram->gso_size ? datagram->gso_size : datagram->len;
	size_t at = 0;

	(void)udp;
	if (socket->connected && !same(&socket->peer, &datagram->source))
		return;
	/* One frame may stand for many datagrams; an empty one is one too. */
	do {
		size_t left = datagram->len - at;

		keep(socket, &datagram->source, datagram->payload + at,
		     left < piece ? left : piece);
		at += piece;
	} while (at < datagram->len);
}

/*
 * What an ICMP error is to a connected socket, as Linux has it: of the others there may be an end,
 * and they are no more than a hint (RFC 1122 section 3.2.2.1).
 */
static int error_of(const struct cothon_udp_error *error)
{
	switch (error->reason) {
	case COTHON_PORT_UNREACHABLE:
		return -ECONNREFUSED;
	case COTHON_PROTOCOL_UNREACHABLE:
		return -ENOPROTOOPT;
	case COTHON_PROHIBITED:
		return cothon_addr_is_ipv4(&error->remote.addr) ? -EHOSTUNREACH : -EACCES;
	default:
		return 0;
	}
}

static void error_arrived(struct cothon_udp *udp, void *owner, const struct cothon_udp_error *error)
{
	struct cothon_socket *socket = owner;
	int told = error_of(error);

	(void)udp;
	if (told && socket->connected && same(&socket->peer, &error->remote))
		socket->error = told;
}

/* Takes the error that waits to be told; 0: none. */
static int take_error(struct cothon_socket *socket)
{
	int error = socket->error;

	socket->error = 0;
	return error;
}

/* Opening */

static bool used(const struct cothon_socket *socket)
{
	return socket->bound || socket->listener || socket->tcp || socket->udp;
}

static int bind_udp(struct cothon_socket *socket, const struct cothon_endpoint *local)
{
	int error =
		cothon_udp_bind(socket->host->stack, local, datagram_arrived, socket, &socket->udp);

	if (!error)
		cothon_udp_on_error(socket->udp, error_arrived);
	return error;
}

int cothon_socket_bind(struct cothon_socket *socket, const struct cothon_endpoint *local)
{
	if (used(socket))
		return -EINVAL;
	if (socket->transport == COTHON_UDP)
		return bind_udp(socket, local);
	if (!cothon_addr_is_any(&local->addr) &&
	    !cothon_stack_has_address(socket->host->stack, &local->addr))
		return -EADDRNOTAVAIL;
	socket->local = *local;
	socket->bound = true;
	return 0;
}

int cothon_socket_listen(struct cothon_socket *socket, unsigned backlog)
{
	if (socket->transport != COTHON_TCP)
		return -EOPNOTSUPP;
	if (socket->listener || socket->tcp)
		return -EINVAL;
	socket->backlog = backlog ? backlog : 1;
	return cothon_tcp_listen(socket->host->stack, &socket->local, socket->backlog, arrived,
				 socket, &socket->listener);
}

int cothon_socket_accept(struct cothon_socket *socket, struct cothon_socket **accepted)
{
	if (!socket->listener)
		return -EINVAL;
	if (cothon_list_empty(&socket->backlogged))
		return -EAGAIN;
	*accepted = cothon_container(socket->backlogged.next, struct cothon_socket, queued);
	leave_backlog(*accepted);
	return 0;
}

/* Whether what is bound to `local` can speak to an address: :: is both families'. */
static bool reaches(const struct cothon_endpoint *local, const struct cothon_addr *addr)
{
	return cothon_addr_equal(&local->addr, &nowhere.addr) ||
	       cothon_addr_is_ipv4(&local->addr) == cothon_addr_is_ipv4(addr);
}

static int connect_udp(struct cothon_socket *socket, const struct cothon_endpoint *remote)
{
	struct cothon_endpoint local;
	int error = socket->udp ? 0 : bind_udp(socket, &nowhere);

	if (error)
		return error;
	local = cothon_udp_local(socket->udp);
	if (!reaches(&local, &remote->addr))
		return -EINVAL;
	socket->peer = *remote;
	socket->connected = true;
	return 0;
}

int cothon_socket_connect(struct cothon_socket *socket, const struct cothon_endpoint *remote)
{
	int error;

	if (!cothon_addr_is_unicast(&remote->addr))
		return -EINVAL;
	if (socket->transport == COTHON_UDP)
		return connect_udp(socket, remote);
	if (socket->listener)
		return -EINVAL;
	if (socket->tcp)
		return socket->opened || socket->ended ? -EISCONN : -EALREADY;
	error = cothon_tcp_connect(socket->host->stack, &socket->local, remote, changed, socket,
				   &socket->tcp);
	if (error)
		return error;
	cothon_tcp_set_options(socket->tcp, &socket->options);
	return -EINPROGRESS;
}

/* Sending and receiving */

static ptrdiff_t send_datagram(struct cothon_socket *socket, const void *data, size_t len,
			       const struct cothon_endpoint *to)
{
	int error = take_error(socket);

	if (error)
		return error;
	if (!to && socket->connected)
		to = &socket->peer;
	if (!to)
		return -EDESTADDRREQ;
	error = socket->udp ? 0 : bind_udp(socket, &nowhere);
	if (!error)
		error = cothon_udp_send(socket->udp, NULL, to, data, len);
	return error ? error : (ptrdiff_t)len;
}

ptrdiff_t cothon_socket_send(struct cothon_socket *socket, const void *data, size_t len,
			     const struct cothon_endpoint *to)
{
	ptrdiff_t taken;

	if (socket->transport == COTHON_UDP)
		return send_datagram(socket, data, len, to);
	if (!socket->tcp)
		return -ENOTCONN;
	if (to)
		return -EISCONN;
	taken = cothon_tcp_write(socket->tcp, data, len);
	if (taken < 0 || len == 0)
		return taken;
	socket->full = (size_t)taken < len;
	return taken == 0 ? -EAGAIN : taken;
}

static ptrdiff_t recv_datagram(struct cothon_socket *socket, void *data, size_t len,
			       struct cothon_endpoint *from)
{
	struct cothon_buf *buf = socket->first;
	int error = take_error(socket);
	size_t payload;

	if (error)
		return error;
	if (!buf)
		return -EAGAIN;
	payload = buf->len - sizeof(*from);
	if (from)
		memcpy(from, buf->data, sizeof(*from));
	if (payload > 0 && len > 0)
		memcpy(data, buf->data + sizeof(*from), payload < len ? payload : len);
	socket->first = buf->next;
	if (!socket->first)
		socket->last = &socket->first;
	socket->queued_bytes -= cothon_buf_truesize(buf);
	cothon_buf_put(buf);
	return (ptrdiff_t)payload;
}

ptrdiff_t cothon_socket_recv(struct cothon_socket *socket, void *data, size_t len,
			     struct cothon_endpoint *from)
{
	if (socket->transport == COTHON_UDP)
		return recv_datagram(socket, data, len, from);
	if (!socket->tcp)
		return -ENOTCONN;
	if (from)
		*from = cothon_socket_remote(socket);
	return cothon_tcp_read(socket->tcp, data, len);
}

int cothon_socket_shutdown(struct cothon_socket *socket)
{
	if (socket->transport != COTHON_TCP)
		return -EOPNOTSUPP;
	if (!socket->tcp)
		return -ENOTCONN;
	cothon_tcp_shutdown(socket->tcp);
	socket->shutdown = true;
	return 0;
}

int cothon_socket_set_options(struct cothon_socket *socket,
			      const struct cothon_tcp_options *options)
{
	if (socket->transport != COTHON_TCP)
		return -EOPNOTSUPP;
	socket->options = *options;
	if (socket->tcp)
		cothon_tcp_set_options(socket->tcp, options);
	return 0;
}

/* How it stands */

unsigned cothon_socket_ready(const struct cothon_socket *socket)
{
	const struct cothon_tcp *tcp = socket->tcp;
	unsigned ready = 0;

	if (socket->transport == COTHON_UDP)
		return COTHON_SOCKET_WRITABLE |
		       (socket->first || socket->error ? COTHON_SOCKET_READABLE : 0u);
	if (!cothon_list_empty(&socket->backlogged))
		ready |= COTHON_SOCKET_READABLE;
	if (!tcp)
		return ready;
	if (cothon_tcp_readable(tcp) > 0 || cothon_tcp_at_end(tcp))
		ready |= COTHON_SOCKET_READABLE;
	if (socket->opened && !socket->full && !socket->shutdown)
		ready |= COTHON_SOCKET_WRITABLE;
	/* At the end nothing has to be waited for: each call says what it is. */
	if (socket->ended)
		ready = COTHON_SOCKET_READABLE | COTHON_SOCKET_WRITABLE | COTHON_SOCKET_ENDED;
	return ready;
}

int cothon_socket_error(const struct cothon_socket *socket)
{
	return socket->ended ? cothon_tcp_error(socket->tcp) : socket->error;
}

struct cothon_endpoint cothon_socket_local(const struct cothon_socket *socket)
{
	if (socket->listener)
		return cothon_listener_local(socket->listener);
	if (socket->tcp)
		return cothon_flow_local(cothon_tcp_flow(socket->tcp));
	return socket->udp ? cothon_udp_local(socket->udp) : socket->local;
}

struct cothon_endpoint cothon_socket_remote(const struct cothon_socket *socket)
{
	if (socket->tcp)
		return cothon_flow_remote(cothon_tcp_flow(socket->tcp));
	return socket->peer;
}

uint64_t cothon_socket_dropped(const struct cothon_socket *socket)
{
	return socket->dropped;
}

struct cothon_tcp *cothon_socket_tcp(const struct cothon_socket *socket)
{
	return socket->tcp;
}
