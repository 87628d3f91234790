/* SPDX-License-Identifier: MIT */
#include "control/openmetrics.h"

#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void samples_are_written_and_escaped(void **state)
{
	static const char wanted[] =
		"# TYPE a_bytes counter\n"
		"# UNIT a_bytes bytes\n"
		"# HELP a_bytes What it is.\n"
		"a_bytes_total{x=\"a\\\\b\\\"c\\nd\xef\xbf\xbd\",le=\"1.0\"} 7\n"
		"a_bytes_total 18446744073709551615\n"
		"a_bytes 0.5\n"
		"a_bytes_bucket{le=\"2.5e-05\"} 1\n"
		"# EOF\n";
	struct control_openmetrics out = {.text = NULL};

	(void)state;
	control_openmetrics_family(&out, "a_bytes", "counter", "bytes", "What it is.");
	control_openmetrics_sample(&out, "_total");
	control_openmetrics_label(&out, "x", "a\\b\"c\nd\xff");
	control_openmetrics_label_number(&out, "le", 1);
	control_openmetrics_count(&out, 7);
	control_openmetrics_one(&out, "_total", UINT64_MAX);
	control_openmetrics_sample(&out, "");
	control_openmetrics_value(&out, 0.5);
	control_openmetrics_sample(&out, "_bucket");
	control_openmetrics_label_number(&out, "le", 2.5e-5);
	control_openmetrics_count(&out, 1);
	control_openmetrics_end(&out);
	assert_false(out.failed);
	assert_int_equal(out.len, strlen(wanted));
	assert_memory_equal(out.text, wanted, out.len);
	free(out.text);
}

static void text_grows_as_it_must(void **state)
{
	struct control_openmetrics out = {.text = NULL};
	char *label = malloc(100001);

	(void)state;
	memset(label, '"', 100000);
	label[100000] = '\0';
	control_openmetrics_family(&out, "a", "gauge", NULL, "A.");
	for (unsigned i = 0; i < 10; i++)
		control_openmetrics_labelled(&out, "", "x", label, i);
	assert_false(out.failed);
	assert_in_range(out.len, 2000000, 2000300);
	free(out.text);
	free(label);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples_are_written_and_escaped),
		cmocka_unit_test(text_grows_as_it_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
