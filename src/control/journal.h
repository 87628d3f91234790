/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_JOURNAL_H
#define CONTROL_JOURNAL_H

/* What a sandbox's command has written, line by line: the newest that fit a bound. */

#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	CONTROL_JOURNAL_BYTES = 1 << 20, /* that a journal keeps when nothing else is said */
	CONTROL_JOURNAL_LINE = 8 << 10,  /* bytes; a line that is longer becomes several */
};

enum control_source {
	CONTROL_STDOUT,
	CONTROL_STDERR,
	CONTROL_COTHON, /* a word of Cothon's about the command */
};

struct control_line {
	uint64_t number; /* counts from 0 */
	uint64_t at;     /* microseconds since 1970 */
	enum control_source source;
	size_t len;
	const char *text; /* bytes of any kind, without the newline */
};

/* Told when a line has come, or the journal ends. Embedded in its owner. */
struct control_journal_listener {
	struct cothon_list node;
	void (*heard)(struct control_journal_listener *listener);
};

struct control_journal;

/* A journal that keeps so many bytes, its own included. NULL: there is no memory. */
struct control_journal *control_journal_create(size_t bytes);
/* Tells the listeners first. */
void control_journal_destroy(struct control_journal *journal);
/* Appends a line of at most CONTROL_JOURNAL_LINE bytes; the oldest make room for it. Tells the listeners. */
void control_journal_add(struct control_journal *journal, enum control_source source, uint64_t at,
			 const char *text, size_t len);
/*
 * Calls `each` with the lines numbered `from` and above, oldest first, until it returns false. `text` is valid until
 * it returns.
 */
void control_journal_read(struct control_journal *journal, uint64_t from,
			  bool (*each)(const struct control_line *line, void *context),
			  void *context);
/* The number that the next line will have. */
uint64_t control_journal_next(const struct control_journal *journal);
/* What is told may take itself from the list, with cothon_list_remove(), at any time. */
void control_journal_listen(struct control_journal *journal,
			    struct control_journal_listener *listener);

#endif
