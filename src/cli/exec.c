/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/explain.h"
#include "cli/job.h"
#include "cli/options.h"
#include "cli/running.h"
#include "host/descriptors.h"
#include "host/signals.h"
#include "sandbox/enter.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	KILLED = 128 + SIGKILL,
};

static const struct cli_option options[] = {
	{0},
};

static const struct cli_syntax syntax = {
	.name = "exec",
	.examples = "  cothon exec web -- bash               look around in a running sandbox\n"
		    "  cothon exec web -- ss -tlnp           what listens there?\n"
		    "  echo PING | cothon exec web -- nc localhost 6379",
	.usage = "cothon exec NAME [--] COMMAND [ARG...]",
	.summary =
		"Runs another command in a running sandbox: with its network, its view of processes\n"
		"and files, and the identity of the sandbox's own command. It begins in this\n"
		"directory, if that is there, and ends when the sandbox does. The exit status is the\n"
		"command's (128 + n when signal n ended it); 125 when Cothon itself failed, 126 when\n"
		"the command cannot be run, 127 when it is not found.",
	.options = options,
};

/* A command that has been sent into a sandbox. */
struct visit {
	const char *name, *command;
	int channel, signals;
	struct cli_job job;
	int status; /* negative as long as it is not known */
};

/* --- the way in --- */

static void close_all(const int *descriptors, unsigned count)
{
	while (count > 0)
		close(descriptors[--count]);
}

/* Gets the way into the sandbox called `name`. Returns 0, or a negative value with *error filled in. */
static int get_way(const char *name, struct sandbox_entry *entry, struct cli_error *error)
{
	int descriptors[HOST_PASSING_MAX];
	struct cli_running running;
	unsigned count = 0;
	json_t *answer;
	int result = cli_running_find(&running, name, error);

	if (result < 0)
		return result;
	result = cli_running_take(&running, "/v1/namespaces", &answer, descriptors, &count, error);
	if (result == 0 && count != SANDBOX_NAMESPACES)
		result = cli_error(error, "the sandbox gave no way in; is it of another version?");
	if (result == 0) {
		memcpy(entry->namespaces, descriptors, sizeof(entry->namespaces));
		entry->command.user = json_is_true(json_object_get(answer, "user"));
	} else {
		close_all(descriptors, count);
	}
	json_decref(answer);
	cli_running_close(&running);
	return result;
}

/* --- while it runs --- */

static void hear(struct visit *visit, const struct sandbox_message *message)
{
	struct sandbox_failure failure;
	struct cli_error error;

	switch (message->word) {
	case SANDBOX_FAILED:
		failure = (struct sandbox_failure){(enum sandbox_step)message->value,
						   message->detail};
		cli_message(visit->name, "%s", cli_explain_failure(&failure, &error));
		visit->status = CLI_FAILED;
		break;
	case SANDBOX_NOT_RUN:
		cli_message(visit->name, "%s",
			    cli_explain_command(visit->command, message->value, message->detail,
						&error));
		break;
	case SANDBOX_STOPPED:
		cli_job_stopped(&visit->job, message->value, message->detail);
		break;
	case SANDBOX_EXITED:
		visit->status = message->value;
		break;
	default:
		break;
	}
}

static void listen_to(struct visit *visit)
{
	struct sandbox_message message;

	if (sandbox_channel_receive(visit->channel, &message, NULL, 0) == 0) {
		hear(visit, &message);
		return;
	}
	cli_message(visit->name, "the sandbox has ended, and with it the command");
	visit->status = KILLED;
}

static void take_signals(struct visit *visit)
{
	struct sandbox_message message = {.word = SANDBOX_SIGNAL};
	struct signalfd_siginfo signal;

	while (read(visit->signals, &signal, sizeof(signal)) == sizeof(signal)) {
		if (!cli_job_signalled(&visit->job, &signal))
			continue;
		message.value = (int)signal.ssi_signo;
		sandbox_channel_send(visit->channel, &message, -1, MSG_DONTWAIT);
	}
}

static int attend(struct visit *visit)
{
	struct pollfd sources[] = {
		{.fd = visit->channel, .events = POLLIN},
		{.fd = visit->signals, .events = POLLIN},
	};

	visit->status = -1;
	cli_job_start(&visit->job);
	while (visit->status < 0) {
		if (poll(sources, sizeof(sources) / sizeof(*sources), -1) < 0)
			continue;
		if (sources[1].revents)
			take_signals(visit);
		if (sources[0].revents)
			listen_to(visit);
	}
	cli_job_ended(&visit->job);
	return visit->status;
}

static int say_error(const char *name, const char *what, int error)
{
	cli_message(name, "cannot %s: %s", what, cli_explain_error(error));
	return CLI_FAILED;
}

static int run(const char *name, const struct sandbox_entry *given)
{
	struct sandbox_entry entry = *given;
	struct visit visit = {.name = name, .command = given->command.argv[0]};
	struct host_signals signals;

	host_signals_take(&signals);
	entry.command.signals = &signals;
	/* Nobody is to wait for this process before the sandbox can end (sandbox/enter.h). */
	signal(SIGCHLD, SIG_IGN);
	visit.channel = sandbox_enter(&entry);
	if (visit.channel < 0)
		return say_error(name, "start a process", visit.channel);
	/* What this process was started with is the command's now. */
	host_descriptors_close(STDERR_FILENO + 1, &visit.channel, 1);
	host_descriptors_release();
	visit.signals = host_signals_open();
	if (visit.signals < 0)
		return say_error(name, "take signals", visit.signals);
	return attend(&visit);
}

int cli_exec(int argc, char **argv)
{
	char directory[PATH_MAX];
	struct sandbox_entry entry = {.directory = getcwd(directory, sizeof(directory))};
	struct cli_error error;
	int operand = cli_options_read(&syntax, argc, argv, NULL, &error);
	int command = operand + 1;

	if (operand == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (operand > 0 && command < argc && strcmp(argv[command], "--") == 0)
		command++;
	if (operand > 0 && operand == argc)
		operand = cli_error(&error, "in which sandbox? write `%s`; `cothon ps` lists them",
				    syntax.usage);
	else if (operand > 0 && command >= argc)
		operand = cli_error(&error, "which command? write `%s`", syntax.usage);
	if (operand < 0 || get_way(argv[operand], &entry, &error) < 0) {
		cli_message("exec", "%s", error.text);
		return CLI_FAILED;
	}
	entry.command.argv = argv + command;
	return run(argv[operand], &entry);
}
