/* SPDX-License-Identifier: MIT */
#include "top/terminal.h"

#include <curses.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

enum {
	LEAVING = 256,
};

/* What a signal's handler needs: it may call nothing of curses. */
static struct termios before;
static char leaving[LEAVING];

static SCREEN *screen;

/* Appends a capability without the pauses that old terminals asked for ("$<50>"). */
static void add_capability(const char *name)
{
	const char *text = tigetstr(name);
	size_t len = strlen(leaving);

	if (!text || text == (const char *)-1)
		return;
	while (*text && len + 1 < sizeof(leaving)) {
		if (text[0] == '$' && text[1] == '<' && strchr(text, '>'))
			text = strchr(text, '>') + 1;
		else
			leaving[len++] = *text++;
	}
	leaving[len] = '\0';
}

static void give_back(int signal_number)
{
	/* Nothing can be done here if it is refused. */
	if (write(STDOUT_FILENO, leaving, strlen(leaving)) < 0)
		leaving[0] = '\0';
	tcsetattr(STDIN_FILENO, TCSANOW, &before);
	/* The handler stands for one signal only: this one ends the process. */
	raise(signal_number);
}

static void take_signals(void)
{
	static const int ending[] = {SIGHUP,  SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGALRM, SIGUSR1,
				     SIGUSR2, SIGILL, SIGABRT, SIGBUS,  SIGFPE,  SIGSEGV};
	struct sigaction action = {.sa_handler = give_back, .sa_flags = (int)SA_RESETHAND};

	for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++)
		sigaction(ending[i], &action, NULL);
}

static int refuse(struct cli_error *error, const char *why)
{
	return cli_error(error,
			 "%s; `cothon ports --watch` shows the same, line by line, on any terminal",
			 why);
}

/* Why the terminal is not to be used, or NULL. newterm(3) would end the process. */
static const char *cannot(void)
{
	const char *place;
	bool moves;
	int known;

	if (setupterm(NULL, STDOUT_FILENO, &known) == ERR)
		return "this terminal (TERM) is not known here";
	place = tigetstr("cup");
	moves = place && place != (char *)-1;
	del_curterm(cur_term);
	return moves ? NULL : "this terminal (TERM) cannot move its cursor";
}

int top_terminal_open(struct top_terminal *terminal, struct cli_error *error)
{
	const char *no_colour = getenv("NO_COLOR");
	const char *why;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return refuse(error, "a view of the whole screen needs a terminal");
	why = cannot();
	if (why)
		return refuse(error, why);
	setlocale(LC_ALL, "");
	terminal->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	tcgetattr(STDIN_FILENO, &before);
	screen = newterm(NULL, stdout, stdin);
	if (!screen)
		return refuse(error, "this terminal (TERM) cannot show it");
	add_capability("sgr0");
	add_capability("cnorm");
	add_capability("rmkx");
	add_capability("rmcup");
	take_signals();
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	set_escdelay(50);
	curs_set(0);
	terminal->colour = !(no_colour && *no_colour) && has_colors();
	if (terminal->colour) {
		start_color();
		use_default_colors();
	}
	return 0;
}

void top_terminal_close(void)
{
	endwin();
	delscreen(screen);
}
