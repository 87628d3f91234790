/* SPDX-License-Identifier: MIT */
#include "link/segments.h"

#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include "wire/udp.h"

enum {
	IPV4_TOTAL_LEN = 2,
	IPV4_IDENT = 4,
	IPV4_CHECKSUM = 10,
	IPV6_PAYLOAD_LEN = 4,
	TCP_SEQ = 4,
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_CHECKSUM = 16,
	UDP_LEN = 4,
	UDP_CHECKSUM = 6,
};

/* Appends the bytes [from, from + len) of the frame, all of which are there. */
static void append(struct cothon_segment *segment, const struct cothon_segments *segments,
		   size_t from, size_t len)
{
	for (unsigned i = 0; i < segments->count && len > 0; i++) {
		const struct iovec *piece = &segments->iov[i];
		size_t take;

		if (from >= piece->iov_len) {
			from -= piece->iov_len;
			continue;
		}
		take = piece->iov_len - from < len ? piece->iov_len - from : len;
		segment->iov[segment->count++] =
			(struct iovec){(uint8_t *)piece->iov_base + from, take};
		segment->len += take;
		len -= take;
		from = 0;
	}
}

/* Makes a packet of the head's first bytes, and bytes of the frame. */
static void make(struct cothon_segment *segment, struct cothon_segments *segments, size_t head_len,
		 size_t from, size_t len)
{
	segment->iov[0] = (struct iovec){segments->head, head_len};
	segment->count = 1;
	segment->len = head_len;
	append(segment, segments, from, len);
}

/* The header's length field may say nothing: of GSO frames, and the rest is not copied. */
static bool parse_head(const struct cothon_segments *segments, struct cothon_ip *ip)
{
	uint8_t head[COTHON_SEGMENT_HEAD];

	memcpy(head, segments->head, segments->head_len);
	if (head[0] >> 4 == 4 && segments->head_len > IPV4_TOTAL_LEN + 1 &&
	    cothon_get16(head + IPV4_TOTAL_LEN) == 0)
		cothon_put16(head + IPV4_TOTAL_LEN, UINT16_MAX);
	else if (head[0] >> 4 == 6 && segments->head_len > IPV6_PAYLOAD_LEN + 1 &&
		 cothon_get16(head + IPV6_PAYLOAD_LEN) == 0)
		cothon_put16(head + IPV6_PAYLOAD_LEN, UINT16_MAX);
	return cothon_ip_parse_quote((struct cothon_bytes){head, segments->head_len}, ip) == 0;
}

/* Where the payload of TCP or UDP begins, all headers in front of it being in the head; or 0. */
static size_t find_payload(const struct cothon_segments *segments)
{
	size_t header = COTHON_UDP_HEADER;
	const uint8_t *transport = segments->head + segments->transport_at;

	if (segments->protocol == COTHON_IPPROTO_TCP) {
		if (segments->transport_at + COTHON_TCP_HEADER > segments->head_len)
			return 0;
		header = (size_t)(transport[TCP_OFFSET] >> 4) * 4;
		if (header < COTHON_TCP_HEADER)
			return 0;
	}
	return segments->transport_at + header > segments->head_len
		       ? 0
		       : segments->transport_at + header;
}

static void look(struct cothon_segments *segments)
{
	struct cothon_ip ip;
	const uint8_t *transport;

	segments->known = segments->head_len > 0 && parse_head(segments, &ip);
	if (!segments->known)
		return;
	segments->version = ip.version;
	segments->protocol = ip.protocol;
	segments->source.addr = ip.source;
	segments->destination.addr = ip.destination;
	segments->transport_at = ip.header_len;
	if ((ip.protocol != COTHON_IPPROTO_TCP && ip.protocol != COTHON_IPPROTO_UDP) ||
	    (ip.fragment && ip.fragment_offset > 0) ||
	    segments->transport_at + 4 > segments->head_len)
		return;
	transport = segments->head + segments->transport_at;
	segments->ports = true;
	segments->source.port = cothon_get16(transport);
	segments->destination.port = cothon_get16(transport + 2);
	if (!ip.fragment)
		segments->at = segments->payload_at = find_payload(segments);
}

void cothon_segments_begin(struct cothon_segments *segments, const struct iovec *iov,
			   unsigned count, size_t len, const struct cothon_offload *offload)
{
	struct cothon_segment begin;
	size_t at = 0;

	*segments = (struct cothon_segments){
		.iov = iov,
		.count = count < COTHON_FRAME_IOV ? count : COTHON_FRAME_IOV,
		.len = len,
		.offload = *offload,
		.head_len = len < COTHON_SEGMENT_HEAD ? len : COTHON_SEGMENT_HEAD,
	};
	begin = (struct cothon_segment){.count = 0};
	append(&begin, segments, 0, segments->head_len);
	for (unsigned i = 0; i < begin.count; at += begin.iov[i++].iov_len)
		memcpy(segments->head + at, begin.iov[i].iov_base, begin.iov[i].iov_len);
	look(segments);
}

