/* SPDX-License-Identifier: MIT */
#include "wire/ip.h"

#include "base/random.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "bytes.h"

static const uint8_t seed[32] = "ip";

static struct cothon_ip random_header(struct cothon_random *random)
{
	bool is_ipv4 = cothon_random_below(random, 2);
	struct cothon_ip ip = {
		.source = addr_of(is_ipv4 ? "10.0.2.100" : "fd00:c070::100"),
		.destination = addr_of(is_ipv4 ? "192.0.2.1" : "2001:db8::1"),
		.version = is_ipv4 ? 4 : 6,
		.protocol = cothon_random_below(random, 2) ? COTHON_IPPROTO_TCP
							   : COTHON_IPPROTO_UDP,
		.hops = (uint8_t)cothon_random_u32(random),
		.traffic_class = (uint8_t)cothon_random_u32(random),
		.dont_fragment = !is_ipv4 || cothon_random_below(random, 2),
		.ident = is_ipv4 ? cothon_random_below(random, 65536) : 0,
		.payload_len = cothon_random_below(random, 1500),
	};

	if (cothon_random_below(random, 2)) {
		ip.fragment = true;
		ip.more_fragments = cothon_random_below(random, 2);
		ip.fragment_offset = (uint16_t)(8 * cothon_random_below(random, 8000));
		ip.ident = cothon_random_u32(random) & (is_ipv4 ? 0xffff : 0xffffffff);
		ip.payload_len = ip.payload_len / 8 * 8 + 8;
		if (ip.fragment_offset == 0)
			ip.more_fragments = true;
	}
	return ip;
}

static void check_same(const struct cothon_ip *a, const struct cothon_ip *b)
{
	assert_true(cothon_addr_equal(&a->source, &b->source));
	assert_true(cothon_addr_equal(&a->destination, &b->destination));
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->protocol, b->protocol);
	assert_int_equal(a->hops, b->hops);
	assert_int_equal(a->traffic_class, b->traffic_class);
	assert_int_equal(a->dont_fragment, b->dont_fragment);
	assert_int_equal(a->fragment, b->fragment);
	assert_int_equal(a->more_fragments, b->more_fragments);
	assert_int_equal(a->fragment_offset, b->fragment_offset);
	assert_int_equal(a->ident, b->ident);
	assert_int_equal(a->payload_len, b->payload_len);
}

static void test_round_trip(void **state)
{
	struct cothon_random random;

	(void)state;
	cothon_random_init(&random, seed, 1);
	for (unsigned round = 0; round < 20000; round++) {
		struct cothon_ip ip = random_header(&random), back;
		size_t header_len = cothon_ip_header_len(&ip);
		size_t len = header_len + ip.payload_len;
		uint8_t *packet = malloc(len);

		assert_non_null(packet);
		memset(packet, 0xa5, len);
		assert_int_equal(cothon_ip_emit(&ip, packet), header_len);
		assert_int_equal(cothon_ip_parse((struct cothon_bytes){packet, len}, false, &back),
				 0);
		check_same(&ip, &back);
		assert_int_equal(back.header_len, header_len);
		free(packet);
	}
}

static void test_truncated(void **state)
{
	struct cothon_random random;

	(void)state;
	cothon_random_init(&random, seed, 2);
	for (unsigned round = 0; round < 40; round++) {
		struct cothon_ip ip = random_header(&random), back;
		size_t header_len = cothon_ip_header_len(&ip);
		uint8_t packet[48 + 1600] = {0};

		cothon_ip_emit(&ip, packet);
		for (size_t len = 0; len < header_len + ip.payload_len; len++) {
			uint8_t *copy = exact(packet, len);
			struct cothon_bytes cut = {copy, len};

			assert_int_equal(cothon_ip_parse(cut, false, &back), -EBADMSG);
			/* A length that is told counts, GSO or not. */
			assert_int_equal(cothon_ip_parse(cut, true, &back), -EBADMSG);
			if (len < header_len) {
				assert_int_equal(cothon_ip_parse_quote(cut, &back), -EBADMSG);
			} else {
				assert_int_equal(cothon_ip_parse_quote(cut, &back), 0);
				assert_int_equal(back.payload_len, len - header_len);
				back.payload_len = ip.payload_len;
				check_same(&ip, &back);
			}
			free(copy);
		}
	}
}

static void test_longer_than_told(void **state)
{
	struct cothon_random random;

	(void)state;
	cothon_random_init(&random, seed, 3);
	for (unsigned round = 0; round < 100; round++) {
		struct cothon_ip ip = random_header(&random), back;
		size_t len = cothon_ip_header_len(&ip) + ip.payload_len;
		uint8_t packet[48 + 1600 + 100] = {0};

		cothon_ip_emit(&ip, packet);
		/* RFC 1122 section 3.2.1: what follows belongs to the link. */
		assert_int_equal(
			cothon_ip_parse((struct cothon_bytes){packet, len + 100}, false, &back), 0);
		check_same(&ip, &back);
		assert_int_equal(
			cothon_ip_parse_quote((struct cothon_bytes){packet, len + 100}, &back), 0);
		check_same(&ip, &back);
	}
}

