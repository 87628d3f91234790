/* SPDX-License-Identifier: MIT */
#include <cothon/addr.h>

#include <errno.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static struct cothon_addr parsed(const char *text)
{
	struct cothon_addr addr;

	assert_int_equal(cothon_addr_parse(text, &addr), 0);
	return addr;
}

static void test_parse_and_format(void **state)
{
	/* What is read, and what is written for it (RFC 5952 for IPv6). */
	static const char *const texts[][2] = {
		{"0.0.0.0", "0.0.0.0"},
		{"10.0.2.100", "10.0.2.100"},
		{"255.255.255.255", "255.255.255.255"},
		{"::", "::"},
		{"::1", "::1"},
		{"fd00:c070::100", "fd00:c070::100"},
		/* Leading zeros go, letters are small (sections 4.1 and 4.3). */
		{"2001:0DB8:0000:0001:0001:0001:0001:000A", "2001:db8:0:1:1:1:1:a"},
		/* The longest run is shortened, the first of equals, never a single field (4.2). */
		{"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
		{"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		/* The mapped form is the IPv4 address. */
		{"::ffff:192.0.2.1", "192.0.2.1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct cothon_addr addr = parsed(texts[i][0]);
		char text[COTHON_ADDR_TEXT];

		assert_ptr_equal(cothon_addr_format(&addr, text), text);
		assert_string_equal(text, texts[i][1]);
		assert_int_equal(cothon_addr_is_ipv4(&addr), strchr(texts[i][1], '.') != NULL);
	}
}

static void test_parse_refuses(void **state)
{
	static const char *const texts[] = {
		"",
		" ",
		"10.0.2",
		"10.0.2.256",
		"10.0.2.3 ",
		" 10.0.2.3",
		"10.0.2.3.",
		"1.2.3.4/8",
		"010.0.2.3",
		"0x0a.0.2.3",
		"10.0.2.3:80",
		":",
		":::",
		"1:2:3",
		"fd00::1::2",
		"fd00::10000",
		"[fd00::1]",
		"fe80::1%lo",
		"fd00::1/64",
		"localhost",
		"167772160",
		"1:2:3:4:5:6:7:8:9",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct cothon_addr addr;

		if (cothon_addr_parse(texts[i], &addr) != -EINVAL)
			fail_msg("\"%s\" was taken for an address", texts[i]);
	}
}

static void test_bytes(void **state)
{
	static const uint8_t four[4] = {10, 0, 2, 3};
	static const uint8_t sixteen[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 2, 3};
	struct cothon_addr a = cothon_addr_ipv4(four), b = cothon_addr_ipv6(sixteen);

	(void)state;
	assert_memory_equal(a.b, sixteen, 16);
	assert_true(cothon_addr_equal(&a, &b));
	b.b[15]++;
	assert_false(cothon_addr_equal(&a, &b));
	b = a;
	b.b[0]++;
	assert_false(cothon_addr_equal(&a, &b));
	assert_false(cothon_addr_is_ipv4(&b));
}

enum {
	ANY = 1,
	LOOPBACK = 2,
	LINK_LOCAL = 4,
	MULTICAST = 8,
	UNICAST = 16
};

static void test_kinds(void **state)
{
	static const struct {
		const char *text;
		unsigned kinds;
	} rows[] = {
		{"0.0.0.0", ANY},
		{"0.0.0.1", 0},
		{"0.255.255.255", 0},
		{"1.0.0.0", UNICAST},
		{"126.255.255.255", UNICAST},
		{"127.0.0.0", LOOPBACK | UNICAST},
		{"127.255.255.255", LOOPBACK | UNICAST},
		{"128.0.0.0", UNICAST},
		{"169.253.255.255", UNICAST},
		{"169.254.0.0", LINK_LOCAL | UNICAST},
		{"169.254.255.255", LINK_LOCAL | UNICAST},
		{"169.255.0.0", UNICAST},
		{"223.255.255.255", UNICAST},
		{"224.0.0.0", MULTICAST},
		{"239.255.255.255", MULTICAST},
		{"240.0.0.0", 0},
		{"255.255.255.255", 0},
		{"::", ANY},
		{"::1", LOOPBACK | UNICAST},
		{"::2", UNICAST},
		{"0:0:0:1::1", UNICAST},
		{"1::1", UNICAST},
		{"::127.0.0.1", UNICAST},
		{"::1:0:0:1", UNICAST},
		{"fe7f:ffff::1", UNICAST},
		{"fe80::1", LINK_LOCAL | UNICAST},
		{"febf:ffff::1", LINK_LOCAL | UNICAST},
		{"fec0::1", UNICAST},
		{"feff::1", UNICAST},
		{"ff00::", MULTICAST},
		{"ff02::1", MULTICAST},
		{"fd00:c070::100", UNICAST},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cothon_addr addr = parsed(rows[i].text);
		unsigned kinds = 0;

		kinds |= cothon_addr_is_any(&addr) ? ANY : 0;
		kinds |= cothon_addr_is_loopback(&addr) ? LOOPBACK : 0;
		kinds |= cothon_addr_is_link_local(&addr) ? LINK_LOCAL : 0;
		kinds |= cothon_addr_is_multicast(&addr) ? MULTICAST : 0;
		kinds |= cothon_addr_is_unicast(&addr) ? UNICAST : 0;
		if (kinds != rows[i].kinds)
			fail_msg("%s: %#x instead of %#x", rows[i].text, kinds, rows[i].kinds);
	}
}

static void test_prefixes(void **state)
{
	static const struct {
		const char *addr, *prefix;
		unsigned bits;
		bool in;
	} rows[] = {
		{"10.0.2.3", "10.0.2.0", 24, true},
		{"10.0.3.3", "10.0.2.0", 24, false},
		{"10.0.3.3", "10.0.2.0", 23, true},
		{"10.0.4.0", "10.0.2.0", 23, false},
		{"1.2.3.4", "9.9.9.9", 0, true},
		{"10.0.2.3", "10.0.2.3", 32, true},
		{"10.0.2.3", "10.0.2.2", 32, false},
		{"10.0.2.3", "10.0.2.2", 31, true},
		{"10.0.2.3", "10.0.2.3", 33, false},
		{"198.19.255.255", "198.18.0.0", 15, true},
		{"198.20.0.0", "198.18.0.0", 15, false},
		{"fd00::1", "fd00::", 64, true},
		{"fd00:0:0:1::1", "fd00::", 64, false},
		{"fd00:0:0:1::1", "fd00::", 63, true},
		{"::1", "8000::", 0, true},
		{"::1", "8000::", 1, false},
		{"::1", "::1", 128, true},
		{"::1", "::", 128, false},
		{"::1", "::", 127, true},
		{"::1", "::1", 129, false},
		/* No prefix of one family holds an address of the other. */
		{"10.0.2.3", "::", 0, false},
		{"fd00::1", "0.0.0.0", 0, false},
		{"::", "0.0.0.0", 0, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cothon_addr addr = parsed(rows[i].addr), prefix = parsed(rows[i].prefix);

		if (cothon_addr_in_prefix(&addr, &prefix, rows[i].bits) != rows[i].in)
			fail_msg("%s in %s/%u", rows[i].addr, rows[i].prefix, rows[i].bits);
	}
}

static void test_endpoints(void **state)
{
	struct cothon_endpoint endpoint = {.addr = parsed("10.0.2.3"), .port = 80};
	char text[COTHON_ENDPOINT_TEXT];

	(void)state;
	assert_string_equal(cothon_endpoint_format(&endpoint, text), "10.0.2.3:80");
	endpoint = (struct cothon_endpoint){.addr = parsed("fd00::1"), .port = 0};
	assert_string_equal(cothon_endpoint_format(&endpoint, text), "[fd00::1]:0");
	/* The longest. */
	endpoint.addr = parsed("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
	endpoint.port = 65535;
	assert_string_equal(cothon_endpoint_format(&endpoint, text),
			    "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void test_flows(void **state)
{
	const struct cothon_endpoint local = {.addr = parsed("10.0.2.100"), .port = 49152};
	const struct cothon_endpoint remote = {.addr = parsed("fd00::2"), .port = 80};
	struct cothon_flow a, b;

	(void)state;
	/* Whatever the memory held before, equal flows have equal bytes. */
	memset(&a, 0x55, sizeof(a));
	memset(&b, 0xaa, sizeof(b));
	a = cothon_flow_make(COTHON_TCP, &local, &remote);
	b = cothon_flow_make(COTHON_TCP, &local, &remote);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_true(cothon_flow_equal(&a, &b));

	struct cothon_endpoint end = cothon_flow_local(&a);

	assert_true(cothon_addr_equal(&end.addr, &local.addr));
	assert_int_equal(end.port, 49152);
	end = cothon_flow_remote(&a);
	assert_true(cothon_addr_equal(&end.addr, &remote.addr));
	assert_int_equal(end.port, 80);

	b = cothon_flow_make(COTHON_UDP, &local, &remote);
	assert_false(cothon_flow_equal(&a, &b));
	b = cothon_flow_make(COTHON_TCP, &remote, &local);
	assert_false(cothon_flow_equal(&a, &b));
	for (size_t i = 0; i < sizeof(a); i++) {
		b = a;
		((uint8_t *)&b)[i] ^= 1;
		assert_false(cothon_flow_equal(&a, &b));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_and_format),
		cmocka_unit_test(test_parse_refuses),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_flows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
