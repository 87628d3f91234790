/* SPDX-License-Identifier: MIT */
#include "cli/table.h"

#include "cli/units.h"

#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static const struct cli_column columns[] = {
	{"NAME", false, 0}, {"BYTES", true, 0}, {"WHERE", false, 6}};

static void fill(struct cli_table *table, const char *const (*rows)[3], size_t count)
{
	cli_table_init(table, columns, 3);
	for (size_t i = 0; i < count; i++) {
		struct cli_row *row = cli_table_add(table);

		assert_non_null(row);
		for (unsigned column = 0; column < 3; column++)
			cli_table_write(row->cells[column], "%s", rows[i][column]);
	}
}

static void assert_printed(const struct cli_table *table, unsigned width, size_t most,
			   const char *expected)
{
	size_t len;
	char *text;
	FILE *out = open_memstream(&text, &len);

	cli_table_print(table, out, width, most);
	fclose(out);
	assert_string_equal(text, expected);
	free(text);
}

static const char *const rows[][3] = {
	{"web", "12 kB", "192.0.2.100:443"},
	{"mail-server", "7 B", "-"},
	{"x", "", "far"},
};

static void test_widths(void **state)
{
	struct cli_table table;

	(void)state;
	fill(&table, rows, 3);
	assert_printed(&table, 0, 0,
		       "NAME         BYTES  WHERE\n"
		       "web          12 kB  192.0.2.100:443\n"
		       "mail-server    7 B  -\n"
		       "x                   far\n");
	/* The last column gives way, as far as it may. */
	assert_printed(&table, 30, 0,
		       "NAME         BYTES  WHERE\n"
		       "web          12 kB  192.0.2...\n"
		       "mail-server    7 B  -\n"
		       "x                   far\n");
	/* No line is ever longer. */
	assert_printed(&table, 12, 0,
		       "NAME\n"
		       "web\n"
		       "mail-server\n"
		       "x\n");
	table.gap = 1;
	assert_printed(&table, 25, 2,
		       "NAME        BYTES WHERE\n"
		       "web         12 kB 192.0..\n"
		       "and 2 more\n");
	cli_table_free(&table);
}

static void test_empty(void **state)
{
	struct cli_table table;

	(void)state;
	cli_table_init(&table, columns, 3);
	assert_printed(&table, 80, 5, "NAME  BYTES  WHERE\n");
	cli_table_free(&table);
}

static void test_cells(void **state)
{
	char cell[CLI_TABLE_CELL], longer[2 * CLI_TABLE_CELL];

	(void)state;
	cli_table_write(cell, "%s", "a\033[2J\x7f\xff z\n");
	assert_string_equal(cell, "a?[2J?? z?");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	cli_table_write(cell, "%s", longer);
	assert_int_equal(strlen(cell), CLI_TABLE_CELL - 1);
}

static int by_name(const void *a, const void *b)
{
	const struct cli_row *x = a, *y = b;

	return strcmp(x->cells[0], y->cells[0]);
}

static void test_sort(void **state)
{
	struct cli_table table;

	(void)state;
	fill(&table, rows, 3);
	cli_table_sort(&table, by_name);
	assert_string_equal(table.rows[0].cells[0], "mail-server");
	assert_string_equal(table.rows[2].cells[0], "x");
	cli_table_free(&table);
}

static void test_units(void **state)
{
	char text[CLI_UNITS_TEXT];

	(void)state;
	assert_string_equal(cli_units_bytes(0, text), "0 B");
	assert_string_equal(cli_units_bytes(999, text), "999 B");
	assert_string_equal(cli_units_bytes(1000, text), "1.0 kB");
	assert_string_equal(cli_units_bytes(123456, text), "123 kB");
	assert_string_equal(cli_units_bytes(UINT64_MAX, text), "18446744074 GB");
	assert_string_equal(cli_units_age(0.4, text), "0 s");
	assert_string_equal(cli_units_age(119, text), "119 s");
	assert_string_equal(cli_units_age(120, text), "2 min");
	assert_string_equal(cli_units_age(7200, text), "2 h");
	assert_string_equal(cli_units_age(3 * 86400, text), "3 d");
	assert_string_equal(cli_units_delay(17e-6, text), "17 us");
	assert_string_equal(cli_units_delay(0.0012, text), "1.2 ms");
	assert_string_equal(cli_units_delay(0.25, text), "250 ms");
	assert_string_equal(cli_units_delay(2.5, text), "2.5 s");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_widths), cmocka_unit_test(test_empty),
		cmocka_unit_test(test_cells),  cmocka_unit_test(test_sort),
		cmocka_unit_test(test_units),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
