/* SPDX-License-Identifier: MIT */
#include <cothon/service.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

/* The ten services that everybody meets first. */
static const struct {
	uint16_t port;
	const char *name;
	unsigned transport;
} ten[] = {
	{21, "ftp", COTHON_TCP},    {23, "telnet", COTHON_TCP},  {25, "smtp", COTHON_TCP},
	{53, "domain", COTHON_UDP}, {63, "whois++", COTHON_TCP}, {70, "gopher", COTHON_TCP},
	{79, "finger", COTHON_TCP}, {80, "http", COTHON_TCP},    {110, "pop3", COTHON_TCP},
	{119, "nntp", COTHON_TCP},
};

static void the_ten(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ten) / sizeof(ten[0]); i++) {
		const struct cothon_service *by_port =
			cothon_service_by_port(ten[i].port, ten[i].transport);
		const struct cothon_service *by_name =
			cothon_service_by_name(ten[i].name, ten[i].transport);
		uint16_t port = 0;

		assert_non_null(by_port);
		assert_ptr_equal(by_port, by_name);
		assert_string_equal(by_port->name, ten[i].name);
		assert_int_equal(by_port->port, ten[i].port);
		assert_int_equal(by_port->last_port, ten[i].port);
		assert_int_equal(by_port->transport, ten[i].transport);
		assert_true(strlen(cothon_service_description(by_port)) > 0);
		/* Without a transport it is the one on TCP, which all ten have. */
		assert_string_equal(cothon_service_by_port(ten[i].port, 0)->name, ten[i].name);
		assert_int_equal(cothon_service_by_name(ten[i].name, 0)->transport, COTHON_TCP);
		assert_int_equal(cothon_port_parse(ten[i].name, strlen(ten[i].name),
						   ten[i].transport, &port),
				 0);
		assert_int_equal(port, ten[i].port);
		assert_int_equal(cothon_port_class(port), COTHON_PORT_SYSTEM);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
