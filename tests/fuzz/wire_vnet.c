/* SPDX-License-Identifier: MIT */

/* A virtio-net header of ten bytes and the frame behind it: what is accepted lies in the frame. */

#include "fuzz.h"
#include "wire/vnet.h"

static void check_offload(const struct cothon_offload *offload, size_t len)
{
	uint8_t header[COTHON_VNET_HEADER];

	fuzz_check(offload->gso <= COTHON_GSO_UDP);
	fuzz_check(offload->header_len <= len);
	if (offload->gso)
		fuzz_check(offload->gso_size >= 1);
	if (offload->csum_partial) {
		fuzz_check(offload->csum_valid);
		fuzz_check((size_t)offload->csum_start + offload->csum_offset + 2 <= len);
	}
	/* The sanitizers see what it does beyond its ten bytes. */
	cothon_vnet_emit(offload, 4, header);
	cothon_vnet_emit(offload, 6, header);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cothon_offload offload;
	uint8_t *header, *frame;

	if (size < COTHON_VNET_HEADER)
		return 0;
	header = fuzz_copy(data, COTHON_VNET_HEADER);
	frame = fuzz_copy(data + COTHON_VNET_HEADER, size - COTHON_VNET_HEADER);
	if (cothon_vnet_parse(header, (struct cothon_bytes){frame, size - COTHON_VNET_HEADER},
			      &offload) == 0)
		check_offload(&offload, size - COTHON_VNET_HEADER);
	free(header);
	free(frame);
	return 0;
}
