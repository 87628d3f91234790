/* SPDX-License-Identifier: MIT */
#include "top/model.h"

#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct top_model model;

static int empty(void **state)
{
	(void)state;
	top_model_free(&model);
	return 0;
}

/* A look whose texts are JSON with ' for ". */
static void look(const char *flows, const char *ports)
{
	char text[4096];
	struct top_look taken = {.sandbox = "web"};
	const char *const texts[] = {flows, ports};
	json_t **const answers[] = {&taken.flows, &taken.ports};

	for (unsigned i = 0; i < 2; i++) {
		if (!texts[i])
			continue;
		snprintf(text, sizeof(text), "%s", texts[i]);
		for (char *at = text; *at; at++)
			*at = *at == '\'' ? '"' : *at;
		*answers[i] = json_loads(text, 0, NULL);
		assert_non_null(*answers[i]);
	}
	assert_int_equal(top_model_take(&model, &taken, 1), 0);
	json_decref(taken.flows);
	json_decref(taken.ports);
}

#define PORTS                                                                                 \
	"{'bindings': [{'transport': 'tcp', 'address': '::', 'dual_stack': true, 'port': 80," \
	" 'service': 'http', 'applications': [{'command': 'nginx', 'pid': 3}]}],"             \
	"'flows': [{'transport': 'tcp', 'local': {'address': '10.0.2.100', 'port': 50000},"   \
	" 'remote': {'address': '192.0.2.2', 'port': 443}, 'through': 'gateway',"             \
	" 'applications': [{'command': 'curl', 'pid': 7}]},"                                  \
	" {'transport': 'udp', 'local': {'address': '10.0.2.100', 'port': 50001},"            \
	" 'remote': {'address': '192.0.2.3', 'port': 53}, 'through': 'gateway',"              \
	" 'applications': [{'command': 'curl', 'pid': 7}]},"                                  \
	" {'transport': 'tcp', 'local': {'address': '127.0.0.1', 'port': 9}, 'remote': "      \
	"{'address': '127.0.0.1', 'port': 10}, 'through': 'inside', 'bytes_in': 4,"           \
	" 'bytes_out': 5, 'applications': [{'command': 'curl', 'pid': 7}]}]}"

#define TCP(in, out, opened)                                                                   \
	"{'transport': 'tcp', 'local': {'address': '10.0.2.100', 'port': 50000}, 'remote': "   \
	"{'address': '192.0.2.2', 'port': 443}, 'name': 'example.org', 'service': 'https',"    \
	" 'state': 'ESTABLISHED', 'bytes_in': " in ", 'bytes_out': " out ", 'opened': " opened \
	", 'round_trip': 0.02, 'through': 'gateway', 'published': false}"
#define UDP                                                                                  \
	"{'transport': 'udp', 'local': {'address': '10.0.2.100', 'port': 50001}, 'remote': " \
	"null, 'name': null, 'bytes_in': 1, 'bytes_out': 2, 'opened': 1.0, 'through': "      \
	"'gateway', 'published': false}"
#define FLOWS(now, in, out, list)                                                            \
	"{'now': " now ", 'totals': {'bytes_in': " in ", 'bytes_out': " out ", 'denied': 3," \
	" 'retransmits': 4}, 'flows': [" list "]}"

static const struct top_flow *flow_to(const char *remote)
{
	for (size_t i = 0; i < model.flow_count; i++) {
		if (strcmp(model.flows[i].remote, remote) == 0)
			return &model.flows[i];
	}
	fail_msg("there is no flow to %s", remote);
	return NULL;
}

static void rates_come_from_two_looks(void **state)
{
	const struct top_flow *flow;

	(void)state;
	look(FLOWS("10.0", "1000", "500", TCP("100", "50", "1.0")), PORTS);
	flow = flow_to("example.org:443");
	assert_true(flow->rates.in < 0.5 && flow->rates.seen == 0);
	look(FLOWS("12.0", "3000", "700", TCP("300", "150", "1.0")), NULL);
	flow = flow_to("example.org:443");
	assert_true(flow->rates.in > 99 && flow->rates.in < 101);
	assert_true(flow->rates.out > 49 && flow->rates.out < 51);
	assert_true(top_rates_before(&flow->rates, 0) > 149);
	assert_true(model.sandboxes[0].rates.in > 999 && model.sandboxes[0].rates.in < 1001);
	assert_int_equal(model.sandboxes[0].denied, 3);
	assert_int_equal(model.sandboxes[0].retransmits, 4);
}