static void test_frames_beyond_their_length_field(void **state)
{
	static uint8_t packet[66000];
	static const char *const addrs[] = {"10.0.2.100", "fd00::1"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		size_t header_len = i == 0 ? 20 : 40;
		/* The longest that the field can say. */
		uint32_t longest = i == 0 ? 65515 : 65535;

		for (uint32_t payload = longest - 1; payload <= longest + 1; payload++) {
			struct cothon_ip ip = {
				.source = addr_of(addrs[i]),
				.destination = addr_of(addrs[i]),
				.protocol = COTHON_IPPROTO_TCP,
				.payload_len = payload,
			};
			struct cothon_bytes frame = {packet, header_len + payload};
			struct cothon_ip back;

			cothon_ip_emit(&ip, packet);
			assert_int_equal(cothon_ip_parse(frame, true, &back), 0);
			assert_int_equal(back.payload_len, payload);
			if (payload <= longest) {
				assert_int_equal(cothon_ip_parse(frame, false, &back), 0);
				assert_int_equal(back.payload_len, payload);
			} else if (cothon_ip_parse(frame, false, &back) == 0) {
				/* Without GSO a length of 0 is 0, which IPv6 can have. */
				assert_int_equal(i, 1);
				assert_int_equal(back.payload_len, 0);
			}
		}
	}
}

static void test_versions(void **state)
{
	(void)state;
	for (unsigned version = 0; version < 16; version++) {
		uint8_t packet[60] = {(uint8_t)(version << 4 | 5)};
		struct cothon_ip ip;

		if (version == 4 || version == 6)
			continue;
		assert_int_equal(cothon_ip_parse((struct cothon_bytes){packet, 60}, false, &ip),
				 -EBADMSG);
		assert_int_equal(cothon_ip_parse((struct cothon_bytes){packet, 60}, true, &ip),
				 -EBADMSG);
		assert_int_equal(cothon_ip_parse_quote((struct cothon_bytes){packet, 60}, &ip),
				 -EBADMSG);
	}
}

/*
 * Whatever the bytes, a packet that is taken lies inside of them, and is a packet one can work
 * with.
 */
static void check_promise(const struct cothon_ip *ip, size_t len)
{
	assert_true(ip->version == 4 || ip->version == 6);
	assert_true((size_t)ip->header_len + ip->payload_len <= len);
	assert_true(ip->header_len >= (ip->version == 4 ? 20 : 40));
	assert_true(ip->next_header_at < ip->header_len);
	assert_int_equal(ip->fragment_offset % 8, 0);
	assert_int_equal(ip->fragment, ip->fragment_offset != 0 || ip->more_fragments);
	assert_int_equal(cothon_addr_is_ipv4(&ip->source), ip->version == 4);
	assert_int_equal(cothon_addr_is_ipv4(&ip->destination), ip->version == 4);
}

static void mend_checksum(uint8_t *packet, size_t len)
{
	size_t header_len = (size_t)(packet[0] & 0xf) * 4;

	if (packet[0] >> 4 != 4 || header_len < 20 || header_len > len)
		return;
	cothon_put16(packet + 10, 0);
	cothon_put16(packet + 10, (uint16_t)~naive_sum(0, packet, header_len));
}

static void test_random_changes(void **state)
{
	static const uint8_t next[] = {0, 6, 17, 43, 44, 51, 58, 59, 60};
	struct cothon_random random;
	unsigned good = 0, bad = 0, unknown = 0;

	(void)state;
	cothon_random_init(&random, seed, 4);
	for (unsigned round = 0; round < 200000; round++) {
		struct cothon_ip ip = random_header(&random);
		uint8_t packet[48 + 1600], *copy;
		size_t len = cothon_ip_emit(&ip, packet);
		int error;

		/* Some packets are so short that headers lead out of them. */
		if (cothon_random_below(&random, 2)) {
			ip.payload_len = 8 * cothon_random_below(&random, 8);
			cothon_ip_emit(&ip, packet);
		}
		/* Small numbers and header numbers where extension headers would be. */
		for (size_t i = len; i < len + 40; i++)
			packet[i] = cothon_random_below(&random, 2)
					    ? next[cothon_random_below(&random, sizeof(next))]
					    : (uint8_t)cothon_random_below(&random, 5);
		for (unsigned n = cothon_random_below(&random, 4); n > 0; n--)
			packet[cothon_random_below(&random, 48)] =
				(uint8_t)cothon_random_u32(&random);
		if (packet[0] >> 4 == 6 && cothon_random_below(&random, 4))
			packet[6] = next[cothon_random_below(&random, sizeof(next))];
		len += ip.payload_len;
		mend_checksum(packet, len);
		copy = exact(packet, len);
		error = cothon_ip_parse((struct cothon_bytes){copy, len},
					cothon_random_below(&random, 2), &ip);
		if (error == 0 || error == -EPROTONOSUPPORT)
			check_promise(&ip, len);
		else
			assert_true(error == -EBADMSG || error == -EILSEQ);
		good += error == 0;
		bad += error == -EBADMSG;
		unknown += error == -EPROTONOSUPPORT;
		error = cothon_ip_parse_quote((struct cothon_bytes){copy, len}, &ip);
		if (error == 0 || error == -EPROTONOSUPPORT)
			check_promise(&ip, len);
		else
			assert_int_equal(error, -EBADMSG);
		free(copy);
	}
	assert_true(good > 10000 && bad > 10000 && unknown > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_longer_than_told),
		cmocka_unit_test(test_frames_beyond_their_length_field),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_random_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
