/* SPDX-License-Identifier: MIT */
#include <cothon/service.h>

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>

/* The look-ups as one would write them without any index. */

static const unsigned transports[] = {COTHON_TCP, COTHON_UDP, COTHON_DCCP, COTHON_SCTP};

static const struct cothon_service *plain_by_port(uint16_t port, unsigned transport)
{
	size_t count;
	const struct cothon_service *all = cothon_service_all(&count);
	const struct cothon_service *range = NULL;

	for (size_t i = 0; i < count; i++) {
		if (all[i].transport != transport)
			continue;
		if (all[i].port == port && all[i].last_port == port)
			return &all[i];
		if (!range && all[i].port <= port && port <= all[i].last_port)
			range = &all[i];
	}
	return range;
}

static void the_table_is_sound(void **state)
{
	(void)state;
	size_t count;
	const struct cothon_service *all = cothon_service_all(&count);

	/* The registry of February 2026 has 11,700 named assignments of a port and a transport. */
	assert_in_range(count, 11700, 14000);
	for (size_t i = 0; i < count; i++) {
		size_t len = strnlen(all[i].name, sizeof(all[i].name));
		assert_in_range(len, 1, COTHON_SERVICE_NAME - 1);
		for (size_t j = 0; j < len; j++)
			assert_true(isgraph((unsigned char)all[i].name[j]));
		assert_in_range(all[i].port, 1, all[i].last_port);
		assert_non_null(cothon_transport_name(all[i].transport));
		const char *description = cothon_service_description(&all[i]);
		assert_in_range(strlen(description), 0, 72);
		for (const char *c = description; *c; c++)
			assert_true(isprint((unsigned char)*c));
		if (i == 0)
			continue;
		/* Ordered by port, then transport. */
		assert_true(all[i - 1].port < all[i].port ||
			    (all[i - 1].port == all[i].port &&
			     all[i - 1].transport <= all[i].transport));
	}
}

/*
 * Every assignment is found by its name, and every port says what a search of all assignments says.
 */
static void every_assignment_is_found(void **state)
{
	(void)state;
	size_t count;
	const struct cothon_service *all = cothon_service_all(&count);

	for (size_t i = 0; i < count; i++) {
		const struct cothon_service *service =
			cothon_service_by_name(all[i].name, all[i].transport);
		assert_non_null(service);
		assert_int_equal(strcasecmp(service->name, all[i].name), 0);
		assert_int_equal(service->transport, all[i].transport);
		service = cothon_service_by_name(all[i].name, 0);
		assert_non_null(service);
		assert_true(service->transport <= all[i].transport);
	}
}

static void every_port_is_right(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		/* Prime steps through the ports, closer where there are more services. */
		for (uint32_t port = 0; port <= COTHON_PORT_LAST; port += port < 1100 ? 5 : 223)
			assert_ptr_equal(cothon_service_by_port((uint16_t)port, transports[i]),
					 plain_by_port((uint16_t)port, transports[i]));
	}
	size_t count;
	const struct cothon_service *all = cothon_service_all(&count);
	for (size_t i = 0; i < count; i++) {
		const struct cothon_service *found =
			cothon_service_by_port(all[i].port, all[i].transport);
		assert_non_null(found);
		assert_int_equal(found->port, all[i].port);
		assert_true(found <= &all[i]);
		/* The same port on any transport: the first that has it. */
		found = cothon_service_by_port(all[i].port, 0);
		assert_non_null(found);
		assert_true(found->transport <= all[i].transport);
	}
}

static void assert_port(uint16_t port, unsigned transport, const char *name)
{
	const struct cothon_service *service = cothon_service_by_port(port, transport);

	if (!name) {
		assert_null(service);
		return;
	}
	assert_non_null(service);
	assert_string_equal(service->name, name);
}

static void ranges(void **state)
{
	(void)state;
	assert_port(5999, COTHON_TCP, "cvsup");
	assert_port(6000, COTHON_TCP, "x11");
	assert_port(6010, COTHON_TCP, "x11");
	assert_port(6010, 0, "x11");
	assert_port(6010, COTHON_UDP, "x11");
	assert_port(6063, COTHON_TCP, "x11");
	assert_port(6064, COTHON_TCP, "ndl-ahp-svc");
	assert_port(6010, COTHON_SCTP, NULL);
	/* The registry names no transport for these: they are for TCP and UDP. */
	assert_port(4250, COTHON_TCP, "vrml-multi-use");
	assert_port(4250, COTHON_UDP, "vrml-multi-use");

	const struct cothon_service *x11 = cothon_service_by_name("X11", COTHON_TCP);
	assert_non_null(x11);
	assert_int_equal(x11->port, 6000);
	assert_int_equal(x11->last_port, 6063);
}

static void assert_name(const char *name, unsigned transport, uint16_t port)
{
	const struct cothon_service *service = cothon_service_by_name(name, transport);

	if (!port) {
		assert_null(service);
		return;
	}
	assert_non_null(service);
	assert_int_equal(service->port, port);
	if (transport)
		assert_int_equal(service->transport, transport);
}

