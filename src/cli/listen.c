/* SPDX-License-Identifier: MIT */
#include "cli/listen.h"

#include <cothon/service.h>
#include <stdio.h>
#include <string.h>

/* Reads PORT[/tcp|/udp]. Returns whether it is one. */
static bool parse_port(const char *text, const char *slash, struct sandbox_listen *socket)
{
	socket->transport = COTHON_TCP;
	if (*slash)
		socket->transport = (uint8_t)cothon_transport_by_name(slash + 1, strlen(slash + 1));
	return (socket->transport == COTHON_TCP || socket->transport == COTHON_UDP) &&
	       cothon_port_parse(text, (size_t)(slash - text), socket->transport, &socket->port) ==
		       0 &&
	       socket->port > 0;
}

int cli_listen_parse(const char *text, struct sandbox_listen *socket, struct cli_error *error)
{
	size_t name = strcspn(text, "=");
	const char *port = text[name] ? text + name + 1 : text;
	const char *slash = strchrnul(port, '/');

	if (!parse_port(port, slash, socket))
		return cli_error(error, "this is no port; write " CLI_LISTEN_FORM
					", with a number from 1 to 65535 or a service's name");
	if (port == text)
		name = (size_t)(slash - port);
	if (name == 0 || name >= SANDBOX_LISTEN_NAME || memchr(text, ':', name))
		return cli_error(error,
				 "a socket's name is of 1 to %d characters, none of them ':'",
				 SANDBOX_LISTEN_NAME - 1);
	snprintf(socket->name, sizeof(socket->name), "%.*s", (int)name, text);
	return 0;
}
