/* SPDX-License-Identifier: MIT */
#ifndef TOP_TERMINAL_H
#define TOP_TERMINAL_H

/* The terminal: taken for the whole screen, and given back however this process ends. */

#include "cli/cli.h"

#include <stdbool.h>

struct top_terminal {
	bool colour, unicode;
};

/*
 * Takes the terminal. Returns 0, or a negative value with *error filled in: there is none, or it cannot move its
 * cursor. From then on every signal that ends the process gives it back first.
 */
int top_terminal_open(struct top_terminal *terminal, struct cli_error *error);
void top_terminal_close(void);

#endif
