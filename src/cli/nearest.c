/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include <stddef.h>
#include <string.h>

/* Names longer than this are not compared. */
enum { LONGEST = 32 };

static unsigned smallest(unsigned a, unsigned b, unsigned c)
{
	unsigned least = a < b ? a : b;

	return least < c ? least : c;
}

/* How many letters must be put in, left out or replaced to make `b` of `a` (Levenshtein's distance). */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[LONGEST + 1];
	size_t width = strlen(b);

	if (strlen(a) > LONGEST || width > LONGEST)
		return LONGEST;
	for (size_t j = 0; j <= width; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; a[i - 1]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= width; j++) {
			unsigned above = row[j];

			row[j] = smallest(above + 1, row[j - 1] + 1,
					  diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[width];
}

const char *cli_nearest(const char *typed, const char *const *names)
{
	const char *nearest = NULL;
	/* A third of the letters may be wrong, and one in any case. */
	unsigned least = (unsigned)strlen(typed) / 3 + 2;

	for (; *names; names++) {
		unsigned steps = distance(typed, *names);

		if (steps < least) {
			nearest = *names;
			least = steps;
		}
	}
	return nearest;
}
