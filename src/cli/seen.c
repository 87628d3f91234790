/* SPDX-License-Identifier: MIT */
#include "cli/seen.h"

#include "base/list.h"
#include "host/scribe.h"
#include "host/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int say(const struct cli_run_options *options, const char *what, int error)
{
	cli_message(options->name,
		    "cannot write to %s: %s; give --capture a file that you may "
		    "write",
		    what, strerrordesc_np(-error));
	return CLI_FAILED;
}

static int open_capture(struct cli_seen *seen)
{
	const char *file = seen->options->capture.file;
	int scribe, error, fd = cli_capture_open(file);

	if (fd < 0)
		return say(seen->options, file, fd);
	cli_capture_empty(fd);
	error = host_scribe_join(&seen->socket, &scribe);
	if (error == 0) {
		pid_t pid = host_scribe_start(scribe, fd, false);

		error = pid < 0 ? pid : 0;
		seen->scribe = pid < 0 ? 0 : pid;
		close(scribe);
	}
	close(fd);
	return error < 0 ? say(seen->options, file, error) : CLI_OK;
}

static int listen_at(const struct cothon_endpoint *endpoint)
{
	const struct host_sockaddr at = host_sockaddr_make(endpoint, 0);
	int fd = host_socket_open(at.any.sa_family, SOCK_STREAM, IPPROTO_TCP);
	int error;

	if (fd < 0)
		return fd;
	error = host_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (!error && (bind(fd, &at.any, at.len) < 0 || listen(fd, CONTROL_CONNECTIONS) < 0))
		error = -errno;
	if (error)
		close(fd);
	return error ? error : fd;
}

static int open_metrics(struct cli_seen *seen)
{
	const struct cothon_endpoint *endpoint = &seen->options->metrics;
	char text[COTHON_ENDPOINT_TEXT];

	seen->listener = listen_at(endpoint);
	if (seen->listener >= 0)
		return CLI_OK;
	cli_message(seen->options->name,
		    "cannot serve metrics at %s: %s; give --metrics another port",
		    cothon_endpoint_format(endpoint, text), strerrordesc_np(-seen->listener));
	return CLI_FAILED;
}

int cli_seen_open(struct cli_seen *seen, const struct cli_run_options *options)
{
	int status = CLI_OK;

	*seen = (struct cli_seen){.options = options, .socket = -1, .listener = -1};
	if (options->metrics.port)
		status = open_metrics(seen);
	if (status == CLI_OK && options->capture.file)
		status = open_capture(seen);
	return status;
}

int cli_seen_start(struct cli_seen *seen, struct host_loop *loop, struct relay *relay,
		   struct sandbox *sandbox, struct cothon_link *device, const char *name)
{
	struct control_capture_config config = {
		.loop = loop,
		.link = device,
		.relay = relay,
		.name = name,
		.command = seen->options->command,
	};
	int error = control_applications_create(loop, sandbox, &seen->applications);

	config.applications = seen->applications;
	if (error == 0) {
		seen->metrics = control_metrics_create(relay);
		error = seen->metrics ? 0 : -ENOMEM;
	}
	if (error == 0)
		error = control_capture_create(&config, &seen->capture);
	if (error == 0 && seen->socket >= 0) {
		error = control_capture_start(seen->capture, seen->socket,
					      &seen->options->capture.limits);
		if (error == 0)
			seen->socket = -1;
	}
	return error;
}

/* --- bounds that were met --- */

enum {
	LOOK_EVERY = 1000000 /* microseconds */
};

static void look_at_limit(const struct relay_limit *limit, void *context)
{
	struct cli_seen *seen = context;
	unsigned at = seen->limit++;
	char message[256], met[24], bound[24];
	struct control_log_line line = {.level = CONTROL_LOG_WARNING, .message = message};

	if (at >= CLI_SEEN_LIMITS || limit->refused <= seen->met[at])
		return;
	snprintf(met, sizeof(met), "%llu", (unsigned long long)(limit->refused - seen->met[at]));
	snprintf(bound, sizeof(bound), "%llu", (unsigned long long)limit->bound);
	seen->met[at] = limit->refused;
	snprintf(message, sizeof(message), "the limit %s=%s was met %s time%s (%s)", limit->name,
		 bound, met, strcmp(met, "1") == 0 ? "" : "s", limit->text);
	control_log_add(&line, "event", "limit");
	control_log_add(&line, "limit", limit->name);
	control_log_add(&line, "bound", bound);
	control_log_add(&line, "times", met);
	control_log_write(seen->log, &line);
}

/* Looks at most once a second, and only when there was a round: who is idle stays so. */
static uint64_t watch_limits(struct host_hook *hook, uint64_t now)
{
	struct cli_seen *seen = cothon_container(hook, struct cli_seen, hook);

	if (now < seen->look_at)
		return seen->look_at;
	seen->limit = 0;
	relay_limits(seen->relay, look_at_limit, seen);
	seen->look_at = now + LOOK_EVERY;
	return UINT64_MAX;
}

static void start_watching(struct cli_seen *seen, struct control_instance *instance)
{
	if (!instance->log || !control_log_wants(instance->log, CONTROL_LOG_WARNING))
		return;
	seen->log = instance->log;
	seen->loop = instance->loop;
	seen->relay = instance->relay;
	seen->hook.turn = watch_limits;
	host_loop_hook(seen->loop, &seen->hook);
}

/* --- metrics --- */

/* Whoever reaches the address may read them. */
static bool allow_all(void *context, int fd)
{
	(void)context;
	(void)fd;
	return true;
}

int cli_seen_show(struct cli_seen *seen, struct control_instance *instance)
{
	const struct control_server_config config = {
		.instance = instance,
		.routes = control_metrics_routes,
		.listener = seen->listener,
		.allows = allow_all,
	};

	start_watching(seen, instance);
	instance->capture = seen->capture;
	instance->metrics = seen->metrics;
	if (seen->listener < 0)
		return 0;
	control_metrics_begin(seen->metrics);
	return control_server_create(&config, &seen->server);
}

void cli_seen_stop(struct cli_seen *seen)
{
	if (seen->server)
		control_server_destroy(seen->server);
	seen->server = NULL;
	if (seen->log) {
		/* What was met last. */
		seen->limit = 0;
		relay_limits(seen->relay, look_at_limit, seen);
		host_loop_unhook(seen->loop, &seen->hook);
	}
	seen->log = NULL;
	control_metrics_destroy(seen->metrics);
	seen->metrics = NULL;
	control_capture_destroy(seen->capture);
	seen->capture = NULL;
	control_applications_destroy(seen->applications);
	seen->applications = NULL;
}

void cli_seen_close(struct cli_seen *seen)
{
	if (seen->socket > 0)
		close(seen->socket);
	seen->socket = -1;
	if (seen->listener > 0)
		close(seen->listener);
	seen->listener = -1;
	if (seen->scribe > 0)
		host_scribe_await(seen->scribe);
	seen->scribe = 0;
}
