/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_LOG_H
#define CONTROL_LOG_H

/*
 * The log of a sandbox: lines for people on a terminal, JSON objects in files and pipes, fields in
 * systemd's journal. It never waits, and writes so many lines a second at most; of those beyond it tells
 * the number.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As syslog(3) numbers them. */
enum control_log_level {
	CONTROL_LOG_ERROR = 3,
	CONTROL_LOG_WARNING = 4,
	CONTROL_LOG_INFO = 6,
	CONTROL_LOG_DEBUG = 7,
};

enum {
	CONTROL_LOG_FIELDS = 12,
	CONTROL_LOG_LINES = 1000, /* a second, when nothing else is said */
};

struct control_log_field {
	const char *name;  /* lower case letters and '_' */
	const char *value; /* bytes of any kind */
};

struct control_log_line {
	enum control_log_level level;
	uint64_t at;         /* microseconds since 1970; 0: now */
	const char *message; /* for people */
	/* For programs: what the message says in words. */
	struct control_log_field fields[CONTROL_LOG_FIELDS];
	unsigned count;
};

enum control_log_form {
	CONTROL_LOG_TEXT,
	CONTROL_LOG_JSON,
	CONTROL_LOG_JOURNAL,
};

struct control_log {
	int fd; /* -1: there is none, and nothing is written */
	enum control_log_form form;
	enum control_log_level level;
	char name[64]; /* of the sandbox */
	unsigned limit;
	uint64_t second; /* in which `written` were */
	unsigned written, held_back;
	uint64_t all_held_back; /* ever */
};

/* A level by its name, or -EINVAL. */
int control_log_level(const char *name);
/*
 * Opens a log as long as this process may open files: "-" is standard error, "journal" systemd's
 * journal, all else a file that is appended to. NULL: there is none. Level 0 is CONTROL_LOG_INFO. Returns 0, or the errno of open(2), socket(2) or
 * connect(2).
 */
int control_log_open(struct control_log *log, const char *where, enum control_log_level level);
void control_log_close(struct control_log *log);
/* From now on lines tell the sandbox's name; NULL: it has none. */
void control_log_name(struct control_log *log, const char *name);
static inline bool control_log_wants(const struct control_log *log, enum control_log_level level)
{
	return log->fd >= 0 && level <= log->level;
}
void control_log_add(struct control_log_line *line, const char *name, const char *value);
/* Writes a line, if its level is wanted and there is room in this second. */
void control_log_write(struct control_log *log, const struct control_log_line *line);
/* The same with a message alone. `log` may be NULL. */
__attribute__((format(printf, 3, 4))) void
control_log_say(struct control_log *log, enum control_log_level level, const char *format, ...);
/*
 * Tells how many lines were held back, once their second is over, or `last`: now. Returns whether some are
 * still to be told of.
 */
bool control_log_flush(struct control_log *log, bool last);

#endif
