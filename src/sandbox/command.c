/* SPDX-License-Identifier: MIT */
#include "sandbox/command.h"

#include "sandbox/channel.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * The command becomes an ordinary process: root has no privilege by being root (capabilities(7)),
 * and what there is goes. A program with file capabilities gets them, as on any host.
 */
static int drop_privileges(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};

	if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED) < 0 ||
	    syscall(SYS_capset, &header, none) < 0)
		return -errno;
	return 0;
}

static void say(int channel, enum sandbox_word word, int value, int detail)
{
	const struct sandbox_message message = {.word = word, .value = value, .detail = detail};

	sandbox_channel_send(channel, &message, -1, 0);
}

/* In the child: becomes the command. */
static _Noreturn void execute(const struct sandbox_command *command, int channel)
{
	int error = command->user ? drop_privileges() : 0;

	if (error < 0) {
		say(channel, SANDBOX_FAILED, SANDBOX_STEP_PRIVILEGES, error);
		_exit(1);
	}
	if (command->directory && chdir(command->directory) < 0) {
		say(channel, SANDBOX_FAILED, SANDBOX_STEP_DIRECTORY, -errno);
		_exit(126);
	}
	if (command->environment)
		environ = (char **)(uintptr_t)command->environment;
	if (command->listeners)
		channel = sandbox_listen_hand_over(command->listeners, channel);
	if (command->stream > 0) {
		dup2(command->stream, STDIN_FILENO);
		dup2(command->stream, STDOUT_FILENO);
	}
	host_signals_restore(command->signals);
	execvp(command->argv[0], command->argv);
	error = -errno;
	say(channel, SANDBOX_NOT_RUN, error, access(command->argv[0], F_OK) == 0);
	_exit(error == -ENOENT ? 127 : 126);
}

/*
 * A signal that came to the process group (from the terminal) before the command was in it is the
 * command's too.
 */
static void hand_on_pending(pid_t child)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		if (sigismember(&pending, signals[i]))
			kill(child, signals[i]);
	}
}

pid_t sandbox_command_start(const struct sandbox_command *command, int channel)
{
	pid_t child = fork();

	if (child < 0)
		return -errno;
	if (child == 0)
		execute(command, channel);
	hand_on_pending(child);
	return child;
}

int sandbox_command_watch(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}
