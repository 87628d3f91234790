/* SPDX-License-Identifier: MIT */

/* Reassembly by itself; what the stack makes of it is in reassembly.c. */

#include "stack/fragment.h"

#include "host.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	IDENT = 7,
	MAX_BYTES = 1 << 20,
	SECOND = 1000000
};

struct table {
	struct host_memory memory;
	struct cothon_pool *pool;
	struct cothon_fragments fragments;
	uint64_t now;
	/* What a datagram carries; a piece is cut out of it. */
	uint8_t content[65536];
	/* The last datagram that was whole. */
	struct cothon_ip ip;
	uint8_t whole[65536];
	uint32_t whole_len;
};

struct piece {
	uint16_t offset, len;
	bool more;
};

static void table_open(struct table *table, size_t max_bytes)
{
	static const struct cothon_siphash_key key = {{1, 2}};
	struct cothon_pool_config pool = {.limit = SIZE_MAX};
	struct cothon_memory memory = host_memory_of(&table->memory);

	memset(table, 0, sizeof(*table));
	pool.memory = memory;
	table->pool = cothon_pool_create(&pool);
	assert_non_null(table->pool);
	cothon_fragments_init(&table->fragments, &memory, table->pool, &key, max_bytes);
	host_fill(table->content, sizeof(table->content), 1);
	table->now = SECOND;
}

static void table_close(struct table *table)
{
	table->memory.fail_every = 0;
	cothon_fragments_clear(&table->fragments);
	assert_int_equal(table->fragments.bytes, 0);
	assert_int_equal(table->fragments.datagrams, 0);
	assert_int_equal(cothon_pool_used(table->pool), 0);
	cothon_pool_destroy(table->pool);
	assert_int_equal(table->memory.live, 0);
}

static struct cothon_ip header_of(bool ipv6, uint32_t ident, struct piece piece)
{
	struct cothon_ip ip = host_header(ipv6, false, COTHON_IPPROTO_UDP);

	ip.fragment = true;
	ip.ident = ident;
	ip.fragment_offset = piece.offset;
	ip.more_fragments = piece.more;
	ip.payload_len = piece.len;
	return ip;
}

/* Adds a piece under a header of its own; what became whole is in table->whole. */
static int add_as(struct table *table, struct cothon_ip ip, struct piece piece)
{
	struct cothon_buf *buf = cothon_buf_get(table->pool, piece.len);
	int result;

	if (!buf)
		return -ENOMEM;
	memcpy(buf->data, table->content + piece.offset, piece.len);
	buf->len = piece.len;
	result = cothon_fragments_add(&table->fragments, &ip, &buf, table->now);
	if (result == 1) {
		assert_non_null(buf);
		table->ip = ip;
		table->whole_len = buf->len;
		memcpy(table->whole, buf->data, buf->len);
		cothon_buf_put(buf);
	} else {
		assert_null(buf);
	}
	return result;
}

static int add(struct table *table, bool ipv6, uint32_t ident, struct piece piece)
{
	return add_as(table, header_of(ipv6, ident, piece), piece);
}

static void assert_whole(const struct table *table, uint32_t len)
{
	assert_int_equal(table->whole_len, len);
	assert_memory_equal(table->whole, table->content, len);
	assert_false(table->ip.fragment);
	assert_false(table->ip.more_fragments);
	assert_int_equal(table->ip.fragment_offset, 0);
	assert_int_equal(table->ip.payload_len, len);
}

static const struct piece pieces[] = {
	{0, 16, true}, {16, 8, true}, {24, 48, true}, {72, 8, true}, {80, 5, false},
};

enum {
	PIECES = sizeof(pieces) / sizeof(pieces[0]),
	TOTAL = 85,
	PERMUTATIONS = 120
};

/* The `number`-th order of the pieces. */
static void permute(unsigned number, unsigned order[PIECES])
{
	unsigned left[PIECES];

	for (unsigned i = 0; i < PIECES; i++)
		left[i] = i;
	for (unsigned i = 0; i < PIECES; i++) {
		unsigned rest = PIECES - i;
		unsigned at = number % rest;

		number /= rest;
		order[i] = left[at];
		memmove(left + at, left + at + 1, (rest - at - 1) * sizeof(*left));
	}
}

static void test_every_permutation(void **state)
{
	struct table *table = malloc(sizeof(*table));

	(void)state;
	assert_non_null(table);
	table_open(table, MAX_BYTES);
	for (unsigned number = 0; number < 2 * PERMUTATIONS; number++) {
		bool ipv6 = number % 2;
		unsigned order[PIECES];

		permute(number / 2, order);
		for (unsigned i = 0; i < PIECES; i++) {
			int result = add(table, ipv6, number, pieces[order[i]]);

			assert_int_equal(result, i == PIECES - 1 ? 1 : 0);
			if (i < PIECES - 1)
				/* The very same again changes nothing (RFC 8200 section 4.5). */
				assert_int_equal(add(table, ipv6, number, pieces[order[i]]), 0);
		}
		assert_whole(table, TOTAL);
		assert_int_equal(table->fragments.datagrams, 0);
	}
	table_close(table);
	free(table);
}

