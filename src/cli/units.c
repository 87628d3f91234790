/* SPDX-License-Identifier: MIT */
#include "cli/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *cli_units_scale(double number, const char *const units[static 4],
			    char text[static CLI_UNITS_TEXT])
{
	unsigned unit = 0;

	for (; number >= 999.5 && unit < 3; unit++)
		number /= 1000;
	snprintf(text, CLI_UNITS_TEXT, "%.*f %s", unit > 0 && number < 99.95 ? 1 : 0, number,
		 units[unit]);
	return text;
}

const char *cli_units_bytes(uint64_t bytes, char text[static CLI_UNITS_TEXT])
{
	static const char *const units[] = {"B", "kB", "MB", "GB"};

	return cli_units_scale((double)bytes, units, text);
}

const char *cli_units_age(double seconds, char text[static CLI_UNITS_TEXT])
{
	if (seconds < 120)
		snprintf(text, CLI_UNITS_TEXT, "%.0f s", seconds);
	else if (seconds < 2 * 3600)
		snprintf(text, CLI_UNITS_TEXT, "%.0f min", seconds / 60);
	else if (seconds < 48 * 3600)
		snprintf(text, CLI_UNITS_TEXT, "%.0f h", seconds / 3600);
	else
		snprintf(text, CLI_UNITS_TEXT, "%.0f d", seconds / 86400);
	return text;
}

const char *cli_units_delay(double seconds, char text[static CLI_UNITS_TEXT])
{
	if (seconds < 999.5e-6)
		snprintf(text, CLI_UNITS_TEXT, "%.0f us", seconds * 1e6);
	else if (seconds < 99.95e-3)
		snprintf(text, CLI_UNITS_TEXT, "%.1f ms", seconds * 1e3);
	else if (seconds < 999.5e-3)
		snprintf(text, CLI_UNITS_TEXT, "%.0f ms", seconds * 1e3);
	else
		snprintf(text, CLI_UNITS_TEXT, "%.1f s", seconds);
	return text;
}

bool cli_units_read_bytes(const char *text, uint64_t *bytes)
{
	static const char units[] = "BKMG";
	const char *unit = units;
	unsigned shift;
	char *end;

	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno)
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			return false;
	}
	shift = 10 * (unsigned)(unit - units);
	if (*bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}
