/* SPDX-License-Identifier: MIT */

/* echo-server DEVICE ADDRESS PORT: an echo server on a TUN device, until a signal ends it. README.md shows how. */

#include "echo.h"
#include "tun_host.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	struct tun_host host;
	struct echo *echo;
	uint16_t port;
	int error;

	if (argc != 4 || cothon_port_parse(argv[3], strlen(argv[3]), COTHON_TCP, &port)) {
		fprintf(stderr, "usage: %s DEVICE ADDRESS PORT\n", argv[0]);
		return 2;
	}
	error = tun_host_create(&host, argv[1], argv[2]);
	if (error) {
		fprintf(stderr, "%s with %s: %s\n", argv[1], argv[2], strerror(-error));
		return 1;
	}
	error = echo_create(host.host, port, &echo);
	if (error) {
		fprintf(stderr, "port %s: %s\n", argv[3], strerror(-error));
		tun_host_destroy(&host);
		return 1;
	}
	while (tun_host_turn(&host) == 0)
		echo_turn(echo);
	echo_destroy(echo);
	tun_host_destroy(&host);
	return 0;
}
