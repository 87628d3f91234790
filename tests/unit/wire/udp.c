/* SPDX-License-Identifier: MIT */
#include "wire/udp.h"

#include "wire/checksum.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "bytes.h"

/* A datagram of `payload` bytes between two addresses, with a right checksum. */
static struct cothon_bytes make(const struct cothon_ip *ip, size_t payload)
{
	size_t len = COTHON_UDP_HEADER + payload;
	struct cothon_udp_header udp = {
		.source_port = 49152,
		.destination_port = 53,
		.payload_len = (uint16_t)payload,
	};
	uint8_t *p = malloc(len);

	assert_non_null(p);
	cothon_udp_emit(&udp, p);
	for (size_t i = COTHON_UDP_HEADER; i < len; i++)
		p[i] = (uint8_t)(i * 7);
	udp.checksum = (uint16_t)~naive_sum(
		naive_pseudo(&ip->source, &ip->destination, COTHON_IPPROTO_UDP, len), p, len);
	cothon_udp_emit(&udp, p);
	return (struct cothon_bytes){p, len};
}

static struct cothon_ip between(const char *source, const char *destination)
{
	return (struct cothon_ip){.source = addr_of(source), .destination = addr_of(destination)};
}

static void test_bytes(void **state)
{
	static const uint8_t expected[] = {0xc0, 0x00, 0x00, 0x35, 0x00, 0x0c, 0xab, 0xcd};
	const struct cothon_udp_header udp = {49152, 53, 4, 0xabcd};
	uint8_t out[COTHON_UDP_HEADER];

	(void)state;
	cothon_udp_emit(&udp, out);
	assert_memory_equal(out, expected, sizeof(expected));
}

static void test_round_trip(void **state)
{
	const struct cothon_ip ips[] = {
		between("10.0.2.100", "10.0.2.3"),
		between("fd00:c070::100", "fd00:c070::3"),
	};
	const size_t payloads[] = {0, 1, 2, 512, 1472, 1473, 65527};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (size_t n = 0; n < sizeof(payloads) / sizeof(payloads[0]); n++) {
			struct cothon_bytes datagram = make(&ips[i], payloads[n]);
			struct cothon_udp_header udp;

			assert_int_equal(cothon_udp_parse(datagram, &ips[i], false, false, &udp),
					 0);
			assert_int_equal(udp.source_port, 49152);
			assert_int_equal(udp.destination_port, 53);
			assert_int_equal(udp.payload_len, payloads[n]);
			free((void *)datagram.data);
		}
	}
}

static void test_truncated(void **state)
{
	struct cothon_ip ip = between("10.0.2.100", "10.0.2.3");
	struct cothon_bytes datagram = make(&ip, 20);

	(void)state;
	for (size_t len = 0; len < datagram.len; len++) {
		uint8_t *p = exact(datagram.data, len);
		struct cothon_bytes cut = {p, len};
		struct cothon_udp_header udp;

		for (int csum_valid = 0; csum_valid < 2; csum_valid++) {
			assert_int_equal(cothon_udp_parse(cut, &ip, csum_valid, false, &udp),
					 -EBADMSG);
			assert_int_equal(cothon_udp_parse(cut, &ip, true, true, &udp),
					 len < COTHON_UDP_HEADER ? -EBADMSG : 0);
		}
		free(p);
	}
	free((void *)datagram.data);
}

static void test_lengths(void **state)
{
	struct cothon_ip ip = between("10.0.2.100", "10.0.2.3");
	uint8_t p[70000] = {0};
	struct cothon_bytes segment = {p, 100};
	struct cothon_udp_header udp;

	(void)state;
	for (uint16_t len = 0; len < 200; len++) {
		cothon_put16(p + 4, len);
		assert_int_equal(cothon_udp_parse(segment, &ip, true, false, &udp),
				 len < 8 || len > 100 ? -EBADMSG : 0);
		if (len >= 8 && len <= 100)
			assert_int_equal(udp.payload_len, len - 8);
		/* In a GSO frame the length may be that of the first piece: the rest counts. */
		assert_int_equal(cothon_udp_parse(segment, &ip, true, true, &udp), 0);
		assert_int_equal(udp.payload_len, 92);
	}
	segment.len = 65535;
	assert_int_equal(cothon_udp_parse(segment, &ip, true, true, &udp), 0);
	assert_int_equal(udp.payload_len, 65527);
	segment.len = 65536;
	assert_int_equal(cothon_udp_parse(segment, &ip, true, true, &udp), -EBADMSG);
}

static void test_bytes_behind_the_length(void **state)
{
	struct cothon_ip ip = between("10.0.2.100", "10.0.2.3");
	struct cothon_bytes datagram = make(&ip, 20);
	uint8_t longer[40];
	struct cothon_udp_header udp;

	(void)state;
	/* What stands behind the datagram is no part of it, nor of its checksum. */
	memset(longer, 0xee, sizeof(longer));
	memcpy(longer, datagram.data, datagram.len);
	assert_int_equal(
		cothon_udp_parse((struct cothon_bytes){longer, 40}, &ip, false, false, &udp), 0);
	assert_int_equal(udp.payload_len, 20);
	free((void *)datagram.data);
}

static void test_checksum(void **state)
{
	const struct cothon_ip ips[] = {
		between("10.0.2.100", "10.0.2.3"),
		between("fd00:c070::100", "fd00:c070::3"),
	};
	struct cothon_udp_header udp;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct cothon_bytes datagram = make(&ips[i], 33);
		uint8_t *p = (uint8_t *)datagram.data;
		struct cothon_ip other = ips[i];

		/* Every bit counts, and the addresses. */
		for (size_t bit = 0; bit < 8 * datagram.len; bit++) {
			if (bit / 16 == 2)
				continue; /* the length */
			p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(cothon_udp_parse(datagram, &ips[i], false, false, &udp),
					 -EILSEQ);
			assert_int_equal(cothon_udp_parse(datagram, &ips[i], true, false, &udp), 0);
			p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		other.source.b[15] ^= 1;
		assert_int_equal(cothon_udp_parse(datagram, &other, false, false, &udp), -EILSEQ);

		/* No checksum: allowed by RFC 768, not over IPv6. */
		p[6] = p[7] = 0;
		p[20] ^= 1;
		assert_int_equal(cothon_udp_parse(datagram, &ips[i], false, false, &udp),
				 i == 0 ? 0 : -EILSEQ);
		assert_int_equal(udp.checksum, 0);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),     cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_checksum),  cmocka_unit_test(test_bytes_behind_the_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
