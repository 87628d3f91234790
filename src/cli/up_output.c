/* SPDX-License-Identifier: MIT */
#include "cli/up_output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
	/* Bytes read from one pipe in one round; the event comes again for the rest. */
	ROUND_BYTES = 64 << 10,
	/* Room on the screen from which on pipes are read. */
	SCREEN_ROOM = CLI_SCREEN_BYTES / 2,
	/* Room that a line needs on the screen beside its bytes: name, colours, newline. */
	LINE_FRAME = 128,
};

static uint64_t wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* --- the screen --- */

static bool screen_has_room(const struct cli_screen *screen)
{
	return CLI_SCREEN_BYTES - screen->len >= SCREEN_ROOM;
}

static void watch_pipe(struct cli_output_pipe *pipe)
{
	if (pipe->watched)
		host_loop_change(pipe->output->loop, &pipe->watch, EPOLLIN);
}

static void rest_pipe(struct cli_output_pipe *pipe)
{
	if (pipe->watched)
		host_loop_change(pipe->output->loop, &pipe->watch, 0);
}

/* All commands go on, or wait. */
static void stall(struct cli_screen *screen, bool stalled)
{
	if (screen->stalled == stalled)
		return;
	screen->stalled = stalled;
	for (struct cli_output *output = screen->outputs; output; output = output->next) {
		for (unsigned i = 0; i < 2; i++) {
			if (stalled)
				rest_pipe(&output->pipes[i]);
			else
				watch_pipe(&output->pipes[i]);
		}
	}
}

static void lose_screen(struct cli_screen *screen)
{
	if (screen->watched)
		host_loop_remove(screen->loop, &screen->watch);
	screen->open = screen->watched = false;
	screen->len = 0;
	stall(screen, false);
}

/* Hands over what waits, as far as it is taken. */
static void flush(struct cli_screen *screen)
{
	while (screen->len > 0) {
		ssize_t len = write(screen->watch.fd, screen->text, screen->len);

		if (len < 0 && errno == EINTR)
			continue;
		if (len < 0 && errno == EAGAIN)
			break;
		if (len < 0) {
			lose_screen(screen);
			screen->gone(screen);
			return;
		}
		screen->len -= (size_t)len;
		memmove(screen->text, screen->text + len, screen->len);
	}
	if (screen->watched)
		host_loop_change(screen->loop, &screen->watch, screen->len ? EPOLLOUT : 0);
	stall(screen, !screen_has_room(screen));
}

static void screen_ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct cli_screen *screen = cothon_container(watch, struct cli_screen, watch);

	(void)now;
	if (events & EPOLLERR) {
		lose_screen(screen);
		screen->gone(screen);
		return;
	}
	flush(screen);
}

int cli_screen_open(struct cli_screen *screen, struct host_loop *loop, int fd,
		    void (*gone)(struct cli_screen *screen))
{
	int error;

	screen->loop = loop;
	screen->gone = gone;
	screen->watch = (struct host_watch){.fd = fd, .ready = screen_ready};
	error = host_loop_add(loop, &screen->watch, 0);
	screen->open = screen->watched = error == 0;
	return error;
}

void cli_screen_close(struct cli_screen *screen)
{
	if (screen->open)
		flush(screen);
	if (screen->watched)
		host_loop_remove(screen->loop, &screen->watch);
	if (screen->watch.fd > 0)
		close(screen->watch.fd);
	screen->open = screen->watched = false;
}

/* Writes "web | text" for a line. There is room: no more is read than share() says. */
static void show(const struct cli_output *output, const char *text, size_t len)
{
	struct cli_screen *screen = output->screen;
	char *to;
	int frame;

	if (!screen || !screen->open || CLI_SCREEN_BYTES - screen->len < len + LINE_FRAME)
		return;
	to = screen->text + screen->len;
	/* Colours 31 to 36 (ECMA-48). */
	frame = screen->colours ? snprintf(to, LINE_FRAME, "\033[%um%-*s |\033[0m ",
					   32 + output->number % 5, screen->width, output->name)
				: snprintf(to, LINE_FRAME, "%-*s | ", screen->width, output->name);
	memcpy(to + frame, text, len);
	to[(size_t)frame + len] = '\n';
	screen->len += (size_t)frame + len + 1;
}

/* --- a command's pipes --- */

