/* SPDX-License-Identifier: MIT */
#ifndef LINK_HUB_H
#define LINK_HUB_H

/* The inside of a hub: ports and places in hub.c, flows in hub_flow.c, how they look in hub_view.c, what it says
 * itself in hub_say.c. */

#include "base/list.h"
#include "base/siphash.h"
#include "port/flow.h"
#include "wire/ip.h"
#include "wire/tcp.h"
#include <cothon/hub.h>

enum {
	/* Datagrams whose fragments are on their way. They leave a kernel one behind the other. */
	COTHON_HUB_FRAGMENTS = 256,
	COTHON_HUB_FRAGMENT_IDLE = 30, /* seconds */
};

/* Which of a member's lists a flow is in: by the time it may be silent. The first give way first. */
enum cothon_hub_class {
	COTHON_HUB_TRANSITORY, /* TCP: it opens or closes */
	COTHON_HUB_DATAGRAM,
	COTHON_HUB_OPEN,
	COTHON_HUB_CLASSES,
};

struct cothon_hub_port {
	struct cothon_link link; /* the member's stack's */
	struct cothon_hub *hub;
	struct cothon_link *device;
	struct cothon_list node; /* in hub->ports */
	struct cothon_addr addrs[COTHON_HUB_ADDRESSES];
	unsigned addr_count;
	bool (*may_open)(void *context, uint8_t transport, const struct cothon_endpoint *source,
			 const struct cothon_endpoint *destination);
	void *context;
	/* Flows that the member opened, the longest unused first, and those that it was reached by. */
	struct cothon_list opened[COTHON_HUB_CLASSES];
	struct cothon_list reached;
	uint32_t opened_count;
	struct cothon_hub_counters counters;
};

/* One side of a flow. */
struct cothon_hub_side {
	struct cothon_hub_port *port;
	uint64_t bytes; /* of payload that it sent */
	/* TCP: the sequence number behind all that it sent, if it has sent anything; its FIN was seen. */
	struct cothon_seq next;
	bool sent, fin;
};

/* Sides are numbered as their endpoints are ordered: 0 is the entry's local one. */
struct cothon_hub_passage {
	struct cothon_flow_entry entry;
	struct cothon_list by_use;  /* in the opener's `opened` */
	struct cothon_list reached; /* in the other's */
	struct cothon_hub_side sides[2];
	uint8_t opener; /* which side */
	uint8_t class;
	bool answered, reset; /* TCP */
	uint64_t opened_at, used_at;
};

/* A datagram in fragments, whose first one was let through. */
struct cothon_hub_fragments {
	struct cothon_addr source, destination;
	uint32_t ident;
	uint8_t protocol;
	uint64_t until;
	struct cothon_flow flow; /* as in the table */
};

struct cothon_hub {
	struct cothon_memory memory;
	uint64_t now;
	uint64_t due; /* no flow has been silent for too long before this */
	uint32_t max_flows;
	struct cothon_list ports;
	/* Addresses and whose they are, in order. */
	struct cothon_hub_place *places;
	unsigned place_count, place_room;
	unsigned port_count;
	struct cothon_flow_table *flows;
	struct cothon_siphash_key fragment_key;
	struct cothon_hub_fragments fragments[COTHON_HUB_FRAGMENTS];
};

/* A packet from one member to another: its IP header, its bytes, and what the link says of it. */
struct cothon_hub_packet {
	struct cothon_ip ip;
	struct cothon_bytes payload; /* behind the IP header */
	const struct cothon_offload *offload;
	struct cothon_hub_port *from, *to;
};

/* hub_flow.c */

/* Returns 0 or -ENOMEM. */
int cothon_hub_flows_init(struct cothon_hub *hub, const uint8_t seed[static COTHON_HUB_SEED_LEN]);
/*
 * Whether a packet may pass, as part of a flow that is known or of one that is opened by it. What passes has
 * been counted and has moved its flow on.
 */
bool cothon_hub_passes(struct cothon_hub *hub, const struct cothon_hub_packet *packet);
/* Forgets a flow whose sides are told: TCP by resets. */
void cothon_hub_cut(struct cothon_hub *hub, struct cothon_hub_passage *passage);
/* The endpoint of a side. */
struct cothon_endpoint cothon_hub_endpoint(const struct cothon_hub_passage *passage, unsigned side);
/* COTHON_TCP, COTHON_UDP, or 0 for echo. */
uint8_t cothon_hub_transport(const struct cothon_hub_passage *passage);
/* A member's flow between two endpoints, with the side of it that the member is on in *side; NULL when there is none. */
struct cothon_hub_passage *cothon_hub_between(const struct cothon_hub_port *port, uint8_t transport,
					      const struct cothon_endpoint *local,
					      const struct cothon_endpoint *remote, unsigned *side);

/* hub_say.c: what the hub itself says to a member, in the name of the other */

/* A reset for a side of a TCP flow. */
void cothon_hub_say_reset(const struct cothon_hub_passage *passage, unsigned side);
/* To the sender of a packet: larger ones than `mtu` do not get there. */
void cothon_hub_say_too_big(const struct cothon_hub_packet *packet, uint32_t mtu);

#endif
