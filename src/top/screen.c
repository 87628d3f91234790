/* SPDX-License-Identifier: MIT */
#include "top/screen.h"

#include <ctype.h>
#include <curses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* Lines that are no rows: title, totals, headings; status, keys. */
	ABOVE = 3,
	BELOW = 2,
	/* Pairs of colours. */
	TITLE = 1,
	APPLICATION,
	PORT,
	BAD,
	KEY_ESCAPE = 27,
};

static const char *const help[] = {
	"up, down, page up, page down, home, end: move the cursor",
	"enter or space   fold or open an application",
	"t                as a tree, or all flows in one list",
	"tab              one sandbox after the other, then all",
	"s                sort by rate, in, out, bytes, delay or name",
	"r                the other way round",
	"/                show only what holds a text; escape shows all again",
	"k                end the flow under the cursor",
	"d                deny its destination: adds a rule to the sandbox",
	"p                pause, and go on",
	"q                leave",
	"",
	"->  a flow that the sandbox opened, <-  one that came by a published port,",
	"--  one within the sandbox. DELAY is the round trip to the far end.",
	NULL,
};

static unsigned page(void)
{
	return LINES > ABOVE + BELOW ? (unsigned)(LINES - ABOVE - BELOW) : 1;
}

/* --- rows --- */

static void write_anchor(const struct top_screen *screen, const struct top_row *row,
			 char anchor[static 2 * TOP_END])
{
	const struct top_model *model = screen->model;

	if (row->kind == TOP_APPLICATION)
		snprintf(anchor, 2 * TOP_END, "a %s %d", model->applications[row->at].sandbox,
			 model->applications[row->at].pid);
	else if (row->kind == TOP_PORT)
		snprintf(anchor, 2 * TOP_END, "p %s %s %u %s", model->ports[row->at].sandbox,
			 model->ports[row->at].transport, model->ports[row->at].port,
			 model->ports[row->at].address);
	else
		snprintf(anchor, 2 * TOP_END, "f %.60s %s %.220s %.220s",
			 model->flows[row->at].sandbox, model->flows[row->at].transport,
			 model->flows[row->at].local, model->flows[row->at].remote);
}

static void keep_in_sight(struct top_screen *screen)
{
	if (screen->cursor >= screen->row_count)
		screen->cursor = screen->row_count ? screen->row_count - 1 : 0;
	if (screen->cursor < screen->first)
		screen->first = screen->cursor;
	if (screen->cursor >= screen->first + page())
		screen->first = screen->cursor - page() + 1;
	if (screen->row_count <= page())
		screen->first = 0;
}

static void note_anchor(struct top_screen *screen)
{
	screen->anchor[0] = '\0';
	if (screen->cursor < screen->row_count)
		write_anchor(screen, &screen->rows[screen->cursor], screen->anchor);
}

void top_screen_update(struct top_screen *screen)
{
	char anchor[2 * TOP_END];
	struct top_row *rows = NULL;

	free(screen->rows);
	screen->row_count = top_rows(screen->model, &screen->settings, &rows);
	screen->rows = rows;
	/* At the top it stays there: that is where the fastest come. */
	for (size_t i = 0; screen->cursor > 0 && i < screen->row_count; i++) {
		write_anchor(screen, &screen->rows[i], anchor);
		if (strcmp(anchor, screen->anchor) == 0) {
			screen->cursor = i;
			break;
		}
	}
	keep_in_sight(screen);
	note_anchor(screen);
}

static const struct top_flow *flow_under(const struct top_screen *screen)
{
	const struct top_row *row =
		screen->cursor < screen->row_count ? &screen->rows[screen->cursor] : NULL;

	return row && row->kind == TOP_FLOW ? &screen->model->flows[row->at] : NULL;
}

/* --- drawing --- */

static attr_t look_of(const struct top_screen *screen, int pair, attr_t otherwise)
{
	return screen->terminal.colour ? (attr_t)COLOR_PAIR(pair) | otherwise : otherwise;
}

static void put(int y, attr_t look, const char *line)
{
	attrset((int)look);
	mvaddstr(y, 0, line);
	attrset(A_NORMAL);
}

static void make_colours(const struct top_screen *screen)
{
	if (!screen->terminal.colour)
		return;
	init_pair(TITLE, COLOR_CYAN, -1);
	init_pair(APPLICATION, COLOR_GREEN, -1);
	init_pair(PORT, COLOR_YELLOW, -1);
	init_pair(BAD, COLOR_RED, -1);
}

static attr_t look_of_row(const struct top_screen *screen, const struct top_row *row)
{
	if (row->kind == TOP_APPLICATION)
		return look_of(screen, APPLICATION, A_BOLD);
	return row->kind == TOP_PORT ? look_of(screen, PORT, A_NORMAL) : A_NORMAL;
}

