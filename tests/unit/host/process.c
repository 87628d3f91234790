/* SPDX-License-Identifier: MIT */

/* What a program that runs another one does to itself: descriptors, signals, the terminal. */

#include "host/descriptors.h"
#include "host/signals.h"
#include "host/terminal.h"

#include "fresh.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Runs a body in a child; what it returns must be 0. */
static void assert_in_child(int (*body)(void))
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		int line = body();

		if (line)
			dprintf(2, "# line %d\n", line);
		_exit(line != 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static bool is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int guard(void)
{
	close(0);
	close(2);
	CHECK(host_descriptors_guard() == 0);
	/* The holes are filled, and not for the programs that are run. */
	CHECK(fcntl(0, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(2, F_GETFD) == FD_CLOEXEC);
	CHECK(fcntl(1, F_GETFD) == 0);
	CHECK(write(2, "lost", 4) == 4);
	return 0;
}

static int close_most(void)
{
	const int kept[] = {25, 22, 30};

	for (int fd = 20; fd <= 31; fd++)
		CHECK(dup2(1, fd) == fd);
	host_descriptors_close(21, kept, 3);
	for (int fd = 20; fd <= 31; fd++)
		CHECK(is_open(fd) == (fd == 20 || fd == 22 || fd == 25 || fd == 30));
	host_descriptors_close(22, kept + 1, 1);
	CHECK(is_open(22) && !is_open(25) && !is_open(30));
	host_descriptors_close(20, NULL, 0);
	CHECK(!is_open(20) && !is_open(22) && is_open(1));
	return 0;
}

static int release(void)
{
	char byte;

	CHECK(host_descriptors_release() == 0);
	CHECK(read(0, &byte, 1) == 0);
	CHECK(write(1, "lost", 4) == 4);
	return 0;
}

static int unlimit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 64;
	setrlimit(RLIMIT_NOFILE, &limit);
	host_descriptors_unlimit();
	getrlimit(RLIMIT_NOFILE, &limit);
	CHECK(limit.rlim_cur == limit.rlim_max);
	return 0;
}

static void test_descriptors(void **state)
{
	(void)state;
	assert_in_child(guard);
	assert_in_child(close_most);
	assert_in_child(release);
	assert_in_child(unlimit);
}

static int take_and_restore(void)
{
	struct host_signals started;
	struct signalfd_siginfo info;
	struct sigaction action;
	sigset_t mask;
	int fd;

	signal(SIGPIPE, SIG_DFL);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigprocmask(SIG_SETMASK, &mask, NULL);

	host_signals_take(&started);
	sigaction(SIGPIPE, NULL, &action);
	CHECK(action.sa_handler == SIG_IGN);
	sigaction(SIGCHLD, NULL, &action);
	CHECK(action.sa_handler == SIG_DFL);
	CHECK(host_signals_ignored(SIGHUP) && !host_signals_ignored(SIGTERM));
	sigprocmask(SIG_BLOCK, NULL, &mask);
	CHECK(sigismember(&mask, SIGTERM) && sigismember(&mask, SIGTSTP) &&
	      sigismember(&mask, SIGRTMAX) && !sigismember(&mask, SIGSEGV));

	fd = host_signals_open();
	CHECK(fd >= 0);
	CHECK(read(fd, &info, sizeof(info)) < 0 && errno == EAGAIN);
	raise(SIGTERM);
	CHECK(read(fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGTERM);

	host_signals_restore(&started);
	sigaction(SIGPIPE, NULL, &action);
	CHECK(action.sa_handler == SIG_DFL);
	sigaction(SIGCHLD, NULL, &action);
	CHECK(action.sa_handler == SIG_IGN);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	CHECK(sigismember(&mask, SIGUSR1) && !sigismember(&mask, SIGTERM));
	return 0;
}

static void test_signals(void **state)
{
	(void)state;
	assert_in_child(take_and_restore);
}

static void test_stop(void **state)
{
	static const int signals[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

	(void)state;
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		int status;
		pid_t child = fork();

		if (child == 0) {
			struct host_signals started;

			/* A group of its own in its parent's session is not orphaned. */
			setpgid(0, 0);
			host_signals_take(&started);
			host_signals_stop(signals[i]);
			_exit(5);
		}
		assert_int_equal(waitpid(child, &status, WUNTRACED), child);
		assert_true(WIFSTOPPED(status));
		assert_int_equal(WSTOPSIG(status), signals[i]);
		kill(child, SIGCONT);
		assert_int_equal(waitpid(child, &status, 0), child);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 5);
	}
}

static int terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), child[2], tty;
	char byte;
	pid_t pid;

	CHECK(setsid() > 0);
	tty = host_terminal_open();
	CHECK(tty == -ENXIO);
	CHECK(host_terminal_foreground(tty) == -ENXIO);
	CHECK(host_terminal_give(tty, getpid()) == -ENXIO);
	CHECK(!host_terminal_in_use());
	CHECK(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
	/* The first terminal that the leader of a session opens is the session's. */
	CHECK(open(ptsname(master), O_RDWR | O_CLOEXEC) >= 0);
	tty = host_terminal_open();
	CHECK(tty >= 0 && host_terminal_in_use());
	CHECK(host_terminal_foreground(tty) == getpgrp());

	CHECK(pipe2(child, O_CLOEXEC) == 0);
	pid = fork();
	if (pid == 0) {
		close(child[1]);
		_exit(read(child[0], &byte, 1) != 0);
	}
	setpgid(pid, pid);
	signal(SIGTTOU, SIG_IGN);
	CHECK(host_terminal_give(tty, pid) == 0);
	CHECK(host_terminal_foreground(tty) == pid);
	/* From the background. */
	CHECK(host_terminal_give(tty, getpgrp()) == 0);
	CHECK(host_terminal_foreground(tty) == getpgrp());
	CHECK(host_terminal_give(tty, 0x3fffffff) == -ESRCH);
	close(child[1]);
	CHECK(waitpid(pid, NULL, 0) == pid);
	return 0;
}

static void test_terminal(void **state)
{
	(void)state;
	assert_in_child(terminal);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_descriptors),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
