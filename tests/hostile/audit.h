/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_AUDIT_H
#define HOSTILE_AUDIT_H

/* What must hold whatever came in: of every frame that goes out, and of a stack at rest. */

#include <cothon/cothon.h>

/*
 * A frame that a stack sends: lengths, checksums, addresses, options, and offloads that the link
 * has. Returns NULL, or what is wrong with it.
 */
const char *audit_frame(const struct cothon_link *link, const struct cothon_offload *offload,
			const uint8_t *data, size_t len);
/*
 * A stack that has been polled: the variables of each flow fit each other, each queue keeps to its
 * bound, and all buffers in use are in some queue. Returns NULL, or what is wrong.
 */
const char *audit_stack(struct cothon_stack *stack);
/* Frames that a stack has counted by what became of them. */
uint64_t audit_ended(const struct cothon_counters *counters);
/*
 * The counters of a stack whose link had `offered` frames, and found `rejected` of them wrong
 * itself: each was counted once, by what became of it; `without` is the number of packets that had
 * no payload for anybody (next header 59), which nothing counts. Returns NULL, or what is wrong.
 */
const char *audit_counters(const struct cothon_counters *counters, uint64_t offered,
			   uint64_t rejected, uint64_t without);

/* What bounds a stack's memory. */
struct audit_limits {
	/* Of its config; bytes but for the first. */
	size_t flows, receive, send, fragments, pool;
	size_t burst;  /* frames that are read before the stack is polled */
	size_t events; /* frames and writes since all was quiet */
};

/* Bytes of memory that a stack with these limits, its pool included, may have in use at most. */
size_t audit_bound(const struct audit_limits *limits);

#endif
