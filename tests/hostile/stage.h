/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_STAGE_H
#define HOSTILE_STAGE_H

/*
 * A stack with everything in use: listeners whose owners behave as enum scene_port says, a
 * forwarder that accepts, refuses and holds, UDP. Frames reach it as from a TUN device, with their
 * virtio-net headers; what it sends is audited. All of its memory is counted, bounded, and gone at
 * the end.
 */

#include "app.h"
#include "packet.h"
#include "scene.h"
#include "base/random.h"
#include <cothon/cothon.h>

enum {
	/* Frames read from the link at a time. */
	STAGE_BURST = 64,
	/* Where the virtual clock begins: an hour, in microseconds. */
	STAGE_START = 3600000000,
};

#define STAGE_SECONDS(n) ((uint64_t)(n)*1000000)

/* A frame on the link, in memory of just its size. */
struct stage_frame {
	struct stage_frame *next;
	uint8_t vnet[PACKET_VNET];     /* in */
	struct cothon_offload offload; /* out */
	size_t len;
	uint8_t data[];
};

struct stage_queue {
	struct stage_frame *first, **last;
	unsigned count;
};

struct stage_setup {
	uint64_t seed;
	unsigned features;  /* COTHON_LINK_* */
	uint32_t mtu;       /* 0: 1500 */
	bool plain;         /* without a forwarder */
	uint32_t keepalive; /* seconds, of all flows; 0: none */
	/* Bounds of the stack; 0: its defaults, but never more flows than APPS. */
	uint32_t max_flows, max_half_open, max_receive, max_send, max_fragments;
	size_t pool_limit; /* 0: 16 MiB */
	bool newreno;      /* instead of CUBIC */
	/*
	 * Frames and writes that there may be before all is quiet again; 0: memory has no bound
	 * then.
	 */
	size_t events;
};

struct stage {
	struct cothon_link link;
	struct stage_setup setup;
	struct scene scene;
	struct cothon_pool *pool;
	struct cothon_stack *stack;
	const struct cothon_counters *counters;
	uint64_t now, deadline;

	struct stage_queue in, out;
	bool keep_out;     /* what is sent waits in `out`, else it is only audited */
	uint64_t offered;  /* frames given to the link */
	uint64_t rejected; /* those of them that the link itself found wrong */
	/* Those that nothing counts: they have no payload for anybody (next header 59). */
	uint64_t uncounted;
	struct stage_frame *last; /* that was read */
	int link_error; /* what transmit returns instead of taking a frame; 0: it takes them */

	struct cothon_random random; /* of the application's whims and the allocator's */
	size_t live, peak, bound;    /* bytes of memory; bound 0: none */
	uint64_t blocks;             /* of memory, in use */
	uint32_t refuse;             /* of 1,000 allocations */
	struct packet scratch;       /* for those who make frames */

	struct apps apps;
};

void stage_open(struct stage *stage, const struct stage_setup *setup);
/* Ends the stack; the test fails if memory is left. */
void stage_close(struct stage *stage);

/* Lays a frame onto the link. */
void stage_offer(struct stage *stage, const struct packet *packet);
/*
 * Reads one frame from the link, which must be counted once. Returns false when there is none, or
 * no memory for it.
 */
bool stage_receive(struct stage *stage);
/* Reads what lies on the link and lets the stack do all that is due now. */
void stage_run(struct stage *stage);
/* Both. */
void stage_input(struct stage *stage, const struct packet *packet);
/*
 * Lets time pass; the stack is polled whenever it wants to be, as long as that is not all too
 * often.
 */
void stage_pass(struct stage *stage, uint64_t microseconds);
/* The same, but the stack is polled only at the end, as after a suspended night. */
void stage_sleep(struct stage *stage, uint64_t microseconds);

/* The oldest frame that was sent and kept, to be freed by the caller; or NULL. */
struct stage_frame *stage_take(struct stage *stage);
void stage_drop_out(struct stage *stage);

#endif
