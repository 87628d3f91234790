/* SPDX-License-Identifier: MIT */
#include "wire/icmp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "bytes.h"

static const char *const addrs[2][2] = {
	{"10.0.2.100", "10.0.2.2"},
	{"fd00:c070::100", "fd00:c070::2"},
};

static struct cothon_ip between(unsigned family)
{
	return (struct cothon_ip){
		.source = addr_of(addrs[family][0]),
		.destination = addr_of(addrs[family][1]),
	};
}

/* Puts the right checksum into a message. */
static void sum(uint8_t *message, size_t len, const struct cothon_ip *ip)
{
	uint32_t pseudo = 0;

	if (!cothon_addr_is_ipv4(&ip->destination))
		pseudo = naive_pseudo(&ip->source, &ip->destination, COTHON_IPPROTO_ICMPV6, len);
	cothon_put16(message + 2, 0);
	cothon_put16(message + 2, (uint16_t)~naive_sum(pseudo, message, len));
}

/* Emits a message in front of its rest, in exact memory, which the caller frees. */
static struct cothon_bytes emit(const struct cothon_icmp *icmp, const struct cothon_ip *ip)
{
	size_t len = COTHON_ICMP_HEADER + icmp->rest.len;
	uint8_t *message = malloc(len);

	assert_non_null(message);
	memset(message, 0xa5, len);
	cothon_icmp_emit(icmp, ip, message);
	if (icmp->rest.len > 0)
		memcpy(message + COTHON_ICMP_HEADER, icmp->rest.data, icmp->rest.len);
	return (struct cothon_bytes){message, len};
}

static void test_echo(void **state)
{
	static const uint8_t types[2][2] = {{8, 0}, {128, 129}};
	static const size_t lens[] = {0, 1, 2, 56, 57, 1472};
	uint8_t data[1472];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 13);
	for (unsigned family = 0; family < 2; family++) {
		for (unsigned reply = 0; reply < 2; reply++) {
			for (size_t n = 0; n < sizeof(lens) / sizeof(lens[0]); n++) {
				struct cothon_ip ip = between(family);
				struct cothon_icmp back,
					icmp = {
						.kind = reply ? COTHON_ICMP_ECHO_REPLY
							      : COTHON_ICMP_ECHO_REQUEST,
						.ident = 0xabcd,
						.sequence = 0x1234,
						.rest = {data, lens[n]},
					};
				struct cothon_bytes message = emit(&icmp, &ip);

				assert_int_equal(message.data[0], types[family][reply]);
				assert_int_equal(message.data[1], 0);
				assert_int_equal(cothon_get16(message.data + 4), 0xabcd);
				assert_int_equal(cothon_get16(message.data + 6), 0x1234);
				assert_int_equal(cothon_icmp_parse(message, &ip, false, &back), 0);
				assert_int_equal(back.kind, icmp.kind);
				assert_int_equal(back.ident, 0xabcd);
				assert_int_equal(back.sequence, 0x1234);
				assert_false(back.is_error);
				assert_ptr_equal(back.rest.data, message.data + 8);
				assert_int_equal(back.rest.len, lens[n]);
				free((void *)message.data);
			}
		}
	}
}

/* What each reason is on the wire: RFC 792, 1812 and 4443. */
static const struct {
	enum cothon_unreachable reason;
	uint8_t type[2], code[2];
} reasons[] = {
	{COTHON_NET_UNREACHABLE, {3, 1}, {0, 0}},  {COTHON_HOST_UNREACHABLE, {3, 1}, {1, 3}},
	{COTHON_PORT_UNREACHABLE, {3, 1}, {3, 4}}, {COTHON_PROTOCOL_UNREACHABLE, {3, 4}, {2, 1}},
	{COTHON_PROHIBITED, {3, 1}, {13, 1}},      {COTHON_TOO_BIG, {3, 2}, {4, 0}},
	{COTHON_HOPS_EXCEEDED, {11, 3}, {0, 0}},   {COTHON_REASSEMBLY_EXCEEDED, {11, 3}, {1, 1}},
};

