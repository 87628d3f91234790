/* SPDX-License-Identifier: MIT */
#include "wire/vnet.h"

#include <errno.h>

/* struct virtio_net_hdr of the specification: where its fields are, and their values. */
enum {
	AT_FLAGS = 0,
	AT_GSO_TYPE = 1,
	AT_HEADER_LEN = 2,
	AT_GSO_SIZE = 4,
	AT_CSUM_START = 6,
	AT_CSUM_OFFSET = 8,

	FLAG_NEEDS_CSUM = 1,
	FLAG_DATA_VALID = 2,

	GSO_NONE = 0,
	GSO_TCPV4 = 1,
	GSO_TCPV6 = 4,
	GSO_UDP_L4 = 5,
	/* Joined to a TCP type: the first segment alone keeps CWR (RFC 3168 section 6.1.2). */
	GSO_ECN = 0x80,
};

/* Fields are in the host's byte order. */
static uint16_t get_host16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void put_host16(uint8_t *p, uint16_t v)
{
	memcpy(p, &v, sizeof(v));
}

static int parse_gso(const uint8_t *header, struct cothon_bytes frame,
		     struct cothon_offload *offload)
{
	unsigned version = frame.len > 0 ? frame.data[0] >> 4 : 0;
	uint8_t type = header[AT_GSO_TYPE];

	if (type == GSO_NONE)
		return 0;
	if (type == GSO_UDP_L4)
		offload->gso = COTHON_GSO_UDP;
	else if ((type & ~GSO_ECN) == (version == 4 ? GSO_TCPV4 : GSO_TCPV6))
		offload->gso = COTHON_GSO_TCP;
	else
		return -EBADMSG;

	offload->gso_size = get_host16(header + AT_GSO_SIZE);
	offload->header_len = get_host16(header + AT_HEADER_LEN);
	if (offload->gso_size == 0 || offload->header_len > frame.len)
		return -EBADMSG;
	return 0;
}

int cothon_vnet_parse(const uint8_t header[static COTHON_VNET_HEADER], struct cothon_bytes frame,
		      struct cothon_offload *offload)
{
	*offload = (struct cothon_offload){0};
	if (header[AT_FLAGS] & FLAG_NEEDS_CSUM) {
		offload->csum_partial = true;
		offload->csum_start = get_host16(header + AT_CSUM_START);
		offload->csum_offset = get_host16(header + AT_CSUM_OFFSET);
		if (!cothon_bytes_at(frame, (size_t)offload->csum_start + offload->csum_offset, 2))
			return -EBADMSG;
	}
	/* A checksum that is still to be made has not been through anything that could spoil it. */
	offload->csum_valid = header[AT_FLAGS] & (FLAG_NEEDS_CSUM | FLAG_DATA_VALID);
	return parse_gso(header, frame, offload);
}

void cothon_vnet_emit(const struct cothon_offload *offload, unsigned version,
		      uint8_t header[static COTHON_VNET_HEADER])
{
	memset(header, 0, COTHON_VNET_HEADER);
	if (offload->csum_partial) {
		header[AT_FLAGS] = FLAG_NEEDS_CSUM;
		put_host16(header + AT_CSUM_START, offload->csum_start);
		put_host16(header + AT_CSUM_OFFSET, offload->csum_offset);
	}
	if (offload->gso == COTHON_GSO_NONE)
		return;
	if (offload->gso == COTHON_GSO_UDP)
		header[AT_GSO_TYPE] = GSO_UDP_L4;
	else
		header[AT_GSO_TYPE] = version == 4 ? GSO_TCPV4 : GSO_TCPV6;
	put_host16(header + AT_HEADER_LEN, offload->header_len);
	put_host16(header + AT_GSO_SIZE, offload->gso_size);
}
