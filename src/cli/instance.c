/* SPDX-License-Identifier: MIT */
#include "cli/instance.h"

#include "cli/explain.h"
#include "control/publications.h"
#include <cothon/link.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

const char *cli_instance_remedy(int error)
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

int cli_instance_say(const struct cli_instance *instance, const char *what, int error)
{
	cli_message(instance->options->name, "cannot %s: %s; %s", what, strerrordesc_np(-error),
		    cli_instance_remedy(error));
	return CLI_FAILED;
}

static int say_failure(const struct cli_instance *instance, const struct sandbox_failure *failure)
{
	struct cli_error error;

	cli_message(instance->options->name, "%s", cli_explain_failure(failure, &error));
	return CLI_FAILED;
}

int cli_instance_start(struct cli_instance *instance, const struct cli_run_options *options,
		       const struct sandbox_config *config)
{
	struct sandbox_failure failure;

	instance->options = options;
	if (sandbox_start(config, &instance->sandbox, &failure) == 0)
		return CLI_OK;
	instance->sandbox = NULL;
	return say_failure(instance, &failure);
}

int cli_instance_claim(struct cli_instance *instance)
{
	const struct cli_run_options *options = instance->options;
	int error;

	if (cli_presence_take(&instance->presence, options) != CLI_OK ||
	    cli_seen_open(&instance->seen, options) != CLI_OK)
		return CLI_FAILED;
	error = cli_denied_open(&instance->denied, options->log, options->log_level);
	if (options->limits.log_lines)
		instance->denied.log.limit = (unsigned)options->limits.log_lines;
	if (error == 0)
		return CLI_OK;
	cli_message(options->name, "cannot write to %s: %s; give --log a file that you may write",
		    options->log, strerrordesc_np(-error));
	return CLI_FAILED;
}

/* Makes links of the device's queues. Returns 0, or a negative errno and there are none. */
static int open_queues(struct cli_instance *instance, struct relay_queue *queues, unsigned count,
		       struct sandbox_failure *failure)
{
	unsigned opened = 0;
	int error = 0;

	failure->error = 0;
	while (error == 0 && opened < count) {
		struct relay_queue *queue = &queues[opened];

		error = sandbox_device(instance->sandbox, &queue->fd, failure);
		if (error < 0)
			break;
		error = cothon_tun_open(queue->fd, instance->options->network.mtu, &queue->link);
		if (error < 0)
			close(queue->fd);
		opened += error == 0;
	}
	while (error < 0 && opened > 0)
		cothon_link_close(queues[--opened].link);
	return error;
}

/* The stack and all that joins it to the outside, over the sandbox's device. */
static int make_relay(struct cli_instance *instance, struct host_loop *loop,
		      const struct host_steward *steward, const struct relay_queue *queues)
{
	const struct cli_run_options *options = instance->options;
	const struct relay_config config = {
		.loop = loop,
		.link = queues[0].link,
		.link_fd = queues[0].fd,
		.queues = queues + 1,
		.queue_count = options->threads - 1,
		.network = options->network,
		.host_loopback = options->host_loopback,
		.resolvers = options->resolver_count ? options->resolvers : NULL,
		.resolver_count = options->resolver_count,
		.steward = steward,
		.rules = options->rules,
		.rule_count = options->rule_count,
		.limits = options->limits.relay,
		.neighbourhood = instance->neighbourhood,
		.neighbour_name = instance->neighbourhood ? options->name : NULL,
	};
	int error = relay_create(&config, &instance->relay);

	instance->device = config.link;
	if (error == 0)
		return 0;
	instance->relay = NULL;
	for (unsigned i = 0; i < options->threads; i++)
		cothon_link_close(queues[i].link);
	return error;
}

static int publish(struct cli_instance *instance)
{
	struct control_log *log = &instance->denied.log;
	const struct cli_run_options *options = instance->options;

	for (unsigned i = 0; i < options->publication_count; i++) {
		const struct relay_publication *publication = &options->publications[i];
		struct relay_publish_error reason;
		struct cli_error error;

		if (relay_publish(instance->relay, publication, &reason) == 0) {
			control_publication_log(log, "published", publication);
			continue;
		}
		cli_message(options->name, "%s", cli_explain_publish(publication, &reason, &error));
		return CLI_FAILED;
	}
	return CLI_OK;
}

int cli_instance_join(struct cli_instance *instance, struct host_loop *loop,
		      const struct host_steward *steward)
{
	struct relay_queue queues[RELAY_QUEUES_MAX] = {0};
	struct sandbox_failure failure;
	const char *name;
	int error = open_queues(instance, queues, instance->options->threads, &failure);

	if (failure.error < 0)
		return say_failure(instance, &failure);
	if (error == 0)
		error = make_relay(instance, loop, steward, queues);
	if (error < 0)
		return cli_instance_say(instance, "start the relay", error);
	name = cli_presence_name(&instance->presence);
	control_log_name(&instance->denied.log, name ? name : instance->options->name);
	/* Ports are there before the command is: who waits for it may connect at once. */
	if (publish(instance) != CLI_OK)
		return CLI_FAILED;
	error = cli_seen_start(&instance->seen, loop, instance->relay, instance->sandbox,
			       instance->device, name ? name : instance->options->name);
	if (error == -EDOM)
		cli_message(
			instance->options->name,
			"cannot filter by a name when no rule is about one, since the sandbox's "
			"addresses are not known by names then; add --allow or --deny with it, "
			"or filter by addresses");
	if (error < 0)
		return error == -EDOM ? CLI_FAILED : cli_instance_say(instance, "capture", error);
	error = cli_presence_serve(&instance->presence, instance->options, steward, loop,
				   instance->relay, instance->sandbox);
	instance->presence.instance.supervision = instance->supervision;
	instance->presence.instance.log = &instance->denied.log;
	if (error == 0)
		error = cli_seen_show(&instance->seen, &instance->presence.instance);
	return error < 0 ? cli_instance_say(instance, "open the control socket", error) : CLI_OK;
}

void cli_instance_tell(struct cli_instance *instance, struct host_loop *loop)
{
	const char *name = cli_presence_name(&instance->presence);

	instance->telling = true;
	instance->presence.instance.limits = cli_denied_limits;
	instance->presence.instance.limits_owner = &instance->denied;
	cli_denied_start(&instance->denied, name ? name : instance->options->name, loop,
			 instance->relay, instance->seen.applications);
}

void cli_instance_leave(struct cli_instance *instance)
{
	cli_presence_stop(&instance->presence);
	cli_seen_stop(&instance->seen);
	if (!instance->relay)
		return;
	if (instance->telling)
		cli_denied_stop(&instance->denied);
	instance->telling = false;
	relay_destroy(instance->relay);
	instance->relay = NULL;
}

void cli_instance_end(struct cli_instance *instance)
{
	cli_denied_close(&instance->denied);
	cli_seen_close(&instance->seen);
	if (instance->sandbox)
		sandbox_end(instance->sandbox);
	instance->sandbox = NULL;
	cli_presence_end(&instance->presence);
}