static void test_errors(void **state)
{
	uint8_t quote[28] = {0x45, 0, 0, 28};

	(void)state;
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		for (unsigned family = 0; family < 2; family++) {
			struct cothon_ip ip = between(family);
			struct cothon_icmp back, icmp = {
							 .kind = COTHON_ICMP_ERROR,
							 .reason = reasons[i].reason,
							 .mtu = 1400,
							 .rest = {quote, sizeof(quote)},
						 };
			struct cothon_bytes message = emit(&icmp, &ip);

			assert_int_equal(message.data[0], reasons[i].type[family]);
			assert_int_equal(message.data[1], reasons[i].code[family]);
			assert_int_equal(cothon_icmp_parse(message, &ip, false, &back), 0);
			assert_int_equal(back.kind, COTHON_ICMP_ERROR);
			assert_int_equal(back.reason, reasons[i].reason);
			assert_true(back.is_error);
			assert_int_equal(back.mtu, reasons[i].reason == COTHON_TOO_BIG ? 1400 : 0);
			assert_int_equal(back.rest.len, sizeof(quote));
			/* Nothing is said where nothing is defined. */
			if (reasons[i].reason != COTHON_TOO_BIG &&
			    reasons[i].reason != COTHON_PROTOCOL_UNREACHABLE)
				assert_int_equal(cothon_get32(message.data + 4), 0);
			free((void *)message.data);
		}
	}
}

static void test_mtu(void **state)
{
	static const uint32_t mtus[] = {0, 68, 1280, 65535, 65536, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
		for (unsigned family = 0; family < 2; family++) {
			struct cothon_ip ip = between(family);
			struct cothon_icmp back, icmp = {
							 .kind = COTHON_ICMP_ERROR,
							 .reason = COTHON_TOO_BIG,
							 .mtu = mtus[i],
						 };
			struct cothon_bytes message = emit(&icmp, &ip);
			/* IPv4 has sixteen bits for it. */
			uint32_t said = family == 0 && mtus[i] > 65535 ? 65535 : mtus[i];

			assert_int_equal(cothon_icmp_parse(message, &ip, false, &back), 0);
			assert_int_equal(back.mtu, said);
			free((void *)message.data);
		}
	}
}

static void test_pointer_to_the_unknown_header(void **state)
{
	struct cothon_ip ip = between(1);
	struct cothon_ip inner = {.source = ip.source,
				  .destination = ip.destination,
				  .protocol = 132,
				  .payload_len = 1200};
	uint8_t quote[40 + 8 + 4] = {0};
	struct cothon_icmp icmp = {
		.kind = COTHON_ICMP_ERROR,
		.reason = COTHON_PROTOCOL_UNREACHABLE,
		.rest = {quote, 44},
	};
	struct cothon_bytes message;

	(void)state;
	/* The next-header field of the IPv6 header, of which the payload is not all quoted. */
	cothon_ip_emit(&inner, quote);
	message = emit(&icmp, &ip);
	assert_int_equal(cothon_get32(message.data + 4), 6);
	free((void *)message.data);

	/* That of an extension header behind it. */
	inner.protocol = 60;
	cothon_ip_emit(&inner, quote);
	quote[40] = 132;
	quote[42] = 1;
	quote[43] = 4;
	icmp.rest.len = sizeof(quote);
	message = emit(&icmp, &ip);
	assert_int_equal(cothon_get32(message.data + 4), 40);
	free((void *)message.data);
}

static void test_every_type_and_code(void **state)
{
	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		struct cothon_ip ip = between(family);

		for (unsigned type = 0; type < 256; type++) {
			bool is_error = family == 0 ? (type >= 3 && type <= 5) || type == 11 ||
							      type == 12
						    : type < 128;

			for (unsigned code = 0; code < 256; code++) {
				uint8_t message[16] = {(uint8_t)type, (uint8_t)code};
				struct cothon_icmp icmp;

				sum(message, sizeof(message), &ip);
				assert_int_equal(
					cothon_icmp_parse((struct cothon_bytes){message, 16}, &ip,
							  false, &icmp),
					0);
				assert_int_equal(icmp.is_error, is_error);
				if (icmp.kind == COTHON_ICMP_ERROR)
					assert_true(is_error);
				if (!is_error)
					assert_int_equal(icmp.kind == COTHON_ICMP_OTHER,
							 family == 0 ? type != 0 && type != 8
								     : type != 128 && type != 129);
			}
		}
	}
}