static void draw_rows(const struct top_screen *screen, unsigned width)
{
	char line[TOP_LINE];

	for (unsigned i = 0; i < page() && screen->first + i < screen->row_count; i++) {
		const struct top_row *row = &screen->rows[screen->first + i];
		bool under = screen->first + i == screen->cursor;

		top_row_text(screen->model, &screen->settings, row, width, line);
		put((int)i + ABOVE, under ? A_REVERSE : look_of_row(screen, row), line);
	}
	if (screen->row_count == 0) {
		top_fit(screen->settings.filter[0] ? "Nothing holds that text."
						   : "No application holds a port or a flow.",
			width, line);
		put(ABOVE, A_NORMAL, line);
	}
}

static void draw_help(unsigned width)
{
	char line[TOP_LINE];

	for (int i = 0; help[i] && i < (int)page(); i++)
		put(i + ABOVE, A_NORMAL, top_fit(help[i], width, line));
}

/* The line above the last: what is asked or typed, what went wrong, or how it is shown. */
static void write_status(const struct top_screen *screen, char text[static TOP_LINE])
{
	const struct top_settings *settings = &screen->settings;

	if (screen->mode == TOP_FILTERING)
		snprintf(text, TOP_LINE, "/%s_", screen->typed);
	else if (screen->mode == TOP_SORTING)
		snprintf(text, TOP_LINE, "sort by rate, in, out, bytes, delay or name: %s_",
			 screen->typed);
	else if (screen->mode == TOP_ENDING)
		snprintf(text, TOP_LINE, "end %s to %s? y/n", screen->chosen.transport,
			 screen->chosen.remote);
	else if (screen->mode == TOP_DENYING)
		snprintf(text, TOP_LINE, "in %s: --deny %s? y/n", screen->chosen.sandbox,
			 screen->chosen.destination);
	else if (screen->status[0])
		snprintf(text, TOP_LINE, "%s", screen->status);
	else if (screen->source->trouble[0])
		snprintf(text, TOP_LINE, "%s", screen->source->trouble);
	else
		snprintf(text, TOP_LINE, "%s%sby %s%s%s%s", screen->paused ? "PAUSED  " : "",
			 settings->flat ? "flows " : "", top_sort_names[settings->sort],
			 settings->reversed ? ", the other way round" : "",
			 settings->filter[0] ? "  only: " : "", settings->filter);
}

void top_screen_draw(struct top_screen *screen)
{
	static const char keys[] =
		"q quit  s sort  / filter  t tree  k kill  d deny  p pause  ? help";
	const struct top_settings *settings = &screen->settings;
	unsigned width = COLS > 0 ? (unsigned)COLS : 1;
	char line[TOP_LINE], status[TOP_LINE];
	bool bad = screen->status[0] || screen->source->trouble[0];

	make_colours(screen);
	erase();
	put(0, look_of(screen, TITLE, A_BOLD), top_title(screen->model, settings, width, line));
	put(1, A_NORMAL, top_totals(screen->model, settings, width, line));
	if (screen->mode == TOP_HELPING) {
		draw_help(width);
	} else {
		put(2, A_UNDERLINE, top_heading(settings, width, line));
		draw_rows(screen, width);
	}
	write_status(screen, status);
	put(LINES - 2,
	    screen->mode != TOP_LOOKING ? A_BOLD
	    : bad                       ? look_of(screen, BAD, A_BOLD)
					: A_NORMAL,
	    top_fit(status, width, line));
	/* The last place of the last line would scroll some terminals. */
	put(LINES - 1, look_of(screen, TITLE, A_NORMAL),
	    top_fit(screen->mode == TOP_HELPING ? "any key goes back" : keys, width - 1, line));
	refresh();
}

/* --- keys --- */

static void say(struct top_screen *screen, const char *text)
{
	snprintf(screen->status, sizeof(screen->status), "%s", text);
}

static void move_cursor(struct top_screen *screen, long by)
{
	long to = (long)screen->cursor + by;

	screen->cursor = to < 0 ? 0 : (size_t)to;
	keep_in_sight(screen);
	note_anchor(screen);
}

/* After the last sandbox come all again. */
static void next_sandbox(struct top_screen *screen)
{
	const struct top_model *model = screen->model;
	char *chosen = screen->settings.sandbox;
	size_t next = 0;

	for (size_t i = 0; chosen[0] && i < model->sandbox_count; i++) {
		if (strcmp(model->sandboxes[i].name, chosen) == 0)
			next = i + 1;
	}
	snprintf(chosen, TOP_NAME, "%s",
		 next < model->sandbox_count ? model->sandboxes[next].name : "");
}

static void fold(struct top_screen *screen)
{
	const struct top_row *row =
		screen->cursor < screen->row_count ? &screen->rows[screen->cursor] : NULL;
	struct top_application *application;

	if (!row || row->kind != TOP_APPLICATION)
		return;
	application = &screen->model->applications[row->at];
	application->folded = !application->folded;
}

static void ask_to_end(struct top_screen *screen)
{
	const struct top_flow *flow = flow_under(screen);

	if (!flow) {
		say(screen, "the cursor is at no flow: move it to one");
	} else if (flow->inside) {
		say(screen, "this flow does not leave the sandbox, and cannot be ended from here");
	} else {
		screen->chosen = *flow;
		screen->chosen.named = json_incref(flow->named);
		screen->mode = TOP_ENDING;
	}
}

