/* SPDX-License-Identifier: MIT */
#include "wire/vnet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <linux/virtio_net.h>
#include <cmocka.h>

#include "bytes.h"

/* The kernel's own struct says where each field belongs. */
static int parse(const struct virtio_net_hdr *header, const void *frame, size_t len,
		 struct cothon_offload *offload)
{
	uint8_t *bytes = exact(header, sizeof(*header));
	uint8_t *copy = exact(frame, len);
	int error;

	_Static_assert(sizeof(*header) == COTHON_VNET_HEADER, "the legacy header");
	error = cothon_vnet_parse(bytes, (struct cothon_bytes){copy, len}, offload);
	free(bytes);
	free(copy);
	return error;
}

static const uint8_t ipv4_frame[100] = {0x45};
static const uint8_t ipv6_frame[100] = {0x60};

static void test_plain(void **state)
{
	struct virtio_net_hdr header = {0};
	struct cothon_offload offload;

	(void)state;
	memset(&offload, 0xff, sizeof(offload));
	assert_int_equal(parse(&header, ipv4_frame, 100, &offload), 0);
	assert_int_equal(offload.gso, COTHON_GSO_NONE);
	assert_false(offload.csum_partial);
	assert_false(offload.csum_valid);
	assert_int_equal(offload.gso_size, 0);
	assert_int_equal(offload.header_len, 0);
	assert_int_equal(offload.csum_start, 0);
	assert_int_equal(offload.csum_offset, 0);

	header.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	assert_int_equal(parse(&header, ipv4_frame, 100, &offload), 0);
	assert_true(offload.csum_valid);
	assert_false(offload.csum_partial);
	/* Nothing is said about an empty frame either. */
	assert_int_equal(parse(&header, ipv4_frame, 0, &offload), 0);
}

static void test_partial_checksum(void **state)
{
	struct virtio_net_hdr header = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM};
	struct cothon_offload offload;

	(void)state;
	/*
	 * The two bytes of the checksum must lie in the frame, wherever start and offset put them.
	 */
	for (unsigned start = 0; start < 120; start++) {
		for (unsigned offset = 0; offset < 120; offset++) {
			int expected = start + offset + 2 <= 100 ? 0 : -EBADMSG;

			header.csum_start = (uint16_t)start;
			header.csum_offset = (uint16_t)offset;
			assert_int_equal(parse(&header, ipv4_frame, 100, &offload), expected);
			if (expected)
				continue;
			assert_true(offload.csum_partial);
			assert_true(offload.csum_valid);
			assert_int_equal(offload.csum_start, start);
			assert_int_equal(offload.csum_offset, offset);
		}
	}
	header.csum_start = 65535;
	header.csum_offset = 65535;
	assert_int_equal(parse(&header, ipv4_frame, 100, &offload), -EBADMSG);
	/* Without the flag the fields mean nothing. */
	header.flags = 0;
	assert_int_equal(parse(&header, ipv4_frame, 100, &offload), 0);
}

static void test_gso_types(void **state)
{
	struct cothon_offload offload;

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		struct virtio_net_hdr header = {
			.gso_type = (uint8_t)type, .gso_size = 1448, .hdr_len = 52};
		int v4 = -EBADMSG, v6 = -EBADMSG;
		unsigned gso = COTHON_GSO_NONE;

		switch (type) {
		case VIRTIO_NET_HDR_GSO_NONE:
			v4 = v6 = 0;
			break;
		case VIRTIO_NET_HDR_GSO_TCPV4:
		case VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN:
			v4 = 0;
			gso = COTHON_GSO_TCP;
			break;
		case VIRTIO_NET_HDR_GSO_TCPV6:
		case VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN:
			v6 = 0;
			gso = COTHON_GSO_TCP;
			break;
		case 5: /* VIRTIO_NET_HDR_GSO_UDP_L4 */
			v4 = v6 = 0;
			gso = COTHON_GSO_UDP;
			break;
		}
		assert_int_equal(parse(&header, ipv4_frame, 100, &offload), v4);
		if (v4 == 0)
			assert_int_equal(offload.gso, gso);
		assert_int_equal(parse(&header, ipv6_frame, 100, &offload), v6);
		if (v6 == 0)
			assert_int_equal(offload.gso, gso);
		if (v6 == 0 && gso != COTHON_GSO_NONE) {
			assert_int_equal(offload.gso_size, 1448);
			assert_int_equal(offload.header_len, 52);
		}
	}
}

