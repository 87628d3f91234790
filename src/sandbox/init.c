/* SPDX-License-Identifier: MIT */
#include "sandbox/init.h"

#include "host/descriptors.h"
#include "host/loop.h"
#include "host/namespace.h"
#include "host/terminal.h"
#include "sandbox/command.h"
#include "sandbox/inetd.h"
#include "sandbox/inspect.h"
#include "sandbox/network.h"
#include "sandbox/resolv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
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
	/* The /proc that the sandbox began with, whatever its root mounts there later. */
	int proc;
	pid_t command; /* 0 when there is none */
	bool mapped;   /* users and groups are there */
	struct relay_network network;
	struct sandbox_resolv resolv;
	struct sandbox_listeners listeners;
	struct sandbox_inetd inetd;
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

static void make_queue(const struct init *init)
{
	const struct sandbox_message device = {.word = SANDBOX_DEVICE};
	int tun = sandbox_network_open_tun();
	int error;

	if (tun < 0)
		fail(init, SANDBOX_STEP_TUN_OPEN, tun);
	error = sandbox_network_make_device(tun, init->config->queues > 1);
	if (error < 0)
		fail(init, SANDBOX_STEP_TUN_MAKE, error);
	if (sandbox_channel_send(init->channel, &device, tun, 0) < 0)
		_exit(1);
	close(tun);
}

static void make_device(const struct init *init)
{
	unsigned queues = 0;

	do
		make_queue(init);
	while (++queues < init->config->queues);
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
	init->proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	await(init, SANDBOX_MAPPED);
	init->mapped = true;
	/* Where /proc/sys cannot be written, the kernel's own choice of ephemeral ports stays. */
	sandbox_network_tune(init->maps->group_first, init->maps->group_last);
	error = sandbox_listen_open(&init->config->listening, init->network.ipv6.enabled,
				    &init->listeners);
	if (error < 0)
		fail(init, SANDBOX_STEP_LISTEN, error);
	error = sandbox_resolv_mount(&init->resolv, &init->network, "/etc/resolv.conf");
	if (error < 0)
		say(init, SANDBOX_WARNING, SANDBOX_STEP_RESOLV, error);
}

/*
 * What is open from the caller is the command's alone: here, only what the command is to have stays, under
 * the numbers that it has there.
 */
static void take_standard(struct init *init)
{
	const int *standard = init->config->standard;
	int moved[3];

	/* None of the three is to be overwritten by one before it. */
	for (int fd = 0; fd < 3; fd++) {
		moved[fd] = fcntl(standard[fd], F_DUPFD_CLOEXEC, 3);
		if (moved[fd] < 0)
			fail(init, SANDBOX_STEP_CHANNEL, -errno);
	}
	for (int fd = 0; fd < 3; fd++)
		dup2(moved[fd], fd);
	host_descriptors_close(3, &init->channel, 1);
}

static struct sandbox_command command_of(const struct init *init)
{
	const struct sandbox_listening *listening = &init->config->listening;

	return (struct sandbox_command){
		.user = init->config->user,
		.signals = init->config->signals,
		.argv = init->config->argv,
		.environment = init->config->environment,
		.directory = init->config->directory,
		.listeners = listening->count && listening->handing == SANDBOX_HANDING_LISTEN_FDS
				     ? &init->listeners
				     : NULL,
	};
}

/* From now on whoever connects has a command started. */
static void run_inetd(struct init *init)
{
	init->inetd.listeners = &init->listeners;
	init->inetd.command = command_of(init);
	init->inetd.channel = init->channel;
	init->inetd.serving = true;
	say(init, SANDBOX_STARTED, 0, 0);
}

static bool is_inetd(const struct init *init)
{
	return init->config->listening.count > 0 &&
	       init->config->listening.handing != SANDBOX_HANDING_LISTEN_FDS;
}

/* The pipe is closed when the command begins to run, or has ended without, and has said so. */
static void await_execution(const struct init *init, const int pipe[static 2])
{
	char none;

	close(pipe[1]);
	while (read(pipe[0], &none, sizeof(none)) < 0 && errno == EINTR)
		continue;
	close(pipe[0]);
	say(init, SANDBOX_STARTED, 0, 0);
}

