/* SPDX-License-Identifier: MIT */
#ifndef STACK_STACK_H
#define STACK_STACK_H

/* The inside of a stack, shared by the files of this folder. */

#include "base/list.h"
#include "base/random.h"
#include "base/wheel.h"
#include "port/binding.h"
#include "port/ephemeral.h"
#include "port/flow.h"
#include "port/turn.h"
#include "stack/fragment.h"
#include <cothon/stack.h>

enum {
	COTHON_MAX_ADDRESSES = 16,
	/* Bytes that one poll sends at most before it lets its caller look for input. */
	COTHON_POLL_BYTES = 1 << 20,
	/* Bytes that one flow sends before it is the next one's turn: one frame. */
	COTHON_TURN_QUANTUM = 65536,
	/* Microseconds after which a link that was busy is tried again. */
	COTHON_LINK_RETRY = 1000,
	/* Resets that wait for a link that takes nothing; beyond them they are lost, as on any wire. */
	COTHON_LATE_RESETS = 64,
	/* Counters of IPv4 identifications. */
	COTHON_IDENT_COUNTERS = 256,
	COTHON_HOPS =
		64, /* TTL and hop limit of what starts here (RFC 1700's successor registry) */
};

/* What keys are drawn from the seed for. */
enum cothon_key_purpose {
	COTHON_KEY_RANDOM = 1,
	COTHON_KEY_FLOWS,
	COTHON_KEY_EPHEMERAL,
	COTHON_KEY_ISN,
	COTHON_KEY_IDENT,
	COTHON_KEY_FRAGMENTS,
	COTHON_KEY_TIMESTAMP,
	COTHON_KEY_BINDINGS,
};

/* A token bucket: `rate` events per second, as many at once. */
struct cothon_bucket {
	uint32_t rate, tokens;
	uint64_t filled_at;
};

/* A RST of a connection that was aborted while the link took nothing; its words are those of struct cothon_seq. */
struct cothon_late_reset {
	struct cothon_flow flow;
	uint32_t seq, ack;
};

struct cothon_stack {
	struct cothon_stack_config config; /* defaults filled in */
	struct cothon_memory memory;
	struct cothon_link *link;
	struct cothon_pool *pool;
	uint64_t now;
	struct cothon_counters counters;

	struct cothon_addr addresses[COTHON_MAX_ADDRESSES];
	unsigned address_count;

	struct cothon_flow_table *flows;
	struct cothon_bindings *bindings;
	struct cothon_ephemeral *ephemeral;
	struct cothon_turns turns;
	struct cothon_wheel wheel;
	struct cothon_random random;
	struct cothon_fragments fragments;
	struct cothon_bucket icmp_bucket;

	struct cothon_siphash_key isn_key, ident_key, timestamp_key;
	uint16_t ident_counters[COTHON_IDENT_COUNTERS];

	/* TCP flows to which something happened that their owners have not been told. */
	struct cothon_list ready;
	/* The flow whose handler runs now; NULL again when the handler gave it up. */
	struct cothon_tcp *delivering;
	/* TCP flows in TIME-WAIT, oldest first. */
	struct cothon_list time_wait;
	uint32_t time_wait_count;
	/* TCP flows that are over and whose owners still have the handle. */
	struct cothon_list ended;
	/*
	 * TCP flows that a SYN has made and that are not established yet: those whose SYN is not answered, and those
	 * whose answer is not acknowledged; each oldest first.
	 */
	struct cothon_list opening, answered;
	uint32_t half_open, answered_count;
	/* Bytes that receive buffers have been given beyond what each begins with, and their flows. */
	uint64_t receive_granted;
	struct cothon_list grown;
	bool link_busy;
	struct cothon_late_reset late_resets[COTHON_LATE_RESETS];
	unsigned late_reset_count;
};

/* True when one more event is within the bucket's rate. */
bool cothon_bucket_take(struct cothon_bucket *bucket, uint64_t now);
/* The stack's first address of the family that `like` has, or NULL. */
const struct cothon_addr *cothon_stack_source(const struct cothon_stack *stack,
					      const struct cothon_addr *like);
/* Memory of the stack; counts refusals. */
void *cothon_stack_alloc(struct cothon_stack *stack, size_t size);
void cothon_stack_free(struct cothon_stack *stack, void *memory, size_t size);
/*
 * Binds `local`; port 0 becomes an ephemeral one. `options` may be NULL. Returns 0, -EADDRINUSE, -ENOMEM, -EINVAL for
 * v6_only with an IPv4 address, -EACCES, or -EADDRNOTAVAIL when the address is not the stack's or no port is left.
 */
int cothon_stack_bind(struct cothon_stack *stack, struct cothon_binding *binding, uint8_t transport,
		      const struct cothon_endpoint *local,
		      const struct cothon_bind_options *options);
/* What was bound is free again. */
void cothon_stack_unbind(struct cothon_stack *stack, struct cothon_binding *binding);

#endif
