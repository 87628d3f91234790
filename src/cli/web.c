/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/options.h"
#include "cli/running.h"
#include "host/socket.h"
#include <cothon/service.h>

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

enum {
	TOKEN_BYTES = 24,
	TOKEN_TEXT = 2 * TOKEN_BYTES + 1,
	/* Milliseconds after which the sandbox is asked again whether it is there: it leaves who is silent. */
	ASK_EVERY = 10000,
};

struct settings {
	uint16_t port;
	bool open;
};

CLI_OPTION_FLAG(take_open, struct settings, open)

static int take_port(void *target, const char *value, struct cli_error *error)
{
	struct settings *settings = target;

	if (cothon_port_parse(value, strlen(value), 0, &settings->port) == 0)
		return 0;
	return cli_error(error, "this is neither a port (1 to 65535) nor a service's name");
}

static const struct cli_option options[] = {
	{"port", 'p', "PORT", "on this port of 127.0.0.1; without it, on a free one", take_port},
	{"open", 0, NULL, "open it in the browser, with xdg-open", take_open},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "web",
	.examples = "  cothon web web --open\n"
		    "  cothon web                  the only sandbox that runs\n"
		    "  cothon web web --port 8800",
	.usage = "cothon web [OPTIONS] [NAME] [OPTIONS]",
	.summary =
		"Shows a sandbox in a browser of this host: all its ports as a map, applications "
		"and flows, throughput and delay, what was denied; ports are published and rules "
		"changed there. The sandbox itself serves the page, on the host's loopback, until "
		"this command is ended. The address that is printed has a token in it: whoever "
		"knows it may change the sandbox.",
	.options = options,
};

static int listen_on(uint16_t port, struct cli_error *error)
{
	static const uint8_t loopback[] = {127, 0, 0, 1};
	const struct cothon_endpoint at = {cothon_addr_ipv4(loopback), port};
	struct host_sockaddr address = host_sockaddr_make(&at, 0);
	int fd = host_socket_open(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		return cli_error(error, "cannot open a socket: %s", strerrordesc_np(-fd));
	host_socket_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind(fd, &address.any, address.len) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	cli_error(error, "cannot listen on port %u of 127.0.0.1: %s; choose another with --port",
		  port, strerrordesc_np(errno));
	close(fd);
	return -EINVAL;
}

static int make_token(char text[static TOKEN_TEXT], struct cli_error *error)
{
	uint8_t bytes[TOKEN_BYTES];

	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return cli_error(error, "the system has no random numbers");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
	return 0;
}

static void open_browser(const char *address)
{
	extern char **environ;
	char *arguments[] = {"xdg-open", (char *)(uintptr_t)address, NULL};
	pid_t pid;
	int error = posix_spawnp(&pid, arguments[0], NULL, NULL, arguments, environ);

	if (error)
		cli_message("web", "cannot run xdg-open: %s; open the address yourself",
			    strerrordesc_np(error));
}

/* Waits until the sandbox ends; the page lives as long as this connection. */
static int stay(struct cli_running *running)
{
	for (;;) {
		struct pollfd watched = {.fd = running->fd, .events = POLLIN};
		struct cli_error error;
		json_t *answer;

		if (poll(&watched, 1, ASK_EVERY) > 0)
			break;
		if (cli_running_ask(running, HTTP_GET, "/v1/sandbox", NULL, &answer, &error) < 0)
			break;
		json_decref(answer);
	}
	cli_message("web", "%s has ended", running->name);
	return 0;
}

static int serve(struct cli_running *running, const struct settings *settings,
		 struct cli_error *error)
{
	char token[TOKEN_TEXT], address[128];
	int listener = listen_on(settings->port, error), result = listener;
	json_t *body;

	if (result >= 0)
		result = make_token(token, error);
	if (result >= 0) {
		snprintf(address, sizeof(address), "http://127.0.0.1:%u/#%s",
			 host_socket_local(listener).port, token);
		body = json_pack("{ss}", "token", token);
		result = cli_running_give(running, HTTP_POST, "/v1/web", body, &listener, 1, NULL,
					  error);
		json_decref(body);
	}
	/* The sandbox has its own by now. */
	if (listener >= 0)
		close(listener);
	if (result < 0)
		return result;
	printf("%s\n", address);
	fflush(stdout);
	if (settings->open)
		open_browser(address);
	return stay(running);
}

int cli_web(int argc, char **argv)
{
	struct settings settings = {0};
	struct cli_running running;
	const char *name = NULL;
	struct cli_error error;
	int result = cli_options_name(&syntax, argc, argv, &settings, &name, &error);

	if (result == 0) {
		cli_options_help(&syntax);
		return CLI_OK;
	}
	if (result > 0)
		result = cli_running_find(&running, name, &error);
	if (result == 0) {
		result = serve(&running, &settings, &error);
		cli_running_close(&running);
	}
	if (result < 0) {
		cli_message("web", "%s", error.text);
		return CLI_FAILED;
	}
	return CLI_OK;
}