static void run_command(struct init *init)
{
	const struct sandbox_command command = command_of(init);
	int kept[] = {init->channel, init->children, init->resolv.mounts, init->proc};
	int executed[2] = {-1, -1};

	if (init->config->standard && pipe2(executed, O_CLOEXEC) < 0)
		fail(init, SANDBOX_STEP_FORK, -errno);
	init->command = sandbox_command_start(&command, init->channel);
	if (init->command < 0)
		fail(init, SANDBOX_STEP_FORK, init->command);
	if (init->config->standard)
		await_execution(init, executed);
	/* What the command was given is the command's alone: a pipe that it closes is closed. */
	if (!init->config->standard)
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

/* Nobody is served any more, and those that were have ended. */
static void report_rest(struct init *init)
{
	if (init->inetd.serving || init->inetd.count > 0)
		return;
	say(init, SANDBOX_EXITED, 0, 0);
	empty(init);
}

/* A signal for the command; what is started by connections gets it too, and no more of them are. */
static void pass_signal(struct init *init, int signo)
{
	bool served = init->inetd.serving;

	if (init->command > 0)
		kill(init->command, signo);
	for (unsigned i = 0; i < init->inetd.count; i++)
		kill(init->inetd.commands[i], signo);
	if (!served || signo == SIGCONT)
		return;
	init->inetd.serving = false;
	report_rest(init);
}

/* Collects processes that have ended, and sees what became of the command. */
static void collect(struct init *init)
{
	siginfo_t child = {0};

	if (init->command > 0 &&
	    waitid(P_PID, (id_t)init->command, &child, WSTOPPED | WNOHANG) == 0 && child.si_pid)
		/* Groups outside of the sandbox have no number here. */
		say(init, SANDBOX_STOPPED, child.si_status, host_terminal_in_use());
	for (;;) {
		child.si_pid = 0;
		if (waitid(P_ALL, 0, &child, WEXITED | WNOHANG) < 0 || child.si_pid == 0)
			return;
		if (child.si_pid == init->command)
			report_end(init, &child);
		else if (sandbox_inetd_collect(&init->inetd, child.si_pid))
			report_rest(init);
	}
}

/*
 * The engine learns the numbers that it knows processes by from the kernel, which translates the
 * sender of a message: what stands in the inspection are the numbers inside.
 */
static void name_processes(const struct init *init, const struct sandbox_inspection *inspection)
{
	for (uint32_t i = 0; i < inspection->process_count; i++) {
		const struct sandbox_message process = {.word = SANDBOX_PROCESS, .value = (int)i};

		/* Without it, or without the process, the number is not known. */
		sandbox_channel_send_as(init->channel, &process, inspection->processes[i].pid);
	}
}

static void inspect(const struct init *init)
{
	struct sandbox_message answer = {.word = SANDBOX_INSPECTED};
	struct sandbox_inspection *inspection = NULL;
	int file = -1;

	answer.value = sandbox_inspect_here(init->proc, &inspection);
	if (answer.value == 0) {
		name_processes(init, inspection);
		file = sandbox_inspection_write(inspection);
		answer.value = file < 0 ? file : 0;
	}
	sandbox_channel_send(init->channel, &answer, file, 0);
	if (file >= 0)
		close(file);
	sandbox_inspection_free(inspection);
}

/* Gives the engine the way into the sandbox; /proc gives it to nobody outside (ptrace(2)). */
static void give_namespaces(const struct init *init)
{
	static const struct {
		const char *path;
		int type;
	} namespaces[SANDBOX_NAMESPACES] = {
		{"self/ns/user", CLONE_NEWUSER},
		{"self/ns/net", CLONE_NEWNET},
		{"self/ns/pid", CLONE_NEWPID},
		{"self/ns/mnt", CLONE_NEWNS},
	};

	for (size_t i = 0; i < SANDBOX_NAMESPACES; i++) {
		struct sandbox_message answer = {.word = SANDBOX_NAMESPACE,
						 .value = namespaces[i].type};
		int fd = openat(init->proc, namespaces[i].path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			answer.value = -errno;
		sandbox_channel_send(init->channel, &answer, fd, 0);
		if (fd >= 0)
			close(fd);
	}
}

/* Does what the engine says. */
static void obey(struct init *init)
{
	struct sandbox_message message;

	if (sandbox_channel_receive(init->channel, &message, NULL, 0) < 0)
		_exit(0);
	switch (message.word) {
	case SANDBOX_GO:
		if (is_inetd(init))
			run_inetd(init);
		else if (init->command == 0)
			run_command(init);
		break;
	case SANDBOX_SIGNAL:
		pass_signal(init, message.value);
		break;
	case SANDBOX_INSPECT:
		inspect(init);
		break;
	case SANDBOX_ENTER:
		give_namespaces(init);
		break;
	default:
		break;
	}
}

/* The shorter one of two times as poll(2) has them; negative: without end. */
static int sooner(int one, int other)
{
	if (one < 0 || other < 0)
		return one < 0 ? other : one;
	return one < other ? one : other;
}

static _Noreturn void watch(struct init *init)
{
	struct pollfd sources[] = {
		{.fd = init->channel, .events = POLLIN},
		{.fd = init->children, .events = POLLIN},
		{.fd = init->resolv.mounts, .events = POLLPRI},
		{.events = POLLIN},
	};
	struct signalfd_siginfo signal;
	bool in_place = true;

	for (;;) {
		uint64_t now = host_now();

		sources[3].fd = sandbox_inetd_source(&init->inetd, now);
		if (poll(sources, sizeof(sources) / sizeof(*sources),
			 sooner(in_place ? -1 : RESOLV_RETRY,
				sandbox_inetd_pause(&init->inetd, now))) < 0)
			continue;
		if (init->resolv.mounts >= 0)
			in_place = sandbox_resolv_keep(&init->resolv, &init->network) == 0;
		if (sources[1].revents && read(init->children, &signal, sizeof(signal)) > 0)
			collect(init);
		if (sources[3].fd >= 0 && sources[3].revents)
			sandbox_inetd_serve(&init->inetd, host_now());
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

	if (config->standard)
		take_standard(&init);
	tie_to_engine(&init);
	set_up(&init);
	init.children = sandbox_command_watch();
	if (init.children < 0)
		fail(&init, SANDBOX_STEP_FORK, init.children);
	/* The channel is not for processes of the sandbox, not even for its root (ptrace(2)). */
	prctl(PR_SET_DUMPABLE, 0);
	watch(&init);
}