static void several_names_of_a_port(void **state)
{
	(void)state;
	assert_name("http", COTHON_TCP, 80);
	assert_name("www", COTHON_TCP, 80);
	assert_name("www-http", COTHON_UDP, 80);
	assert_port(80, COTHON_TCP, "http");
	/* The name in use before the one with a description, the historic one, and IANA's own. */
	assert_name("whois++", COTHON_UDP, 63);
	assert_name("whoispp", COTHON_TCP, 63);
	assert_name("whois", COTHON_TCP, 43);
	assert_name("nicname", COTHON_TCP, 43);
	assert_port(43, COTHON_TCP, "whois");
	assert_port(43, COTHON_UDP, "nicname");
	assert_port(113, COTHON_TCP, "auth");
	assert_port(2049, COTHON_TCP, "nfs");
	assert_port(465, COTHON_TCP, "submissions");
	assert_port(465, COTHON_UDP, "igmpv3lite");
	assert_port(512, COTHON_TCP, "exec");
	assert_port(512, COTHON_UDP, "biff");
}

static void several_ports_of_a_name(void **state)
{
	(void)state;
	assert_name("http-alt", COTHON_TCP, 8080);
	assert_name("http-alt", 0, 8080);
	assert_name("msp", COTHON_TCP, 18);
	assert_port(591, COTHON_TCP, "http-alt");
	assert_port(8008, COTHON_TCP, "http-alt");
	assert_port(2438, COTHON_TCP, "msp");
	/* One after the other: by transport, and as preferred. */
	static const uint16_t expected[] = {8080, 591, 8008, 8080, 591, 8008};
	const struct cothon_service *service = cothon_service_by_name("http-alt", 0);
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		assert_non_null(service);
		assert_string_equal(service->name, "http-alt");
		assert_int_equal(service->transport, i < 3 ? COTHON_TCP : COTHON_UDP);
		assert_int_equal(service->port, expected[i]);
		service = cothon_service_next(service);
	}
	assert_null(service);
}

/* Every service is reached from the first of its name, once. */
static void services_follow_one_another(void **state)
{
	(void)state;
	size_t count, reached = 0;
	const struct cothon_service *all = cothon_service_all(&count);

	for (size_t i = 0; i < count; i++) {
		const struct cothon_service *service = cothon_service_by_name(all[i].name, 0);

		if (service != &all[i])
			continue;
		for (; service; service = cothon_service_next(service)) {
			assert_int_equal(strcasecmp(service->name, all[i].name), 0);
			reached++;
		}
	}
	assert_int_equal(reached, count);
}

static void names_and_transports(void **state)
{
	(void)state;
	assert_name("HTTPS", COTHON_TCP, 443);
	assert_name("HttPs", 0, 443);
	assert_name("syslog", COTHON_UDP, 514);
	assert_name("syslog", COTHON_TCP, 0);
	assert_name("syslog", 0, 514);
	assert_name("shell", COTHON_TCP, 514);
	assert_name("discard", COTHON_DCCP, 9);
	assert_name("discard", COTHON_SCTP, 9);
	assert_name("", 0, 0);
	assert_name("htt", 0, 0);
	assert_name("httpsx", 0, 0);
	assert_name("hp-managed-node", COTHON_TCP, 382);
	assert_name("hp-managed-nodes", COTHON_TCP, 0);
	assert_name("hp-managed-node-and-much-more-than-a-name-may-have", 0, 0);
	assert_name("http", 1, 0);
	assert_port(0, 0, NULL);
	assert_port(49152, 0, NULL);
	assert_port(65535, COTHON_TCP, NULL);
	assert_port(80, 255, NULL);

	for (size_t i = 0; i < sizeof(transports) / sizeof(transports[0]); i++) {
		const char *name = cothon_transport_name(transports[i]);
		assert_non_null(name);
		assert_int_equal(cothon_transport_by_name(name, strlen(name)), transports[i]);
	}
	assert_null(cothon_transport_name(0));
	assert_null(cothon_transport_name(1));
	assert_int_equal(cothon_transport_by_name("UDP", 3), COTHON_UDP);
	assert_int_equal(cothon_transport_by_name("udplite", 3), COTHON_UDP);
	assert_int_equal(cothon_transport_by_name("udplite", 7), 0);
	assert_int_equal(cothon_transport_by_name("tc", 2), 0);
	assert_int_equal(cothon_transport_by_name("", 0), 0);
}

