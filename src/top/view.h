/* SPDX-License-Identifier: MIT */
#ifndef TOP_VIEW_H
#define TOP_VIEW_H

/* Which rows there are, in which order, and how each is written: text in, text out. */

#include "top/model.h"

enum top_sort {
	TOP_BY_RATE,
	TOP_BY_IN,
	TOP_BY_OUT,
	TOP_BY_BYTES,
	TOP_BY_DELAY,
	TOP_BY_NAME,
	TOP_SORTS,
};

extern const char *const top_sort_names[TOP_SORTS];
/* The order of that name, of which the beginning is enough; TOP_SORTS: there is none, or several. */
enum top_sort top_sort_find(const char *name);

struct top_settings {
	enum top_sort sort;
	bool reversed, flat;
	bool unicode;
	char sandbox[TOP_NAME]; /* "" shows all */
	char filter[TOP_NAME];  /* "": all rows; else those that hold it, in either case */
};

enum top_kind {
	TOP_APPLICATION,
	TOP_PORT,
	TOP_FLOW,
};

struct top_row {
	enum top_kind kind;
	size_t at; /* in the model's list of that kind */
	unsigned depth;
};

/*
 * The rows of a picture; the caller frees them. Returns how many, with *rows; 0 also when there is no
 * memory.
 */
size_t top_rows(const struct top_model *model, const struct top_settings *settings,
		struct top_row **rows);

enum {
	TOP_LINE = 4096, /* bytes of the longest line */
};

/* The headings of the columns, for so many columns of the terminal. Returns `line`. */
char *top_heading(const struct top_settings *settings, unsigned width, char line[static TOP_LINE]);
/* A row, in exactly `width` columns. Returns `line`. */
char *top_row_text(const struct top_model *model, const struct top_settings *settings,
		   const struct top_row *row, unsigned width, char line[static TOP_LINE]);
/* The two lines on top: what is looked at, and its totals. Each returns `line`. */
char *top_title(const struct top_model *model, const struct top_settings *settings, unsigned width,
		char line[static TOP_LINE]);
char *top_totals(const struct top_model *model, const struct top_settings *settings, unsigned width,
		 char line[static TOP_LINE]);
/* Cuts or fills text to `width` columns of this locale; what cannot be shown becomes "?". */
char *top_fit(const char *text, unsigned width, char line[static TOP_LINE]);

#endif
