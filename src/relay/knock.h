/* SPDX-License-Identifier: MIT */
#ifndef RELAY_KNOCK_H
#define RELAY_KNOCK_H

/* Whether anybody in the sandbox accepts connections on a port: one is opened from the gateway, and closed. */

#include "relay/relay.h"

struct relay_knock {
	/* From here on knock.c's. */
	struct relay *relay;
	struct cothon_tcp *tcp; /* NULL: nobody is waited for */
	uint16_t port;
	bool second; /* it is tried with IPv6, since nobody was there with IPv4 */
	void (*answered)(struct relay_knock *knock, bool accepted);
};

/*
 * Begins. `answered` is called once, in a later turn of the loop, unless relay_knock_cancel() comes before. Returns 0,
 * or the error of cothon_tcp_connect(), and then nothing is called.
 */
int relay_knock_start(struct relay_knock *knock, struct relay *relay, uint16_t port,
		      void (*answered)(struct relay_knock *knock, bool accepted));
/* Gives up waiting, if anybody is waited for. */
void relay_knock_cancel(struct relay_knock *knock);

#endif
