/* SPDX-License-Identifier: MIT */
#include "top/view.h"

#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct top_application applications[] = {
	{.sandbox = "web", .command = "nginx", .pid = 3, .flows = 1, .ports = 1},
	{.sandbox = "web", .command = "curl", .pid = 7, .flows = 2, .delay = 0.02},
};
static struct top_port ports[] = {
	{.application = 0,
	 .sandbox = "web",
	 .transport = "tcp",
	 .address = "*",
	 .port = 80,
	 .service = "http"},
};
static struct top_flow flows[] = {
	{.application = 0,
	 .sandbox = "web",
	 .transport = "tcp",
	 .local = "10.0.2.100:80",
	 .remote = "192.0.2.7:40000",
	 .state = "ESTAB",
	 .published = true},
	{.application = 1,
	 .sandbox = "web",
	 .transport = "tcp",
	 .local = "10.0.2.100:50000",
	 .remote = "example.org:443",
	 .state = "ESTAB",
	 .delay = 0.02},
	{.application = 1,
	 .sandbox = "web",
	 .transport = "udp",
	 .local = "10.0.2.100:50001",
	 .remote = "192.0.2.3:53"},
};
static struct top_sandbox sandboxes[] = {{.name = "web"}};
static struct top_model model = {
	.sandboxes = sandboxes,
	.sandbox_count = 1,
	.applications = applications,
	.application_count = 2,
	.ports = ports,
	.port_count = 1,
	.flows = flows,
	.flow_count = 3,
};

static int make_fast(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		flows[i].rates = (struct top_rates){0};
	applications[0].rates = applications[1].rates = (struct top_rates){0};
	flows[2].rates.in = applications[1].rates.in = 1200;
	flows[0].rates.out = applications[0].rates.out = 500;
	return 0;
}

/* The rows as text, one letter for each kind and its place: "a1 f2 f1". */
static char *order(const struct top_settings *settings)
{
	static char text[256];
	struct top_row *rows;
	size_t count = top_rows(&model, settings, &rows), len = 0;

	text[0] = '\0';
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%c%zu", i ? " " : "",
					"apf"[rows[i].kind], rows[i].at);
	free(rows);
	return text;
}

static void the_fastest_application_comes_first_with_what_is_its_own(void **state)
{
	struct top_settings settings = {.sort = TOP_BY_RATE};

	(void)state;
	assert_string_equal(order(&settings), "a1 f2 f1 a0 p0 f0");
	settings.sort = TOP_BY_OUT;
	assert_string_equal(order(&settings), "a0 p0 f0 a1 f2 f1");
	settings.sort = TOP_BY_NAME;
	assert_string_equal(order(&settings), "a1 f2 f1 a0 p0 f0");
	settings.reversed = true;
	assert_string_equal(order(&settings), "a0 p0 f0 a1 f1 f2");
	settings = (struct top_settings){.sort = TOP_BY_DELAY, .flat = true};
	assert_string_equal(order(&settings), "f1 f2 f0");
}

static void a_filter_leaves_what_holds_the_text_and_whose_it_is(void **state)
{
	struct top_settings settings = {.sort = TOP_BY_RATE, .filter = "EXAMPLE"};

	(void)state;
	assert_string_equal(order(&settings), "a1 f1");
	snprintf(settings.filter, sizeof(settings.filter), "%s", "nginx");
	assert_string_equal(order(&settings), "a0 p0 f0");
	snprintf(settings.filter, sizeof(settings.filter), "%s", "http");
	assert_string_equal(order(&settings), "a0 p0");
	snprintf(settings.filter, sizeof(settings.filter), "%s", "nothing");
	assert_string_equal(order(&settings), "");
	settings = (struct top_settings){.sandbox = "other"};
	assert_string_equal(order(&settings), "");
}

static void what_is_folded_has_no_rows_but_for_a_filter(void **state)
{
	struct top_settings settings = {.sort = TOP_BY_RATE};

	(void)state;
	applications[1].folded = true;
	assert_string_equal(order(&settings), "a1 a0 p0 f0");
	snprintf(settings.filter, sizeof(settings.filter), "%s", "example");
	assert_string_equal(order(&settings), "a1 f1");
	applications[1].folded = false;
}

/* How many columns a text takes. */
static unsigned columns(const char *text)
{
	wchar_t wide[TOP_LINE];
	size_t len = mbstowcs(wide, text, TOP_LINE);

	assert_int_not_equal(len, (size_t)-1);
	return (unsigned)wcswidth(wide, len);
}

