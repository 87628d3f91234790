/* SPDX-License-Identifier: MIT */
#include "stack/ip.h"

#include "stack/icmp.h"
#include "stack/tcp/segment.h"
#include "stack/udp.h"
#include "wire/checksum.h"
#include <errno.h>

/* Input */

/*
 * Whether a packet may be from and to these addresses at all (RFC 1122 section 3.2.1.3, RFC 4291). One from our own
 * address is a lie that would have us answer ourselves.
 */
static bool addresses_valid(const struct cothon_stack *stack, const struct cothon_ip *ip)
{
	return cothon_addr_is_unicast(&ip->source) && !cothon_addr_is_loopback(&ip->source) &&
	       !cothon_addr_is_any(&ip->destination) &&
	       !cothon_addr_is_loopback(&ip->destination) &&
	       !cothon_stack_has_address(stack, &ip->source);
}

static void dispatch(struct cothon_stack *stack, struct cothon_packet *packet)
{
	switch (packet->ip.protocol) {
	case COTHON_IPPROTO_TCP:
		cothon_tcp_input(stack, packet);
		return;
	case COTHON_IPPROTO_UDP:
		cothon_udp_input(stack, packet);
		return;
	case COTHON_IPPROTO_ICMP:
	case COTHON_IPPROTO_ICMPV6:
		/* Each belongs to its own family. */
		if ((packet->ip.protocol == COTHON_IPPROTO_ICMP) == (packet->ip.version == 4)) {
			cothon_icmp_input(stack, packet);
			return;
		}
		break;
	case COTHON_IPPROTO_NONE:
		return;
	default:
		break;
	}
	stack->counters.ip_unknown_protocol++;
	cothon_icmp_error_about(stack, COTHON_PROTOCOL_UNREACHABLE, packet);
}

/* True when the packet goes on; false when it is held, done with, or waits for other fragments. */
static bool reassemble(struct cothon_stack *stack, struct cothon_packet *packet)
{
	int result;

	if (!packet->ip.fragment)
		return true;
	stack->counters.fragments_in++;
	result = cothon_fragments_add(&stack->fragments, &packet->ip, &packet->buf, stack->now);
	if (result < 0)
		stack->counters.reassembly_failed++;
	if (result == -ENOBUFS)
		stack->counters.reassembly_evicted++;
	if (result != 1)
		return false;
	stack->counters.reassembled++;
	packet->reassembled = true;
	/* Its sender has fragmented it, IPv6 or not: whoever forwards it may do so again. */
	packet->ip.dont_fragment = false;
	return true;
}

/* True when this packet is for us, or for somebody behind us that a forwarder speaks for. */
static bool accept_destination(struct cothon_stack *stack, struct cothon_packet *packet)
{
	packet->ours = cothon_stack_has_address(stack, &packet->ip.destination);
	if (packet->ours)
		return true;
	if (cothon_addr_is_multicast(&packet->ip.destination) || !stack->config.forwarder ||
	    !cothon_addr_is_unicast(&packet->ip.destination)) {
		stack->counters.ip_not_ours++;
		return false;
	}
	/* RFC 1812 section 5.3.1: a router ends what has no hop left. */
	if (packet->ip.hops <= 1) {
		stack->counters.ip_hops_exceeded++;
		cothon_icmp_error_about(stack, COTHON_HOPS_EXCEEDED, packet);
		return false;
	}
	return true;
}

/* Leaves the IP payload as the buffer's content. Returns false when the header is no good. */
static bool parse(struct cothon_stack *stack, struct cothon_packet *packet)
{
	struct cothon_buf *buf = packet->buf;
	bool gso = buf->offload.gso != COTHON_GSO_NONE;
	int error = cothon_ip_parse((struct cothon_bytes){buf->data, buf->len}, gso, &packet->ip);

	/* A frame that stands for several packets is never a fragment of one. */
	if (!error && gso && packet->ip.fragment)
		error = -EBADMSG;
	if (error == -EILSEQ)
		stack->counters.ip_bad_checksum++;
	else if (error == -EPROTONOSUPPORT)
		stack->counters.ip_unknown_protocol++;
	else if (error)
		stack->counters.ip_bad_header++;
	if (error)
		return false;
	if (!addresses_valid(stack, &packet->ip)) {
		stack->counters.ip_bad_address++;
		return false;
	}
	buf->data += packet->ip.header_len;
	buf->len = packet->ip.payload_len;
	return true;
}

