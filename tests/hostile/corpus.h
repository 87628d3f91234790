/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_CORPUS_H
#define HOSTILE_CORPUS_H

/*
 * Malformed frames made by hand, each with what must be counted when a stack gets it. "Malformed"
 * here includes what is well formed and means harm, and, as the other side of each edge, what is
 * only just right.
 */

#include "packet.h"
#include "scene.h"
#include <cothon/stack.h>

enum {
	CORPUS_COUNTS = 8,

	CORPUS_V4 = 1 << SCENE_V4,
	CORPUS_V6 = 1 << SCENE_V6,
	CORPUS_BOTH = CORPUS_V4 | CORPUS_V6,
};

struct corpus_count {
	size_t counter; /* where in struct cothon_counters */
	unsigned by;
};

#define COUNT(name, by)                                    \
	{                                                  \
		offsetof(struct cothon_counters, name), by \
	}

/* What a builder is asked for. */
struct corpus_request {
	const struct scene *scene;
	enum scene_family family;
	unsigned index; /* of the case's frames */
	unsigned value; /* the case's own */
};

struct corpus_case {
	const char *name;
	void (*build)(const struct corpus_request *request, struct packet *packet);
	unsigned families; /* CORPUS_*; 0: all of the group's */
	unsigned frames;   /* 0: one */
	unsigned value;
	unsigned seconds; /* that pass before the counters are looked at */
	bool sending;     /* it is about the flow on which the stack has data in flight */
	/*
	 * Which counters move, and by how much. Those not named must stay, but for frames and bytes
	 * received and bytes sent, which everything moves.
	 */
	struct corpus_count counts[CORPUS_COUNTS];
};

struct corpus_group {
	const char *name;
	unsigned families;
	const struct corpus_case *cases;
	size_t count;
};

extern const struct corpus_group corpus_ipv4, corpus_ipv4_fragments, corpus_ipv6,
	corpus_ipv6_fragments, corpus_icmp, corpus_udp, corpus_tcp, corpus_tcp_options, corpus_vnet;

/* All groups, ended by NULL. */
extern const struct corpus_group *const corpus[];

#define CORPUS_GROUP(group, title, of, table)                \
	const struct corpus_group group = {                  \
		.name = (title),                             \
		.families = (of),                            \
		.cases = (table),                            \
		.count = sizeof(table) / sizeof((table)[0]), \
	}

/* Shared by the builders. */

/* An IP header from the peer to the stack. */
void corpus_to_self(const struct corpus_request *request, struct packet *packet, uint8_t protocol);
/* The same to the host outside. */
void corpus_to_outside(const struct corpus_request *request, struct packet *packet,
		       uint8_t protocol);
/* A whole datagram to the stack's echo, with `len` bytes of payload. */
void corpus_datagram(const struct corpus_request *request, struct packet *packet, size_t len);
/* The number of the ICMP protocol in the request's family. */
uint8_t corpus_icmp_protocol(const struct corpus_request *request);

#endif
