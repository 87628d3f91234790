/* SPDX-License-Identifier: MIT */
#ifndef RELAY_GATE_H
#define RELAY_GATE_H

/*
 * The gate that everything passes which the sandbox opens: the policy decides, what is not let
 * through is counted and noted, and what goes to a synthetic address gets its name back.
 */

#include "relay/names.h"
#include "relay/policy.h"

struct relay;

/* What wants to pass: as it is inside. */
struct relay_attempt {
	uint8_t transport; /* COTHON_TCP, COTHON_UDP, or 0 for an echo request */
	struct cothon_endpoint source, destination;
};

struct relay_passage {
	/* The destination's name, whose addresses are to be found; NULL: `target` is where it leads. */
	struct relay_name *name;
	struct cothon_endpoint target;
};

/*
 * Decides. Returns 0 with *passage, or what the sandbox is to be told: an error of
 * relay_policy_decide(), or -EACCES for a synthetic address that belongs to no name.
 */
int relay_gate_pass(struct relay *relay, const struct relay_attempt *attempt,
		    struct relay_passage *passage);
/*
 * The real endpoints of a name that was resolved, and that may be reached: those of the
 * destination's family first. Returns how many; or -EACCES, noted, when it has some and none may be
 * reached; -EHOSTUNREACH when it has none.
 */
int relay_gate_addresses(struct relay *relay, const struct relay_attempt *attempt,
			 const struct relay_name *name,
			 struct cothon_endpoint list[static 2 * RELAY_NAME_ADDRESSES]);
/*
 * Decides again about what was let through before, by its name (NULL: it has none) and the real
 * endpoint (NULL: not known yet). Returns true when it may go on; else it is counted and noted.
 */
bool relay_gate_keep(struct relay *relay, const struct relay_attempt *attempt,
		     const struct relay_name *name, const struct cothon_endpoint *real);
/*
 * True when a datagram or reply from outside, where nothing is kept of whether it was asked for,
 * may enter: its sender could be reached over that transport.
 */
bool relay_gate_may_enter(const struct relay *relay, uint8_t transport,
			  const struct cothon_endpoint *source);

#endif
