/* SPDX-License-Identifier: MIT */
#ifndef WIRE_VNET_H
#define WIRE_VNET_H

/*
 * The virtio-net header in front of a frame on a TUN device with IFF_VNET_HDR (virtio 1.2 section
 * 5.1.6): the legacy form of ten bytes in the host's own byte order.
 */

#include "base/bytes.h"
#include <cothon/buf.h>

enum {
	COTHON_VNET_HEADER = 10
};

/*
 * Parses the header and checks it against the frame behind it: GSO type known, gso_size at least 1
 * (it is at most 65535), the checksum's place and the headers' length inside the frame. A checksum
 * that is partial counts as valid too. Returns 0, or -EBADMSG.
 */
int cothon_vnet_parse(const uint8_t header[static COTHON_VNET_HEADER], struct cothon_bytes frame,
		      struct cothon_offload *offload);
/* Writes the header for a frame of the IP version 4 or 6. */
void cothon_vnet_emit(const struct cothon_offload *offload, unsigned version,
		      uint8_t header[static COTHON_VNET_HEADER]);

#endif
