/* SPDX-License-Identifier: MIT */
#include "cli/ports_view.h"

#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const char answer_text[] =
	"{'name': 'web', 'truncated': false, 'bindings': ["
	" {'transport': 'tcp', 'address': '::', 'port': 443, 'dual_stack': true, 'service': 'https',"
	"  'class': 'system', 'applications': [{'command': 'nginx', 'pid': 12, 'host_pid': 900},"
	"   {'command': 'nginx', 'pid': 13, 'host_pid': 901}]},"
	" {'transport': 'tcp', 'address': '127.0.0.1', 'port': 80, 'dual_stack': false,"
	"  'service': 'http', 'class': 'system',"
	"  'applications': [{'command': 'a-very-long-com', 'pid': 7, 'host_pid': null}]},"
	" {'transport': 'udp', 'address': '0.0.0.0', 'port': 50000, 'dual_stack': false,"
	"  'service': null, 'class': 'dynamic', 'applications': []}],"
	"'flows': ["
	" {'transport': 'tcp', 'local': {'address': '10.0.2.100', 'port': 51000},"
	"  'remote': {'address': '192.0.2.7', 'port': 80}, 'name': 'example.org', 'service': 'http',"
	"  'state': 'ESTABLISHED', 'bytes_in': 70000, 'bytes_out': 120, 'age': 130.5,"
	"  'round_trip': 0.0123, 'through': 'gateway', 'published': false,"
	"  'applications': [{'command': 'curl', 'pid': 20, 'host_pid': 950}]},"
	" {'transport': 'udp', 'local': {'address': 'fd00:c070::100', 'port': 53}, 'remote': null,"
	"  'name': null, 'service': null, 'state': null, 'bytes_in': 1, 'bytes_out': 2, 'age': 3,"
	"  'round_trip': null, 'through': 'gateway', 'published': true, 'inward': true, 'applications': []}],"
	"'gateway': ["
	" {'where': 'inside', 'transport': 'udp', 'address': '10.0.2.3', 'port': 53, 'count': 1,"
	"  'service': 'domain', 'use': 'dns'},"
	" {'where': 'host', 'transport': 'tcp', 'address': null, 'port': 8000, 'count': 3,"
	"  'service': 'http', 'use': 'published', 'inside': 80}]}";

static json_t *answer(void)
{
	char text[sizeof(answer_text)];
	json_t *json;

	memcpy(text, answer_text, sizeof(text));
	for (char *at = text; *at; at++) {
		if (*at == '\'')
			*at = '"';
	}
	json = json_loads(text, 0, NULL);
	assert_non_null(json);
	return json;
}

