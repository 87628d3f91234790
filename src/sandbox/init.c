/* SPDX-License-Identifier: MIT */
#include "sandbox/init.h"

#include "host/descriptors.h"
#include "host/namespace.h"
#include "host/terminal.h"
#include "sandbox/network.h"
#include "sandbox/resolv.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* Milliseconds until a resolv.conf that the host has taken away is looked for again. */
	RESOLV_RETRY = 200,
};

struct init {
	const struct sandbox_config *config;
	const struct sandbox_idmaps *maps;
	int channel;
	/* Readable when a child may have ended or stopped. */
	int children;
	pid_t command; /* 0 when there is none */
	bool mapped;   /* users and groups are there */
	struct relay_network network;
	struct sandbox_resolv resolv;
};

static void say(const struct init *init, enum sandbox_word word, int value, int detail)
{
	const struct sandbox_message message = {.word = word, .value = value, .detail = detail};

	sandbox_channel_send(init->channel, &message, -1, 0);
}

/* Waits until the engine says `word`. */
static void await(const struct init *init, enum sandbox_word word)
{
	struct sandbox_message message;

	do {
		if (sandbox_channel_receive(init->channel, &message, NULL, 0) < 0)
			_exit(1);
	} while (message.word != word);
}

static _Noreturn void fail(const struct init *init, enum sandbox_step step, int error)
{
	say(init, SANDBOX_FAILED, (int)step, error);
	/*
	 * The engine writes the maps of this process just now: that would be what failed if it were
	 * gone, and its word unread would come back to it as a broken channel.
	 */
	if (!init->mapped)
		await(init, SANDBOX_MAPPED);
	_exit(1);
}

/* From now on init ends when the engine does; it may have ended before. */
static void tie_to_engine(const struct init *init)
{
	struct pollfd engine = {.fd = init->channel};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (poll(&engine, 1, 0) > 0 && (engine.revents & POLLHUP))
		_exit(1);
}

static void make_device(const struct init *init)
{
	const struct sandbox_message device = {.word = SANDBOX_DEVICE};
	int tun = sandbox_network_open_tun();
	int error;

	if (tun < 0)
		fail(init, SANDBOX_STEP_TUN_OPEN, tun);
	error = sandbox_network_make_device(tun);
	if (error < 0)
		fail(init, SANDBOX_STEP_TUN_MAKE, error);
	if (sandbox_channel_send(init->channel, &device, tun, 0) < 0)
		_exit(1);
	close(tun);
}

/* What needs no users and groups comes first: the engine makes them meanwhile. */
static void set_up(struct init *init)
{
	int error;

	make_device(init);
	error = sandbox_network_configure(&init->network);
	if (error < 0)
		fail(init, SANDBOX_STEP_NETWORK, error);
	/* Where this is refused, the /proc there is serves, but numbers processes as outside. */
	host_mount_proc();
	await(init, SANDBOX_MAPPED);
	init->mapped = true;
	/* Where /proc/sys cannot be written, the kernel's own choice of ephemeral ports stays. */
	sandbox_network_tune(init->maps->group_first, init->maps->group_last);
	error = sandbox_resolv_mount(&init->resolv, &init->network, "/etc/resolv.conf");
	if (error < 0)
		say(init, SANDBOX_WARNING, SANDBOX_STEP_RESOLV, error);
}

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

/* In a child of init: becomes the command. */
static _Noreturn void execute(const struct init *init)
{
	char *const *argv = init->config->argv;
	int error = init->config->user ? drop_privileges() : 0;

	if (error < 0) {
		say(init, SANDBOX_FAILED, SANDBOX_STEP_PRIVILEGES, error);
		_exit(1);
	}
	host_signals_restore(init->config->signals);
	execvp(argv[0], argv);
	error = -errno;
	say(init, SANDBOX_NOT_RUN, error, 0);
	_exit(error == -ENOENT ? 127 : 126);
}

/*
 * A signal that came to the process group (from the terminal) before the command was in it is the
 * command's too.
 */
static void hand_on_pending(const struct init *init)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};
	sigset_t pending;

	sigpending(&pending);
	for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
		if (sigismember(&pending, signals[i]))
			kill(init->command, signals[i]);
	}
}

static void run_command(struct init *init)
{
	int kept[] = {init->channel, init->children, init->resolv.mounts};

	init->command = fork();
	if (init->command < 0)
		fail(init, SANDBOX_STEP_FORK, -errno);
	if (init->command == 0)
		execute(init);
	hand_on_pending(init);
	/* What the command was given is the command's alone: a pipe that it closes is closed. */
	host_descriptors_close(0, kept, sizeof(kept) / sizeof(*kept));
}

/* Ends all processes but init: their sockets then send what was written to them, and close. */
static void empty(const struct init *init)
{
	kill(-1, SIGKILL);
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	say(init, SANDBOX_EMPTY, 0, 0);
}

static void report_end(struct init *init, const siginfo_t *end)
{
	init->command = 0;
	say(init, SANDBOX_EXITED,
	    end->si_code == CLD_EXITED ? end->si_status : 128 + end->si_status, 0);
	empty(init);
}

/* Collects processes that have ended, and sees what became of the command. */
static void collect(struct init *init)
{
	siginfo_t child = {0};

	if (init->command > 0 &&
	    waitid(P_PID, (id_t)init->command, &child, WSTOPPED | WNOHANG) == 0 && child.si_pid)
		/* Groups outside of the sandbox have no number here. */
		say(init, SANDBOX_STOPPED, child.si_status, host_terminal_foreground() > 0);
	for (;;) {
		child.si_pid = 0;
		if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG) < 0 || child.si_pid == 0)
			return;
		if (child.si_pid == init->command)
			report_end(init, &child);
	}
}

/* Does what the engine says. */
static void obey(struct init *init)
{
	struct sandbox_message message;

	if (sandbox_channel_receive(init->channel, &message, NULL, 0) < 0)
		_exit(0);
	if (message.word == SANDBOX_SIGNAL && init->command > 0)
		kill(init->command, message.value);
}

static int open_children(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static _Noreturn void watch(struct init *init)
{
	struct pollfd sources[] = {
		{.fd = init->channel, .events = POLLIN},
		{.fd = init->children, .events = POLLIN},
		{.fd = init->resolv.mounts, .events = POLLPRI},
	};
	struct signalfd_siginfo signal;
	bool in_place = true;

	for (;;) {
		if (poll(sources, sizeof(sources) / sizeof(*sources),
			 in_place ? -1 : RESOLV_RETRY) < 0)
			continue;
		if (init->resolv.mounts >= 0)
			in_place = sandbox_resolv_keep(&init->resolv, &init->network) == 0;
		if (sources[1].revents && read(init->children, &signal, sizeof(signal)) > 0)
			collect(init);
		if (sources[0].revents)
			obey(init);
	}
}

_Noreturn void sandbox_init(const struct sandbox_config *config, const struct sandbox_idmaps *maps,
			    int channel)
{
	struct init init = {
		.config = config,
		.maps = maps,
		.channel = channel,
		.network = config->network,
	};

	tie_to_engine(&init);
	set_up(&init);
	init.children = open_children();
	if (init.children < 0)
		fail(&init, SANDBOX_STEP_FORK, init.children);
	/* The channel is not for processes of the sandbox, not even for its root (ptrace(2)). */
	prctl(PR_SET_DUMPABLE, 0);
	await(&init, SANDBOX_GO);
	run_command(&init);
	watch(&init);
}