/* Whether the frame is what its offload says, so that it can be cut. */
static bool can_be_cut(const struct cothon_segments *segments)
{
	const struct cothon_offload *offload = &segments->offload;
	unsigned protocol = offload->gso == COTHON_GSO_TCP ? COTHON_IPPROTO_TCP
							   : COTHON_IPPROTO_UDP;

	return offload->gso != COTHON_GSO_NONE && offload->gso_size >= COTHON_SEGMENT_MIN &&
	       segments->payload_at > 0 && segments->protocol == protocol &&
	       segments->len > segments->payload_at;
}

/* The packet whose sum was left to the link; the frame as it is where the sum's place is not in the head. */
static void complete(struct cothon_segments *segments, struct cothon_segment *segment)
{
	const struct cothon_offload *offload = &segments->offload;
	size_t at = (size_t)offload->csum_start + offload->csum_offset;
	uint16_t checksum;

	make(segment, segments, segments->head_len, segments->head_len,
	     segments->len - segments->head_len);
	if (!offload->csum_partial || at + 2 > segments->head_len)
		return;
	checksum = cothon_checksum_finish(
		cothon_checksum_add_iov(0, segment->iov, segment->count, offload->csum_start));
	/* RFC 768: a sum of 0 is written in its other form, since 0 means that there is none. */
	if (checksum == 0 && segments->protocol == COTHON_IPPROTO_UDP)
		checksum = UINT16_MAX;
	cothon_put16(segments->head + at, checksum);
}

static void mend_tcp(struct cothon_segments *segments, uint8_t *tcp, bool last)
{
	uint8_t flags;

	if (segments->given == 0) {
		segments->seq = cothon_get32(tcp + TCP_SEQ);
		segments->flags = tcp[TCP_FLAGS];
	}
	flags = segments->flags;
	cothon_put32(tcp + TCP_SEQ,
		     segments->seq + (uint32_t)(segments->at - segments->payload_at));
	if (!last)
		flags &= (uint8_t) ~(COTHON_TCP_FIN | COTHON_TCP_PSH);
	/* RFC 3168 section 6.1.2: the first segment alone says that the window was reduced. */
	if (segments->given > 0)
		flags &= (uint8_t)~COTHON_TCP_CWR;
	tcp[TCP_FLAGS] = flags;
}

static void mend_ip(const struct cothon_segments *segments, uint8_t *head, size_t packet_len)
{
	uint64_t header;

	if (segments->version == 6) {
		cothon_put16(head + IPV6_PAYLOAD_LEN, (uint16_t)(packet_len - COTHON_IPV6_HEADER));
		return;
	}
	cothon_put16(head + IPV4_TOTAL_LEN, (uint16_t)packet_len);
	/* One more than the segment before has. */
	if (segments->given > 0)
		cothon_put16(head + IPV4_IDENT, (uint16_t)(cothon_get16(head + IPV4_IDENT) + 1));
	cothon_put16(head + IPV4_CHECKSUM, 0);
	header = cothon_checksum_add(0, head, (size_t)(head[0] & 0xf) * 4);
	cothon_put16(head + IPV4_CHECKSUM, cothon_checksum_finish(header));
}

/* The transport's sum over a packet whose head is complete but for it. */
static void mend_checksum(struct cothon_segments *segments, const struct cothon_segment *segment)
{
	size_t len = segment->len - segments->transport_at;
	bool tcp = segments->protocol == COTHON_IPPROTO_TCP;
	uint8_t *at = segments->head + segments->transport_at + (tcp ? TCP_CHECKSUM : UDP_CHECKSUM);
	uint64_t sum = cothon_checksum_pseudo(&segments->source.addr, &segments->destination.addr,
					      segments->protocol, (uint32_t)len);
	uint16_t checksum;

	cothon_put16(at, 0);
	checksum = cothon_checksum_finish(
		cothon_checksum_add_iov(sum, segment->iov, segment->count, segments->transport_at));
	cothon_put16(at, checksum == 0 && !tcp ? UINT16_MAX : checksum);
}

/* The next piece of a frame that is cut. */
static void cut(struct cothon_segments *segments, struct cothon_segment *segment)
{
	uint8_t *transport = segments->head + segments->transport_at;
	size_t left = segments->len - segments->at;
	size_t size = segments->offload.gso_size;
	bool last = left <= size;
	size_t len = last ? left : size;

	make(segment, segments, segments->payload_at, segments->at, len);
	if (segments->protocol == COTHON_IPPROTO_TCP)
		mend_tcp(segments, transport, last);
	else
		cothon_put16(transport + UDP_LEN, (uint16_t)(COTHON_UDP_HEADER + len));
	mend_ip(segments, segments->head, segment->len);
	mend_checksum(segments, segment);
	segments->at += len;
}

bool cothon_segments_next(struct cothon_segments *segments, struct cothon_segment *segment)
{
	if (segments->given == 0 && !can_be_cut(segments)) {
		complete(segments, segment);
		segments->at = segments->len;
	} else if (segments->at < segments->len) {
		cut(segments, segment);
	} else {
		return false;
	}
	segments->given++;
	return true;
}
