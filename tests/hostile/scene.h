/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_SCENE_H
#define HOSTILE_SCENE_H

/*
 * Who is on the link, as those who make frames see it: a stack that plays the gateway, a peer on
 * its link, and a host outside that the stack speaks for. The addresses are a sandbox's own, so
 * that the same frames can be given to the real program.
 */

#include <cothon/addr.h>
#include <stdbool.h>

enum scene_family {
	SCENE_V4,
	SCENE_V6,
	SCENE_FAMILIES,
};

/* What the stack does on its ports, and outside on those of the host it speaks for. */
enum scene_port {
	SCENE_ECHO = 7,     /* TCP and UDP: sends back what it gets */
	SCENE_DISCARD = 9,  /* reads and says nothing */
	SCENE_STALL = 11,   /* reads nothing */
	SCENE_HANG_UP = 13, /* gives the flow up as soon as it is open */
	SCENE_TALK = 19,    /* sends SCENE_TALK_BYTES and its end */
	SCENE_CLOSED = 1,   /* nobody is there */

	SCENE_ANSWERED = 53, /* UDP outside: echoes */
	SCENE_OPEN = 80,     /* TCP outside: echoes */
	SCENE_HELD = 81,     /* TCP outside: waits for its answer; UDP: swallows */
	SCENE_REFUSED = 82,
	SCENE_NO_NET = 83,
	SCENE_NO_HOST = 84,
	SCENE_PROHIBITED = 85,
	SCENE_SILENT = 86,
	SCENE_GIVEN_BACK = 87, /* refused through its handle */
};

enum {
	SCENE_TALK_BYTES = 100000,
	SCENE_DATAGRAM_PORT = 30000,
	SCENE_ECHO_IDENT = 0x1234,
};

/* A flow of the peer's, where the numbers stand. */
struct scene_flow {
	uint16_t peer_port, port;
	uint32_t seq; /* the peer's next */
	uint32_t ack; /* the stack's next */
	uint32_t una; /* the stack's oldest that is not acknowledged */
};

struct scene {
	struct cothon_addr self[SCENE_FAMILIES], peer[SCENE_FAMILIES], outside[SCENE_FAMILIES];
	/*
	 * Where datagrams come from: ports from this one up, so many. Echo requests have as many
	 * identifiers.
	 */
	uint16_t datagram_port, datagram_ports;
	/* One that is established and quiet, and one on which the stack has data in flight. */
	struct scene_flow quiet[SCENE_FAMILIES], sending[SCENE_FAMILIES];
};

/* The addresses; flows with numbers that fit nothing. */
void scene_init(struct scene *scene);

#endif
