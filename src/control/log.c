/* SPDX-License-Identifier: MIT */
#include "control/log.h"

#include "control/json.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define SECOND  UINT64_C(1000000)
#define JOURNAL "/run/systemd/journal/socket"

enum {
	/*
	 * Bytes of a line. A pipe that takes anything takes so many (pipe(7)). Text and what goes to the journal is
	 * cut; JSON that is longer, which only many control characters make it, is held back.
	 */
	LINE = PIPE_BUF,
	STAMP = 40,
};

static const struct {
	enum control_log_level level;
	const char *name;
} levels[] = {
	{CONTROL_LOG_ERROR, "error"},
	{CONTROL_LOG_WARNING, "warning"},
	{CONTROL_LOG_INFO, "info"},
	{CONTROL_LOG_DEBUG, "debug"},
};

static const char *level_name(enum control_log_level level)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		if (levels[i].level == level)
			return levels[i].name;
	}
	return "";
}

int control_log_level(const char *name)
{
	for (size_t i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		if (strcmp(levels[i].name, name) == 0)
			return (int)levels[i].level;
	}
	return -EINVAL;
}

static uint64_t wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec / 1000;
}

void control_log_add(struct control_log_line *line, const char *name, const char *value)
{
	if (line->count < CONTROL_LOG_FIELDS)
		line->fields[line->count++] = (struct control_log_field){name, value};
}

static void hold_back(struct control_log *log)
{
	log->held_back++;
	log->all_held_back++;
}

/* --- the three forms --- */

static void write_text(const struct control_log *log, const struct control_log_line *line)
{
	time_t seconds = (time_t)(line->at / SECOND);
	char text[LINE], stamp[STAMP];
	struct tm time;
	int len;

	strftime(stamp, sizeof(stamp), "%H:%M:%S", localtime_r(&seconds, &time));
	len = snprintf(text, sizeof(text) - 1, "%s %s%s%s: %s", stamp,
		       line->level < CONTROL_LOG_INFO ? level_name(line->level) : "",
		       line->level < CONTROL_LOG_INFO ? ": " : "", log->name, line->message);
	if (len >= (int)sizeof(text) - 1)
		len = (int)sizeof(text) - 2;
	/* A terminal is told nothing that it would take for a command. */
	for (int i = 0; i < len; i++) {
		if (iscntrl((unsigned char)text[i]))
			text[i] = '?';
	}
	text[len++] = '\n';
	(void)!write(log->fd, text, (size_t)len);
}

static void write_json(struct control_log *log, const struct control_log_line *line)
{
	json_t *json = json_pack("{so, ss, so, so}", "time", control_json_time(line->at), "level",
				 level_name(line->level), "sandbox", control_json_text(log->name),
				 "message", control_json_text(line->message));
	char *text;

	for (unsigned i = 0; i < line->count; i++)
		json_object_set_new(json, line->fields[i].name,
				    control_json_text(line->fields[i].value));
	text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (text && strlen(text) < LINE) {
		size_t len = strlen(text);

		/* One call, so that lines of several writers do not mix; a full disk ends no network. */
		text[len] = '\n';
		(void)!write(log->fd, text, len + 1);
	} else {
		hold_back(log);
	}
	free(text);
}

/* "NAME=value\n"; in front of a value with a newline stands its length instead (the journal's protocol). */
static void put_field(char *text, size_t *len, const char *prefix, const char *name,
		      const char *value)
{
	size_t at = *len, name_len = strlen(prefix) + strlen(name), value_len = strlen(value);

	if (LINE - at < name_len + value_len + 16)
		return;
	at += (size_t)sprintf(text + at, "%s%s", prefix, name);
	for (size_t i = *len; i < at; i++)
		text[i] = (char)toupper((unsigned char)text[i]);
	if (strchr(value, '\n')) {
		text[at++] = '\n';
		for (unsigned i = 0; i < 8; i++)
			text[at++] = (char)(value_len >> 8 * i);
	} else {
		text[at++] = '=';
	}
	at += (size_t)sprintf(text + at, "%s\n", value);
	*len = at;
}