static void assert_printed(const json_t *json, unsigned width, unsigned lines, const char *expected)
{
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(cli_ports_print(json, out, width, lines), 0);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static void test_wide(void **state)
{
	json_t *json = answer();

	(void)state;
	assert_printed(
		json, 0, 0,
		"web: 3 bindings, 2 flows\n"
		"          PORT  SERVICE  CLASS    ADDRESS    APPLICATION\n"
		"tcp         80  http     system   127.0.0.1  a-very-long-com (7)\n"
		"tcp        443  https    system   *          nginx (12) +1\n"
		"udp      50000  -        dynamic  0.0.0.0    -\n"
		"udp         53  domain   gateway  10.0.2.3   cothon (DNS)\n"
		"tcp  8000-8002  http     host     *          cothon (to 80-82 inside)\n"
		"\n"
		"APPLICATION       LOCAL                    REMOTE          SERVICE  STATE       IN    "
		"OUT    AGE      RTT\n"
		"-            udp  [fd00:c070::100]:53  <-  *               -        -          1 B    "
		"2 B    3 s        -\n"
		"curl (20)    tcp  10.0.2.100:51000     ->  example.org:80  http     ESTAB  70.0 kB  "
		"120 B  2 min  12.3 ms\n");
	json_decref(json);
}

static void test_narrow(void **state)
{
	json_t *json = answer();

	(void)state;
	assert_printed(
		json, 80, 9,
		"web: 3 bindings, 2 flows\n"
		"          PORT  SERVICE  CLASS    ADDRESS    APPLICATION\n"
		"tcp         80  http     system   127.0.0.1  a-very-long-com (7)\n"
		"tcp        443  https    system   *          nginx (12) +1\n"
		"and 3 more\n"
		"\n"
		"APPLICATION     LOCAL     REMOTE         SERVICE STATE    IN OUT AGE    RTT\n"
		"-           udp :53    <- *              -       -         1   2  3s      -\n"
		"curl (20)   tcp :51000 -> example.org:80 http    ESTAB 70.0k 120  2m 12.3ms\n");
	json_decref(json);
}

/* How many bindings, flows and of the gateway's the filter leaves. */
static void assert_left(struct cli_ports_filter filter, size_t bindings, size_t flows,
			size_t gateway)
{
	json_t *json = answer();

	cli_ports_filter(json, &filter);
	assert_int_equal(json_array_size(json_object_get(json, "bindings")), bindings);
	assert_int_equal(json_array_size(json_object_get(json, "flows")), flows);
	assert_int_equal(json_array_size(json_object_get(json, "gateway")), gateway);
	json_decref(json);
}

static void test_filter(void **state)
{
	(void)state;
	assert_left((struct cli_ports_filter){0}, 3, 2, 2);
	/* At either end of a flow; outside and inside of a published range. */
	assert_left((struct cli_ports_filter){.port = 80}, 1, 1, 1);
	assert_left((struct cli_ports_filter){.port = 82}, 0, 0, 1);
	assert_left((struct cli_ports_filter){.port = 83}, 0, 0, 0);
	assert_left((struct cli_ports_filter){.port = 8002}, 0, 0, 1);
	assert_left((struct cli_ports_filter){.port = 51000}, 0, 1, 0);
	assert_left((struct cli_ports_filter){.service = "HTTP"}, 1, 1, 1);
	assert_left((struct cli_ports_filter){.transport = "udp"}, 1, 1, 1);
	assert_left((struct cli_ports_filter){.transport = "echo"}, 0, 0, 0);
	/* By name, also one that the kernel has cut; by either number. */
	assert_left((struct cli_ports_filter){.app = "nginx"}, 1, 0, 0);
	assert_left((struct cli_ports_filter){.app = "ngin"}, 0, 0, 0);
	assert_left((struct cli_ports_filter){.app = "a-very-long-command"}, 1, 0, 0);
	assert_left((struct cli_ports_filter){.app = "13"}, 1, 0, 0);
	assert_left((struct cli_ports_filter){.app = "950"}, 0, 1, 0);
	assert_left((struct cli_ports_filter){.app = "curl", .port = 80}, 0, 1, 0);
	assert_left((struct cli_ports_filter){.app = "curl", .port = 443}, 0, 0, 0);
}

/* An answer of another kind shows nothing, and does no harm. */
static void test_nonsense(void **state)
{
	static const char *const texts[] = {
		"{}", "{\"bindings\": 7, \"flows\": {}, \"gateway\": \"x\"}",
		"{\"bindings\": [7, null, []], \"flows\": [{}], \"gateway\": [{}]}"};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		const struct cli_ports_filter filter = {.port = 80, .app = "x", .service = "http"};
		json_t *json = json_loads(texts[i], 0, NULL);
		FILE *out = fopen("/dev/null", "w");

		assert_int_equal(cli_ports_print(json, out, 80, 24), 0);
		fclose(out);
		cli_ports_filter(json, &filter);
		assert_int_equal(json_array_size(json_object_get(json, "bindings")), 0);
		json_decref(json);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wide),
		cmocka_unit_test(test_narrow),
		cmocka_unit_test(test_filter),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
