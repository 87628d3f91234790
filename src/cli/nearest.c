/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

/* Names longer than this are not compared. */
enum {
	LONGEST = 32
};

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/*
 * How many letters must be put in, left out, replaced, or exchanged with the next one, to make `b`
 * of `a` (the distance of Damerau and Levenshtein, where no letter is touched twice).
 */
static unsigned distance(const char *a, const char *b)
{
	/* The row of the table for the last letters of `a`, and the two before it. */
	unsigned rows[3][LONGEST + 1];
	size_t height = strlen(a), width = strlen(b);

	if (height > LONGEST || width > LONGEST)
		return UINT_MAX;
	for (size_t j = 0; j <= width; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= height; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i - 1) % 3], *beyond = rows[(i + 1) % 3];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= width; j++) {
			row[j] = smaller(above[j], row[j - 1]) + 1;
			row[j] = smaller(row[j], above[j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = smaller(row[j], beyond[j - 2] + 1);
		}
	}
	return rows[height % 3][width];
}

const char *cli_nearest(const char *typed, const char *const *names)
{
	const char *nearest = NULL;
	/* A third of the letters may be wrong, and one in any case. */
	unsigned allowed = (unsigned)strlen(typed) / 3;
	unsigned least = (allowed > 1 ? allowed : 1) + 1;

	for (; *names; names++) {
		unsigned steps = distance(typed, *names);

		if (steps < least) {
			nearest = *names;
			least = steps;
		}
	}
	return nearest;
}
