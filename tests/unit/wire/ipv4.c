/* SPDX-License-Identifier: MIT */
#include "wire/ip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "bytes.h"

/* A packet under a test's hand. */
struct packet {
	uint8_t bytes[1600];
	size_t len;
};

/* An IPv4 packet of UDP with these options, padded by zeros, and this much payload. */
static struct packet make(const uint8_t *options, size_t options_len, size_t payload)
{
	size_t header_len = 20 + (options_len + 3) / 4 * 4;
	struct packet packet = {.len = header_len + payload};
	uint8_t *p = packet.bytes;

	p[0] = (uint8_t)(4 << 4 | header_len / 4);
	p[1] = 0xb8;
	cothon_put16(p + 2, (uint16_t)packet.len);
	cothon_put16(p + 4, 0x1234);
	cothon_put16(p + 6, 0x4000);
	p[8] = 64;
	p[9] = COTHON_IPPROTO_UDP;
	memcpy(p + 12, (const uint8_t[]){10, 0, 2, 100, 192, 0, 2, 1}, 8);
	if (options_len > 0)
		memcpy(p + 20, options, options_len);
	return packet;
}

/* Parses with a right header checksum, from exact memory. */
static int parse(struct packet *packet, struct cothon_ip *ip)
{
	size_t header_len = (size_t)(packet->bytes[0] & 0xf) * 4;
	uint8_t *copy;
	int error;

	cothon_put16(packet->bytes + 10, 0);
	cothon_put16(packet->bytes + 10, (uint16_t)~naive_sum(0, packet->bytes, header_len));
	copy = exact(packet->bytes, packet->len);
	error = cothon_ip_parse((struct cothon_bytes){copy, packet->len}, false, ip);
	free(copy);
	return error;
}

static void test_fields(void **state)
{
	struct cothon_addr source = addr_of("10.0.2.100"), destination = addr_of("192.0.2.1");
	struct packet packet = make(NULL, 0, 8);
	struct cothon_ip ip;

	(void)state;
	assert_int_equal(parse(&packet, &ip), 0);
	assert_true(cothon_addr_equal(&ip.source, &source));
	assert_true(cothon_addr_equal(&ip.destination, &destination));
	assert_int_equal(ip.version, 4);
	assert_int_equal(ip.protocol, COTHON_IPPROTO_UDP);
	assert_int_equal(ip.hops, 64);
	assert_int_equal(ip.traffic_class, 0xb8);
	assert_true(ip.dont_fragment);
	assert_false(ip.fragment);
	assert_false(ip.more_fragments);
	assert_int_equal(ip.fragment_offset, 0);
	assert_int_equal(ip.ident, 0x1234);
	assert_int_equal(ip.header_len, 20);
	assert_int_equal(ip.payload_len, 8);
	assert_int_equal(ip.next_header_at, 9);
}

static void test_header_length(void **state)
{
	(void)state;
	for (unsigned words = 0; words < 16; words++) {
		struct packet packet = make(NULL, 0, 20);
		struct cothon_ip ip;
		int expected = words >= 5 && words <= 10 ? 0 : -EBADMSG;

		packet.bytes[0] = (uint8_t)(4 << 4 | words);
		assert_int_equal(parse(&packet, &ip), expected);
		if (expected == 0) {
			assert_int_equal(ip.header_len, 4 * words);
			assert_int_equal(ip.payload_len, 40 - 4 * words);
		}
	}
}

static void test_total_length(void **state)
{
	(void)state;
	for (uint16_t total = 0; total < 100; total++) {
		struct packet packet = make((const uint8_t[]){1, 1, 1, 1}, 4, 30);
		struct cothon_ip ip;
		int expected = total >= 24 && total <= 54 ? 0 : -EBADMSG;

		cothon_put16(packet.bytes + 2, total);
		assert_int_equal(parse(&packet, &ip), expected);
		if (expected == 0)
			assert_int_equal(ip.payload_len, total - 24);
	}
}