static void every_line_is_as_wide_as_the_terminal(void **state)
{
	char line[TOP_LINE];

	(void)state;
	for (unsigned unicode = 0; unicode < 2; unicode++) {
		struct top_settings settings = {.unicode = unicode};

		for (unsigned width = 1; width < 250; width++) {
			struct top_row *rows;
			size_t count = top_rows(&model, &settings, &rows);

			assert_int_equal(columns(top_heading(&settings, width, line)), width);
			assert_int_equal(columns(top_title(&model, &settings, width, line)), width);
			assert_int_equal(columns(top_totals(&model, &settings, width, line)),
					 width);
			for (size_t i = 0; i < count; i++)
				assert_int_equal(columns(top_row_text(&model, &settings, &rows[i],
								      width, line)),
						 width);
			free(rows);
		}
	}
}

static void a_row_says_which_way_where_to_and_how_fast(void **state)
{
	struct top_settings settings = {0};
	struct top_row row = {TOP_FLOW, 1, 1};
	char line[TOP_LINE];

	(void)state;
	top_row_text(&model, &settings, &row, 80, line);
	assert_non_null(strstr(line, "  tcp :50000 -> example.org:443"));
	assert_non_null(strstr(line, "20.0 ms"));
	row.at = 0;
	top_row_text(&model, &settings, &row, 80, line);
	assert_non_null(strstr(line, "tcp :80 <- 192.0.2.7:40000"));
	assert_non_null(strstr(line, "500 B/s"));
	settings.flat = settings.unicode = true;
	row.at = 2;
	top_row_text(&model, &settings, &row, 80, line);
	assert_non_null(strstr(line, "curl udp → 192.0.2.3:53"));
	assert_non_null(strstr(line, "1.2 kB/s"));
}

static void bars_are_as_high_as_what_they_stand_for(void **state)
{
	struct top_settings settings = {.unicode = true};
	struct top_row row = {TOP_FLOW, 1, 1};
	char line[TOP_LINE];

	(void)state;
	flows[1].rates.known = true;
	top_rates_take(&flows[1].rates, 0, 0, 1);
	top_rates_take(&flows[1].rates, 1000, 0, 1);
	top_rates_take(&flows[1].rates, 1001, 0, 1);
	top_row_text(&model, &settings, &row, 120, line);
	assert_non_null(strstr(line, " █▁"));
	settings.unicode = false;
	top_row_text(&model, &settings, &row, 120, line);
	assert_non_null(strstr(line, " #."));
}

static void what_cannot_be_shown_becomes_a_question_mark(void **state)
{
	char line[TOP_LINE];

	(void)state;
	assert_string_equal(top_fit("a\033[31mb\n", 8, line), "a?[31mb?");
	assert_string_equal(top_fit("\xff\xfe", 3, line), "?? ");
	assert_string_equal(top_fit("\xe4\xb8\xad\xe4\xb8\xad", 3, line), "\xe4\xb8\xad ");
	assert_string_equal(top_fit("", 2, line), "  ");
}

static void an_order_is_found_by_how_its_name_begins(void **state)
{
	(void)state;
	assert_int_equal(top_sort_find("d"), TOP_BY_DELAY);
	assert_int_equal(top_sort_find("IN"), TOP_BY_IN);
	assert_int_equal(top_sort_find(""), TOP_SORTS);
	assert_int_equal(top_sort_find("ratee"), TOP_SORTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_fastest_application_comes_first_with_what_is_its_own,
				       make_fast),
		cmocka_unit_test_setup(a_filter_leaves_what_holds_the_text_and_whose_it_is,
				       make_fast),
		cmocka_unit_test_setup(what_is_folded_has_no_rows_but_for_a_filter, make_fast),
		cmocka_unit_test_setup(every_line_is_as_wide_as_the_terminal, make_fast),
		cmocka_unit_test_setup(a_row_says_which_way_where_to_and_how_fast, make_fast),
		cmocka_unit_test_setup(bars_are_as_high_as_what_they_stand_for, make_fast),
		cmocka_unit_test(what_cannot_be_shown_becomes_a_question_mark),
		cmocka_unit_test(an_order_is_found_by_how_its_name_begins),
	};

	if (!setlocale(LC_ALL, "C.UTF-8"))
		return 99;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