static void test_codes_that_are_only_read(void **state)
{
	static const struct {
		uint8_t family, type, code;
		int kind;
		enum cothon_unreachable reason;
	} rows[] = {
		{0, 3, 5, COTHON_ICMP_ERROR, COTHON_HOST_UNREACHABLE},
		{0, 3, 6, COTHON_ICMP_ERROR, COTHON_NET_UNREACHABLE},
		{0, 3, 7, COTHON_ICMP_ERROR, COTHON_HOST_UNREACHABLE},
		{0, 3, 8, COTHON_ICMP_ERROR, COTHON_HOST_UNREACHABLE},
		{0, 3, 9, COTHON_ICMP_ERROR, COTHON_PROHIBITED},
		{0, 3, 10, COTHON_ICMP_ERROR, COTHON_PROHIBITED},
		{0, 3, 11, COTHON_ICMP_ERROR, COTHON_NET_UNREACHABLE},
		{0, 3, 12, COTHON_ICMP_ERROR, COTHON_HOST_UNREACHABLE},
		{0, 3, 14, COTHON_ICMP_ERROR, COTHON_PROHIBITED},
		{0, 3, 15, COTHON_ICMP_ERROR, COTHON_PROHIBITED},
		{0, 3, 16, COTHON_ICMP_OTHER, 0},
		{0, 4, 0, COTHON_ICMP_OTHER, 0},
		{0, 5, 1, COTHON_ICMP_OTHER, 0},
		{0, 11, 2, COTHON_ICMP_OTHER, 0},
		{0, 12, 0, COTHON_ICMP_OTHER, 0},
		{1, 1, 2, COTHON_ICMP_ERROR, COTHON_HOST_UNREACHABLE},
		{1, 1, 5, COTHON_ICMP_ERROR, COTHON_PROHIBITED},
		{1, 1, 6, COTHON_ICMP_ERROR, COTHON_PROHIBITED},
		{1, 1, 7, COTHON_ICMP_OTHER, 0},
		{1, 2, 77, COTHON_ICMP_ERROR, COTHON_TOO_BIG},
		{1, 3, 2, COTHON_ICMP_OTHER, 0},
		{1, 4, 0, COTHON_ICMP_OTHER, 0},
		{1, 4, 2, COTHON_ICMP_OTHER, 0},
		{1, 135, 0, COTHON_ICMP_OTHER, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cothon_ip ip = between(rows[i].family);
		uint8_t message[8] = {rows[i].type, rows[i].code};
		struct cothon_icmp icmp;

		assert_int_equal(
			cothon_icmp_parse((struct cothon_bytes){message, 8}, &ip, true, &icmp), 0);
		if ((int)icmp.kind != rows[i].kind ||
		    (icmp.kind == COTHON_ICMP_ERROR && icmp.reason != rows[i].reason))
			fail_msg("IPv%u type %u code %u", rows[i].family ? 6 : 4, rows[i].type,
				 rows[i].code);
	}
}

static void test_truncated(void **state)
{
	static const uint8_t data[20];

	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		struct cothon_ip ip = between(family);
		struct cothon_icmp icmp = {
			.kind = COTHON_ICMP_ECHO_REQUEST, .ident = 1, .rest = {data, 20}};
		struct cothon_bytes message = emit(&icmp, &ip);

		for (size_t len = 0; len < message.len; len++) {
			uint8_t *copy = exact(message.data, len);
			struct cothon_bytes cut = {copy, len};

			assert_int_equal(cothon_icmp_parse(cut, &ip, true, &icmp),
					 len < 8 ? -EBADMSG : 0);
			/* The zeros at the end weigh nothing over IPv4, but in IPv6's length. */
			if (len < 8)
				assert_int_equal(cothon_icmp_parse(cut, &ip, false, &icmp),
						 -EBADMSG);
			else
				assert_int_equal(cothon_icmp_parse(cut, &ip, false, &icmp),
						 family == 0 ? 0 : -EILSEQ);
			free(copy);
		}
		free((void *)message.data);
	}
}

static void test_checksum(void **state)
{
	static const uint8_t data[33] = "thirty-two bytes of data to echo";

	(void)state;
	for (unsigned family = 0; family < 2; family++) {
		struct cothon_ip ip = between(family), other = ip;
		struct cothon_icmp icmp = {
			.kind = COTHON_ICMP_ECHO_REQUEST, .ident = 1, .rest = {data, 33}};
		struct cothon_bytes message = emit(&icmp, &ip);
		uint8_t *p = (uint8_t *)message.data;

		for (size_t bit = 0; bit < 8 * message.len; bit++) {
			p[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(cothon_icmp_parse(message, &ip, false, &icmp), -EILSEQ);
			assert_int_equal(cothon_icmp_parse(message, &ip, true, &icmp), 0);
			p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		/* RFC 4443 section 2.3: the addresses count, which ICMP does not know of. */
		other.source.b[15] ^= 1;
		assert_int_equal(cothon_icmp_parse(message, &other, false, &icmp),
				 family == 0 ? 0 : -EILSEQ);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_mtu),
		cmocka_unit_test(test_pointer_to_the_unknown_header),
		cmocka_unit_test(test_every_type_and_code),
		cmocka_unit_test(test_codes_that_are_only_read),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_checksum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
