/* SPDX-License-Identifier: MIT */
#ifndef RELAY_STREAM_H
#define RELAY_STREAM_H

/*
 * DNS over TCP (RFC 7766), where the gateway answers itself: queries of one connection are answered
 * one after the other, in their order.
 */

#include "relay/timer.h"
#include <cothon/tcp.h>

struct relay_request;

enum {
	RELAY_STREAM_IDLE = 30, /* seconds after which one is reset on which nothing moves */
};

struct relay_stream {
	struct relay *relay;
	struct cothon_tcp *tcp;
	struct cothon_list node;
	struct relay_timer timer;
	struct relay_request *request; /* that waits for its answer; or NULL */
	bool opened, reading, broken;
};

/* The forwarder's answer to a SYN for a server that the gateway stands in for: 0 or -ENOMEM. */
int relay_stream_forward(struct relay *relay, struct cothon_tcp *tcp);
/* Takes a flow that was accepted; `events` is what was told of it. */
void relay_stream_open(struct relay *relay, struct cothon_tcp *tcp, unsigned events);
/* Sends an answer. */
void relay_stream_answer(struct relay_stream *stream, const uint8_t *message, size_t len);
void relay_stream_finish(struct relay *relay);

#endif
