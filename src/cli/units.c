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

/* A whole number and behind it one of the units, or none, which is the first. */
static bool read_number(const char *text, const char *units, const uint64_t *factors,
			uint64_t *number)
{
	const char *unit = units;
	char *end;

	errno = 0;
	*number = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || errno)
		return false;
	if (*end) {
		unit = strchr(units, toupper((unsigned char)*end));
		if (!unit || end[1])
			return false;
	}
	if (*number > UINT64_MAX / factors[unit - units])
		return false;
	*number *= factors[unit - units];
	return true;
}

bool cli_units_read_bytes(const char *text, uint64_t *bytes)
{
	static const uint64_t factors[] = {1, 1 << 10, 1 << 20, 1 << 30};

	return read_number(text, "BKMG", factors, bytes);
}

bool cli_units_read_seconds(const char *text, uint64_t *seconds)
{
	static const uint64_t factors[] = {1, 60, 3600};

	return read_number(text, "SMH", factors, seconds);
}