static void another_flow_of_the_same_endpoints_begins_anew(void **state)
{
	(void)state;
	look(FLOWS("10.0", "0", "0", TCP("100", "50", "1.0")), PORTS);
	look(FLOWS("11.0", "0", "0", TCP("900", "50", "10.5")), NULL);
	assert_true(flow_to("example.org:443")->rates.in < 0.5);
	assert_int_equal(flow_to("example.org:443")->rates.seen, 0);
}

static void counters_that_went_back_are_no_rate(void **state)
{
	struct top_rates rates = {0};

	(void)state;
	top_rates_take(&rates, 100, 100, 0);
	top_rates_take(&rates, 50, 200, 1);
	assert_true(rates.in < 0.5);
	assert_true(rates.out > 99);
	for (unsigned i = 0; i < 2 * TOP_HISTORY; i++)
		top_rates_take(&rates, 50, 200 + i, 1);
	assert_true(top_rates_before(&rates, TOP_HISTORY - 1) > 0.5);
	assert_true(top_rates_before(&rates, TOP_HISTORY) < 0.5);
}

static void applications_have_their_ports_and_flows(void **state)
{
	const struct top_application *curl;

	(void)state;
	look(FLOWS("10.0", "0", "0", TCP("1", "1", "1.0") ", " UDP), PORTS);
	look(FLOWS("11.0", "0", "0", TCP("101", "1", "1.0") ", " UDP), NULL);
	assert_int_equal(model.application_count, 2);
	assert_int_equal(model.port_count, 1);
	assert_string_equal(model.ports[0].address, "*");
	assert_string_equal(model.applications[model.ports[0].application].command, "nginx");
	curl = &model.applications[flow_to("example.org:443")->application];
	assert_string_equal(curl->command, "curl");
	assert_int_equal(curl->pid, 7);
	assert_int_equal(curl->flows, 3);
	assert_true(curl->rates.in > 99 && curl->rates.in < 101);
	assert_true(curl->delay > 0.019);
	assert_int_equal(model.sandboxes[0].strangers, 0);
	/* Of UDP the sockets know the far end. */
	assert_string_equal(flow_to("192.0.2.3:53")->transport, "udp");
	assert_true(flow_to("127.0.0.1:10")->inside);
}

static void what_a_rule_would_deny_is_the_name_where_there_is_one(void **state)
{
	(void)state;
	look(FLOWS("10.0", "0", "0", TCP("1", "1", "1.0") ", " UDP), PORTS);
	assert_string_equal(flow_to("example.org:443")->destination, "example.org:443/tcp");
	assert_string_equal(flow_to("192.0.2.3:53")->destination, "192.0.2.3:53/udp");
	assert_string_equal(flow_to("127.0.0.1:10")->destination, "");
}

static void flows_of_nobody_known_are_counted(void **state)
{
	(void)state;
	look(FLOWS("10.0", "0", "0", TCP("1", "1", "1.0")), NULL);
	assert_int_equal(model.sandboxes[0].strangers, 1);
	assert_string_equal(model.applications[0].command, "");
}

static void what_is_folded_stays_so_and_what_is_gone_is_forgotten(void **state)
{
	(void)state;
	look(FLOWS("10.0", "0", "0", TCP("1", "1", "1.0")), PORTS);
	model.applications[0].folded = true;
	look(FLOWS("11.0", "0", "0", ""), NULL);
	assert_true(model.applications[0].folded);
	assert_int_equal(model.flow_count, 1); /* the inner one, of the last look at ports */
	assert_int_equal(top_model_take(&model, NULL, 0), 0);
	assert_int_equal(model.sandbox_count, 0);
	assert_int_equal(model.application_count, 0);
}

static void answers_of_any_kind_are_survived(void **state)
{
	(void)state;
	look("{'now': 'x', 'totals': [], 'flows': [1, null, {'local': 3}, {'transport': 'tcp'}]}",
	     "{'bindings': {}, 'flows': [{'applications': 7}, 'x']}");
	look("{}", "{'bindings': [4]}");
	assert_int_equal(model.sandbox_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(rates_come_from_two_looks, empty),
		cmocka_unit_test_teardown(another_flow_of_the_same_endpoints_begins_anew, empty),
		cmocka_unit_test_teardown(counters_that_went_back_are_no_rate, empty),
		cmocka_unit_test_teardown(applications_have_their_ports_and_flows, empty),
		cmocka_unit_test_teardown(what_a_rule_would_deny_is_the_name_where_there_is_one,
					  empty),
		cmocka_unit_test_teardown(flows_of_nobody_known_are_counted, empty),
		cmocka_unit_test_teardown(what_is_folded_stays_so_and_what_is_gone_is_forgotten,
					  empty),
		cmocka_unit_test_teardown(answers_of_any_kind_are_survived, empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