static void end_line(struct cli_output_pipe *pipe)
{
	control_journal_add(pipe->output->journal, pipe->source, wall_clock(), pipe->line,
			    pipe->len);
	show(pipe->output, pipe->line, pipe->len);
	pipe->len = 0;
}

/* Takes bytes that were read behind the line's beginning. */
static void take_bytes(struct cli_output_pipe *pipe, const char *bytes, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(bytes, '\n', len);
		size_t part = newline ? (size_t)(newline - bytes) : len;
		size_t room = CONTROL_JOURNAL_LINE - pipe->len;

		if (part > room)
			part = room;
		memcpy(pipe->line + pipe->len, bytes, part);
		pipe->len += part;
		bytes += part;
		len -= part;
		if (len > 0 && *bytes == '\n') {
			bytes++;
			len--;
			end_line(pipe);
		} else if (pipe->len == CONTROL_JOURNAL_LINE) {
			end_line(pipe);
		}
	}
}

static bool is_shown(const struct cli_output *output)
{
	return output->screen && output->screen->open;
}

static bool may_read(const struct cli_output *output)
{
	return !is_shown(output) || screen_has_room(output->screen);
}

/* How many bytes may be read: each of them may be a line of its own, behind the one that has begun. */
static size_t share(const struct cli_output_pipe *pipe)
{
	const struct cli_output *output = pipe->output;
	size_t bytes = CONTROL_JOURNAL_LINE;

	if (is_shown(output))
		bytes = (CLI_SCREEN_BYTES - output->screen->len - pipe->len) / (LINE_FRAME + 1);
	return bytes < CONTROL_JOURNAL_LINE ? bytes : CONTROL_JOURNAL_LINE;
}

/* Reads once, if there is room. Returns how many bytes. */
static size_t read_pipe(struct cli_output_pipe *pipe)
{
	char bytes[CONTROL_JOURNAL_LINE];
	ssize_t len;

	if (!pipe->watched || !may_read(pipe->output))
		return 0;
	len = read(pipe->watch.fd, bytes, share(pipe));
	if (len > 0)
		take_bytes(pipe, bytes, (size_t)len);
	if (len == 0) {
		/* Nobody is left who could write. */
		host_loop_remove(pipe->output->loop, &pipe->watch);
		pipe->watched = false;
	}
	return len > 0 ? (size_t)len : 0;
}

static void pipe_ready(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct cli_output_pipe *pipe = cothon_container(watch, struct cli_output_pipe, watch);
	const struct cli_output *output = pipe->output;
	size_t done = 0, len;

	(void)events;
	(void)now;
	do {
		len = read_pipe(pipe);
		done += len;
	} while (len > 0 && done < ROUND_BYTES);
	if (is_shown(output))
		flush(output->screen);
}

int cli_output_open(struct cli_output *output, struct host_loop *loop, const char *name,
		    const int pipes[static 2], struct control_journal *journal,
		    struct cli_screen *screen)
{
	int result = 0;

	output->loop = loop;
	output->name = name;
	output->journal = journal;
	output->screen = screen;
	if (screen) {
		output->next = screen->outputs;
		screen->outputs = output;
	}
	for (unsigned i = 0; i < 2; i++) {
		struct cli_output_pipe *pipe = &output->pipes[i];

		pipe->output = output;
		pipe->source = i ? CONTROL_STDERR : CONTROL_STDOUT;
		pipe->watch = (struct host_watch){.fd = pipes[i], .ready = pipe_ready};
		if (result == 0)
			result = host_loop_add(loop, &pipe->watch, EPOLLIN);
		pipe->watched = result == 0;
	}
	return result;
}

bool cli_output_finish_line(struct cli_output *output)
{
	bool all = true;

	for (unsigned i = 0; i < 2; i++) {
		struct cli_output_pipe *pipe = &output->pipes[i];

		while (read_pipe(pipe) > 0)
			continue;
		all = all && may_read(output);
		if (pipe->len > 0 && may_read(output))
			end_line(pipe);
	}
	if (is_shown(output))
		flush(output->screen);
	return all;
}

void cli_output_close(struct cli_output *output)
{
	for (unsigned i = 0; i < 2; i++) {
		struct cli_output_pipe *pipe = &output->pipes[i];

		if (pipe->watched)
			host_loop_remove(output->loop, &pipe->watch);
		if (pipe->watch.fd > 0)
			close(pipe->watch.fd);
		pipe->watched = false;
	}
}
