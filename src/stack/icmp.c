/* SPDX-License-Identifier: MIT */
#include "stack/icmp.h"

#include "stack/tcp/segment.h"
#include "stack/udp.h"
#include "wire/icmp.h"
#include "wire/udp.h"
#include <errno.h>

enum {
	/* RFC 1812 section 4.3.2.3: an IPv4 error quotes as much as fits 576 bytes; RFC 4443 section 2.4 (c): 1280. */
	ERROR_MAX_IPV4 = 576,
	ERROR_MAX_IPV6 = 1280,
};

static int output(struct cothon_stack *stack, const struct cothon_addr *source,
		  const struct cothon_addr *destination, struct cothon_icmp *icmp)
{
	uint8_t header[COTHON_ICMP_HEADER];
	struct iovec payload = {(void *)(uintptr_t)icmp->rest.data, icmp->rest.len};
	bool ipv4 = cothon_addr_is_ipv4(destination);
	struct cothon_outgoing out = {
		.ip =
			{
				.source = *source,
				.destination = *destination,
				.version = ipv4 ? 4 : 6,
				.protocol = ipv4 ? COTHON_IPPROTO_ICMP : COTHON_IPPROTO_ICMPV6,
				.hops = COTHON_HOPS,
			},
		.header = header,
		.header_len = sizeof(header),
		.checksum_at = -1,
		.payload = &payload,
		.count = icmp->rest.len > 0,
		.payload_len = icmp->rest.len,
	};

	cothon_icmp_emit(icmp, &out.ip, header);
	return cothon_ip_output(stack, &out);
}

/* Errors */

enum cothon_unreachable cothon_icmp_reason(int error)
{
	switch (error) {
	case -ECONNREFUSED:
		return COTHON_PORT_UNREACHABLE;
	case -ENETUNREACH:
		return COTHON_NET_UNREACHABLE;
	case -EACCES:
	case -EPERM:
		return COTHON_PROHIBITED;
	default:
		return COTHON_HOST_UNREACHABLE;
	}
}

/* RFC 1122 section 3.2.2: no error is ever sent about an ICMP error, nor about what cannot be told from one. */
static bool is_icmp_error(const struct cothon_ip *ip, struct cothon_bytes payload)
{
	struct cothon_icmp icmp;

	if (ip->protocol != COTHON_IPPROTO_ICMP && ip->protocol != COTHON_IPPROTO_ICMPV6)
		return false;
	return cothon_icmp_parse(payload, ip, true, &icmp) || icmp.is_error;
}

int cothon_icmp_error(struct cothon_stack *stack, const struct cothon_addr *from,
		      enum cothon_unreachable reason, uint32_t mtu, const struct cothon_ip *about,
		      struct cothon_bytes quote)
{
	uint8_t rest[ERROR_MAX_IPV6];
	bool ipv4 = cothon_addr_is_ipv4(&about->source);
	size_t max =
		(ipv4 ? ERROR_MAX_IPV4 - COTHON_IPV4_HEADER : ERROR_MAX_IPV6 - COTHON_IPV6_HEADER) -
		COTHON_ICMP_HEADER;
	struct cothon_icmp icmp = {.kind = COTHON_ICMP_ERROR, .reason = reason, .mtu = mtu};
	size_t len;

	if (about->fragment_offset > 0 || !cothon_addr_is_unicast(&about->source) ||
	    cothon_addr_is_multicast(&about->destination) || is_icmp_error(about, quote))
		return -EINVAL;
	if (!from)
		from = cothon_stack_has_address(stack, &about->destination)
			       ? &about->destination
			       : cothon_stack_source(stack, &about->source);
	if (!from)
		return -EINVAL;
	if (!cothon_bucket_take(&stack->icmp_bucket, stack->now)) {
		stack->counters.icmp_errors_limited++;
		return -EBUSY;
	}
	/* The header is quoted as it was, but for options, of which no sender needs to be told. */
	len = cothon_ip_emit(about, rest);
	if (quote.len > max - len)
		quote.len = max - len;
	if (quote.len)
		memcpy(rest + len, quote.data, quote.len);
	icmp.rest = (struct cothon_bytes){rest, len + quote.len};
	stack->counters.icmp_errors_out++;
	return output(stack, from, &about->source, &icmp);
}

void cothon_icmp_error_about(struct cothon_stack *stack, enum cothon_unreachable reason,
			     const struct cothon_packet *packet)
{
	cothon_icmp_error(stack, NULL, reason, 0, &packet->ip, cothon_packet_bytes(packet));
}

/* The IP header that a datagram from `source` to `destination` had. */
static struct cothon_ip header_about(const struct cothon_addr *source,
				     const struct cothon_addr *destination, uint8_t protocol,
				     size_t len)
{
	return (struct cothon_ip){
		.source = *source,
		.destination = *destination,
		.version = cothon_addr_is_ipv4(source) ? 4 : 6,
		.protocol = protocol,
		.hops = 1,
		.dont_fragment = true,
		.payload_len = (uint32_t)len,
	};
}

/* Builds the quote of 8 bytes of header and what is known of the payload, and sends the error. */
static int error_about(struct cothon_stack *stack, const struct cothon_addr *from,
		       enum cothon_unreachable reason, uint32_t mtu, const struct cothon_ip *about,
		       const uint8_t header[static 8], const uint8_t *payload, size_t len)
{
	uint8_t quote[ERROR_MAX_IPV6];
	size_t take = len < sizeof(quote) - 8 ? len : sizeof(quote) - 8;

	memcpy(quote, header, 8);
	if (take)
		memcpy(quote + 8, payload, take);
	return cothon_icmp_error(stack, from, reason, mtu, about,
				 (struct cothon_bytes){quote, 8 + take});
}

