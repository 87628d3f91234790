/* SPDX-License-Identifier: MIT */
#include "relay/state.h"

#include "relay/reason.h"
#include <errno.h>
#include <string.h>

enum {
	/* Copying more than this costs more than the system call that it saves. */
	COPY_MAX = 4096,
	/* Bytes that one entry of the batch grows to: they are sent as one datagram to be cut. */
	RUN_MAX = 65000,
	/* Entries read from an error queue at a time; the event comes again for the others. */
	ERRORS_MAX = 32,
	/* Times that one datagram is tried again because an earlier one's error was in its way. */
	TRIES_MAX = 4,
};

/* Errors from outside */

/* A destination of the host's as the sandbox knows it. */
static struct cothon_endpoint visible_destination(const struct relay_mapping *mapping,
						  const struct cothon_endpoint *outside)
{
	const struct relay *relay = mapping->relay;
	struct cothon_endpoint visible = *outside;

	if (relay_way_visible(mapping, outside, &visible))
		return visible;
	if (cothon_addr_is_loopback(&outside->addr))
		visible.addr =
			relay_network_family(&relay->policy.network, &outside->addr)->gateway;
	return visible;
}

static void pass_error(struct relay_udp_socket *socket, const struct host_socket_error *error,
		       enum cothon_unreachable reason)
{
	struct relay *relay = socket->mapping->relay;
	struct cothon_datagram about = {
		.source = cothon_flow_local(&socket->mapping->entry.flow),
		.destination = visible_destination(socket->mapping, &error->destination),
		.payload = error->payload,
		.len = error->len,
	};
	/* Whoever has no address that means anything inside speaks through the gateway. */
	bool named = !cothon_addr_is_any(&error->offender) &&
		     !cothon_addr_is_loopback(&error->offender) &&
		     cothon_addr_is_ipv4(&error->offender) ==
			     cothon_addr_is_ipv4(&about.source.addr);

	if (cothon_stack_send_unreachable(relay->stack, named ? &error->offender : NULL, reason,
					  error->info, &about) == 0)
		relay->counters.errors_passed++;
}

unsigned relay_udp_pass_errors(struct relay_udp_socket *socket, uint32_t *mtu)
{
	struct host_socket_error error;
	unsigned messages = 0;

	*mtu = 0;
	for (unsigned i = 0; i < ERRORS_MAX; i++) {
		enum cothon_unreachable reason;

		if (host_socket_take_error(socket->watch.fd, &error))
			break;
		if (error.origin == HOST_ERROR_LOCAL && error.error == -EMSGSIZE)
			*mtu = error.info;
		if (error.origin == HOST_ERROR_ICMP || error.origin == HOST_ERROR_ICMPV6)
			messages++;
		if (relay_reason_of_icmp(&error, &reason))
			pass_error(socket, &error, reason);
	}
	return messages;
}

/* Sending */

/* The host would not send it: the sandbox is told why, if it is the way that is to blame. */
static void not_sent(struct relay_udp_socket *socket, const struct host_datagram *datagram,
		     const struct cothon_endpoint *destination, int error, uint32_t mtu)
{
	struct relay *relay = socket->mapping->relay;
	enum cothon_unreachable reason = COTHON_TOO_BIG;
	struct cothon_datagram about = {
		.source = cothon_flow_local(&socket->mapping->entry.flow),
		.destination = *destination,
		.payload = datagram->data,
		.len = datagram->len,
	};

	relay->counters.udp_lost++;
	if ((error == -EMSGSIZE && mtu) || relay_reason_of_errno(error, &reason))
		cothon_stack_send_unreachable(relay->stack, NULL, reason, mtu, &about);
}

/* Sends one entry. An error may be that of an earlier datagram, which the kernel tells only now. */
static int send_one(struct relay_udp_socket *socket, const struct host_datagram *datagram,
		    uint32_t *mtu)
{
	for (unsigned tries = 0;; tries++) {
		int sent = host_datagram_send(socket->watch.fd, datagram, 1);
		unsigned messages;

		*mtu = 0;
		if (sent > 0)
			return 0;
		if (sent == -EAGAIN || sent == -ENOBUFS)
			return sent;
		messages = relay_udp_pass_errors(socket, mtu);
		if (*mtu || tries == TRIES_MAX || (tries > 0 && messages == 0))
			return sent;
	}
}

/* Sends the datagrams of an entry that the kernel would not cut, one by one. */
static void send_pieces(struct relay_udp_socket *socket, const struct host_datagram *whole,
			const struct cothon_endpoint *destination)
{
	for (size_t at = 0; at < whole->len; at += whole->gso_size) {
		struct host_datagram piece = *whole;
		uint32_t mtu;
		int error;

		piece.data = whole->data + at;
		piece.len = whole->len - at < whole->gso_size ? whole->len - at : whole->gso_size;
		piece.gso_size = 0;
		error = send_one(socket, &piece, &mtu);
		if (error)
			not_sent(socket, &piece, destination, error, mtu);
	}
}

static void send_entry(struct relay_udp_socket *socket, const struct host_datagram *datagram,
		       const struct cothon_endpoint *destination)
{
	uint32_t mtu;
	int error = send_one(socket, datagram, &mtu);

	if (!error)
		return;
	if (datagram->gso_size && error != -EAGAIN && error != -ENOBUFS) {
		if (error == -EINVAL || error == -EMSGSIZE || error == -EIO)
			socket->segment_limit = datagram->gso_size;
		send_pieces(socket, datagram, destination);
		return;
	}
	not_sent(socket, datagram, destination, error, mtu);
}

