/* SPDX-License-Identifier: MIT */
#include "cli/attend.h"
#include "cli/cli.h"
#include "cli/denied.h"
#include "cli/explain.h"
#include "cli/presence.h"
#include "cli/rule_argument.h"
#include "cli/run_options.h"
#include "cli/watch.h"
#include "host/descriptors.h"
#include "host/loop.h"
#include "host/signals.h"
#include "relay/relay.h"
#include "sandbox/sandbox.h"
#include <cothon/link.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* What to do about an error that is the machine's, not the command line's. */
static const char *remedy(int error)
{
	switch (error) {
	case -EMFILE:
		return "allow more open files: ulimit -n";
	case -ENFILE:
		return "the machine has no open file left: sysctl fs.file-max";
	case -ENOMEM:
	case -ENOBUFS:
		return "free some memory, or raise this user's limit: ulimit -v";
	default:
		return "`cothon doctor` shows what this machine refuses";
	}
}

static int say_error(const struct cli_run_options *options, const char *what, int error)
{
	cli_message(options->name, "cannot %s: %s; %s", what, strerrordesc_np(-error),
		    remedy(error));
	return CLI_FAILED;
}

static int say_failure(const struct cli_run_options *options, const struct sandbox_failure *failure)
{
	struct cli_error error;

	cli_message(options->name, "%s", cli_explain_failure(failure, &error));
	return CLI_FAILED;
}

/* The stack and all that joins it to the outside, over the sandbox's device. */
static int make_relay(const struct cli_run_options *options, const struct cli_presence *presence,
		      struct host_loop *loop, int tun, struct relay **relay)
{
	struct relay_config config = {
		.loop = loop,
		.link_fd = tun,
		.network = options->network,
		.host_loopback = options->host_loopback,
		.resolvers = options->resolver_count ? options->resolvers : NULL,
		.resolver_count = options->resolver_count,
		.steward = &presence->steward,
		.rules = options->rules,
		.rule_count = options->rule_count,
	};
	int error = cothon_tun_open(tun, options->network.mtu, &config.link);

	if (error < 0) {
		close(tun);
		return error;
	}
	error = relay_create(&config, relay);
	if (error < 0)
		cothon_link_close(config.link);
	return error;
}

static int publish(const struct cli_run_options *options, struct relay *relay)
{
	for (unsigned i = 0; i < options->publication_count; i++) {
		const struct relay_publication *publication = &options->publications[i];
		struct relay_publish_error reason;
		struct cli_error error;

		if (relay_publish(relay, publication, &reason) == 0)
			continue;
		cli_message(options->name, "%s", cli_explain_publish(publication, &reason, &error));
		return CLI_FAILED;
	}
	return CLI_OK;
}

/* Opens the log, if there is to be one. Returns CLI_OK or CLI_FAILED. */
static int open_log(const struct cli_run_options *options, struct cli_denied *denied)
{
	int error = cli_denied_open(denied, options->log);

	if (error == 0)
		return CLI_OK;
	cli_message(options->name, "cannot write to %s: %s; give --log a file that you may write",
		    options->log, strerrordesc_np(-error));
	return CLI_FAILED;
}

/* Runs the command to its end, and ends the relay. */
static int attend(const struct cli_run_options *options, struct cli_presence *presence,
		  struct cli_denied *denied, struct cli_attendance *attendance)
{
	const char *name = presence->claimed ? presence->claim.name : options->name;
	struct cli_watch watch;
	int status, error = 0;

	if (options->watch)
		error = cli_watch_start(&watch, attendance->loop, attendance->relay);
	cli_denied_start(denied, name, attendance->loop, attendance->relay);
	status = error < 0 ? say_error(options, "watch the flows", error) : cli_attend(attendance);
	cli_presence_stop(presence);
	cli_denied_stop(denied);
	relay_destroy(attendance->relay);
	if (options->watch && error == 0)
		cli_watch_finish(&watch);
	return status;
}

/* The engine, from the device to the end of the command. */
static int engine(const struct cli_run_options *options, struct cli_presence *presence,
		  struct cli_denied *denied, struct sandbox *sandbox, struct host_loop *loop)
{
	struct cli_attendance attendance = {
		.loop = loop,
		.sandbox = sandbox,
		.name = options->name,
		.command = options->command[0],
	};
	struct sandbox_failure failure;
	int status, error;

	if (sandbox_device(sandbox, &attendance.tun, &failure) < 0)
		return say_failure(options, &failure);
	error = make_relay(options, presence, loop, attendance.tun, &attendance.relay);
	if (error < 0)
		return say_error(options, "start the relay", error);
	/* Ports are there before the command is: who waits for it may connect at once. */
	status = publish(options, attendance.relay);
	error = cli_presence_serve(presence, options, loop, attendance.relay, sandbox);
	if (error < 0)
		status = say_error(options, "open the control socket", error);
	if (status == CLI_OK)
		return attend(options, presence, denied, &attendance);
	cli_presence_stop(presence);
	relay_destroy(attendance.relay);
	return status;
}

static int run(const struct cli_run_options *options)
{
	struct host_signals signals;
	struct sandbox_config config = {
		.network = options->network,
		.user = options->user,
		.signals = &signals,
		.argv = options->command,
	};
	static struct cli_denied denied;
	struct cli_presence presence = {0};
	struct sandbox_failure failure;
	struct sandbox *sandbox;
	struct host_loop *loop;
	int status, error;

	host_signals_take(&signals);
	if (sandbox_start(&config, &sandbox, &failure) < 0)
		return say_failure(options, &failure);
	/* What this process was started with is the command's now. */
	sandbox_shed(sandbox);
	host_descriptors_release();
	host_descriptors_unlimit();
	error = host_loop_create(&loop);
	/* The name is taken while init sets up the sandbox. */
	status = error < 0 ? say_error(options, "start the event loop", error)
			   : cli_presence_take(&presence, options);
	if (status == CLI_OK)
		status = open_log(options, &denied);
	if (status == CLI_OK)
		status = engine(options, &presence, &denied, sandbox, loop);
	cli_denied_close(&denied);
	/* The sandbox leaves the loop before that ends. */
	sandbox_end(sandbox);
	cli_presence_end(&presence);
	if (error == 0)
		host_loop_destroy(loop);
	return status;
}

int cli_run(int argc, char **argv)
{
	static struct cli_run_options options;
	struct cli_error error;
	int wanted = cli_run_options_read(argc, argv, &options, &error);
	int status = CLI_OK;

	if (wanted < 0) {
		cli_message("run", "%s", error.text);
		status = CLI_FAILED;
	} else if (wanted == 0) {
		cli_run_options_help();
	} else {
		cli_rules_warn(options.name ? options.name : "run", options.rules,
			       options.rule_count);
		status = run(&options);
	}
	cli_run_options_release(&options);
	return status;
}
