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

int top_terminal_open(struct top_terminal *terminal, struct cli_error *error)
{
	const char *no_colour = getenv("NO_COLOR");
	int known;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return refuse(error, "a view of the whole screen needs a terminal");
	if (setupterm(NULL, STDOUT_FILENO, &known) == ERR)
		return refuse(error, "this terminal (TERM) is not known here");
	if (!tigetstr("cup") || tigetstr("cup") == (char *)-1)
		return refuse(error, "this terminal (TERM) cannot move its cursor");
	setlocale(LC_ALL, "");
	terminal->unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
	tcgetattr(STDIN_FILENO, &before);
	if (!newterm(NULL, stdout, stdin))
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
}
