/* SPDX-License-Identifier: MIT */
#include "wire/ip.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "bytes.h"

enum {
	HOP_BY_HOP = 0,
	ROUTING = 43,
	FRAGMENT = 44,
	ESP = 50,
	AUTHENTICATION = 51,
	DESTINATION_OPTIONS = 60,
	TCP = COTHON_IPPROTO_TCP,
};

/* A packet under a test's hand. */
struct packet {
	uint8_t bytes[4096];
	size_t len;
	uint8_t *next; /* the field that will name what comes next */
};

static void begin(struct packet *packet)
{
	struct cothon_addr source = addr_of("fd00:c070::100"), destination = addr_of("2001:db8::1");
	uint8_t *p = packet->bytes;

	memset(packet, 0, sizeof(*packet));
	cothon_put32(p, 0x6b812345);
	p[7] = 64;
	memcpy(p + 8, source.b, 16);
	memcpy(p + 24, destination.b, 16);
	packet->len = 40;
	packet->next = p + 6;
}

/*
 * Adds an extension header of `units` times eight bytes; its bytes from the third on are returned.
 */
static uint8_t *extend(struct packet *packet, uint8_t kind, unsigned units)
{
	uint8_t *p = packet->bytes + packet->len;

	assert_true(packet->len + 8 * units <= sizeof(packet->bytes));
	*packet->next = kind;
	packet->next = p;
	packet->len += 8 * units;
	if (kind == FRAGMENT)
		return p + 2;
	p[1] = (uint8_t)(units - 1);
	if (kind == HOP_BY_HOP || kind == DESTINATION_OPTIONS) {
		/* PadN, one or more of them: the data of one is at most 255 bytes. */
		for (uint8_t *option = p + 2, *end = p + 8 * units; option < end;) {
			size_t left = (size_t)(end - option);

			if (left == 1)
				break; /* Pad1 */
			option[0] = 1;
			option[1] = (uint8_t)(left - 2 < 255 ? left - 2 : 255);
			option += 2 + option[1];
		}
	}
	return p + 2;
}

static void end(struct packet *packet, uint8_t protocol, size_t payload)
{
	*packet->next = protocol;
	packet->len += payload;
	cothon_put16(packet->bytes + 4, (uint16_t)(packet->len - 40));
}

static int parse(const struct packet *packet, struct cothon_ip *ip)
{
	uint8_t *copy = exact(packet->bytes, packet->len);
	int error = cothon_ip_parse((struct cothon_bytes){copy, packet->len}, false, ip);

	free(copy);
	return error;
}

static void test_fields(void **state)
{
	struct cothon_addr source = addr_of("fd00:c070::100"), destination = addr_of("2001:db8::1");
	struct packet packet;
	struct cothon_ip ip;

	(void)state;
	begin(&packet);
	end(&packet, TCP, 30);
	assert_int_equal(parse(&packet, &ip), 0);
	assert_true(cothon_addr_equal(&ip.source, &source));
	assert_true(cothon_addr_equal(&ip.destination, &destination));
	assert_int_equal(ip.version, 6);
	assert_int_equal(ip.protocol, TCP);
	assert_int_equal(ip.hops, 64);
	assert_int_equal(ip.traffic_class, 0xb8);
	assert_true(ip.dont_fragment);
	assert_false(ip.fragment);
	assert_int_equal(ip.header_len, 40);
	assert_int_equal(ip.payload_len, 30);
	assert_int_equal(ip.next_header_at, 6);
}

static void test_chain(void **state)
{
	struct packet packet;
	struct cothon_ip ip;

	(void)state;
	begin(&packet);
	extend(&packet, HOP_BY_HOP, 1);
	extend(&packet, DESTINATION_OPTIONS, 2);
	extend(&packet, ROUTING, 3);
	extend(&packet, FRAGMENT, 1); /* offset 0 and no more: atomic */
	extend(&packet, DESTINATION_OPTIONS, 3);
	end(&packet, COTHON_IPPROTO_UDP, 25);
	assert_int_equal(parse(&packet, &ip), 0);
	assert_int_equal(ip.protocol, COTHON_IPPROTO_UDP);
	assert_int_equal(ip.header_len, 40 + 10 * 8);
	assert_int_equal(ip.payload_len, 25);
	assert_int_equal(ip.next_header_at, 40 + 7 * 8);
	assert_false(ip.fragment);

	/* Cut anywhere, it is refused; the length that it tells is made to agree, too. */
	for (size_t len = 0; len < packet.len; len++) {
		struct packet cut = packet;

		cut.len = len;
		assert_int_equal(parse(&cut, &ip), -EBADMSG);
		if (len < 40)
			continue;
		cothon_put16(cut.bytes + 4, (uint16_t)(len - 40));
		assert_int_equal(parse(&cut, &ip), len < 40 + 10 * 8 ? -EBADMSG : 0);
	}
}

