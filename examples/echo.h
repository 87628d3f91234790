/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_ECHO_H
#define EXAMPLES_ECHO_H

/* An echo server (RFC 862) for TCP and UDP, on the sockets of a host. */

#include <cothon/host.h>

struct echo;

/*
 * Holds a port of a host in both transports. Returns 0, or an error of cothon_socket_open(), _bind() or _listen().
 */
int echo_create(struct cothon_host *host, uint16_t port, struct echo **echo);
/* Ends the server and its connections. */
void echo_destroy(struct echo *echo);
/* Does what can be done now. To be called after every poll of the host, which is to be polled after it. */
void echo_turn(struct echo *echo);
/* Connections that are open now. */
unsigned echo_connections(const struct echo *echo);

#endif