void relay_udp_flush(struct relay *relay)
{
	struct relay_udp_batch *batch = relay->udp.batch;
	unsigned at = 0;

	while (at < batch->count) {
		int sent = host_datagram_send(batch->socket->watch.fd, &batch->datagrams[at],
					      batch->count - at);

		if (sent > 0) {
			at += (unsigned)sent;
		} else {
			send_entry(batch->socket, &batch->datagrams[at], &batch->destinations[at]);
			at++;
		}
	}
	batch->socket = NULL;
	batch->count = 0;
	batch->used = 0;
}

void relay_udp_flush_socket(struct relay_udp_socket *socket)
{
	struct relay *relay = socket->mapping->relay;

	if (relay->udp.batch->socket == socket)
		relay_udp_flush(relay);
}

/* Collecting */

/* Sets an option of the socket that differs from `*current`, behind what was collected before. */
static void set_option(struct relay_udp_socket *socket, int *current, int value, int option,
		       int option_v6)
{
	bool ipv4 = socket->ipv4;

	if (*current == value)
		return;
	relay_udp_flush_socket(socket);
	host_socket_set(socket->watch.fd, ipv4 ? SOL_IP : SOL_IPV6, ipv4 ? option : option_v6,
			value);
	*current = value;
}

/*
 * Gives what leaves the host the header fields that the sandbox chose: TTL less the hop that this
 * is, traffic class, and whether a router may fragment it.
 */
static void set_header_fields(struct relay_udp_socket *socket,
			      const struct cothon_datagram *datagram)
{
	int otherwise = socket->ipv4 ? IP_PMTUDISC_DONT : IPV6_PMTUDISC_WANT;

	set_option(socket, &socket->hops, datagram->hops > 1 ? datagram->hops - 1 : 1, IP_TTL,
		   IPV6_UNICAST_HOPS);
	set_option(socket, &socket->traffic_class, datagram->traffic_class, IP_TOS, IPV6_TCLASS);
	set_option(socket, &socket->discovery, datagram->dont_fragment ? IP_PMTUDISC_DO : otherwise,
		   IP_MTU_DISCOVER, IPV6_MTU_DISCOVER);
}

static bool same_endpoint(const struct cothon_endpoint *a, const struct cothon_endpoint *b)
{
	return a->port == b->port && cothon_addr_equal(&a->addr, &b->addr);
}

/*
 * Adds a datagram, or several that came as one, to the last entry, if they go the same way and that
 * is still open.
 */
static bool extend(struct relay_udp_batch *batch, const struct cothon_datagram *datagram)
{
	struct host_datagram *last;
	size_t size;

	if (batch->count == 0)
		return false;
	last = &batch->datagrams[batch->count - 1];
	size = last->gso_size ? last->gso_size : last->len;
	if (datagram->len == 0 || size == 0 || last->len % size != 0 ||
	    (datagram->gso_size ? datagram->gso_size != size : datagram->len > size) ||
	    size >= batch->socket->segment_limit ||
	    (last->len + datagram->len - 1) / size >= HOST_DATAGRAM_SEGMENTS ||
	    last->len + datagram->len > RUN_MAX ||
	    !same_endpoint(&batch->destinations[batch->count - 1], &datagram->destination))
		return false;
	memcpy(batch->data + batch->used, datagram->payload, datagram->len);
	batch->used += datagram->len;
	last->gso_size = (uint16_t)size;
	last->len += datagram->len;
	return true;
}

/* What the kernel is to cut a datagram into; 0: it is one. */
static uint16_t segments_of(const struct cothon_datagram *datagram)
{
	return datagram->gso_size < datagram->len ? datagram->gso_size : 0;
}

static void append(struct relay_udp_batch *batch, const struct host_sockaddr *to,
		   const struct cothon_addr *local, const struct cothon_datagram *datagram)
{
	struct host_datagram *entry = &batch->datagrams[batch->count];

	*entry = (struct host_datagram){
		.peer = *to,
		.local = *local,
		.data = batch->data + batch->used,
		.len = datagram->len,
		.gso_size = segments_of(datagram),
	};
	if (datagram->len)
		memcpy(entry->data, datagram->payload, datagram->len);
	batch->destinations[batch->count++] = datagram->destination;
	batch->used += datagram->len;
}

/* Sends a datagram without copying it, after those that came before. */
static void send_at_once(struct relay_udp_socket *socket, const struct host_sockaddr *to,
			 const struct cothon_addr *local, const struct cothon_datagram *datagram)
{
	struct host_datagram entry = {
		.peer = *to,
		.local = *local,
		.data = (uint8_t *)(uintptr_t)datagram->payload,
		.len = datagram->len,
		.gso_size = segments_of(datagram),
	};

	relay_udp_flush_socket(socket);
	send_entry(socket, &entry, &datagram->destination);
}

void relay_udp_send(struct relay_udp_socket *socket, const struct host_sockaddr *to,
		    const struct cothon_addr *local, const struct cothon_datagram *datagram)
{
	struct relay *relay = socket->mapping->relay;
	struct relay_udp_batch *batch = relay->udp.batch;

	set_header_fields(socket, datagram);
	if (datagram->len > COPY_MAX) {
		send_at_once(socket, to, local, datagram);
		return;
	}
	if (batch->socket != socket || batch->count == HOST_DATAGRAM_BATCH ||
	    batch->used + datagram->len > sizeof(batch->data))
		relay_udp_flush(relay);
	batch->socket = socket;
	if (!extend(batch, datagram))
		append(batch, to, local, datagram);
}
