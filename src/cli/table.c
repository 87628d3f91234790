/* SPDX-License-Identifier: MIT */
#include "cli/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum {
	LINE = CLI_TABLE_COLUMNS * (CLI_TABLE_CELL + CLI_TABLE_GAP) + 1,
};

void cli_table_init(struct cli_table *table, const struct cli_column *columns, unsigned count)
{
	*table =
		(struct cli_table){.columns = columns, .column_count = count, .gap = CLI_TABLE_GAP};
}

void cli_table_free(struct cli_table *table)
{
	free(table->rows);
	table->rows = NULL;
}

struct cli_row *cli_table_add(struct cli_table *table)
{
	if (table->count == table->room) {
		size_t room = table->room ? 2 * table->room : 16;
		struct cli_row *rows = realloc(table->rows, room * sizeof(*rows));

		if (!rows)
			return NULL;
		table->rows = rows;
		table->room = room;
	}
	memset(&table->rows[table->count], 0, sizeof(*table->rows));
	return &table->rows[table->count++];
}

void cli_table_write(char cell[static CLI_TABLE_CELL], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(cell, CLI_TABLE_CELL, format, arguments);
	va_end(arguments);
	for (; *cell; cell++) {
		if (*cell < ' ' || *cell > '~')
			*cell = '?';
	}
}

void cli_table_sort(struct cli_table *table, int (*compare)(const void *a, const void *b))
{
	if (table->count > 0)
		qsort(table->rows, table->count, sizeof(*table->rows), compare);
}

/* --- widths --- */

static void measure(const struct cli_table *table, unsigned widths[static CLI_TABLE_COLUMNS])
{
	for (unsigned i = 0; i < table->column_count; i++) {
		widths[i] = (unsigned)strlen(table->columns[i].heading);
		for (size_t row = 0; row < table->count; row++) {
			unsigned len = (unsigned)strlen(table->rows[row].cells[i]);

			if (len > widths[i])
				widths[i] = len;
		}
	}
}

/* The widest column that may still be narrowed, or -1. */
static int widest(const struct cli_table *table, const unsigned widths[static CLI_TABLE_COLUMNS])
{
	int found = -1;

	for (unsigned i = 0; i < table->column_count; i++) {
		unsigned least = table->columns[i].least;

		if (least && widths[i] > least && (found < 0 || widths[i] > widths[found]))
			found = (int)i;
	}
	return found;
}

static void fit(const struct cli_table *table, unsigned widths[static CLI_TABLE_COLUMNS],
		unsigned width)
{
	unsigned total = (table->column_count - 1) * table->gap;

	for (unsigned i = 0; i < table->column_count; i++)
		total += widths[i];
	while (total > width) {
		int column = widest(table, widths);

		if (column < 0)
			return;
		widths[column]--;
		total--;
	}
}

/* --- lines --- */

static size_t put_cell(char *line, size_t len, const struct cli_column *column, unsigned width,
		       const char *text)
{
	size_t text_len = strlen(text);
	size_t shown = text_len < width ? text_len : width;
	size_t blank = width - shown;

	if (column->right) {
		memset(line + len, ' ', blank);
		len += blank;
	}
	memcpy(line + len, text, shown);
	if (shown < text_len && shown >= 2)
		line[len + shown - 2] = line[len + shown - 1] = '.';
	len += shown;
	if (!column->right) {
		memset(line + len, ' ', blank);
		len += blank;
	}
	return len;
}

static void end_line(FILE *out, const char *line, size_t len, unsigned width)
{
	if (width && len > width)
		len = width;
	while (len > 0 && line[len - 1] == ' ')
		len--;
	fprintf(out, "%.*s\n", (int)len, line);
}

/* A line of the row, or of the headings when that is NULL. */
static void print_row(const struct cli_table *table, const struct cli_row *row, FILE *out,
		      const unsigned widths[static CLI_TABLE_COLUMNS], unsigned width)
{
	char line[LINE];
	size_t len = 0;

	for (unsigned i = 0; i < table->column_count; i++) {
		if (i > 0) {
			memset(line + len, ' ', table->gap);
			len += table->gap;
		}
		len = put_cell(line, len, &table->columns[i], widths[i],
			       row ? row->cells[i] : table->columns[i].heading);
	}
	end_line(out, line, len, width);
}

void cli_table_print(const struct cli_table *table, FILE *out, unsigned width, size_t most)
{
	unsigned widths[CLI_TABLE_COLUMNS];
	size_t shown = table->count;

	if (most && shown > most)
		shown = most - 1;
	measure(table, widths);
	if (width)
		fit(table, widths, width);
	print_row(table, NULL, out, widths, width);
	for (size_t i = 0; i < shown; i++)
		print_row(table, &table->rows[i], out, widths, width);
	if (shown < table->count) {
		char line[64];
		int len = snprintf(line, sizeof(line), "and %zu more", table->count - shown);

		end_line(out, line, (size_t)len, width);
	}
}