static void test_limits(void **state)
{
	struct packet packet;
	struct cothon_ip ip;

	(void)state;
	for (unsigned count = 0; count < 12; count++) {
		begin(&packet);
		for (unsigned i = 0; i < count; i++)
			extend(&packet, DESTINATION_OPTIONS, 1);
		end(&packet, TCP, 20);
		assert_int_equal(parse(&packet, &ip),
				 count <= COTHON_IPV6_MAX_EXTENSIONS ? 0 : -EBADMSG);
	}
	/* 2048 bytes of them: 128 and 128 units of 8. */
	for (unsigned units = 126; units < 132; units++) {
		begin(&packet);
		extend(&packet, HOP_BY_HOP, 128);
		extend(&packet, DESTINATION_OPTIONS, units);
		end(&packet, TCP, 20);
		assert_int_equal(parse(&packet, &ip), units <= 128 ? 0 : -EBADMSG);
	}
}

static void test_payload_length(void **state)
{
	struct packet packet;
	struct cothon_ip ip;

	(void)state;
	begin(&packet);
	extend(&packet, HOP_BY_HOP, 1);
	end(&packet, TCP, 30);
	for (uint16_t len = 0; len < 100; len++) {
		cothon_put16(packet.bytes + 4, len);
		assert_int_equal(parse(&packet, &ip), len >= 8 && len <= 38 ? 0 : -EBADMSG);
		if (len >= 8 && len <= 38)
			assert_int_equal(ip.payload_len, len - 8);
	}
}

static void test_unknown_headers(void **state)
{
	static const uint8_t kinds[] = {AUTHENTICATION, 135, 139, 140};
	struct packet packet;
	struct cothon_ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(kinds); i++) {
		begin(&packet);
		extend(&packet, DESTINATION_OPTIONS, 1);
		end(&packet, kinds[i], 3);
		assert_int_equal(parse(&packet, &ip), -EPROTONOSUPPORT);
		assert_int_equal(ip.protocol, kinds[i]);
		assert_int_equal(ip.next_header_at, 40);
	}
	/* Hop-by-hop options anywhere but first. */
	begin(&packet);
	extend(&packet, DESTINATION_OPTIONS, 1);
	extend(&packet, HOP_BY_HOP, 1);
	end(&packet, TCP, 20);
	assert_int_equal(parse(&packet, &ip), -EPROTONOSUPPORT);
	assert_int_equal(ip.protocol, HOP_BY_HOP);
	assert_int_equal(ip.next_header_at, 40);

	/* These are for the upper layers to know or not. */
	for (unsigned protocol = 0; protocol < 256; protocol++) {
		if (protocol == HOP_BY_HOP || protocol == ROUTING || protocol == FRAGMENT ||
		    protocol == DESTINATION_OPTIONS || memchr(kinds, (int)protocol, sizeof(kinds)))
			continue;
		begin(&packet);
		end(&packet, (uint8_t)protocol, 3);
		assert_int_equal(parse(&packet, &ip), 0);
		assert_int_equal(ip.protocol, protocol);
	}
}

static void test_routing(void **state)
{
	struct packet packet;
	struct cothon_ip ip;

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		for (unsigned left = 0; left < 3; left++) {
			uint8_t *p;

			begin(&packet);
			p = extend(&packet, ROUTING, 3);
			p[0] = (uint8_t)type;
			p[1] = (uint8_t)left;
			end(&packet, TCP, 20);
			assert_int_equal(parse(&packet, &ip), left == 0 ? 0 : -EPROTONOSUPPORT);
			assert_int_equal(ip.protocol, left == 0 ? TCP : ROUTING);
			assert_int_equal(ip.next_header_at, left == 0 ? 40 : 6);
		}
	}
}

static void test_options(void **state)
{
	static const struct {
		const char *what;
		uint8_t options[6];
		int expected;
	} rows[] = {
		{"Pad1 only", {0, 0, 0, 0, 0, 0}, 0},
		{"PadN", {1, 4, 0, 0, 0, 0}, 0},
		{"PadN without data", {1, 0, 1, 0, 1, 0}, 0},
		{"router alert", {5, 2, 0, 0, 1, 0}, 0},
		{"unknown, to be skipped", {0x1e, 4, 0, 0, 0, 0}, 0},
		{"unknown, may change, to be skipped", {0x3e, 4, 0, 0, 0, 0}, 0},
		{"unknown, drops", {0x5e, 4, 0, 0, 0, 0}, -EBADMSG},
		{"unknown, drops and is reported", {0x9e, 4, 0, 0, 0, 0}, -EBADMSG},
		{"unknown, drops and is reported to one", {0xde, 4, 0, 0, 0, 0}, -EBADMSG},
		{"jumbo payload", {0xc2, 4, 0, 1, 0, 0}, -EBADMSG},
		{"drops, behind padding", {0, 1, 1, 0, 0x80, 0}, -EBADMSG},
		{"overrun by one", {1, 5, 0, 0, 0, 0}, -EBADMSG},
		{"overrun by far", {1, 255, 0, 0, 0, 0}, -EBADMSG},
		{"no room for a length", {0, 0, 0, 0, 0, 1}, -EBADMSG},
	};
	static const uint8_t kinds[] = {HOP_BY_HOP, DESTINATION_OPTIONS};
	struct packet packet;
	struct cothon_ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (unsigned k = 0; k < 2; k++) {
			begin(&packet);
			memcpy(extend(&packet, kinds[k], 1), rows[i].options, 6);
			end(&packet, TCP, 20);
			if (parse(&packet, &ip) != rows[i].expected)
				fail_msg("%s", rows[i].what);
		}
	}
}

