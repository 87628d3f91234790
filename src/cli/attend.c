/* SPDX-License-Identifier: MIT */
#include "cli/attend.h"

#include "base/list.h"
#include "cli/cli.h"
#include "cli/explain.h"
#include "cli/isolate.h"
#include "host/signals.h"

#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

/*
 * Microseconds after the command's end: when the user is told what is waited for, and when no more
 * is waited.
 */
enum {
	TELL_AFTER = 1000000,
	GIVE_UP_AFTER = 60000000,
};

static void finish(struct cli_attendance *attendance, int status)
{
	if (attendance->status < 0)
		attendance->status = status;
	host_loop_stop(attendance->loop);
}

/* --- what init says --- */

static void command_exited(struct cli_attendance *attendance, int status)
{
	if (attendance->status < 0)
		attendance->status = status;
	attendance->ended = true;
	attendance->began = host_now();
	relay_drain(attendance->relay);
	host_loop_hook(attendance->loop, &attendance->hook);
}

static void say_failure(const struct cli_attendance *attendance, int step, int reason)
{
	const struct sandbox_failure failure = {(enum sandbox_step)step, reason};
	struct cli_error error;

	cli_message(attendance->name, "%s", cli_explain_failure(&failure, &error));
}

static void gone(struct cli_attendance *attendance)
{
	if (attendance->status < 0)
		cli_message(attendance->name,
			    "the sandbox has ended: its first process was killed from outside, "
			    "perhaps for want of memory");
	finish(attendance, CLI_FAILED);
}

static void heard(struct sandbox_listener *listener, const struct sandbox_message *message)
{
	struct cli_attendance *attendance =
		cothon_container(listener, struct cli_attendance, listener);
	struct cli_error error;

	switch (message->word) {
	case SANDBOX_WARNING:
		say_failure(attendance, message->value, message->detail);
		break;
	case SANDBOX_FAILED:
		say_failure(attendance, message->value, message->detail);
		finish(attendance, CLI_FAILED);
		break;
	case SANDBOX_NOT_RUN:
		cli_message(attendance->name, "%s",
			    cli_explain_command(attendance->command, message->value,
						message->detail, &error));
		break;
	case SANDBOX_STOPPED:
		cli_job_stopped(&attendance->job, message->value, message->detail);
		break;
	case SANDBOX_EXITED:
		command_exited(attendance, message->value);
		break;
	case SANDBOX_EMPTY:
		attendance->empty = true;
		break;
	case SANDBOX_GONE:
		gone(attendance);
		break;
	default:
		break;
	}
}

/* --- signals --- */

static bool ends_waiting(int signo)
{
	return (signo == SIGHUP || signo == SIGINT || signo == SIGQUIT || signo == SIGTERM) &&
	       !host_signals_ignored(signo);
}

static void take_signals(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct cli_attendance *attendance = cothon_container(watch, struct cli_attendance, signals);
	struct signalfd_siginfo signal;

	(void)events;
	(void)now;
	while (read(watch->fd, &signal, sizeof(signal)) == sizeof(signal)) {
		int signo = (int)signal.ssi_signo;

		if (attendance->ended && ends_waiting(signo))
			host_loop_stop(attendance->loop);
		if (cli_job_signalled(&attendance->job, &signal) && !attendance->ended)
			sandbox_signal(attendance->sandbox, signo);
	}
}

/* --- the last deliveries --- */

static bool delivered(const struct cli_attendance *attendance)
{
	return attendance->empty && relay_undelivered(attendance->relay) == 0 &&
	       !relay_link_waits(attendance->relay);
}

static void tell(struct cli_attendance *attendance)
{
	unsigned count = relay_undelivered(attendance->relay);

	attendance->told = true;
	if (isatty(STDERR_FILENO))
		cli_message(attendance->name,
			    "the command has ended; what it sent on %u connection%s is still being "
			    "delivered (Ctrl-C gives that up)",
			    count, count == 1 ? "" : "s");
}

static void give_up(struct cli_attendance *attendance)
{
	unsigned count = relay_undelivered(attendance->relay);

	cli_message(attendance->name,
		    "gave up after a minute: %u connection%s did not take what the command sent",
		    count, count == 1 ? "" : "s");
}

static uint64_t wait_for_delivery(struct host_hook *hook, uint64_t now)
{
	struct cli_attendance *attendance = cothon_container(hook, struct cli_attendance, hook);
	uint64_t waited = now - attendance->began;

	if (delivered(attendance)) {
		host_loop_stop(attendance->loop);
		return UINT64_MAX;
	}
	if (now < attendance->began)
		waited = 0;
	if (waited >= GIVE_UP_AFTER) {
		give_up(attendance);
		host_loop_stop(attendance->loop);
		return UINT64_MAX;
	}
	if (waited >= TELL_AFTER && !attendance->told)
		tell(attendance);
	return attendance->began + (attendance->told ? GIVE_UP_AFTER : TELL_AFTER);
}

static int say_error(const struct cli_attendance *attendance, const char *what, int error)
{
	cli_message(attendance->name, "%s: %s", what, cli_explain_error(error));
	return CLI_FAILED;
}

int cli_attend(struct cli_attendance *attendance)
{
	int error;

	attendance->status = -1;
	cli_job_start(&attendance->job);
	attendance->listener.heard = heard;
	attendance->hook.turn = wait_for_delivery;
	attendance->signals.ready = take_signals;
	attendance->signals.fd = host_signals_open();
	if (attendance->signals.fd < 0)
		return say_error(attendance, "cannot take signals", attendance->signals.fd);
	error = host_loop_add(attendance->loop, &attendance->signals, EPOLLIN);
	if (error == 0)
		error = sandbox_watch(attendance->sandbox, attendance->loop, &attendance->listener);
	if (error == 0 && cli_isolate(attendance->name, attendance->relay) < 0) {
		attendance->status = CLI_FAILED;
	} else if (error == 0) {
		/* Where init has ended it has said why, and the loop hears it. */
		sandbox_release(attendance->sandbox);
		error = host_loop_run(attendance->loop);
	}
	close(attendance->signals.fd);
	cli_job_ended(&attendance->job);
	if (attendance->ended)
		host_loop_unhook(attendance->loop, &attendance->hook);
	if (error < 0)
		return say_error(attendance, "cannot wait for events", error);
	return attendance->status < 0 ? CLI_FAILED : attendance->status;
}
