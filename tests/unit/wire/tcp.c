/* SPDX-License-Identifier: MIT */
#include "wire/tcp.h"

#include "base/random.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "bytes.h"

enum {
	AT_CHECKSUM = 16
};

static struct cothon_ip between(const char *source, const char *destination)
{
	return (struct cothon_ip){.source = addr_of(source), .destination = addr_of(destination)};
}

/*
 * A bare segment with these options, padded by no-operations, parsed from exact memory, checksum
 * unread.
 */
static int parse_options(uint8_t flags, const uint8_t *options, size_t len,
			 struct cothon_tcp_header *tcp)
{
	static const struct cothon_ip ip;
	uint8_t segment[COTHON_TCP_HEADER_MAX] = {0};
	size_t header_len = COTHON_TCP_HEADER + (len + 3) / 4 * 4;
	uint8_t *copy;
	int error;

	assert_true(header_len <= sizeof(segment));
	segment[12] = (uint8_t)(header_len / 4 << 4);
	segment[13] = flags;
	memset(segment + COTHON_TCP_HEADER, 1, header_len - COTHON_TCP_HEADER);
	memcpy(segment + COTHON_TCP_HEADER, options, len);
	copy = exact(segment, header_len);
	memset(tcp, 0xff, sizeof(*tcp));
	error = cothon_tcp_parse((struct cothon_bytes){copy, header_len}, &ip, true, tcp);
	free(copy);
	return error;
}

static void test_sequence_numbers(void **state)
{
	const uint32_t bases[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};

	(void)state;
	for (size_t i = 0; i < sizeof(bases) / sizeof(bases[0]); i++) {
		struct cothon_seq a = {bases[i]};
		struct cothon_seq b = cothon_seq_add(a, 10);
		struct cothon_seq far = cothon_seq_add(a, 0x7fffffff);

		assert_int_equal(cothon_seq_sub(b, a), 10);
		assert_true(cothon_seq_before(a, b));
		assert_false(cothon_seq_before(b, a));
		assert_true(cothon_seq_after(b, a));
		assert_true(cothon_seq_before(a, far));
		assert_true(cothon_seq_after(a, cothon_seq_add(far, 2)));
		assert_false(cothon_seq_before(a, a));
		assert_false(cothon_seq_after(a, a));
		assert_true(cothon_seq_equal(a, a));
		assert_false(cothon_seq_equal(a, b));
		assert_int_equal(cothon_seq_max(a, b).v, b.v);
		assert_int_equal(cothon_seq_min(a, b).v, a.v);
		assert_int_equal(cothon_seq_max(b, a).v, b.v);
		assert_true(cothon_seq_in(a, a, 1));
		assert_false(cothon_seq_in(a, a, 0));
		assert_true(cothon_seq_in(cothon_seq_add(a, 9), a, 10));
		assert_false(cothon_seq_in(b, a, 10));
		assert_false(cothon_seq_in(cothon_seq_add(a, UINT32_MAX), a, 10));
	}
}

static void test_bytes(void **state)
{
	static const uint8_t expected[] = {0xc0, 0x01, 0x00, 0x50, 0x01, 0x02, 0x03, 0x04,
					   0x05, 0x06, 0x07, 0x08, 0xa0, 0x02, 0xfa, 0xf0,
					   0x00, 0x00, 0x12, 0x34, 0x02, 0x04, 0x05, 0xb4,
					   0x01, 0x03, 0x03, 0x07, 0x04, 0x02, 0x08, 0x0a,
					   0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
	const struct cothon_tcp_header tcp = {
		.source_port = 49153,
		.destination_port = 80,
		.seq = {0x01020304},
		.ack = {0x05060708},
		.window = 64240,
		.urgent = 0x1234,
		.flags = COTHON_TCP_SYN,
		.has_mss = true,
		.mss = 1460,
		.has_window_scale = true,
		.window_scale = 7,
		.sack_permitted = true,
		.has_timestamp = true,
		.ts_value = 0x11223344,
		.ts_echo = 0x55667788,
	};
	uint8_t out[COTHON_TCP_HEADER_MAX];

	(void)state;
	assert_int_equal(cothon_tcp_emit(&tcp, out), sizeof(expected));
	assert_memory_equal(out, expected, sizeof(expected));
}

/* What must come back of what was written. */
static void check_same(const struct cothon_tcp_header *a, const struct cothon_tcp_header *b)
{
	assert_int_equal(a->source_port, b->source_port);
	assert_int_equal(a->destination_port, b->destination_port);
	assert_int_equal(a->seq.v, b->seq.v);
	assert_int_equal(a->ack.v, b->ack.v);
	assert_int_equal(a->window, b->window);
	assert_int_equal(a->urgent, b->urgent);
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->has_mss, b->has_mss);
	assert_int_equal(a->has_window_scale, b->has_window_scale);
	assert_int_equal(a->has_timestamp, b->has_timestamp);
	assert_int_equal(a->sack_permitted, b->sack_permitted);
	if (a->has_mss)
		assert_int_equal(a->mss, b->mss);
	if (a->has_window_scale)
		assert_int_equal(a->window_scale, b->window_scale);
	if (a->has_timestamp) {
		assert_int_equal(a->ts_value, b->ts_value);
		assert_int_equal(a->ts_echo, b->ts_echo);
	}
}