static void classes(void **state)
{
	(void)state;
	static const struct {
		uint16_t port;
		enum cothon_port_class class;
		const char *name;
	} cases[] = {
		{0, COTHON_PORT_SYSTEM, "system"},       {1, COTHON_PORT_SYSTEM, "system"},
		{1023, COTHON_PORT_SYSTEM, "system"},    {1024, COTHON_PORT_USER, "user"},
		{49151, COTHON_PORT_USER, "user"},       {49152, COTHON_PORT_DYNAMIC, "dynamic"},
		{65535, COTHON_PORT_DYNAMIC, "dynamic"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(cothon_port_class(cases[i].port), cases[i].class);
		assert_string_equal(cothon_port_class_name(cases[i].class), cases[i].name);
	}
}

static void parsing(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		unsigned transport;
		int result;
		uint16_t port;
	} cases[] = {
		{"1", COTHON_TCP, 0, 1},
		{"80", COTHON_TCP, 0, 80},
		{"080", COTHON_TCP, 0, 80},
		{"65535", 0, 0, 65535},
		{"65536", 0, -ERANGE, 0},
		{"0", 0, -ERANGE, 0},
		{"000", 0, -ERANGE, 0},
		{"4294967376", 0, -ERANGE, 0},
		{"99999999999999999999999999999999999999", 0, -ERANGE, 0},
		{"ftp", COTHON_TCP, 0, 21},
		{"FTP", COTHON_TCP, 0, 21},
		{"914c/g", COTHON_TCP, 0, 211},
		{"3com-tsmux", COTHON_TCP, 0, 106},
		{"x11", COTHON_TCP, 0, 6000},
		{"syslog", COTHON_TCP, -ENOENT, 0},
		{"syslog", 0, 0, 514},
		{"nosuchservice", 0, -ENOENT, 0},
		{"80x", 0, -ENOENT, 0},
		{"a-name-that-is-longer-than-any-name-may-be", 0, -ENOENT, 0},
		{"", 0, -EINVAL, 0},
		{" 80", 0, -EINVAL, 0},
		{"80 ", 0, -EINVAL, 0},
		{"-1", 0, -EINVAL, 0},
		{"+80", 0, -EINVAL, 0},
		{"80-90", 0, -EINVAL, 0},
		{"ht tp", 0, -EINVAL, 0},
		{"http\n", 0, -EINVAL, 0},
		{"h\xc3\xa9", 0, -EINVAL, 0},
		{"*", 0, -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t port = 0;
		/* Of exactly its size, so that the sanitizers see one byte too many. */
		size_t len = strlen(cases[i].text);
		char *text = malloc(len ? len : 1);
		assert_non_null(text);
		memcpy(text, cases[i].text, len);
		assert_int_equal(cothon_port_parse(text, len, cases[i].transport, &port),
				 cases[i].result);
		assert_int_equal(port, cases[i].port);
		free(text);
	}
	uint16_t port;
	assert_int_equal(cothon_port_parse("8080", 2, 0, &port), 0);
	assert_int_equal(port, 80);
	assert_int_equal(cothon_port_parse("http\0", 5, 0, &port), -EINVAL);
}

static bool among(const char *const names[], size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcasecmp(names[i], name))
			return true;
	return false;
}

static void nearest_names(void **state)
{
	(void)state;
	static const struct {
		const char *wrong, *right;
	} cases[] = {
		{"htpp", "http"},     {"htttp", "http"},
		{"HTP", "http"},      {"tenlet", "telnet"},
		{"gohper", "gopher"}, {"postgersql", "postgresql"},
		{"whosi", "whois"},   {"microsfot-ds", "microsoft-ds"},
		{"fingre", "finger"},
	};
	const char *nearest[5];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t count =
			cothon_service_nearest(cases[i].wrong, strlen(cases[i].wrong), nearest, 5);
		assert_in_range(count, 1, 5);
		assert_true(among(nearest, count, cases[i].right));
		for (size_t j = 0; j < count; j++)
			assert_false(among(nearest, j, nearest[j]));
	}
	/* The right name is the nearest, and only as many as there is room for. */
	assert_int_equal(cothon_service_nearest("domain", 6, nearest, 1), 1);
	assert_string_equal(nearest[0], "domain");
	assert_int_equal(cothon_service_nearest("domain", 6, nearest, 0), 0);
	assert_int_equal(cothon_service_nearest("qqqqqqqqqqqq", 12, nearest, 5), 0);
	/* Longer than any name, up to where none is like it any more. */
	static const size_t lengths[] = {0, 1, 15, 16, 31, 32, 33, 100};
	char longest[100];
	memset(longest, 'a', sizeof(longest));
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		assert_in_range(cothon_service_nearest(longest, lengths[i], nearest, 5), 0, 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_sound),
		cmocka_unit_test(every_assignment_is_found),
		cmocka_unit_test(every_port_is_right),
		cmocka_unit_test(ranges),
		cmocka_unit_test(several_names_of_a_port),
		cmocka_unit_test(several_ports_of_a_name),
		cmocka_unit_test(services_follow_one_another),
		cmocka_unit_test(names_and_transports),
		cmocka_unit_test(classes),
		cmocka_unit_test(parsing),
		cmocka_unit_test(nearest_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