static void test_gso_lengths(void **state)
{
	struct virtio_net_hdr header = {
		.gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 0, .hdr_len = 40};
	struct cothon_offload offload;

	(void)state;
	assert_int_equal(parse(&header, ipv4_frame, 100, &offload), -EBADMSG);
	header.gso_size = 1;
	assert_int_equal(parse(&header, ipv4_frame, 100, &offload), 0);
	header.gso_size = 65535;
	assert_int_equal(parse(&header, ipv4_frame, 100, &offload), 0);
	for (unsigned len = 0; len < 200; len++) {
		header.hdr_len = (uint16_t)len;
		assert_int_equal(parse(&header, ipv4_frame, 100, &offload),
				 len <= 100 ? 0 : -EBADMSG);
	}
	/* An empty frame has no version, so no GSO. */
	header.hdr_len = 0;
	assert_int_equal(parse(&header, ipv4_frame, 0, &offload), -EBADMSG);
}

static void test_emit(void **state)
{
	struct cothon_offload offload = {0};
	struct virtio_net_hdr header, zero = {0};
	uint8_t out[COTHON_VNET_HEADER];

	(void)state;
	memset(out, 0xff, sizeof(out));
	cothon_vnet_emit(&offload, 4, out);
	assert_memory_equal(out, &zero, sizeof(out));

	offload = (struct cothon_offload){
		.gso = COTHON_GSO_TCP,
		.csum_partial = true,
		.gso_size = 1448,
		.header_len = 52,
		.csum_start = 20,
		.csum_offset = 16,
	};
	for (unsigned version = 4; version <= 6; version += 2) {
		cothon_vnet_emit(&offload, version, out);
		memcpy(&header, out, sizeof(header));
		assert_int_equal(header.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
		assert_int_equal(header.gso_type, version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4
							       : VIRTIO_NET_HDR_GSO_TCPV6);
		assert_int_equal(header.hdr_len, 52);
		assert_int_equal(header.gso_size, 1448);
		assert_int_equal(header.csum_start, 20);
		assert_int_equal(header.csum_offset, 16);
	}
	offload.gso = COTHON_GSO_UDP;
	cothon_vnet_emit(&offload, 6, out);
	assert_int_equal(out[1], 5);
}

static void test_round_trip(void **state)
{
	const struct cothon_offload offload = {
		.gso = COTHON_GSO_UDP,
		.csum_partial = true,
		.csum_valid = true,
		.gso_size = 1472,
		.header_len = 48,
		.csum_start = 40,
		.csum_offset = 6,
	};
	struct cothon_offload back;
	uint8_t out[COTHON_VNET_HEADER];

	(void)state;
	cothon_vnet_emit(&offload, 6, out);
	assert_int_equal(cothon_vnet_parse(out, (struct cothon_bytes){ipv6_frame, 100}, &back), 0);
	assert_int_equal(back.gso, offload.gso);
	assert_true(back.csum_partial);
	assert_true(back.csum_valid);
	assert_int_equal(back.gso_size, offload.gso_size);
	assert_int_equal(back.header_len, offload.header_len);
	assert_int_equal(back.csum_start, offload.csum_start);
	assert_int_equal(back.csum_offset, offload.csum_offset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),     cmocka_unit_test(test_partial_checksum),
		cmocka_unit_test(test_gso_types), cmocka_unit_test(test_gso_lengths),
		cmocka_unit_test(test_emit),      cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
