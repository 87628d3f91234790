/* SPDX-License-Identifier: MIT */
#include "stack/udp.h"

#include "stack/icmp.h"
#include "wire/udp.h"
#include <errno.h>

struct cothon_udp {
	struct cothon_binding binding;
	struct cothon_stack *stack;
	cothon_udp_handler *handler;
	cothon_udp_error_handler *error; /* NULL: nobody wants to be told */
	void *owner;
};

enum {
	SEGMENTS_MAX = 128
}; /* UDP_MAX_SEGMENTS of Linux */

/* Input */

static void deliver(struct cothon_stack *stack, struct cothon_packet *packet,
		    const struct cothon_datagram *datagram)
{
	const struct cothon_forwarder *forwarder = stack->config.forwarder;
	struct cothon_binding *binding =
		packet->ours ? cothon_bindings_find(stack->bindings, COTHON_UDP,
						    &datagram->destination, &datagram->source)
			     : NULL;
	int error = -ECONNREFUSED;

	if (binding) {
		struct cothon_udp *udp = cothon_container(binding, struct cothon_udp, binding);

		udp->handler(udp, udp->owner, datagram);
		return;
	}
	if (forwarder && forwarder->udp)
		error = forwarder->udp(stack->config.context, datagram);
	if (!error || error == -ETIMEDOUT)
		return;
	stack->counters.udp_no_port++;
	/* RFC 1122 section 4.1.3.1: a datagram for a port that nobody holds is answered. */
	packet->buf->data -= COTHON_UDP_HEADER;
	packet->buf->len += COTHON_UDP_HEADER;
	cothon_icmp_error_about(stack, cothon_icmp_reason(error), packet);
}

/* More datagrams in one frame than any kernel makes: it would be cheap to send and dear to take. */
static bool too_many(const struct cothon_offload *offload, size_t len)
{
	return offload->gso && len > (size_t)offload->gso_size * SEGMENTS_MAX;
}

void cothon_udp_input(struct cothon_stack *stack, struct cothon_packet *packet)
{
	struct cothon_buf *buf = packet->buf;
	struct cothon_udp_header udp;
	struct cothon_datagram datagram;

	stack->counters.udp_in++;
	if ((buf->offload.gso && buf->offload.gso != COTHON_GSO_UDP) ||
	    cothon_udp_parse(cothon_packet_bytes(packet), &packet->ip, buf->offload.csum_valid,
			     buf->offload.gso != COTHON_GSO_NONE, &udp) ||
	    udp.destination_port == 0 || too_many(&buf->offload, udp.payload_len)) {
		stack->counters.udp_bad++;
		return;
	}
	buf->data += COTHON_UDP_HEADER;
	buf->len = udp.payload_len;
	datagram = (struct cothon_datagram){
		.source = {packet->ip.source, udp.source_port},
		.destination = {packet->ip.destination, udp.destination_port},
		.payload = buf->data,
		.len = buf->len,
		.gso_size = buf->offload.gso ? buf->offload.gso_size : 0,
		.hops = packet->ip.hops,
		.traffic_class = packet->ip.traffic_class,
		.dont_fragment = packet->ip.dont_fragment,
	};
	deliver(stack, packet, &datagram);
}

void cothon_udp_icmp(struct cothon_stack *stack, const struct cothon_udp_error *error)
{
	struct cothon_binding *binding =
		cothon_bindings_find(stack->bindings, COTHON_UDP, &error->local, &error->remote);
	struct cothon_udp *udp;

	if (!binding)
		return;
	udp = cothon_container(binding, struct cothon_udp, binding);
	if (udp->error)
		udp->error(udp, udp->owner, error);
}

/* Output */