static void test_round_trip(void **state)
{
	static const uint8_t seed[32] = "segments";
	const struct cothon_ip ips[] = {
		between("10.0.2.100", "192.0.2.1"),
		between("fd00:c070::100", "2001:db8::1"),
	};
	struct cothon_random random;
	unsigned sacks_left_out = 0;

	(void)state;
	cothon_random_init(&random, seed, 1);
	for (unsigned round = 0; round < 20000; round++) {
		const struct cothon_ip *ip = &ips[round % 2];
		uint64_t bits = cothon_random_u64(&random);
		bool syn = bits & COTHON_TCP_SYN;
		struct cothon_tcp_header tcp = {
			.source_port = (uint16_t)(bits >> 8),
			.destination_port = (uint16_t)(bits >> 24),
			.seq = {cothon_random_u32(&random)},
			.ack = {cothon_random_u32(&random)},
			.window = (uint16_t)cothon_random_u32(&random),
			.urgent = (uint16_t)cothon_random_u32(&random),
			.flags = (uint8_t)bits,
			.has_mss = syn && bits >> 40 & 1,
			.has_window_scale = syn && bits >> 41 & 1,
			.sack_permitted = syn && bits >> 42 & 1,
			.has_timestamp = bits >> 43 & 1,
			.mss = (uint16_t)(bits >> 48),
			.window_scale = (uint8_t)(bits >> 44 & 0xf) % 15,
			.ts_value = cothon_random_u32(&random),
			.ts_echo = cothon_random_u32(&random),
			.sack_count = (uint8_t)cothon_random_below(&random, 5),
		};
		uint8_t out[COTHON_TCP_HEADER_MAX + 300];
		size_t payload = cothon_random_below(&random, 300), len;
		struct cothon_tcp_header back;
		uint8_t *copy;

		for (unsigned i = 0; i < tcp.sack_count; i++) {
			tcp.sack[i].start.v = cothon_random_u32(&random);
			tcp.sack[i].end.v = cothon_random_u32(&random);
		}
		memset(out, 0xa5, sizeof(out));
		len = cothon_tcp_emit(&tcp, out);
		assert_true(len <= COTHON_TCP_HEADER_MAX && len % 4 == 0);
		assert_int_equal(out[AT_CHECKSUM] | out[AT_CHECKSUM + 1], 0);
		cothon_put16(out + AT_CHECKSUM,
			     (uint16_t)~naive_sum(naive_pseudo(&ip->source, &ip->destination, 6,
							       len + payload),
						  out, len + payload));
		copy = exact(out, len + payload);
		assert_int_equal(cothon_tcp_parse((struct cothon_bytes){copy, len + payload}, ip,
						  false, &back),
				 0);
		free(copy);
		assert_int_equal(back.header_len, len);
		check_same(&tcp, &back);
		/* As many blocks as fit, the first ones first. */
		assert_true(back.sack_count == tcp.sack_count || len + 8 > COTHON_TCP_HEADER_MAX);
		assert_true(back.sack_count >= (tcp.sack_count < 2 ? tcp.sack_count : 2));
		assert_memory_equal(back.sack, tcp.sack, back.sack_count * sizeof(tcp.sack[0]));
		sacks_left_out += back.sack_count < tcp.sack_count;
	}
	assert_true(sacks_left_out > 0);
}

