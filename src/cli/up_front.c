/* SPDX-License-Identifier: MIT */
#include "cli/up_front.h"

#include "cli/cli.h"
#include "cli/explain.h"
#include "cli/notify.h"
#include "host/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct front {
	const struct cli_up_file *file;
	pid_t engine;
	int screen, errors, ready, signals; /* -1: none, or ended */
	bool detach, up;
};

static int copy(int *from, int to)
{
	char bytes[16 << 10];
	ssize_t len = read(*from, bytes, sizeof(bytes));

	if (len < 0 && errno == EINTR)
		return 0;
	if (len <= 0) {
		close(*from);
		*from = -1;
		return 0;
	}
	for (ssize_t done = 0; done < len;) {
		ssize_t wrote = write(to, bytes + done, (size_t)(len - done));

		if (wrote < 0 && errno != EINTR && errno != EAGAIN)
			return -errno;
		done += wrote > 0 ? wrote : 0;
	}
	return 0;
}

static void hear_ready(struct front *front)
{
	char byte;

	front->up = read(front->ready, &byte, sizeof(byte)) == 1;
	close(front->ready);
	front->ready = -1;
	if (front->up)
		cli_notify("READY=1");
}

/* Returns whether it was the engine's end. */
static bool hear_signal(const struct front *front)
{
	struct signalfd_siginfo signal;

	if (read(front->signals, &signal, sizeof(signal)) != sizeof(signal))
		return false;
	if (signal.ssi_signo == SIGCHLD)
		return true;
	cli_notify("STOPPING=1");
	kill(front->engine, SIGTERM);
	return false;
}

/* Waits until the engine has ended, or, in the background, until all are up. */
static void wait_in_front(struct front *front)
{
	bool ended = false;

	while (!ended && !(front->detach && front->up)) {
		struct pollfd sources[] = {
			{.fd = front->screen, .events = POLLIN},
			{.fd = front->errors, .events = POLLIN},
			{.fd = front->ready, .events = POLLIN},
			{.fd = front->signals, .events = POLLIN},
		};

		if (poll(sources, sizeof(sources) / sizeof(*sources), -1) < 0)
			continue;
		/* Nobody reads what is shown: all end. */
		if (sources[0].revents && copy(&front->screen, STDOUT_FILENO) < 0) {
			close(front->screen);
			front->screen = -1;
		}
		if (sources[1].revents)
			copy(&front->errors, STDERR_FILENO);
		if (sources[2].revents)
			hear_ready(front);
		if (sources[3].revents)
			ended = hear_signal(front);
	}
}

/* Shows what the engine has left to be shown. */
static void show_rest(struct front *front)
{
	struct pollfd source = {.events = POLLIN};

	while (front->screen >= 0) {
		if (copy(&front->screen, STDOUT_FILENO) < 0)
			break;
	}
	for (;;) {
		source.fd = front->errors;
		if (front->errors < 0 || poll(&source, 1, 0) <= 0)
			break;
		copy(&front->errors, STDERR_FILENO);
	}
}

static int finish(struct front *front)
{
	int status;

	if (front->detach && front->up) {
		show_rest(front);
		return CLI_OK;
	}
	show_rest(front);
	while (waitpid(front->engine, &status, 0) < 0 && errno == EINTR)
		continue;
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	cli_message(front->file->network, "Cothon's process was ended by signal %d (%s)",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
	return CLI_FAILED;
}

/* Before the engine is there, whose end would be missed otherwise. Returns a signalfd, or its errno. */
static int open_signals(struct host_signals *started)
{
	static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	const struct sigaction standard = {.sa_handler = SIG_DFL};
	sigset_t set;
	int fd;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		sigaddset(&set, taken[i]);
	sigprocmask(SIG_BLOCK, &set, &started->mask);
	sigaction(SIGPIPE, &ignore, &started->pipe);
	/* A parent that ignores SIGCHLD is told of no child's end. */
	sigaction(SIGCHLD, &standard, &started->child);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* --- the engine --- */

static bool wants_colours(void)
{
	const char *no = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && terminal && strcmp(terminal, "dumb") != 0;
}

struct pipes {
	int screen[2], errors[2], ready[2];
};

static int open_pipes(struct pipes *pipes)
{
	if (pipe2(pipes->screen, O_CLOEXEC) < 0 || pipe2(pipes->errors, O_CLOEXEC) < 0 ||
	    pipe2(pipes->ready, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* In a child: a session of its own, so that what a terminal sends comes to who is in front of it alone. */
static _Noreturn void become_engine(struct cli_up_task *task, struct pipes *pipes, bool detach)
{
	char *copy = strdup(task->path);

	setsid();
	close(pipes->screen[0]);
	close(pipes->errors[0]);
	close(pipes->ready[0]);
	/* What is said goes to who waits for all to be up, and to nobody afterwards. */
	if (detach)
		dup2(pipes->errors[1], STDERR_FILENO);
	close(pipes->errors[1]);
	task->ready = pipes->ready[1];
	task->screen = detach ? -1 : pipes->screen[1];
	if (detach)
		close(pipes->screen[1]);
	/* Paths in a file are relative to where it is. */
	if (!copy || chdir(dirname(copy)) < 0) {
		cli_message(task->file->network, "cannot go to the directory of %s: %s", task->path,
			    cli_explain_error(copy ? -errno : -ENOMEM));
		exit(CLI_FAILED);
	}
	free(copy);
	exit(cli_up_engine(task));
}

int cli_up_front(struct cli_up_task *task, bool detach)
{
	struct front front = {.file = task->file, .detach = detach};
	struct host_signals started;
	struct pipes pipes;
	int error = open_pipes(&pipes);

	task->colours = wants_colours();
	fflush(NULL);
	if (error == 0) {
		front.signals = open_signals(&started);
		error = front.signals < 0 ? front.signals : 0;
	}
	if (error == 0) {
		front.engine = fork();
		error = front.engine < 0 ? -errno : 0;
	}
	if (error == 0 && front.engine == 0) {
		close(front.signals);
		host_signals_restore(&started);
		become_engine(task, &pipes, detach);
	}
	if (error < 0) {
		cli_message(task->file->network, "cannot start: %s", cli_explain_error(error));
		return CLI_FAILED;
	}
	close(pipes.screen[1]);
	close(pipes.errors[1]);
	close(pipes.ready[1]);
	front.screen = pipes.screen[0];
	front.errors = pipes.errors[0];
	front.ready = pipes.ready[0];
	wait_in_front(&front);
	return finish(&front);
}
