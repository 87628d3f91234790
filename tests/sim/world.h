/* SPDX-License-Identifier: MIT */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

/*
 * Two to eight stacks on a switch, on a virtual clock that jumps from event to event. Each has a wire
 * to the switch, impaired both ways. What a stack sends is audited, and so is the stack itself whenever
 * it has been polled; its memory is counted, bounded and may be refused. All that happens follows from
 * the world's seed.
 *
 * What is found wrong ends the process with status 1 after a message on stderr.
 */

#include "edges.h"
#include "base/random.h"
#include <cothon/cothon.h>

enum {
	WORLD_NODES = 8,
	WORLD_FAMILIES = 2, /* IPv4, IPv6 */
	/* Where the virtual clock begins: an hour, in microseconds. */
	WORLD_START = 3600000000,
	WORLD_MILLION = 1000000,
};

#define WORLD_SECONDS(n) ((uint64_t)(n)*1000000)

/* Why a stack's link takes nothing. */
enum world_refusal {
	WORLD_TAKES,
	WORLD_BUSY, /* -EAGAIN: later */
	WORLD_FULL, /* -ENOBUFS: the frame is lost */
};

struct node {
	struct world *world;
	unsigned index;
	struct cothon_link tap;   /* what the stack has */
	struct cothon_link *up;   /* to the switch */
	struct cothon_link *down; /* from the switch: its end */
	struct cothon_pool *pool;
	struct cothon_stack *stack;
	struct cothon_addr addr[WORLD_FAMILIES];
	struct cothon_addr outside[WORLD_FAMILIES]; /* of a host that the stack speaks for */
	uint64_t due;                               /* when the stack wants to be polled */
	bool input;                                 /* frames may have arrived */
	/* Faults */
	enum world_refusal refusal;
	uint32_t starved;      /* of a million allocations that are refused */
	uint64_t asleep_until; /* the stack is not driven until then */
	/* Memory */
	size_t live, peak, bound;
	uint64_t events; /* frames and writes, each of which may hold on to a little memory */
};

struct world_setup {
	uint64_t seed;
	unsigned nodes;
	unsigned features; /* COTHON_LINK_* of all wires */
	uint32_t mtu[WORLD_NODES];
	unsigned queue; /* frames on a wire that nobody reads */
	size_t pool_limit;
	/*
	 * The bounds of all stacks, their congestion control and forwarder, whose context is the node; the
	 * rest is filled in.
	 */
	struct cothon_stack_config config;
	bool audit; /* look at stacks and frames */
	bool hash;  /* keep the hash of all frames and their times */
	bool trace; /* write a line about each frame to stdout */
};

/* What a workload does at a time of its own choice. */
struct world_work {
	/* Does what is due; returns when it wants to be called next, COTHON_NEVER for never. */
	uint64_t (*run)(void *context, uint64_t now);
	void *context;
	uint64_t due;
};

struct world {
	struct world_setup setup;
	uint64_t now, began;
	uint64_t steps;              /* events */
	uint64_t steps_here;         /* of them, at this very time */
	struct cothon_random random; /* of allocators */
	struct cothon_pool *pool;    /* of the wires */
	struct node nodes[WORLD_NODES];
	struct edges edges;
	struct calls *calls; /* that forwarders ask */
	struct world_work works[4];
	unsigned work_count;
	/*
	 * Takes frames for addresses that no node has. May be NULL.
	 */
	void (*stranger)(void *context, const struct cothon_buf *buf);
	void *stranger_context;
	uint64_t hash;
	uint64_t frames;
};

void world_open(struct world *world, const struct world_setup *setup);
/* Ends all stacks and links; memory that is left is a failure. */
void world_close(struct world *world);
/*
 * Adds a workload; it is run first at `due`, which it may bring forward in what is returned.
 */
struct world_work *world_add(struct world *world, const struct world_work *work);
/* What becomes of frames from a node to the switch, and back. */
void world_impair(struct world *world, unsigned node, const struct cothon_impairment *up,
		  const struct cothon_impairment *down);
/* Something was called on a node's stack from outside a handler: it is polled at once. */
void world_kick(struct node *node);
/* The switch sends a packet of its own to whom it is for. */
void world_send(struct world *world, const void *data, size_t len);
/* Goes to the next event. Returns false when there is none until `limit`. */
bool world_step(struct world *world, uint64_t limit);
/*
 * All clocks jump forward at once, as those of a machine that was suspended. Frames under way that
 * would get older than any packet may are lost.
 */
void world_jump(struct world *world, uint64_t microseconds);
/* Ends the process with what was found wrong. */
_Noreturn void world_fail(const struct world *world, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
