/* SPDX-License-Identifier: MIT */
#ifndef CLI_UNITS_H
#define CLI_UNITS_H

/* Quantities as people read them. Each returns `text`. */

#include <stdbool.h>
#include <stdint.h>

enum {
	CLI_UNITS_TEXT = 16
};

/* Three digits or so and one of the units, each a thousand times the one before. */
const char *cli_units_scale(double number, const char *const units[static 4],
			    char text[static CLI_UNITS_TEXT]);
/* "730 B", "1.2 kB", "45 MB" */
const char *cli_units_bytes(uint64_t bytes, char text[static CLI_UNITS_TEXT]);
/* How long something has lasted: "4 s", "12 min", "30 h", "9 d" */
const char *cli_units_age(double seconds, char text[static CLI_UNITS_TEXT]);
/* How long something takes: "80 us", "1.2 ms", "2.5 s" */
const char *cli_units_delay(double seconds, char text[static CLI_UNITS_TEXT]);

/* Reads a number of bytes: 4096, 64K, 100M or 2G, of 1024 each. Returns false for what is none. */
bool cli_units_read_bytes(const char *text, uint64_t *bytes);

#endif