/* RFC 3168 section 5.3: what was marked in one part is marked. */
static void test_congestion_is_kept(void **state)
{
	static const uint8_t classes[][3] = {
		/* Of the first piece, of the second, of the whole. */
		{0xb8, 0xb8, 0xb8}, {0xba, 0xba, 0xba}, {0xba, 0xbb, 0xbb},
		{0xbb, 0xba, 0xbb}, {0xbb, 0xbb, 0xbb},
	};
	static const struct piece first = {0, 16, true}, last = {16, 8, false};
	struct table *table = malloc(sizeof(*table));

	(void)state;
	assert_non_null(table);
	table_open(table, MAX_BYTES);
	for (uint32_t i = 0; i < 2 * sizeof(classes) / sizeof(classes[0]); i++) {
		const uint8_t *class = classes[i / 2];
		struct cothon_ip a = header_of(i % 2, i, first), b = header_of(i % 2, i, last);

		a.traffic_class = class[0];
		b.traffic_class = class[1];
		assert_int_equal(add_as(table, a, first), 0);
		assert_int_equal(add_as(table, b, last), 1);
		assert_whole(table, 24);
		assert_int_equal(table->ip.traffic_class, class[2]);
	}
	table_close(table);
	free(table);
}

static void test_one_missing(void **state)
{
	struct table *table = malloc(sizeof(*table));

	(void)state;
	assert_non_null(table);
	table_open(table, MAX_BYTES);
	for (unsigned missing = 0; missing < PIECES; missing++) {
		for (unsigned i = 0; i < PIECES; i++) {
			if (i != missing)
				assert_int_equal(add(table, false, missing, pieces[i]), 0);
		}
	}
	assert_int_equal(table->fragments.datagrams, PIECES);
	for (unsigned missing = 0; missing < PIECES; missing++) {
		assert_int_equal(add(table, false, missing, pieces[missing]), 1);
		assert_whole(table, TOTAL);
	}
	table_close(table);
	free(table);
}

/* RFC 5722: what overlaps without being the same discards all that has come, in every order. */
static void test_overlap(void **state)
{
	static const struct piece overlaps[] = {
		{0, 8, true},    {8, 8, true},    {0, 24, true},  {8, 16, true},   {8, 64, true},
		{16, 16, true},  {64, 8, true},   {64, 16, true}, {64, 21, false}, {72, 13, false},
		{0, 80, true},   {24, 40, true},  {24, 56, true}, {32, 8, true},   {0, 85, false},
		{16, 69, false}, {24, 61, false},
	};
	struct table *table = malloc(sizeof(*table));
	uint32_t ident = 0;

	(void)state;
	assert_non_null(table);
	table_open(table, MAX_BYTES);
	for (unsigned i = 0; i < sizeof(overlaps) / sizeof(overlaps[0]); i++) {
		/* The intruder comes after 1 .. PIECES - 1 of the others, from the front and from the back. */
		for (unsigned before = 1; before < PIECES; before++) {
			for (int back = 0; back < 2; back++) {
				int result = 0;

				ident++;
				for (unsigned k = 0; k < before; k++)
					add(table, true, ident, pieces[back ? PIECES - 1 - k : k]);
				result = add(table, true, ident, overlaps[i]);
				if (result >= 0)
					continue; /* it does not meet any of them */
				assert_int_equal(result, -EBADMSG);
				/* Nothing is left of the datagram. */
				for (unsigned k = 0; k < before; k++)
					assert_int_equal(add(table, true, ident,
							     pieces[back ? PIECES - 1 - k : k]),
							 0);
			}
		}
	}
	table_close(table);
	free(table);
}

/* An overlap with each piece in turn, spelled out. */
static void test_overlap_drops(void **state)
{
	static const struct {
		struct piece first, second;
	} pairs[] = {
		{{0, 16, true}, {8, 16, true}},  {{8, 16, true}, {0, 16, true}},
		{{0, 32, true}, {8, 8, true}},   {{8, 8, true}, {0, 32, true}},
		{{0, 16, true}, {0, 8, true}},   {{0, 8, true}, {0, 16, true}},
		{{8, 16, true}, {16, 8, true}},  {{16, 8, true}, {8, 16, true}},
		{{8, 16, false}, {16, 8, true}}, {{8, 16, true}, {16, 8, false}},
	};
	struct table *table = malloc(sizeof(*table));

	(void)state;
	assert_non_null(table);
	table_open(table, MAX_BYTES);
	for (unsigned i = 0; i < 2 * sizeof(pairs) / sizeof(pairs[0]); i++) {
		bool ipv6 = i % 2;

		assert_int_equal(add(table, ipv6, i, pairs[i / 2].first), 0);
		assert_int_equal(table->fragments.datagrams, 1);
		assert_int_equal(add(table, ipv6, i, pairs[i / 2].second), -EBADMSG);
		assert_int_equal(table->fragments.datagrams, 0);
		assert_int_equal(table->fragments.bytes, 0);
	}
	table_close(table);
	free(table);
}

