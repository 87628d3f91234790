/* SPDX-License-Identifier: MIT */
#ifndef UNIT_PORT_DUAL_H
#define UNIT_PORT_DUAL_H

/*
 * The two sides of a comparison: servers on Linux sockets, and on the right stack of a pair, whose
 * left one is the client. Both have 192.0.2.2, 192.0.2.3, 2001:db8::2 and 2001:db8::3.
 */

#include <cothon/cothon.h>

struct dual_place {
	const char *addr;
	bool v6_only;
};

struct dual_spec {
	uint8_t transport;
	struct dual_place place;
	uint16_t port;
	struct cothon_bind_options options;
};

struct dual_server {
	int fd;
	struct cothon_udp *udp;
	struct cothon_listener *listener;
	uint16_t linux_port, stack_port;
	unsigned told; /* datagrams and connections that the stack gave to it */
	struct cothon_tcp *accepted;
	bool keep; /* connections, instead of resetting them */
};

/* How a server's connection is left when the server closes. */
enum dual_left {
	DUAL_ESTABLISHED,
	DUAL_TIME_WAIT, /* the server's end came first */
	DUAL_GONE,      /* the client's end came first */
};

struct dual;

/* Makes the namespace that the Linux side is in; for cmocka's group set-up. */
int dual_linux_enter(void **state);
/* Binds, and for TCP listens. Returns 0 or a negative errno. */
int dual_linux_open(const struct dual_spec *spec, struct dual_server *server);
void dual_linux_close(struct dual_server *server);
/* Sends or connects to an address: which of the servers got it, or -1. */
int dual_linux_deliver(uint8_t transport, const struct cothon_addr *to, uint16_t port,
		       const struct dual_server *servers, int count);
/* A client connects, the server closes, and the connection is left as `left` says. */
void dual_linux_leave(struct dual_server *server, const struct cothon_addr *to, uint16_t port,
		      enum dual_left left);
/* Closes what dual_linux_leave() left open. */
void dual_linux_forget(void);

struct dual *dual_create(void);
void dual_destroy(struct dual *dual);
int dual_stack_open(struct dual *dual, const struct dual_spec *spec, struct dual_server *server);
void dual_stack_close(struct dual_server *server);
int dual_stack_deliver(struct dual *dual, uint8_t transport, const struct cothon_addr *to,
		       uint16_t port, struct dual_server *servers, int count);
void dual_stack_leave(struct dual *dual, struct dual_server *server, const struct cothon_addr *to,
		      uint16_t port, enum dual_left left);
void dual_stack_forget(struct dual *dual);

#endif
