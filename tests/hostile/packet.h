/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_PACKET_H
#define HOSTILE_PACKET_H

/*
 * A frame as a TUN device gives it, made by hand: appended to piece by piece, sealed, and then,
 * where it is to lie, changed. Nothing of src/wire is used, so that the two cannot be wrong in the
 * same way.
 */

#include <cothon/addr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	/* Some bytes more than the largest frame that a link carries. */
	PACKET_MAX = 68000,
	PACKET_VNET = 10,

	PACKET_ICMP = 1,
	PACKET_TCP = 6,
	PACKET_UDP = 17,
	PACKET_ICMPV6 = 58,
	PACKET_NONE = 59,
	/* Extension headers. */
	PACKET_HOP_BY_HOP = 0,
	PACKET_ROUTING = 43,
	PACKET_FRAGMENT = 44,
	PACKET_DESTINATION_OPTIONS = 60,

	PACKET_FIN = 0x01,
	PACKET_SYN = 0x02,
	PACKET_RST = 0x04,
	PACKET_PSH = 0x08,
	PACKET_ACK = 0x10,
	PACKET_URG = 0x20,

	/* Flags and types of the virtio-net header. */
	PACKET_NEEDS_CSUM = 1,
	PACKET_DATA_VALID = 2,
	PACKET_GSO_TCPV4 = 1,
	PACKET_GSO_TCPV6 = 4,
	PACKET_GSO_UDP = 5,
};

struct packet {
	uint8_t vnet[PACKET_VNET];
	/* Where the transport's header begins. */
	size_t transport;
	size_t len;
	uint8_t data[PACKET_MAX];
};

/* Appending. What goes beyond PACKET_MAX is left out. */

/*
 * Begins a packet anew with an IP header of the addresses' family; lengths are 0 until it is
 * sealed.
 */
void packet_ip(struct packet *packet, const struct cothon_addr *source,
	       const struct cothon_addr *destination, uint8_t protocol);
void packet_put(struct packet *packet, const void *data, size_t len);
void packet_put8(struct packet *packet, unsigned value);
void packet_put16(struct packet *packet, unsigned value);
void packet_put32(struct packet *packet, uint32_t value);
/* `len` bytes that differ from one another. */
void packet_fill(struct packet *packet, size_t len);
/*
 * An IPv6 extension header of eight bytes and the `len` of `data`, filled up to whole units by
 * Pad1; `next` is what it names as following.
 */
void packet_extension(struct packet *packet, uint8_t next, const void *data, size_t len);
/* A fragment header; `offset` in bytes. */
void packet_fragment_header(struct packet *packet, uint8_t next, unsigned offset, bool more,
			    uint32_t ident);
void packet_tcp(struct packet *packet, uint16_t source, uint16_t destination, uint32_t seq,
		uint32_t ack, uint8_t flags);
/* Options behind a TCP header, `len` a multiple of four; the data offset follows. */
void packet_tcp_options(struct packet *packet, const void *options, size_t len);
void packet_udp(struct packet *packet, uint16_t source, uint16_t destination);
/* `word`: the four bytes behind the checksum. */
void packet_icmp(struct packet *packet, uint8_t type, uint8_t code, uint32_t word);

/* Telling the truth. */

/* Sets all lengths, then all checksums. */
void packet_seal(struct packet *packet);
/* The length fields of IP and UDP. */
void packet_set_lengths(struct packet *packet);
/* The checksum of the IPv4 header, if there is one. */
void packet_sum_header(struct packet *packet);
/*
 * The checksum of TCP, UDP or ICMP as far as headers that may lie lead to it: of what they say is
 * there. Nothing is changed where they lead nowhere, nor in a fragment.
 */
void packet_sum_transport(struct packet *packet);
/*
 * The virtio-net header of a frame whose transport checksum is to be completed (`needs_csum`) and
 * which is to be cut into pieces of `gso_size` (0: not).
 */
void packet_offload(struct packet *packet, bool needs_csum, uint16_t gso_size);

/* Of use to those who look at packets. */

bool packet_is_ipv4(const struct packet *packet);
uint16_t packet_get16(const uint8_t *p);
uint32_t packet_get32(const uint8_t *p);
void packet_set16(uint8_t *p, unsigned value);
void packet_set32(uint8_t *p, uint32_t value);
/* A field of the virtio-net header, in the host's byte order. */
void packet_set_vnet(struct packet *packet, size_t at, uint16_t value);
/* The Internet checksum by the letter of RFC 1071: a running sum that is not complemented. */
uint32_t packet_sum(uint32_t sum, const uint8_t *data, size_t len);
/* The sum of the pseudo header in front of `len` bytes of `protocol`. */
uint32_t packet_sum_pseudo(const uint8_t *ip, uint8_t protocol, size_t len);

#endif