void cothon_stack_input(struct cothon_stack *stack, struct cothon_buf *buf, uint64_t now)
{
	struct cothon_packet packet = {.buf = buf};

	stack->now = now;
	stack->counters.frames_in++;
	stack->counters.bytes_in += buf->len;
	if (parse(stack, &packet) && accept_destination(stack, &packet) &&
	    reassemble(stack, &packet))
		dispatch(stack, &packet);
	cothon_buf_put(packet.buf);
}

void cothon_ip_expire_fragments(struct cothon_stack *stack)
{
	struct cothon_fragment_loss loss;

	while (cothon_fragments_expire(&stack->fragments, stack->now, &loss)) {
		stack->counters.reassembly_failed++;
		if (loss.has_first)
			cothon_icmp_error(stack, NULL, COTHON_REASSEMBLY_EXCEEDED, 0, &loss.ip,
					  (struct cothon_bytes){loss.quote, loss.quote_len});
	}
}

/* Output */

static int transmit(struct cothon_stack *stack, struct cothon_frame *frame)
{
	int error = cothon_link_transmit(stack->link, frame);

	if (error == -EAGAIN) {
		stack->link_busy = true;
		stack->counters.link_busy++;
	} else if (error) {
		stack->counters.link_lost++;
	} else {
		stack->counters.frames_out++;
		stack->counters.bytes_out += frame->len;
	}
	return error;
}

/* The transport's checksum: left to the link where it can, else summed here. */
static void checksum(const struct cothon_stack *stack, struct cothon_outgoing *out, size_t ip_len,
		     bool whole, struct cothon_offload *offload)
{
	size_t len = out->header_len + out->payload_len;
	uint64_t sum = cothon_checksum_pseudo(&out->ip.source, &out->ip.destination,
					      out->ip.protocol, (uint32_t)len);
	uint8_t *field = out->header + out->checksum_at;
	uint16_t value;

	if (whole && (stack->link->features & COTHON_LINK_CSUM)) {
		offload->csum_partial = true;
		offload->csum_start = (uint16_t)ip_len;
		offload->csum_offset = (uint16_t)out->checksum_at;
		cothon_put16(field, cothon_checksum_fold(sum));
		return;
	}
	cothon_put16(field, 0);
	sum = cothon_checksum_add(sum, out->header, out->header_len);
	value = cothon_checksum_finish(cothon_checksum_add_iov(sum, out->payload, out->count, 0));
	/* RFC 768: a sum of zero is sent as all ones, for zero means that there is none. */
	if (value == 0 && out->ip.protocol == COTHON_IPPROTO_UDP)
		value = 0xffff;
	cothon_put16(field, value);
}

/* Appends the bytes [skip, skip + len) of a vector to a frame. */
static void frame_append(struct cothon_frame *frame, const struct iovec *iov, unsigned count,
			 size_t skip, size_t len)
{
	for (unsigned i = 0; i < count && len > 0; i++) {
		size_t take;

		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		take = iov[i].iov_len - skip < len ? iov[i].iov_len - skip : len;
		frame->iov[frame->count++] =
			(struct iovec){(uint8_t *)iov[i].iov_base + skip, take};
		frame->len += take;
		len -= take;
		skip = 0;
	}
}

static void frame_start(struct cothon_frame *frame, uint8_t *header, size_t len)
{
	frame->iov[0] = (struct iovec){NULL, 0};
	frame->iov[1] = (struct iovec){header, len};
	frame->count = 2;
	frame->len = len;
}