static void test_fragments(void **state)
{
	static const struct {
		uint16_t field;
		uint16_t payload;
		bool fragment;
		int expected;
	} rows[] = {
		{0x0000, 9, false, 0},          {0x0006, 9, false, 0}, /* reserved bits */
		{0x0001, 8, true, 0},           {0x0009, 16, true, 0},
		{0x0008, 1, true, 0},           {0x0001, 9, true, -EBADMSG},
		{0x0009, 7, true, -EBADMSG},    {0x0001, 0, true, -EBADMSG},
		{0x0008, 0, true, -EBADMSG},    {0xffa8, 87, true, 0},
		{0xffa8, 88, true, -EBADMSG},   {0xfff8, 7, true, 0},
		{0xfff8, 8, true, -EBADMSG},    {0xfff9, 8, true, -EBADMSG},
		{0xfff8, 1480, true, -EBADMSG},
	};
	struct packet packet;
	struct cothon_ip ip;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint8_t *p;

		begin(&packet);
		p = extend(&packet, FRAGMENT, 1);
		cothon_put16(p, rows[i].field);
		cothon_put32(p + 2, 0xdeadbeef);
		end(&packet, TCP, rows[i].payload);
		if (parse(&packet, &ip) != rows[i].expected)
			fail_msg("%#x with %u bytes", rows[i].field, rows[i].payload);
		if (rows[i].expected)
			continue;
		assert_int_equal(ip.fragment, rows[i].fragment);
		assert_int_equal(ip.more_fragments, rows[i].field & 1);
		assert_int_equal(ip.fragment_offset, rows[i].field & 0xfff8);
		assert_int_equal(ip.ident, 0xdeadbeef);
		assert_int_equal(ip.header_len, 48);
		assert_int_equal(ip.protocol, TCP);
	}

	/* Headers that stand in front of the fragment header are part of the whole's length. */
	begin(&packet);
	extend(&packet, HOP_BY_HOP, 1);
	cothon_put16(extend(&packet, FRAGMENT, 1), 0xfff0);
	end(&packet, TCP, 7);
	assert_int_equal(parse(&packet, &ip), 0);
	packet.len++;
	cothon_put16(packet.bytes + 4, (uint16_t)(packet.len - 40));
	assert_int_equal(parse(&packet, &ip), -EBADMSG);
}

static void test_fragment_ends_the_walk(void **state)
{
	static const uint8_t kinds[] = {HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION,
					DESTINATION_OPTIONS};
	struct packet packet;
	struct cothon_ip ip;

	(void)state;
	/* What a fragment holds is not to be read before all of it is there. */
	for (size_t i = 0; i < sizeof(kinds); i++) {
		begin(&packet);
		cothon_put16(extend(&packet, FRAGMENT, 1), 0x0009);
		end(&packet, kinds[i], 8);
		memset(packet.bytes + 48, 0xff, 8);
		assert_int_equal(parse(&packet, &ip), 0);
		assert_true(ip.fragment);
		assert_int_equal(ip.protocol, kinds[i]);
		assert_int_equal(ip.next_header_at, 40);
		assert_int_equal(ip.payload_len, 8);
	}
}

static void test_mapped_addresses(void **state)
{
	struct cothon_addr mapped = addr_of("::ffff:10.0.2.2");
	struct packet packet;
	struct cothon_ip ip;

	(void)state;
	for (unsigned at = 8; at <= 24; at += 16) {
		begin(&packet);
		end(&packet, TCP, 20);
		memcpy(packet.bytes + at, mapped.b, 16);
		assert_int_equal(parse(&packet, &ip), -EBADMSG);
		assert_int_equal(
			cothon_ip_parse_quote((struct cothon_bytes){packet.bytes, packet.len}, &ip),
			-EBADMSG);
		/* Almost mapped is another address. */
		packet.bytes[at + 10] = 0xfe;
		assert_int_equal(parse(&packet, &ip), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_payload_length),
		cmocka_unit_test(test_unknown_headers),
		cmocka_unit_test(test_routing),
		cmocka_unit_test(test_options),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_fragment_ends_the_walk),
		cmocka_unit_test(test_mapped_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