int cothon_stack_send_unreachable(struct cothon_stack *stack, const struct cothon_addr *from,
				  enum cothon_unreachable reason, uint32_t mtu,
				  const struct cothon_datagram *about)
{
	uint8_t header[COTHON_UDP_HEADER];
	struct cothon_ip ip = header_about(&about->source.addr, &about->destination.addr,
					   COTHON_UDP, COTHON_UDP_HEADER + about->len);
	struct cothon_udp_header udp = {
		.source_port = about->source.port,
		.destination_port = about->destination.port,
		.payload_len = (uint16_t)about->len,
	};

	cothon_udp_emit(&udp, header);
	return error_about(stack, from, reason, mtu, &ip, header, about->payload, about->len);
}

int cothon_stack_send_echo_unreachable(struct cothon_stack *stack, const struct cothon_addr *from,
				       enum cothon_unreachable reason, uint32_t mtu,
				       const struct cothon_echo *about)
{
	uint8_t header[COTHON_ICMP_HEADER];
	bool ipv4 = cothon_addr_is_ipv4(&about->source);
	struct cothon_ip ip = header_about(&about->source, &about->destination,
					   ipv4 ? COTHON_IPPROTO_ICMP : COTHON_IPPROTO_ICMPV6,
					   COTHON_ICMP_HEADER + about->len);
	struct cothon_icmp icmp = {
		.kind = COTHON_ICMP_ECHO_REQUEST,
		.ident = about->ident,
		.sequence = about->sequence,
		.rest = {about->payload, about->len},
	};

	cothon_icmp_emit(&icmp, &ip, header);
	return error_about(stack, from, reason, mtu, &ip, header, about->payload, about->len);
}

/* Echo */

static int echo_reply(struct cothon_stack *stack, const struct cothon_addr *source,
		      const struct cothon_addr *destination, const struct cothon_icmp *request)
{
	struct cothon_icmp reply = *request;

	reply.kind = COTHON_ICMP_ECHO_REPLY;
	return output(stack, source, destination, &reply);
}

int cothon_stack_send_echo_reply(struct cothon_stack *stack, const struct cothon_echo *echo)
{
	struct cothon_icmp request = {
		.ident = echo->ident,
		.sequence = echo->sequence,
		.rest = {echo->payload, echo->len},
	};

	return echo_reply(stack, &echo->destination, &echo->source, &request);
}

static void forward_echo(struct cothon_stack *stack, struct cothon_packet *packet,
			 const struct cothon_icmp *icmp)
{
	struct cothon_echo echo = {
		.source = packet->ip.source,
		.destination = packet->ip.destination,
		.ident = icmp->ident,
		.sequence = icmp->sequence,
		.payload = icmp->rest.data,
		.len = icmp->rest.len,
		.hops = packet->ip.hops,
	};
	const struct cothon_forwarder *forwarder = stack->config.forwarder;
	int error = forwarder->echo ? forwarder->echo(stack->config.context, &echo) : -EHOSTUNREACH;

	if (error && error != -ETIMEDOUT)
		cothon_icmp_error_about(stack, cothon_icmp_reason(error), packet);
}

/* Errors that came in */

/*
 * An error about a packet that we sent goes to whoever sent it, as the quote says. A datagram has
 * nothing in it that only its sender knows: its quote must at least be of the address that the
 * error came to.
 */
static void quoted_error(struct cothon_stack *stack, const struct cothon_packet *packet,
			 const struct cothon_icmp *icmp)
{
	struct cothon_bytes bytes = icmp->rest;
	struct cothon_endpoint local, remote;
	struct cothon_ip ip;
	const uint8_t *transport;

	if (cothon_ip_parse_quote(bytes, &ip))
		return;
	transport = cothon_bytes_at(bytes, ip.header_len, 8);
	if (!transport || ip.fragment_offset > 0)
		return;
	local = (struct cothon_endpoint){ip.source, cothon_get16(transport)};
	remote = (struct cothon_endpoint){ip.destination, cothon_get16(transport + 2)};
	if (ip.protocol == COTHON_TCP) {
		struct cothon_flow flow = cothon_flow_make(COTHON_TCP, &local, &remote);

		cothon_tcp_icmp(stack, &flow, (struct cothon_seq){cothon_get32(transport + 4)},
				icmp->reason, icmp->mtu);
	} else if (ip.protocol == COTHON_UDP && packet->ours &&
		   cothon_addr_equal(&ip.source, &packet->ip.destination)) {
		const struct cothon_udp_error error = {local, remote, icmp->reason, icmp->mtu};

		cothon_udp_icmp(stack, &error);
	}
}

void cothon_icmp_input(struct cothon_stack *stack, struct cothon_packet *packet)
{
	struct cothon_icmp icmp;

	stack->counters.icmp_in++;
	if (packet->buf->offload.gso || cothon_icmp_parse(cothon_packet_bytes(packet), &packet->ip,
							  packet->buf->offload.csum_valid, &icmp)) {
		stack->counters.icmp_bad++;
		return;
	}
	if (icmp.kind == COTHON_ICMP_ERROR) {
		quoted_error(stack, packet, &icmp);
	} else if (icmp.kind == COTHON_ICMP_ECHO_REQUEST) {
		stack->counters.echo_in++;
		if (packet->ours)
			echo_reply(stack, &packet->ip.destination, &packet->ip.source, &icmp);
		else
			forward_echo(stack, packet, &icmp);
	}
}
