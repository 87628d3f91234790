/* SPDX-License-Identifier: MIT */

/* cothon-top: the view that `cothon top` becomes; a program of its own, since curses takes a while to load. */

#include "host/loop.h"
#include "top/screen.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>

enum {
	SECOND = 1000000, /* microseconds between two looks */
};

static void look(struct top_screen *screen)
{
	if (top_source_look(screen->source, screen->model) == 0 && screen->source->only)
		screen->over = true;
	top_screen_update(screen);
}

static void watch(struct top_screen *screen)
{
	uint64_t next = host_now();

	while (!screen->over) {
		uint64_t now = host_now();

		if (now >= next) {
			/* What is asked about stays under the eyes of who is asked. */
			if (!screen->paused && screen->mode != TOP_ENDING &&
			    screen->mode != TOP_DENYING)
				look(screen);
			next += (1 + (now - next) / SECOND) * SECOND;
		}
		if (screen->over)
			break;
		top_screen_draw(screen);
		timeout((int)((next - now) / 1000 + 1));
		int key = getch();

		/* A terminal that is gone says nothing any more: then its signal ends this. */
		if (key != ERR)
			top_screen_key(screen, key);
	}
}

/* Arguments come from `cothon top`, which has checked them: order, "flat" or "tree", a name. */
int main(int argc, char **argv)
{
	struct top_model model = {0};
	struct top_source source;
	struct top_screen screen = {.source = &source, .model = &model};
	struct cli_error error;
	int result;

	if (argc < 3) {
		cli_message(NULL, "this is part of Cothon: call `cothon top`");
		return CLI_FAILED;
	}
	screen.settings.sort = top_sort_find(argv[1]);
	if (screen.settings.sort == TOP_SORTS)
		screen.settings.sort = TOP_BY_RATE;
	screen.settings.flat = strcmp(argv[2], "flat") == 0;
	result = top_source_open(&source, argc > 3 ? argv[3] : NULL, &error);
	if (result == 0)
		result = top_terminal_open(&screen.terminal, &error);
	if (result < 0) {
		top_source_close(&source);
		cli_message("top", "%s", error.text);
		return CLI_FAILED;
	}
	screen.settings.unicode = screen.terminal.unicode;
	watch(&screen);
	top_terminal_close();
	top_screen_free(&screen);
	top_source_close(&source);
	top_model_free(&model);
	return CLI_OK;
}