static void test_length_lies(void **state)
{
	static const struct {
		struct piece first, second;
	} pairs[] = {
		/* Beyond the end that the last told; an end before what has come; two ends. */
		{{16, 8, false}, {24, 8, true}},
		{{24, 8, true}, {0, 8, false}},
		{{16, 8, false}, {24, 8, false}},
		{{16, 8, false}, {0, 8, false}},
	};
	struct table *table = malloc(sizeof(*table));

	(void)state;
	assert_non_null(table);
	table_open(table, MAX_BYTES);
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_int_equal(add(table, false, IDENT, pairs[i].first), 0);
		assert_int_equal(add(table, false, IDENT, pairs[i].second), -EBADMSG);
		assert_int_equal(table->fragments.datagrams, 0);
	}
	/* Not a multiple of eight with more to come; nothing at all; beyond the largest datagram. */
	assert_int_equal(add(table, false, IDENT, (struct piece){0, 12, true}), -EBADMSG);
	assert_int_equal(add(table, false, IDENT, (struct piece){8, 0, false}), -EBADMSG);
	assert_int_equal(add(table, false, IDENT, (struct piece){65528, 8, false}), -EBADMSG);
	/* The largest there is. */
	assert_int_equal(add(table, true, IDENT, (struct piece){65528, 7, false}), 0);
	assert_int_equal(add(table, true, IDENT, (struct piece){32768, 32760, true}), 0);
	assert_int_equal(add(table, true, IDENT, (struct piece){0, 32768, true}), 1);
	assert_whole(table, 65535);
	table_close(table);
	free(table);
}

/* Fragments belong together by addresses and identification, and in IPv4 by protocol. */
static void test_keys(void **state)
{
	static const struct piece first = {0, 8, true}, last = {8, 8, false};
	struct table *table = malloc(sizeof(*table));
	struct cothon_ip ip;

	(void)state;
	assert_non_null(table);
	table_open(table, MAX_BYTES);
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		assert_int_equal(add(table, ipv6, IDENT, first), 0);
		assert_int_equal(add(table, ipv6, IDENT + 1, last), 0);
		ip = header_of(ipv6, IDENT, last);
		ip.source = host_addr(ipv6);
		assert_int_equal(add_as(table, ip, last), 0);
		ip = header_of(ipv6, IDENT, last);
		ip.destination = host_peer(ipv6);
		assert_int_equal(add_as(table, ip, last), 0);
		ip = header_of(ipv6, IDENT, last);
		ip.protocol = COTHON_IPPROTO_TCP;
		assert_int_equal(add_as(table, ip, last), ipv6);
		/* RFC 8200 section 4.5: the protocol is the one that the first fragment names. */
		if (ipv6)
			assert_int_equal(table->ip.protocol, COTHON_IPPROTO_UDP);
		else
			assert_int_equal(add(table, ipv6, IDENT, last), 1);
		assert_whole(table, 16);
	}
	table_close(table);
	free(table);
}

/* Whatever comes, what is held stays below the bounds. */
static void test_bounds(void **state)
{
	struct table *table = malloc(sizeof(*table));
	size_t most = 0;

	(void)state;
	assert_non_null(table);
	table_open(table, MAX_BYTES);
	for (uint32_t ident = 0; ident < 4 * COTHON_FRAGMENT_DATAGRAMS; ident++) {
		add(table, ident % 2, ident, (struct piece){8, 1400, true});
		if (table->memory.live > most)
			most = table->memory.live;
		assert_true(table->fragments.bytes <= MAX_BYTES);
		assert_true(table->fragments.datagrams <= COTHON_FRAGMENT_DATAGRAMS);
		assert_true(cothon_pool_used(table->pool) <= MAX_BYTES + 4096);
	}
	/* The newest is still there: it can be completed. */
	assert_int_equal(add(table, true, 4 * COTHON_FRAGMENT_DATAGRAMS - 1,
			     (struct piece){1408, 8, false}),
			 0);
	assert_int_equal(
		add(table, true, 4 * COTHON_FRAGMENT_DATAGRAMS - 1, (struct piece){0, 8, true}), 1);
	assert_whole(table, 1416);
	assert_true(most < 2 * MAX_BYTES);
	cothon_fragments_clear(&table->fragments);
	/* Many small ones meet the bound on their number. */
	for (uint32_t ident = 0; ident < 2 * COTHON_FRAGMENT_DATAGRAMS; ident++) {
		int expected = ident < COTHON_FRAGMENT_DATAGRAMS ? 0 : -ENOBUFS;

		table->fragments.max_bytes = SIZE_MAX;
		assert_int_equal(add(table, false, ident, (struct piece){8, 8, true}), expected);
	}
	assert_int_equal(table->fragments.datagrams, COTHON_FRAGMENT_DATAGRAMS);
	table_close(table);
	free(table);
}

