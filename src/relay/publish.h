/* SPDX-License-Identifier: MIT */
#ifndef RELAY_PUBLISH_H
#define RELAY_PUBLISH_H

/* Ports of the host that lead to ports in the sandbox. */

#include "relay/relay.h"
#include "relay/timer.h"

struct relay_udp_socket;

/* A publication, and what is open for it. */
struct relay_published {
	struct cothon_list node;
	struct relay_publication publication;
	struct cothon_list ports;
};

/* One port of a publication, on one socket of the host. */
struct relay_port {
	struct cothon_list node;
	struct relay *relay;
	uint16_t inside;
	uint64_t accepted; /* TCP: connections */
	/* TCP: the listening socket, and when accepting rests. */
	struct host_watch watch;
	struct relay_timer pause;
	/* UDP: the socket, in the mapping of the endpoint inside. */
	struct relay_udp_socket *udp;
};

struct relay_publisher {
	struct cothon_list publications; /* in the order in which they were made */
	/* relay_hold(); NULL: clients are accepted. */
	void (*wanted)(void *context, uint16_t inside);
	void *wanted_context;
	unsigned port_count; /* of all of them */
};

void relay_publisher_init(struct relay *relay);
/* Opens the way to the port `inside` for a client whose socket is `fd`, the relay's now. */
void relay_publisher_take_client(struct relay *relay, int fd, const struct cothon_endpoint *client,
				 uint16_t inside);
/* Removes all publications. */
void relay_publisher_finish(struct relay *relay);

#endif
