/* SPDX-License-Identifier: MIT */
#include "cli/flow_view.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum {
	SECOND = 1000000
};

struct stage {
	struct flow_view *view;
	FILE *out;
	char *text;
	size_t len;
};

static int set_up(void **state)
{
	static struct stage stage;

	stage.out = open_memstream(&stage.text, &stage.len);
	assert_non_null(stage.out);
	stage.view = flow_view_create(stage.out, 5 * SECOND);
	assert_non_null(stage.view);
	*state = &stage;
	return 0;
}

static int tear_down(void **state)
{
	struct stage *stage = *state;

	flow_view_destroy(stage->view);
	fclose(stage->out);
	free(stage->text);
	return 0;
}

/* A flow between an application's port and an outside one; `active` when the outside opened it. */
static void end_flow(struct stage *stage, uint16_t application, uint16_t outside, bool active,
		     uint64_t in, uint64_t out)
{
	struct cothon_endpoint near = {.port = application}, far = {.port = outside};
	struct cothon_tcp_info info = {.active = active, .bytes_out = in, .bytes_in = out};

	assert_int_equal(cothon_addr_parse("10.0.2.100", &near.addr), 0);
	assert_int_equal(cothon_addr_parse("198.51.100.80", &far.addr), 0);
	info.flow = cothon_flow_make(COTHON_TCP, &far, &near);
	flow_view_ended(stage->view, &info);
}

static void nothing_seen(void **state)
{
	struct stage *stage = *state;

	flow_view_finish(stage->view, 6 * SECOND);
	assert_string_equal(stage->text,
			    "over one link in 1.0 s: 0 bit/s on average\n"
			    "ports that the applications had: 0 system, 0 user, 0 dynamic\n");
}

static void services_by_bytes(void **state)
{
	struct stage *stage = *state;

	end_flow(stage, 50000, 80, false, 999, 1);
	end_flow(stage, 50001, 80, false, 999500, 0);
	end_flow(stage, 50002, 21, false, 10, 10);
	/* A port that the other side chose, of those that IANA assigns to nobody. */
	end_flow(stage, 50003, 60000, false, UINT64_C(123456789012), 0);
	/* A published port: the service is the application's own. */
	end_flow(stage, 25, 49152, true, 0, 2000000);
	/* A user port without a service. */
	end_flow(stage, 1024, 45677, false, 0, 0);
	flow_view_finish(stage->view, 15 * SECOND);
	assert_string_equal(
		stage->text,
		"  (dynamic)      1 flow,     123 GB in       0 B out\n"
		"       smtp      1 flow,        0 B in    2.0 MB out\n"
		"       http      2 flows,    1.0 MB in       1 B out\n"
		"        ftp      1 flow,       10 B in      10 B out\n"
		"      45677      1 flow,        0 B in       0 B out\n"
		"        all      6 flows,    123 GB in    2.0 MB out\n"
		"over one link in 10.0 s: 98.8 Gbit/s on average\n"
		"ports that the applications had: 1 system, 1 user, 4 dynamic, such as 50000, 50001, "
		"50002, 50003\n");
}

static void examples_of_ports(void **state)
{
	struct stage *stage = *state;

	/* Six of them, from all over; one that was had twice counts once. */
	for (uint16_t i = 0; i < 20; i++)
		end_flow(stage, (uint16_t)(50000 + i * 100), 80, false, 0, 0);
	end_flow(stage, 50000, 80, false, 0, 0);
	flow_view_finish(stage->view, 6 * SECOND);
	assert_non_null(strstr(stage->text,
			       "0 system, 0 user, 20 dynamic, such as 50000, 50400, 50800, 51200, "
			       "51600\n"));
}

static void many_services(void **state)
{
	struct stage *stage = *state;
	unsigned lines = 0;

	/* There is a place for 64; beyond that they are counted together. */
	for (uint16_t port = 1; port <= 1000; port++)
		end_flow(stage, 50000, port, false, 1, 0);
	flow_view_finish(stage->view, 6 * SECOND);
	for (const char *at = stage->text; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 64 + 3);
	assert_non_null(strstr(stage->text, "\n        all   1000 flows,    1.0 kB in"));
	assert_non_null(strstr(stage->text, "   (others) "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_seen, set_up, tear_down),
		cmocka_unit_test_setup_teardown(services_by_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(examples_of_ports, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_services, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
