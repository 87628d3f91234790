/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_CLIENT_H
#define HOSTILE_CLIENT_H

/*
 * The peer's side of a TCP flow, segment by segment: as much of TCP as it takes to bring a flow
 * into any state.
 */

#include "stage.h"

struct client {
	struct stage *stage;
	enum scene_family family;
	struct cothon_addr addr, remote_addr;
	uint16_t port, remote_port;
	uint32_t seq; /* the next to send */
	uint32_t ack; /* the next expected */
	uint32_t una; /* what the stack has acknowledged */
	uint32_t iss, irs;
	bool got_syn, got_fin, got_reset;
	/* What its SYN offers; a multiple of four bytes. */
	uint8_t options[40];
	size_t options_len;
	size_t received; /* bytes in order */
	uint32_t check;  /* their sum, to compare */
};

/* A flow of the peer's `port` to a port of the stack's own address, or of the host outside. */
void client_init(struct client *client, struct stage *stage, enum scene_family family,
		 uint16_t port, uint16_t remote_port, bool outside);
/* Lays a segment onto the link: from `seq`, with an ACK of all that has come, and `len` bytes. */
void client_offer(struct client *client, uint32_t seq, uint8_t flags, size_t len);
/* The same, and the stack does what is due. */
void client_send(struct client *client, uint32_t seq, uint8_t flags, size_t len);
/*
 * Takes in all that the stack has sent meanwhile, and nothing but what is for this flow. Returns
 * its segments.
 */
unsigned client_hear(struct client *client);
/* The three segments of an open. Returns whether the flow stands. */
bool client_open(struct client *client);
/*
 * What a flow needs to lose its data and to have it again: MSS and SACK permitted, to be set before
 * it is opened.
 */
void client_offer_options(struct client *client);
/*
 * Where the flow stands, if nothing that the stack has sent since the flow was opened was
 * acknowledged.
 */
struct scene_flow client_flow(const struct client *client);
/*
 * An ordinary connection to the stack's echo: opens, has `len` bytes sent back, and ends in order.
 * Returns NULL, or what went wrong. Loss is made good as time passes, which is for at most ten
 * seconds.
 */
const char *client_ordinary(struct stage *stage, enum scene_family family, uint16_t port,
			    size_t len);

#endif
