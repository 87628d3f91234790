/* SPDX-License-Identifier: MIT */
#include "sandbox/enter.h"

#include "host/descriptors.h"
#include "host/namespace.h"
#include "host/terminal.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct keeper {
	const struct sandbox_entry *entry;
	int channel;
	int children; /* readable when the command may have ended or stopped */
	pid_t command;
};

static void say(const struct keeper *keeper, enum sandbox_word word, int value, int detail)
{
	const struct sandbox_message message = {.word = word, .value = value, .detail = detail};

	sandbox_channel_send(keeper->channel, &message, -1, 0);
}

static _Noreturn void fail(const struct keeper *keeper, enum sandbox_step step, int error)
{
	say(keeper, SANDBOX_FAILED, (int)step, error);
	_exit(1);
}

/* Sees what became of the command. */
static void look(const struct keeper *keeper)
{
	siginfo_t child = {0};

	if (waitid(P_PID, (id_t)keeper->command, &child, WSTOPPED | WEXITED | WNOHANG) < 0 ||
	    child.si_pid == 0)
		return;
	if (child.si_code == CLD_STOPPED) {
		/* Groups outside of the sandbox have no number here. */
		say(keeper, SANDBOX_STOPPED, child.si_status, host_terminal_in_use());
		return;
	}
	say(keeper, SANDBOX_EXITED,
	    child.si_code == CLD_EXITED ? child.si_status : 128 + child.si_status, 0);
	_exit(0);
}

static void obey(const struct keeper *keeper)
{
	struct sandbox_message message;

	if (sandbox_channel_receive(keeper->channel, &message, NULL, 0) < 0) {
		/* Who has sent the command here is no more. */
		kill(keeper->command, SIGKILL);
		_exit(0);
	}
	if (message.word == SANDBOX_SIGNAL)
		kill(keeper->command, message.value);
}

static _Noreturn void watch(const struct keeper *keeper)
{
	struct pollfd sources[] = {
		{.fd = keeper->channel, .events = POLLIN},
		{.fd = keeper->children, .events = POLLIN},
	};
	struct signalfd_siginfo signal;

	for (;;) {
		if (poll(sources, sizeof(sources) / sizeof(*sources), -1) < 0)
			continue;
		if (sources[1].revents && read(keeper->children, &signal, sizeof(signal)) > 0)
			look(keeper);
		if (sources[0].revents)
			obey(keeper);
	}
}

/* In the sandbox: the keeper. */
static _Noreturn void keep(struct keeper *keeper)
{
	int kept[2];

	/* The parent's way with SIGCHLD would keep the command's status from being known. */
	signal(SIGCHLD, SIG_DFL);
	keeper->children = sandbox_command_watch();
	if (keeper->children < 0)
		fail(keeper, SANDBOX_STEP_FORK, keeper->children);
	/* The channel is not for processes of the sandbox, not even for its root (ptrace(2)). */
	prctl(PR_SET_DUMPABLE, 0);
	keeper->command = sandbox_command_start(&keeper->entry->command, keeper->channel);
	if (keeper->command < 0)
		fail(keeper, SANDBOX_STEP_FORK, keeper->command);
	/* What the command was given is the command's alone: a pipe that it closes is closed. */
	kept[0] = keeper->channel;
	kept[1] = keeper->children;
	host_descriptors_close(0, kept, sizeof(kept) / sizeof(*kept));
	watch(keeper);
}

static void enter_namespaces(const struct keeper *keeper)
{
	/* The user namespace comes first: it grants what the others need. */
	for (size_t i = 0; i < SANDBOX_NAMESPACES; i++) {
		if (setns(keeper->entry->namespaces[i], 0) < 0)
			fail(keeper, SANDBOX_STEP_ENTER, -errno);
		close(keeper->entry->namespaces[i]);
	}
	/* What is not there leaves the process where it is now, at the root of the file system. */
	if (keeper->entry->directory && chdir(keeper->entry->directory) < 0)
		return;
}

/* In a child: goes into the sandbox, where the next process of the same parent is the keeper. */
static _Noreturn void go_in(struct keeper *keeper)
{
	pid_t pid;
	int pidfd;

	enter_namespaces(keeper);
	pid = host_namespace_fork(CLONE_PARENT, &pidfd);
	if (pid < 0)
		fail(keeper, SANDBOX_STEP_FORK, pid);
	if (pid == 0)
		keep(keeper);
	_exit(0);
}

int sandbox_enter(const struct sandbox_entry *entry)
{
	struct keeper keeper = {.entry = entry};
	int ends[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	keeper.channel = ends[1];
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		go_in(&keeper);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return -errno;
	}
	return ends[0];
}
