/* SPDX-License-Identifier: MIT */
#include "cli/attend.h"
#include "cli/cli.h"
#include "cli/instance.h"
#include "cli/rule_argument.h"
#include "cli/run_on_demand.h"
#include "cli/run_options.h"
#include "cli/watch.h"
#include "host/descriptors.h"
#include "host/loop.h"
#include "host/signals.h"

/* Runs the command to its end, and ends the relay. */
static int attend(struct cli_instance *instance, struct host_loop *loop)
{
	struct cli_attendance attendance = {
		.loop = loop,
		.relay = instance->relay,
		.sandbox = instance->sandbox,
		.name = instance->options->name,
		.command = instance->options->command[0],
	};
	bool watch_flows = instance->options->watch;
	struct cli_watch watch;
	int status, error = 0;

	if (watch_flows)
		error = cli_watch_start(&watch, loop, instance->relay);
	cli_instance_tell(instance, loop);
	status = error < 0 ? cli_instance_say(instance, "watch the flows", error)
			   : cli_attend(&attendance);
	cli_instance_leave(instance);
	if (watch_flows && error == 0)
		cli_watch_finish(&watch);
	return status;
}

static void steward_gone(struct host_steward *steward)
{
	(void)steward;
	cli_message("run",
		    "the process that keeps the rights of this one was killed from outside; the "
		    "sandbox goes on, but cannot be asked any more, and does not follow "
		    "/etc/resolv.conf");
}

/* The engine, from the taking of the name to the end of the command. */
static int engine(struct cli_instance *instance, struct host_loop *loop)
{
	struct cli_presence *presence = &instance->presence;
	struct host_steward steward = {0};
	/* The name is taken while init sets up the sandbox. */
	int status = cli_instance_claim(instance);

	if (status == CLI_OK)
		status = cli_presence_guard(&presence, 1, &steward);
	if (status == CLI_OK)
		status = cli_instance_join(instance, loop, &steward);
	if (status == CLI_OK)
		host_steward_watch(&steward, loop, steward_gone);
	if (status == CLI_OK)
		status = attend(instance, loop);
	cli_instance_leave(instance);
	/* The sandbox leaves the loop before that ends. */
	cli_instance_end(instance);
	if (steward.pid > 0)
		host_steward_end(&steward);
	return status;
}

static int run(const struct cli_run_options *options)
{
	static struct cli_instance instance;
	struct host_signals signals;
	struct sandbox_config config = {
		.network = options->network,
		.queues = options->threads,
		.user = options->user,
		.signals = &signals,
		.argv = options->command,
		.listening = {.sockets = options->sockets, .count = options->socket_count},
	};
	struct host_loop *loop;
	int status, error;

	host_signals_take(&signals);
	if (cli_instance_start(&instance, options, &config) != CLI_OK)
		return CLI_FAILED;
	/* What this process was started with is the command's now. */
	sandbox_shed(instance.sandbox);
	host_descriptors_release();
	host_descriptors_unlimit();
	if (options->limits.descriptors)
		host_descriptors_set_limit(options->limits.descriptors);
	error = host_loop_create(&loop);
	if (error < 0) {
		status = cli_instance_say(&instance, "start the event loop", error);
		cli_instance_end(&instance);
		return status;
	}
	status = engine(&instance, loop);
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
		status = options.on_demand ? cli_run_on_demand(&options) : run(&options);
	}
	cli_run_options_release(&options);
	return status;
}
