/* SPDX-License-Identifier: MIT */
#include "control/sockets.h"

#include "base/sort.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_endpoints(const struct cothon_endpoint *a, const struct cothon_endpoint *b)
{
	if (a->port != b->port)
		return a->port < b->port ? -1 : 1;
	return memcmp(a->addr.b, b->addr.b, sizeof(a->addr.b));
}

static int compare(const struct sandbox_socket *a, const struct sandbox_socket *b)
{
	int order;

	if (a->transport != b->transport)
		return a->transport < b->transport ? -1 : 1;
	order = compare_endpoints(&a->local, &b->local);
	return order ? order : compare_endpoints(&a->remote, &b->remote);
}

static bool comes_before(const void *context, uint32_t a, uint32_t b)
{
	const struct sandbox_inspection *inspection = context;

	return compare(&inspection->sockets[a], &inspection->sockets[b]) < 0;
}

int control_sockets_init(struct control_sockets *sockets,
			 const struct sandbox_inspection *inspection)
{
	uint32_t count = inspection->socket_count;

	sockets->inspection = inspection;
	sockets->count = count;
	sockets->order = calloc(count + 1, sizeof(*sockets->order));
	if (!sockets->order)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		sockets->order[i] = i;
	cothon_sort(sockets->order, count, comes_before, inspection);
	return 0;
}

void control_sockets_free(struct control_sockets *sockets)
{
	free(sockets->order);
}

/* The first socket that does not come before `key`. */
static uint32_t lower_bound(const struct control_sockets *sockets, const struct sandbox_socket *key)
{
	uint32_t low = 0, high = sockets->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (compare(control_sockets_at(sockets, middle), key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct sandbox_socket *control_sockets_flow(const struct control_sockets *sockets,
						  enum cothon_transport transport,
						  const struct cothon_endpoint *local,
						  const struct cothon_endpoint *remote)
{
	struct sandbox_socket key = {
		.transport = (uint8_t)transport, .local = *local, .remote = *remote};
	uint32_t at = lower_bound(sockets, &key);

	if (at == sockets->count || compare(control_sockets_at(sockets, at), &key) != 0)
		return NULL;
	return control_sockets_at(sockets, at);
}

bool control_socket_is_binding(const struct sandbox_socket *socket)
{
	if (socket->transport == COTHON_TCP)
		return socket->state == COTHON_TCP_LISTEN;
	return socket->state == COTHON_TCP_CLOSED && socket->local.port > 0;
}

/* Whether a socket bound to all addresses takes what comes to `addr`. */
static bool takes(const struct sandbox_socket *socket, const struct cothon_addr *addr)
{
	const struct cothon_addr *own = &socket->local.addr;

	if (!cothon_addr_is_any(own))
		return cothon_addr_equal(own, addr);
	if (cothon_addr_is_ipv4(addr))
		return !socket->ipv6 || !socket->v6only;
	return socket->ipv6 && !cothon_addr_is_ipv4(own);
}

/* The best socket on the port for which `fits` is true: one that has the address for itself. */
static const struct sandbox_socket *find(const struct control_sockets *sockets,
					 enum cothon_transport transport,
					 const struct cothon_endpoint *local,
					 bool (*fits)(const struct sandbox_socket *socket))
{
	const struct sandbox_socket key = {.transport = (uint8_t)transport,
					   .local = {.port = local->port}};
	const struct sandbox_socket *found = NULL;

	for (uint32_t i = lower_bound(sockets, &key); i < sockets->count; i++) {
		const struct sandbox_socket *socket = control_sockets_at(sockets, i);

		if (socket->transport != transport || socket->local.port != local->port)
			break;
		if (!fits(socket) || !takes(socket, &local->addr))
			continue;
		if (!found || cothon_addr_equal(&socket->local.addr, &local->addr))
			found = socket;
	}
	return found;
}

const struct sandbox_socket *control_sockets_binding(const struct control_sockets *sockets,
						     enum cothon_transport transport,
						     const struct cothon_endpoint *local)
{
	return find(sockets, transport, local, control_socket_is_binding);
}

static bool is_connected(const struct sandbox_socket *socket)
{
	return socket->state == COTHON_TCP_ESTABLISHED;
}

const struct sandbox_socket *control_sockets_connected(const struct control_sockets *sockets,
						       const struct cothon_endpoint *local)
{
	return find(sockets, COTHON_UDP, local, is_connected);
}
