/* SPDX-License-Identifier: MIT */
#ifndef TOP_SCREEN_H
#define TOP_SCREEN_H

/* What stands on the screen, and what keys do to it. */

#include "top/source.h"
#include "top/terminal.h"
#include "top/view.h"

enum top_mode {
	TOP_LOOKING,
	TOP_FILTERING, /* the filter is typed */
	TOP_SORTING,   /* the name of an order is typed */
	TOP_ENDING,    /* asks whether to end the flow under the cursor */
	TOP_DENYING,   /* asks whether to deny its destination */
	TOP_HELPING,
};

struct top_screen {
	struct top_terminal terminal;
	struct top_source *source;
	struct top_model *model;
	struct top_settings settings;
	enum top_mode mode;
	bool paused, over;
	struct top_row *rows;
	size_t row_count;
	size_t cursor, first; /* the row under the cursor, the first one shown */
	/* The item under the cursor, which it stays at when rows move. */
	char anchor[2 * TOP_END];
	/* In doubt, what is asked about: the flow as it was when the key was pressed. */
	struct top_flow chosen;
	char typed[TOP_NAME];
	char status[sizeof(struct cli_error)];
};

/* The model has changed. */
void top_screen_update(struct top_screen *screen);
void top_screen_draw(struct top_screen *screen);
/* A key of getch(3). */
void top_screen_key(struct top_screen *screen, int key);
void top_screen_free(struct top_screen *screen);

#endif