static void test_checksum(void **state)
{
	struct packet packet = make((const uint8_t[]){7, 3, 4}, 3, 8);
	struct cothon_bytes bytes = {packet.bytes, packet.len};
	struct cothon_ip ip;

	(void)state;
	assert_int_equal(parse(&packet, &ip), 0);
	for (size_t bit = 0; bit < 8 * 24; bit++) {
		int error;

		packet.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		error = cothon_ip_parse(bytes, false, &ip);
		/* The version, the header's length and the total length are looked at before. */
		if (bit / 8 == 0 || bit / 8 == 2 || bit / 8 == 3)
			assert_true(error == -EBADMSG || error == -EILSEQ);
		else
			assert_int_equal(error, -EILSEQ);
		packet.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	/* The payload is not summed. */
	packet.bytes[24] ^= 1;
	assert_int_equal(cothon_ip_parse(bytes, false, &ip), 0);
	/* A quote may have been through hands that changed it. */
	packet.bytes[8]--;
	assert_int_equal(cothon_ip_parse(bytes, false, &ip), -EILSEQ);
	assert_int_equal(cothon_ip_parse_quote(bytes, &ip), 0);
	assert_int_equal(ip.hops, 63);
}

static void test_options(void **state)
{
	static const struct {
		const char *what;
		uint8_t len;
		uint8_t options[40];
		int expected;
	} rows[] = {
		{"end", 4, {0, 5, 5, 5}, 0},
		{"no-operations", 4, {1, 1, 1, 1}, 0},
		{"record route", 8, {7, 7, 4, 0, 0, 0, 0}, 0},
		{"router alert", 4, {148, 4, 0, 0}, 0},
		{"unknown", 4, {30, 4, 0, 0}, 0},
		{"unknown, no data", 4, {30, 2, 1, 1}, 0},
		{"to the last byte", 40, {7, 39}, 0},
		{"loose source route", 8, {131, 7, 4, 10, 0, 0, 1}, -EBADMSG},
		{"strict source route", 8, {137, 7, 4, 10, 0, 0, 1}, -EBADMSG},
		{"source route, ended", 4, {131, 3, 4, 0}, -EBADMSG},
		{"source route behind others",
		 12,
		 {1, 148, 4, 0, 0, 131, 7, 4, 10, 0, 0, 1},
		 -EBADMSG},
		{"source route behind the end", 8, {0, 131, 7, 4, 10, 0, 0, 1}, 0},
		{"length 0", 4, {30, 0, 0, 0}, -EBADMSG},
		{"length 1", 4, {30, 1, 0, 0}, -EBADMSG},
		{"overrun by one", 4, {30, 5, 0, 0}, -EBADMSG},
		{"overrun by far", 4, {30, 255, 0, 0}, -EBADMSG},
		{"no room for a length", 4, {1, 1, 1, 30}, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet packet = make(rows[i].options, rows[i].len, 8);
		struct cothon_ip ip;
		int error = parse(&packet, &ip);

		if (error != rows[i].expected)
			fail_msg("%s: %d", rows[i].what, error);
		if (error == 0)
			assert_int_equal(ip.header_len, 20 + rows[i].len);
	}
}

static void test_fragments(void **state)
{
	static const struct {
		uint16_t field;
		uint16_t payload;
		bool fragment, more;
		uint16_t offset;
		int expected;
	} rows[] = {
		{0x0000, 9, false, false, 0, 0},
		{0x4000, 9, false, false, 0, 0},
		{0x0000, 0, false, false, 0, 0},
		{0x8000, 9, false, false, 0, 0}, /* the reserved bit means nothing */
		{0x2000, 8, true, true, 0, 0},
		{0x6000, 8, true, true, 0, 0},
		{0x2001, 16, true, true, 8, 0},
		{0x0001, 1, true, false, 8, 0},
		{0x1000, 1, true, false, 32768, 0},
		/* Not a multiple of eight, but for the last. */
		{0x2000, 9, true, true, 0, -EBADMSG},
		{0x2001, 7, true, true, 8, -EBADMSG},
		/* Empty. */
		{0x2000, 0, true, true, 0, -EBADMSG},
		{0x0001, 0, true, false, 8, -EBADMSG},
		/* The whole would be 65535 long, or longer. */
		{0x1ff5, 1480, true, false, 65448, -EBADMSG},
		{0x1ff5, 67, true, false, 65448, 0},
		{0x1ff5, 68, true, false, 65448, -EBADMSG},
		{0x1fff, 1, true, false, 65528, -EBADMSG},
		{0x3fff, 8, true, true, 65528, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct packet packet = make(NULL, 0, rows[i].payload);
		struct cothon_ip ip;

		cothon_put16(packet.bytes + 6, rows[i].field);
		if (parse(&packet, &ip) != rows[i].expected)
			fail_msg("%#x with %u bytes", rows[i].field, rows[i].payload);
		if (rows[i].expected)
			continue;
		assert_int_equal(ip.fragment, rows[i].fragment);
		assert_int_equal(ip.more_fragments, rows[i].more);
		assert_int_equal(ip.fragment_offset, rows[i].offset);
		assert_int_equal(ip.dont_fragment, rows[i].field >> 14 & 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),       cmocka_unit_test(test_header_length),
		cmocka_unit_test(test_total_length), cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_options),      cmocka_unit_test(test_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
