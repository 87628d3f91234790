/* SPDX-License-Identifier: MIT */
#include "sandbox/listen.h"

#include <cothon/addr.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FIRST = 3, /* sd_listen_fds(3): SD_LISTEN_FDS_START */
};

static int bind_to_port(int fd, bool ipv6, uint16_t port)
{
	const struct sockaddr_in6 any6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const struct sockaddr_in any4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int on = 1, off = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!ipv6)
		return bind(fd, (const struct sockaddr *)&any4, sizeof(any4));
	/* One socket for both families. */
	setsockopt(fd, SOL_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	return bind(fd, (const struct sockaddr *)&any6, sizeof(any6));
}

static int open_one(const struct sandbox_listen *listen_on, bool ipv6)
{
	bool tcp = listen_on->transport == COTHON_TCP;
	int fd = socket(ipv6 ? AF_INET6 : AF_INET, (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC,
			0);
	int error;

	if (fd < 0)
		return -errno;
	if (bind_to_port(fd, ipv6, listen_on->port) == 0 && (!tcp || listen(fd, SOMAXCONN) == 0))
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int sandbox_listen_open(const struct sandbox_listening *config, bool ipv6,
			struct sandbox_listeners *listeners)
{
	listeners->config = config;
	for (unsigned i = 0; i < config->count; i++) {
		int fd = open_one(&config->sockets[i], ipv6);

		if (fd >= 0) {
			listeners->fds[i] = fd;
			/* Who has come may be gone when init wants to accept. */
			if (config->handing == SANDBOX_HANDING_INETD)
				fcntl(fd, F_SETFL, O_NONBLOCK);
			continue;
		}
		while (i > 0)
			close(listeners->fds[--i]);
		return fd;
	}
	return 0;
}

static void set_number(const char *name, long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%ld", value);
	setenv(name, text, 1);
}

static void set_names(const struct sandbox_listening *config)
{
	char text[SANDBOX_LISTEN_MAX * (SANDBOX_LISTEN_NAME + 1)] = "";
	size_t len = 0;

	for (unsigned i = 0; i < config->count; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", i ? ":" : "",
					config->sockets[i].name);
	setenv("LISTEN_FDNAMES", text, 1);
}

int sandbox_listen_hand_over(const struct sandbox_listeners *listeners, int other)
{
	unsigned count = listeners->config->count;
	int above[SANDBOX_LISTEN_MAX];

	/* First all are above the numbers that they are to have, so that none is in another one's place. */
	other = fcntl(other, F_DUPFD_CLOEXEC, FIRST + (int)count);
	for (unsigned i = 0; i < count; i++)
		above[i] = fcntl(listeners->fds[i], F_DUPFD_CLOEXEC, FIRST + (int)count);
	for (unsigned i = 0; i < count; i++)
		dup2(above[i], FIRST + (int)i);
	set_number("LISTEN_PID", getpid());
	set_number("LISTEN_FDS", count);
	set_names(listeners->config);
	return other;
}
