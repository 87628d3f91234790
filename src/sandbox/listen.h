/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_LISTEN_H
#define SANDBOX_LISTEN_H

/*
 * Sockets that are there before the command is, and are given to it: by their numbers from 3 up, as sd_listen_fds(3)
 * describes it, or as standard input and output, as inetd(8) does.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	SANDBOX_LISTEN_MAX = 32,
	SANDBOX_LISTEN_NAME = 64,
	SANDBOX_INETD_MOST = 1024, /* commands at a time */
};

struct sandbox_listen {
	uint8_t transport; /* COTHON_TCP or COTHON_UDP */
	uint16_t port;
	char name[SANDBOX_LISTEN_NAME]; /* for LISTEN_FDNAMES */
};

enum sandbox_handing {
	SANDBOX_HANDING_LISTEN_FDS,
	SANDBOX_HANDING_INETD,      /* a command for each connection, with that */
	SANDBOX_HANDING_INETD_WAIT, /* one command at a time, with the socket that listens */
};

struct sandbox_listening {
	const struct sandbox_listen *sockets;
	unsigned count; /* 0: none, and nothing else matters */
	enum sandbox_handing handing;
	unsigned most; /* commands at a time, for INETD */
};

/* The sockets as they are open. */
struct sandbox_listeners {
	const struct sandbox_listening *config;
	int fds[SANDBOX_LISTEN_MAX];
};

/*
 * Opens the sockets in the network namespace of the caller, on all its addresses. Returns 0 or the errno of socket(2),
 * bind(2) or listen(2), and then none is open.
 */
int sandbox_listen_open(const struct sandbox_listening *config, bool ipv6,
			struct sandbox_listeners *listeners);
/*
 * In the process that becomes the command: the sockets are its descriptors from 3 up, and its environment says so.
 * Another descriptor that is still needed until then, closed on exec, is moved out of the way. Returns its new number.
 */
int sandbox_listen_hand_over(const struct sandbox_listeners *listeners, int other);

#endif