static void test_truncated(void **state)
{
	static const struct cothon_ip ip;
	struct cothon_tcp_header tcp = {.flags = COTHON_TCP_SYN,
					.has_mss = true,
					.has_timestamp = true,
					.has_window_scale = true,
					.sack_count = 2};
	uint8_t out[COTHON_TCP_HEADER_MAX];
	size_t full = cothon_tcp_emit(&tcp, out);

	(void)state;
	for (size_t len = 0; len < full; len++) {
		uint8_t *copy = exact(out, len);
		struct cothon_bytes cut = {copy, len};

		assert_int_equal(cothon_tcp_parse(cut, &ip, true, &tcp), -EBADMSG);
		assert_int_equal(cothon_tcp_parse(cut, &ip, false, &tcp), -EBADMSG);
		free(copy);
	}
}

static void test_data_offset(void **state)
{
	static const struct cothon_ip ip;
	uint8_t segment[44] = {0};

	(void)state;
	memset(segment + 20, 1, 24);
	for (unsigned words = 0; words < 16; words++) {
		struct cothon_tcp_header tcp;
		int expected = words >= 5 && words <= 11 ? 0 : -EBADMSG;

		segment[12] = (uint8_t)(words << 4);
		assert_int_equal(cothon_tcp_parse((struct cothon_bytes){segment, 44}, &ip, true,
						  &tcp),
				 expected);
		if (expected == 0)
			assert_int_equal(tcp.header_len, 4 * words);
	}
}