static void write_journal(const struct control_log *log, const struct control_log_line *line)
{
	const char priority[] = {(char)('0' + line->level), '\0'};
	char text[LINE];
	size_t len = 0;

	put_field(text, &len, "", "MESSAGE", line->message);
	put_field(text, &len, "", "PRIORITY", priority);
	put_field(text, &len, "", "SYSLOG_IDENTIFIER", "cothon");
	put_field(text, &len, "COTHON_", "SANDBOX", log->name);
	for (unsigned i = 0; i < line->count; i++)
		put_field(text, &len, "COTHON_", line->fields[i].name, line->fields[i].value);
	/* A journal that has no room loses the line. */
	(void)!send(log->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void put(struct control_log *log, const struct control_log_line *line)
{
	switch (log->form) {
	case CONTROL_LOG_TEXT:
		write_text(log, line);
		break;
	case CONTROL_LOG_JSON:
		write_json(log, line);
		break;
	case CONTROL_LOG_JOURNAL:
		write_journal(log, line);
		break;
	}
}

/* --- lines --- */

/* Whether who reads a pipe or a terminal takes one more line now: nobody is waited for. */
static bool takes(const struct control_log *log)
{
	struct pollfd reader = {.fd = log->fd, .events = POLLOUT};

	return poll(&reader, 1, 0) > 0;
}

/* Whether one more line may be written in the second of `at`. */
static bool has_room(struct control_log *log, uint64_t at)
{
	if (at / SECOND != log->second) {
		log->second = at / SECOND;
		log->written = 0;
	}
	if (log->written == log->limit || log->held_back > 0 || !takes(log)) {
		hold_back(log);
		return false;
	}
	log->written++;
	return true;
}

bool control_log_flush(struct control_log *log, bool last)
{
	struct control_log_line line = {.level = CONTROL_LOG_WARNING, .at = wall_clock()};
	char message[64], number[16];

	if (log->held_back == 0 || (!last && line.at / SECOND == log->second) || !takes(log))
		return log->held_back > 0;
	snprintf(message, sizeof(message), "%u more line%s held back", log->held_back,
		 log->held_back == 1 ? " was" : "s were");
	snprintf(number, sizeof(number), "%u", log->held_back);
	line.message = message;
	control_log_add(&line, "event", "held_back");
	control_log_add(&line, "lines", number);
	log->held_back = 0;
	put(log, &line);
	log->second = line.at / SECOND;
	log->written = 1;
	return false;
}

void control_log_write(struct control_log *log, const struct control_log_line *wanted)
{
	struct control_log_line line = *wanted;

	if (!control_log_wants(log, line.level))
		return;
	if (line.at == 0)
		line.at = wall_clock();
	control_log_flush(log, false);
	if (has_room(log, wall_clock()))
		put(log, &line);
}

void control_log_say(struct control_log *log, enum control_log_level level, const char *format, ...)
{
	char message[1024];
	struct control_log_line line = {.level = level, .message = message};
	va_list arguments;

	if (!log || !control_log_wants(log, level))
		return;
	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	control_log_write(log, &line);
}

/* --- life --- */

static int open_journal(void)
{
	const struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = JOURNAL};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
		return fd < 0 ? -errno : fd;
	int error = -errno;

	close(fd);
	return error;
}

int control_log_open(struct control_log *log, const char *where, enum control_log_level level)
{
	*log = (struct control_log){
		.fd = -1,
		.level = level ? level : CONTROL_LOG_INFO,
		.limit = CONTROL_LOG_LINES,
	};
	if (!where)
		return 0;
	/* What the C library opens for local time, it opens now. */
	tzset();
	if (strcmp(where, "journal") == 0) {
		log->form = CONTROL_LOG_JOURNAL;
		log->fd = open_journal();
		return log->fd < 0 ? log->fd : 0;
	}
	if (strcmp(where, "-") == 0)
		log->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	else
		log->fd = open(where, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	if (log->fd < 0)
		return -errno;
	log->form = isatty(log->fd) ? CONTROL_LOG_TEXT : CONTROL_LOG_JSON;
	return 0;
}

void control_log_close(struct control_log *log)
{
	if (log->fd > 0) {
		control_log_flush(log, true);
		close(log->fd);
	}
	log->fd = -1;
}

void control_log_name(struct control_log *log, const char *name)
{
	snprintf(log->name, sizeof(log->name), "%s", name ? name : "");
}