/*
 * IPv4 identification: from a counter that few pairs of addresses share, behind an offset of each pair's own, both
 * chosen by a key, so that it neither repeats soon nor tells what goes to others (RFC 7739 section 5.3); IPv6: random
 * (the same, section 5.2).
 */
static uint32_t identify(struct cothon_stack *stack, const struct cothon_ip *ip)
{
	uint64_t words[4] = {ip->source.q[0], ip->source.q[1], ip->destination.q[0],
			     ip->destination.q[1]};
	uint64_t hash;

	if (!cothon_addr_is_ipv4(&ip->destination))
		return cothon_random_u32(&stack->random);
	hash = cothon_siphash13_words(&stack->ident_key, words, 4);
	return (uint16_t)(hash + stack->ident_counters[(hash >> 32) % COTHON_IDENT_COUNTERS]++);
}

static int output_fragments(struct cothon_stack *stack, struct cothon_outgoing *out)
{
	struct iovec pieces[COTHON_FRAME_IOV];
	size_t total = out->header_len + out->payload_len;
	struct cothon_offload none = {0};
	struct cothon_ip ip = out->ip;
	size_t room;

	ip.fragment = true;
	ip.ident = identify(stack, &ip);
	room = (stack->link->mtu - cothon_ip_header_len(&ip)) & ~(size_t)7;
	if (out->checksum_at >= 0)
		checksum(stack, out, 0, false, &none);
	pieces[0] = (struct iovec){out->header, out->header_len};
	for (unsigned i = 0; i < out->count; i++)
		pieces[i + 1] = out->payload[i];

	for (size_t offset = 0; offset < total; offset += room) {
		uint8_t header[COTHON_IPV6_HEADER + COTHON_IPV6_FRAGMENT_HEADER];
		size_t len = total - offset < room ? total - offset : room;
		struct cothon_frame frame = {0};
		int error;

		ip.fragment_offset = (uint16_t)offset;
		ip.more_fragments = offset + len < total;
		ip.payload_len = (uint32_t)len;
		frame_start(&frame, header, cothon_ip_emit(&ip, header));
		frame_append(&frame, pieces, out->count + 1, offset, len);
		error = transmit(stack, &frame);
		if (error)
			return error;
		stack->counters.fragments_out++;
	}
	return 0;
}

int cothon_ip_output(struct cothon_stack *stack, struct cothon_outgoing *out)
{
	uint8_t header[COTHON_IPV6_HEADER + 64];
	struct cothon_frame frame;
	size_t ip_len;

	out->ip.payload_len = (uint32_t)(out->header_len + out->payload_len);
	out->ip.fragment = out->ip.more_fragments = false;
	out->ip.fragment_offset = 0;
	ip_len = cothon_ip_header_len(&out->ip);
	if (out->ip.payload_len > 65535 - (ip_len == COTHON_IPV4_HEADER ? ip_len : 0))
		return -EMSGSIZE;
	if (!out->gso && ip_len + out->ip.payload_len > stack->link->mtu) {
		if (out->ip.dont_fragment)
			return -EMSGSIZE;
		return output_fragments(stack, out);
	}
	/* RFC 6864 section 4.1: an atomic datagram's identification means nothing. IPv6 has it in fragments alone. */
	out->ip.ident = out->ip.dont_fragment || !cothon_addr_is_ipv4(&out->ip.destination)
				? 0
				: identify(stack, &out->ip);
	cothon_ip_emit(&out->ip, header);

	frame.offload = (struct cothon_offload){
		.gso = out->gso,
		.gso_size = out->gso_size,
		.header_len = (uint16_t)(ip_len + out->header_len),
	};
	if (out->checksum_at >= 0)
		checksum(stack, out, ip_len, true, &frame.offload);
	memcpy(header + ip_len, out->header, out->header_len);
	frame_start(&frame, header, ip_len + out->header_len);
	frame_append(&frame, out->payload, out->count, 0, out->payload_len);
	return transmit(stack, &frame);
}
