/* SPDX-License-Identifier: MIT */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

/* A table of texts, in columns that are as wide as what they hold, or as there is room for. */

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
	CLI_TABLE_COLUMNS = 12,
	CLI_TABLE_CELL = 96,
	CLI_TABLE_GAP = 2,
};

struct cli_column {
	const char *heading;
	bool right; /* aligned at the right, as numbers are */
	/* Where the table is too wide, the column may be narrowed down to this; 0: it may not. */
	unsigned least;
};

struct cli_row {
	char cells[CLI_TABLE_COLUMNS][CLI_TABLE_CELL];
};

struct cli_table {
	const struct cli_column *columns;
	unsigned column_count;
	unsigned gap; /* characters between columns, at most CLI_TABLE_GAP */
	struct cli_row *rows;
	size_t count, room;
};

/* An empty table of columns that stay the caller's. */
void cli_table_init(struct cli_table *table, const struct cli_column *columns, unsigned count);
void cli_table_free(struct cli_table *table);
/* Appends a row of empty cells; NULL when there is no memory. Valid until the next one. */
struct cli_row *cli_table_add(struct cli_table *table);
/*
 * Writes into a cell of a row what the format says. What a terminal would obey, or is not ASCII,
 * becomes '?'; what is too long is cut.
 */
__attribute__((format(printf, 2, 3))) void cli_table_write(char cell[static CLI_TABLE_CELL],
							   const char *format, ...);
/* Orders the rows by their cells, from the first column to the last. `compare` as for qsort(3). */
void cli_table_sort(struct cli_table *table, int (*compare)(const void *a, const void *b));
/*
 * Prints headings and rows, each line of at most `width` characters (0: as wide as need be). Where it
 * is too wide, the widest columns that may be are narrowed, and what is cut ends with "..". Of more
 * than `most` rows (0: any number), the rest is counted in a line of its own.
 */
void cli_table_print(const struct cli_table *table, FILE *out, unsigned width, size_t most);

#endif
