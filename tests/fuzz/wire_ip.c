/* SPDX-License-Identifier: MIT */

/*
 * A byte of flags and an IP packet: what is accepted lies in the packet, and is the same when it is
 * written and read again.
 */

#include "fuzz.h"
#include "../hostile/packet.h"
#include "wire/ip.h"

enum {
	GSO = 1,    /* the frame may be longer than its header can say */
	REPAIR = 2, /* the IPv4 header's checksum is set right */
	QUOTE = 4,  /* it stands in an ICMP error */
};

static void check_place(const struct cothon_ip *ip, size_t len)
{
	fuzz_check(ip->version == 4 || ip->version == 6);
	fuzz_check(ip->header_len <= len && ip->payload_len <= len - ip->header_len);
	fuzz_check(ip->fragment_offset % 8 == 0);
	fuzz_check(ip->fragment || (!ip->more_fragments && ip->fragment_offset == 0));
	fuzz_check(ip->next_header_at < ip->header_len);
	fuzz_check(ip->fragment_offset + ip->payload_len <= UINT16_MAX || !ip->fragment);
}

static void check_same(const struct cothon_ip *a, const struct cothon_ip *b)
{
	fuzz_check(cothon_addr_equal(&a->source, &b->source));
	fuzz_check(cothon_addr_equal(&a->destination, &b->destination));
	fuzz_check(a->version == b->version && a->protocol == b->protocol);
	fuzz_check(a->hops == b->hops && a->traffic_class == b->traffic_class);
	fuzz_check(a->dont_fragment == b->dont_fragment && a->fragment == b->fragment);
	fuzz_check(a->more_fragments == b->more_fragments);
	fuzz_check(a->fragment_offset == b->fragment_offset && a->payload_len == b->payload_len);
	fuzz_check(!a->fragment || a->ident == b->ident);
}

/* Writes the header in front of its payload, and reads it again. */
static void check_written(const struct cothon_ip *ip, const uint8_t *payload)
{
	struct cothon_ip again;
	size_t header = cothon_ip_header_len(ip);
	size_t len = header + ip->payload_len;
	uint8_t *packet = malloc(len);

	fuzz_check(packet && cothon_ip_emit(ip, packet) == header);
	if (ip->payload_len)
		memcpy(packet + header, payload, ip->payload_len);
	fuzz_check(cothon_ip_parse((struct cothon_bytes){packet, len}, false, &again) == 0);
	fuzz_check(again.header_len == header);
	check_same(ip, &again);
	free(packet);
}

/* A mapped address is written as an IPv4 one; a GSO frame may be longer than a header says. */
static bool can_be_written(const struct cothon_ip *ip)
{
	if (ip->version == 6 &&
	    (cothon_addr_is_ipv4(&ip->source) || cothon_addr_is_ipv4(&ip->destination)))
		return false;
	return ip->payload_len <= UINT16_MAX - COTHON_IPV4_HEADER;
}

static void repair(uint8_t *data, size_t len)
{
	struct packet packet = {.len = 0};

	if (len == 0)
		return;
	packet_put(&packet, data, len);
	packet_sum_header(&packet);
	memcpy(data, packet.data, packet.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cothon_bytes packet;
	struct cothon_ip ip;
	uint8_t *copy;

	if (size == 0)
		return 0;
	copy = fuzz_copy(data + 1, size - 1);
	packet = (struct cothon_bytes){copy, size - 1};
	if (data[0] & REPAIR)
		repair(copy, size - 1);
	if (data[0] & QUOTE) {
		if (cothon_ip_parse_quote(packet, &ip) == 0)
			fuzz_check(ip.header_len <= packet.len &&
				   ip.payload_len <= packet.len - ip.header_len);
	} else if (cothon_ip_parse(packet, data[0] & GSO, &ip) == 0) {
		check_place(&ip, packet.len);
		if (can_be_written(&ip))
			check_written(&ip, copy + ip.header_len);
	}
	free(copy);
	return 0;
}
