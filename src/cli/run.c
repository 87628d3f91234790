/* SPDX-License-Identifier: MIT */
#include "cli/attend.h"
#include "cli/cli.h"
#include "cli/explain.h"
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

#define RESOLV_CONF "/etc/resolv.conf"

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
static int make_relay(const struct cli_run_options *options, struct host_loop *loop, int tun,
		      struct relay **relay)
{
	struct relay_config config = {
		.loop = loop,
		.link_fd = tun,
		.network = options->network,
		.host_loopback = options->host_loopback,
		.resolvers = options->resolver_count ? options->resolvers : NULL,
		.resolver_count = options->resolver_count,
		.resolv_conf = RESOLV_CONF,
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

/* Runs the command to its end, and ends the relay. */
static int attend(const struct cli_run_options *options, struct cli_attendance *attendance)
{
	struct cli_watch watch;
	int status, error = 0;

	if (options->watch)
		error = cli_watch_start(&watch, attendance->loop, attendance->relay);
	status = error < 0 ? say_error(options, "watch the flows", error) : cli_attend(attendance);
	relay_destroy(attendance->relay);
	if (options->watch && error == 0)
		cli_watch_finish(&watch);
	return status;
}

/* The engine, from the device to the end of the command. */
static int engine(const struct cli_run_options *options, struct sandbox *sandbox,
		  struct host_loop *loop)
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
	error = make_relay(options, loop, attendance.tun, &attendance.relay);
	if (error < 0)
		return say_error(options, "start the relay", error);
	/* Ports are there before the command is: who waits for it may connect at once. */
	status = publish(options, attendance.relay);
	if (status == CLI_OK)
		status = attend(options, &attendance);
	else
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
	status = error < 0 ? say_error(options, "start the event loop", error)
			   : engine(options, sandbox, loop);
	/* The sandbox leaves the loop before that ends. */
	sandbox_end(sandbox);
	if (error == 0)
		host_loop_destroy(loop);
	return status;
}

int cli_run(int argc, char **argv)
{
	static struct cli_run_options options;
	struct cli_error error;
	int wanted = cli_run_options_read(argc, argv, &options, &error);

	if (wanted < 0) {
		cli_message("run", "%s", error.text);
		return CLI_FAILED;
	}
	if (wanted == 0) {
		cli_run_options_help();
		return CLI_OK;
	}
	return run(&options);
}
