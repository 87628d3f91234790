/* SPDX-License-Identifier: MIT */
#ifndef STACK_IP_H
#define STACK_IP_H

/* Packets between a stack and its link: IP input and output (RFC 791, RFC 8200, RFC 1122 section 3). */

#include "stack/stack.h"
#include "wire/ip.h"

/* A packet that came in: its IP header, and the IP payload as the content of `buf`. */
struct cothon_packet {
	struct cothon_ip ip;
	struct cothon_buf *buf; /* whoever keeps it sets this to NULL */
	bool ours;              /* its destination is an address of the stack */
	bool reassembled;       /* of fragments: `buf` has not the headers in front */
};

/* A packet to go out. */
struct cothon_outgoing {
	/* Source, destination, protocol, hops, traffic_class, dont_fragment; the rest is filled in. */
	struct cothon_ip ip;
	/* The transport's header, and where its checksum is in it (-1: it needs none any more). */
	uint8_t *header;
	size_t header_len;
	int checksum_at;
	/* Behind it. At most COTHON_FRAME_IOV - 2 pieces, one less where it may be sent in fragments. */
	const struct iovec *payload;
	unsigned count;
	size_t payload_len;
	/* With gso: the payload is to be cut by the link into pieces of gso_size. */
	uint8_t gso;
	uint16_t gso_size;
};

static inline struct cothon_bytes cothon_packet_bytes(const struct cothon_packet *packet)
{
	return (struct cothon_bytes){packet->buf->data, packet->buf->len};
}

/*
 * Sends a packet, in fragments if it is larger than the MTU and neither dont_fragment nor gso is set. Returns 0;
 * -EMSGSIZE; or the link's error (-EAGAIN: nothing was sent).
 */
int cothon_ip_output(struct cothon_stack *stack, struct cothon_outgoing *out);
/* Gives up datagrams whose fragments did not all come in time, and says so to their senders. */
void cothon_ip_expire_fragments(struct cothon_stack *stack);

#endif