static void test_malformed_options(void **state)
{
	static const struct {
		const char *what;
		uint8_t len;
		uint8_t options[8];
		int expected;
	} rows[] = {
		{"none", 0, {0}, 0},
		{"end at once", 4, {0, 9, 9, 9}, 0},
		{"no-operations", 4, {1, 1, 1, 1}, 0},
		{"length 0", 4, {2, 0, 1, 1}, -EBADMSG},
		{"length 1", 4, {2, 1, 1, 1}, -EBADMSG},
		{"overrun by one", 4, {2, 5, 1, 1}, -EBADMSG},
		{"overrun by far", 4, {8, 255, 1, 1}, -EBADMSG},
		{"no room for a length", 4, {1, 1, 1, 2}, -EBADMSG},
		{"unknown, length 0", 4, {254, 0, 1, 1}, -EBADMSG},
		{"unknown, length 1", 4, {254, 1, 1, 1}, -EBADMSG},
		{"unknown, length 2", 4, {254, 2, 1, 1}, 0},
		{"unknown, to the end", 8, {254, 8, 0, 0, 0, 0, 0, 0}, 0},
		{"unknown, overrun", 8, {254, 9, 0, 0, 0, 0, 0, 0}, -EBADMSG},
		{"malformed behind the end", 8, {1, 1, 1, 0, 2, 0, 0, 0}, 0},
		{"malformed behind a good one", 8, {2, 4, 5, 180, 3, 0, 0, 0}, -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cothon_tcp_header tcp;
		int error = parse_options(COTHON_TCP_SYN, rows[i].options, rows[i].len, &tcp);

		if (error != rows[i].expected)
			fail_msg("%s: %d", rows[i].what, error);
	}
}

static void check_no_options(const struct cothon_tcp_header *tcp)
{
	assert_false(tcp->has_mss);
	assert_false(tcp->has_window_scale);
	assert_false(tcp->has_timestamp);
	assert_false(tcp->sack_permitted);
	assert_int_equal(tcp->sack_count, 0);
}

static void test_options_of_another_length(void **state)
{
	/* A known kind with a length that is not its own is skipped like an unknown one. */
	static const uint8_t rows[][12] = {
		{2, 2}, {2, 3},  {2, 5}, {3, 2}, {3, 4}, {4, 3},
		{8, 9}, {8, 11}, {5, 2}, {5, 9}, {5, 3}, {8, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cothon_tcp_header tcp;
		uint8_t options[12];

		memset(options, 1, sizeof(options));
		memcpy(options, rows[i], 2);
		assert_int_equal(parse_options(COTHON_TCP_SYN, options, 12, &tcp), 0);
		check_no_options(&tcp);
	}

	/* Five blocks and more do not fit a header, but a length may say so. */
	struct cothon_tcp_header tcp;
	uint8_t sack[40] = {5, 34};

	assert_int_equal(parse_options(0, sack, 34, &tcp), 0);
	assert_int_equal(tcp.sack_count, 4);
	sack[1] = 38;
	assert_int_equal(parse_options(0, sack, 40, &tcp), 0);
	check_no_options(&tcp);
	sack[1] = 42;
	assert_int_equal(parse_options(0, sack, 40, &tcp), -EBADMSG);
}

static void test_options_with_and_without_syn(void **state)
{
	static const uint8_t options[] = {2, 4, 5, 180, 4, 2, 8, 10, 0,  0,
					  0, 1, 0, 0,   0, 2, 3, 3,  15, 1};
	struct cothon_tcp_header tcp;

	(void)state;
	assert_int_equal(parse_options(COTHON_TCP_SYN | COTHON_TCP_ACK, options, 20, &tcp), 0);
	assert_true(tcp.has_mss);
	assert_int_equal(tcp.mss, 1460);
	assert_true(tcp.sack_permitted);
	assert_true(tcp.has_timestamp);
	assert_int_equal(tcp.ts_value, 1);
	assert_int_equal(tcp.ts_echo, 2);
	assert_true(tcp.has_window_scale);
	/* RFC 7323 section 2.3: larger than 14 counts as 14. */
	assert_int_equal(tcp.window_scale, 14);

	assert_int_equal(parse_options(COTHON_TCP_ACK, options, 20, &tcp), 0);
	assert_false(tcp.has_mss);
	assert_false(tcp.sack_permitted);
	assert_false(tcp.has_window_scale);
	assert_true(tcp.has_timestamp);
}

static void test_checksum(void **state)
{
	const struct cothon_ip ips[] = {
		between("10.0.2.100", "192.0.2.1"),
		between("fd00:c070::100", "2001:db8::1"),
	};
	struct cothon_tcp_header tcp = {.source_port = 1, .has_timestamp = true};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint8_t out[COTHON_TCP_HEADER_MAX + 33];
		size_t len = cothon_tcp_emit(&tcp, out) + 33;
		struct cothon_bytes segment = {out, len};
		struct cothon_ip other = ips[i];
		struct cothon_tcp_header back;

		memset(out + len - 33, 0x77, 33);
		cothon_put16(out + AT_CHECKSUM,
			     (uint16_t)~naive_sum(naive_pseudo(&ips[i].source, &ips[i].destination,
							       6, len),
						  out, len));
		assert_int_equal(cothon_tcp_parse(segment, &ips[i], false, &back), 0);
		other.destination.b[12] ^= 1;
		assert_int_equal(cothon_tcp_parse(segment, &other, false, &back), -EILSEQ);
		assert_int_equal(cothon_tcp_parse(segment, &other, true, &back), 0);
		for (size_t bit = 0; bit < 8 * len; bit++) {
			if (bit / 8 == 12)
				continue; /* the data offset */
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(cothon_tcp_parse(segment, &ips[i], false, &back), -EILSEQ);
			out[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		assert_int_equal(cothon_tcp_parse(segment, &ips[i], false, &back), 0);
	}
}

static void test_random_options(void **state)
{
	static const uint8_t seed[32] = "random options";
	static const uint8_t kinds[] = {0, 1, 2, 3, 4, 5, 8, 253};
	struct cothon_random random;
	unsigned good = 0;

	(void)state;
	cothon_random_init(&random, seed, 1);
	for (unsigned round = 0; round < 100000; round++) {
		size_t len = 4 * (size_t)cothon_random_below(&random, 11);
		struct cothon_tcp_header tcp;
		uint8_t options[40];
		int error;

		for (size_t i = 0; i < len; i++)
			options[i] = cothon_random_below(&random, 2)
					     ? kinds[cothon_random_below(&random, sizeof(kinds))]
					     : (uint8_t)cothon_random_below(&random, 12);
		error = parse_options((uint8_t)cothon_random_u32(&random), options, len, &tcp);
		assert_true(error == 0 || error == -EBADMSG);
		if (error)
			continue;
		good++;
		assert_int_equal(tcp.header_len, COTHON_TCP_HEADER + len);
		assert_true(tcp.sack_count <= COTHON_TCP_MAX_SACK);
		assert_true(!tcp.has_window_scale || tcp.window_scale <= 14);
	}
	assert_in_range(good, 1000, 99000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sequence_numbers),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_data_offset),
		cmocka_unit_test(test_malformed_options),
		cmocka_unit_test(test_options_of_another_length),
		cmocka_unit_test(test_options_with_and_without_syn),
		cmocka_unit_test(test_checksum),
		cmocka_unit_test(test_random_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
