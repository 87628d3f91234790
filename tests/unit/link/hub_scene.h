/* SPDX-License-Identifier: MIT */
#ifndef UNIT_LINK_HUB_SCENE_H
#define UNIT_LINK_HUB_SCENE_H

/*
 * A hub of three members, each behind a wire whose other end stands for its kernel. Frames are made by hand,
 * with nothing of src/wire.
 */

#include "../../hostile/packet.h"
#include <cothon/hub.h>

enum {
	SCENE_MEMBERS = 3,
	SCENE_QUEUE = 64, /* frames that wait on a wire */
	SCENE_SECOND = 1000000,
};

/* Memory that counts its blocks, and can be made to run out. */
struct scene_ledger {
	size_t blocks;
	bool empty;
};

struct scene_member {
	struct cothon_link *kernel, *port;
	struct cothon_addr ipv4, ipv6;
	/* What the member answers when it is asked, and what it was asked. */
	bool denies;
	unsigned asked;
	uint8_t transport;
	struct cothon_endpoint source, destination;
};

struct scene {
	struct scene_ledger ledger;
	struct cothon_pool *pool;
	struct cothon_hub *hub;
	struct scene_member members[SCENE_MEMBERS];
	uint64_t now;
	struct packet packet; /* to be sent next */
	/* What arrived last: its bytes, and what the link says of them. */
	uint8_t data[COTHON_FRAME_MAX];
	size_t len;
	struct cothon_offload offload;
};

/* A scene whose last member has another MTU; max_flows as of the hub. */
struct scene *scene_open(uint32_t last_mtu, uint32_t max_flows);
void scene_close(struct scene *scene);

/* Begins an IP packet from one member to another. */
void scene_ip(struct scene *scene, unsigned from, unsigned to, bool ipv6, uint8_t protocol);
/* Seals a TCP segment or a UDP datagram with so many bytes of payload. */
void scene_tcp(struct scene *scene, unsigned from, unsigned to, bool ipv6, uint16_t source,
	       uint16_t destination, uint32_t seq, uint32_t ack, uint8_t flags, size_t len);
void scene_udp(struct scene *scene, unsigned from, unsigned to, bool ipv6, uint16_t source,
	       uint16_t destination, size_t len);
/* Seals an echo request, or a reply. */
void scene_echo(struct scene *scene, unsigned from, unsigned to, bool ipv6, bool reply,
		uint16_t ident);

/* What became of the packet. */
enum scene_fate {
	SCENE_LOST,
	SCENE_UP,   /* the sender's stack has it */
	SCENE_SAID, /* the sender was told something instead: that has arrived */
	SCENE_AT,   /* SCENE_AT + n: member n has it, and nobody else has anything */
};
/* Sends the packet by a member's kernel and has the hub look. What became of it has arrived. */
unsigned scene_send(struct scene *scene, unsigned from);
/* The next frame for a member's kernel. Returns false when there is none. */
bool scene_arrived(struct scene *scene, unsigned member);
/* The TCP flags, sequence and acknowledgment number of what arrived. */
uint8_t scene_flags(const struct scene *scene);
uint32_t scene_seq(const struct scene *scene);
uint32_t scene_ack(const struct scene *scene);
struct cothon_endpoint scene_at(const struct scene *scene, unsigned member, bool ipv6,
				uint16_t port);
void scene_wait(struct scene *scene, uint64_t seconds);

#endif