static int send_one(struct cothon_stack *stack, const struct cothon_datagram *datagram,
		    const uint8_t *payload, size_t len, uint16_t gso_size)
{
	uint8_t header[COTHON_UDP_HEADER];
	struct iovec iov = {(void *)(uintptr_t)payload, len};
	struct cothon_udp_header udp = {
		.source_port = datagram->source.port,
		.destination_port = datagram->destination.port,
		.payload_len = (uint16_t)len,
	};
	struct cothon_outgoing out = {
		.ip =
			{
				.source = datagram->source.addr,
				.destination = datagram->destination.addr,
				.version = cothon_addr_is_ipv4(&datagram->source.addr) ? 4 : 6,
				.protocol = COTHON_UDP,
				.hops = datagram->hops ? datagram->hops : COTHON_HOPS,
				.traffic_class = datagram->traffic_class,
				.dont_fragment = datagram->dont_fragment,
			},
		.header = header,
		.header_len = sizeof(header),
		.checksum_at = 6,
		.payload = &iov,
		.count = len > 0,
		.payload_len = len,
		.gso = gso_size ? COTHON_GSO_UDP : COTHON_GSO_NONE,
		.gso_size = gso_size,
	};
	int error;

	if (len > 65535 - COTHON_UDP_HEADER)
		return -EMSGSIZE;
	cothon_udp_emit(&udp, header);
	error = cothon_ip_output(stack, &out);
	if (!error)
		stack->counters.udp_out++;
	return error;
}

int cothon_stack_send_datagram(struct cothon_stack *stack, const struct cothon_datagram *datagram)
{
	size_t piece = datagram->gso_size;
	bool ipv4 = cothon_addr_is_ipv4(&datagram->source.addr);
	size_t headers = COTHON_UDP_HEADER + (ipv4 ? COTHON_IPV4_HEADER : COTHON_IPV6_HEADER);
	/* Whoever cuts makes the checksums too. */
	unsigned needed = COTHON_LINK_USO | COTHON_LINK_CSUM;

	if (ipv4 != cothon_addr_is_ipv4(&datagram->destination.addr) ||
	    headers + piece > stack->link->mtu)
		return -EINVAL;
	if (piece == 0 || datagram->len <= piece)
		return send_one(stack, datagram, datagram->payload, datagram->len, 0);
	if ((stack->link->features & needed) == needed)
		return send_one(stack, datagram, datagram->payload, datagram->len, (uint16_t)piece);
	for (size_t at = 0; at < datagram->len; at += piece) {
		size_t len = datagram->len - at < piece ? datagram->len - at : piece;
		int error = send_one(stack, datagram, datagram->payload + at, len, 0);

		if (error)
			return error;
	}
	return 0;
}

/* Bindings */

int cothon_udp_bind(struct cothon_stack *stack, const struct cothon_endpoint *local,
		    cothon_udp_handler *handler, void *owner, struct cothon_udp **result)
{
	return cothon_udp_bind_as(stack, local, NULL, handler, owner, result);
}

int cothon_udp_bind_as(struct cothon_stack *stack, const struct cothon_endpoint *local,
		       const struct cothon_bind_options *options, cothon_udp_handler *handler,
		       void *owner, struct cothon_udp **result)
{
	struct cothon_udp *udp = cothon_stack_alloc(stack, sizeof(*udp));
	int error;

	if (!udp)
		return -ENOMEM;
	*udp = (struct cothon_udp){.stack = stack, .handler = handler, .owner = owner};
	error = cothon_stack_bind(stack, &udp->binding, COTHON_UDP, local, options);
	if (error) {
		cothon_stack_free(stack, udp, sizeof(*udp));
		return error;
	}
	*result = udp;
	return 0;
}

void cothon_udp_on_error(struct cothon_udp *udp, cothon_udp_error_handler *handler)
{
	udp->error = handler;
}

struct cothon_endpoint cothon_udp_local(const struct cothon_udp *udp)
{
	return udp->binding.endpoint;
}

int cothon_udp_send(struct cothon_udp *udp, const struct cothon_addr *source,
		    const struct cothon_endpoint *to, const void *payload, size_t len)
{
	struct cothon_datagram datagram = {
		.source = udp->binding.endpoint,
		.destination = *to,
		.payload = payload,
		.len = len,
	};

	if (!source && cothon_addr_is_any(&datagram.source.addr)) {
		source = cothon_stack_source(udp->stack, &to->addr);
		if (!source)
			return -EADDRNOTAVAIL;
	}
	if (source)
		datagram.source.addr = *source;
	return cothon_stack_send_datagram(udp->stack, &datagram);
}

void cothon_udp_close(struct cothon_udp *udp)
{
	cothon_stack_unbind(udp->stack, &udp->binding);
	cothon_stack_free(udp->stack, udp, sizeof(*udp));
}