static void ask_to_deny(struct top_screen *screen)
{
	const struct top_flow *flow = flow_under(screen);

	if (!flow) {
		say(screen, "the cursor is at no flow: move it to one");
	} else if (flow->published) {
		say(screen, "rules are about what the sandbox opens; this came from outside");
	} else if (!flow->destination[0]) {
		say(screen, "there is no destination to deny that is known");
	} else {
		screen->chosen = *flow;
		screen->chosen.named = json_incref(flow->named);
		screen->mode = TOP_DENYING;
	}
}

/* The answer to what was asked. */
static void decide(struct top_screen *screen, int key)
{
	struct top_flow *flow = &screen->chosen;
	struct cli_error error;
	int result = 0;

	if (key == 'y' || key == 'Y') {
		result = screen->mode == TOP_ENDING ? top_source_end(screen->source, flow, &error)
						    : top_source_deny(screen->source, flow, &error);
		if (result < 0)
			say(screen, error.text);
		else
			snprintf(screen->status, sizeof(screen->status), "%s %s",
				 screen->mode == TOP_ENDING ? "ended" : "denied",
				 screen->mode == TOP_ENDING ? flow->remote : flow->destination);
	}
	json_decref(flow->named);
	flow->named = NULL;
	screen->mode = TOP_LOOKING;
}

static void take_typed(struct top_screen *screen)
{
	enum top_sort sort;

	if (screen->mode == TOP_FILTERING) {
		snprintf(screen->settings.filter, sizeof(screen->settings.filter), "%s",
			 screen->typed);
		return;
	}
	sort = top_sort_find(screen->typed);
	if (sort == TOP_SORTS)
		snprintf(screen->status, sizeof(screen->status),
			 "there is no order \"%s\": rate, in, out, bytes, delay or name",
			 screen->typed);
	else
		screen->settings.sort = sort;
}

static void type(struct top_screen *screen, int key)
{
	size_t len = strlen(screen->typed);

	if (key == '\r' || key == '\n' || key == KEY_ENTER) {
		take_typed(screen);
		screen->mode = TOP_LOOKING;
	} else if (key == KEY_ESCAPE) {
		screen->mode = TOP_LOOKING;
	} else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
		if (len > 0)
			screen->typed[len - 1] = '\0';
	} else if (key < 256 && isprint(key) && len + 1 < sizeof(screen->typed)) {
		screen->typed[len] = (char)key;
		screen->typed[len + 1] = '\0';
	}
}

static void begin_typing(struct top_screen *screen, enum top_mode mode)
{
	screen->typed[0] = '\0';
	screen->mode = mode;
}

/* Keys that change what is shown. */
static void set(struct top_screen *screen, int key)
{
	struct top_settings *settings = &screen->settings;

	switch (key) {
	case 't':
		settings->flat = !settings->flat;
		break;
	case 'r':
		settings->reversed = !settings->reversed;
		break;
	case 'p':
		screen->paused = !screen->paused;
		break;
	case '\t':
		next_sandbox(screen);
		break;
	case '\r':
	case '\n':
	case KEY_ENTER:
	case ' ':
		fold(screen);
		break;
	case KEY_ESCAPE:
		settings->filter[0] = '\0';
		break;
	default:
		return;
	}
	top_screen_update(screen);
}

static void act(struct top_screen *screen, int key)
{
	screen->status[0] = '\0';
	switch (key) {
	case 'q':
	case 'Q':
		screen->over = true;
		break;
	case '?':
	case 'h':
		screen->mode = TOP_HELPING;
		break;
	case '/':
		begin_typing(screen, TOP_FILTERING);
		break;
	case 's':
		begin_typing(screen, TOP_SORTING);
		break;
	case 'k':
		ask_to_end(screen);
		break;
	case 'd':
		ask_to_deny(screen);
		break;
	case KEY_UP:
		move_cursor(screen, -1);
		break;
	case KEY_DOWN:
		move_cursor(screen, 1);
		break;
	case KEY_PPAGE:
		move_cursor(screen, -(long)page());
		break;
	case KEY_NPAGE:
		move_cursor(screen, (long)page());
		break;
	case KEY_HOME:
		move_cursor(screen, -(long)screen->row_count);
		break;
	case KEY_END:
		move_cursor(screen, (long)screen->row_count);
		break;
	default:
		set(screen, key);
	}
}

void top_screen_key(struct top_screen *screen, int key)
{
	if (key == KEY_RESIZE) {
		keep_in_sight(screen);
		return;
	}
	switch (screen->mode) {
	case TOP_LOOKING:
		act(screen, key);
		break;
	case TOP_FILTERING:
	case TOP_SORTING:
		type(screen, key);
		top_screen_update(screen);
		break;
	case TOP_ENDING:
	case TOP_DENYING:
		decide(screen, key);
		break;
	case TOP_HELPING:
		screen->mode = TOP_LOOKING;
		break;
	}
}

void top_screen_free(struct top_screen *screen)
{
	json_decref(screen->chosen.named);
	free(screen->rows);
}