/* One datagram alone may not take more pieces than its bound, and gives way as a whole. */
static void test_pieces(void **state)
{
	struct table *table = malloc(sizeof(*table));

	(void)state;
	assert_non_null(table);
	table_open(table, MAX_BYTES);
	for (int i = 0; i < COTHON_FRAGMENT_PIECES; i++)
		assert_int_equal(
			add(table, false, IDENT, (struct piece){(uint16_t)(16 * i), 8, true}), 0);
	assert_int_equal(add(table, false, IDENT,
			     (struct piece){16 * COTHON_FRAGMENT_PIECES, 8, true}),
			 -EBADMSG);
	assert_int_equal(table->fragments.datagrams, 0);
	/* A datagram of 64 KiB at the MTU that IPv4 hosts must take is within it. */
	for (uint32_t at = 0; at + 512 < 65535; at += 512)
		assert_int_equal(add(table, false, IDENT, (struct piece){(uint16_t)at, 512, true}),
				 0);
	assert_int_equal(add(table, false, IDENT, (struct piece){65024, 511, false}), 1);
	assert_whole(table, 65535);
	table_close(table);
	free(table);
}

static void test_expiry(void **state)
{
	const uint64_t life = COTHON_FRAGMENT_SECONDS * (uint64_t)SECOND;
	struct table *table = malloc(sizeof(*table));
	struct cothon_fragment_loss loss;

	(void)state;
	assert_non_null(table);
	table_open(table, MAX_BYTES);
	assert_int_equal(cothon_fragments_deadline(&table->fragments), UINT64_MAX);
	assert_int_equal(add(table, false, 1, (struct piece){0, 16, true}), 0);
	table->now += SECOND;
	assert_int_equal(add(table, false, 2, (struct piece){16, 16, true}), 0);
	/* RFC 8200 section 4.5: counted from the fragment that came first, not prolonged by others. */
	assert_int_equal(add(table, false, 1, (struct piece){16, 16, true}), 0);
	assert_int_equal(cothon_fragments_deadline(&table->fragments), SECOND + life);
	assert_false(cothon_fragments_expire(&table->fragments, SECOND + life - 1, &loss));
	assert_true(cothon_fragments_expire(&table->fragments, SECOND + life, &loss));
	assert_true(loss.has_first);
	assert_int_equal(loss.ip.ident, 1);
	assert_int_equal(loss.quote_len, 8);
	assert_memory_equal(loss.quote, table->content, 8);
	assert_false(cothon_fragments_expire(&table->fragments, SECOND + life, &loss));
	assert_int_equal(cothon_fragments_deadline(&table->fragments), 2 * SECOND + life);
	assert_true(cothon_fragments_expire(&table->fragments, 2 * SECOND + life, &loss));
	assert_false(loss.has_first);
	assert_false(cothon_fragments_expire(&table->fragments, UINT64_MAX, &loss));
	/* What came late begins anew. */
	assert_int_equal(add(table, false, 1, (struct piece){32, 8, false}), 0);
	table_close(table);
	free(table);
}

static void test_memory_refused(void **state)
{
	struct table *table = malloc(sizeof(*table));

	(void)state;
	assert_non_null(table);
	for (unsigned every = 1; every < 12; every++) {
		unsigned whole = 0;

		table_open(table, MAX_BYTES);
		table->memory.fail_every = every;
		for (uint32_t ident = 0; ident < 50; ident++) {
			for (unsigned i = 0; i < PIECES; i++) {
				int result = add(table, false, ident, pieces[i]);

				assert_true(result == 0 || result == 1 || result == -ENOMEM);
				if (result == 1) {
					assert_whole(table, TOTAL);
					whole++;
				}
			}
		}
		assert_true(every == 1 ? whole == 0 : every < 11 || whole > 0);
		table_close(table);
	}
	free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_permutation),
		cmocka_unit_test(test_congestion_is_kept),
		cmocka_unit_test(test_one_missing),
		cmocka_unit_test(test_overlap),
		cmocka_unit_test(test_overlap_drops),
		cmocka_unit_test(test_length_lies),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_pieces),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_memory_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
