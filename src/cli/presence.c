/* SPDX-License-Identifier: MIT */
#include "cli/presence.h"

#include "cli/explain.h"
#include "control/peer.h"
#include "control/routes.h"

#include <errno.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

#define RESOLV_CONF "/etc/resolv.conf"

/* Why there is no name, and what to do. Returns error->text. */
static const char *explain(const struct control_claim *claim, const char *name, int reason,
			   pid_t holder, struct cli_error *error)
{
	const char *path = claim->directory.path;

	if (reason == -EEXIST && holder > 0)
		cli_error(error,
			  "a sandbox called \"%s\" is running already, as process %d; choose "
			  "another name, or leave --name out",
			  name, (int)holder);
	else if (reason == -EEXIST)
		cli_error(error,
			  "a sandbox called \"%s\" is running already; choose another name, or "
			  "leave --name out",
			  name);
	else if (reason == -EPERM)
		cli_error(
			error,
			"%s, for control sockets, is not yours alone, as it must be; see who made "
			"it (ls -ld %s), or set XDG_RUNTIME_DIR to a directory of yours",
			path, path);
	else
		cli_error(error,
			  "cannot make a control socket in %s: %s; set XDG_RUNTIME_DIR to a "
			  "directory of yours",
			  path, cli_explain_error(reason));
	return error->text;
}

/* Takes the name, if it can be had. Returns CLI_FAILED when it must be had. */
static int claim(struct cli_presence *presence, const struct cli_run_options *options)
{
	struct cli_error error;
	pid_t holder = 0;
	int reason = control_claim(&presence->claim, options->name, options->command[0], &holder);

	presence->claimed = reason == 0;
	if (reason == 0)
		return CLI_OK;
	explain(&presence->claim, options->name, reason, holder, &error);
	if (options->name) {
		cli_message("run", "%s", error.text);
		return CLI_FAILED;
	}
	cli_message("run", "%s; without that, `cothon ps` does not see this sandbox", error.text);
	return CLI_OK;
}

int cli_presence_take(struct cli_presence *presence, const struct cli_run_options *options)
{
	return claim(presence, options);
}

const char *cli_presence_name(const struct cli_presence *presence)
{
	return presence->claimed ? presence->claim.name : NULL;
}

struct presences {
	struct cli_presence *const *list;
	size_t count;
};

/* In the steward, when the engine has ended. */
static void give_up_names(void *context)
{
	const struct presences *presences = context;

	for (size_t i = 0; i < presences->count; i++) {
		if (presences->list[i]->claimed)
			control_claim_remove(&presences->list[i]->claim);
	}
}

int cli_presence_guard(struct cli_presence *const *presences, size_t count,
		       struct host_steward *steward)
{
	struct presences context = {presences, count};
	const struct host_steward_config config = {
		.file = RESOLV_CONF,
		.allows = control_peer_is_allowed,
		.last = give_up_names,
		.context = &context,
	};
	int error = host_steward_start(&config, steward);

	for (size_t i = 0; i < count; i++) {
		struct cli_presence *presence = presences[i];

		if (!presence->claimed)
			continue;
		/* From here on the directory is the steward's. */
		if (error == 0)
			control_directory_close(&presence->claim.directory);
		else
			control_claim_release(&presence->claim);
		presence->claimed = presence->guarded = error == 0;
	}
	if (error == 0)
		return CLI_OK;
	cli_message("run", "cannot start the process that keeps its rights: %s",
		    cli_explain_error(error));
	return CLI_FAILED;
}

static bool steward_allows(void *context, int fd)
{
	return host_steward_allows(context, fd);
}

int cli_presence_serve(struct cli_presence *presence, const struct cli_run_options *options,
		       const struct host_steward *steward, struct host_loop *loop,
		       struct relay *relay, struct sandbox *sandbox)
{
	const struct control_server_config config = {
		.instance = &presence->instance,
		.routes = control_routes,
		.listener = presence->claim.listener,
		.connections = (unsigned)options->limits.control_connections,
		.allows = steward_allows,
		.allows_context = (void *)(uintptr_t)steward,
	};
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	presence->instance = (struct control_instance){
		.loop = loop,
		.relay = relay,
		.sandbox = sandbox,
		.network = options->network,
		.name = cli_presence_name(presence),
		.command = options->command,
		.user = options->user,
		.started_at = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000,
	};
	return presence->claimed ? control_server_create(&config, &presence->server) : 0;
}

void cli_presence_stop(struct cli_presence *presence)
{
	if (presence->server)
		control_server_destroy(presence->server);
	presence->server = NULL;
}

void cli_presence_end(struct cli_presence *presence)
{
	if (presence->claimed && presence->guarded)
		close(presence->claim.listener);
	else if (presence->claimed)
		control_claim_release(&presence->claim);
	presence->claimed = false;
}
