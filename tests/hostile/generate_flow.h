/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_GENERATE_FLOW_H
#define HOSTILE_GENERATE_FLOW_H

/* Frames that hit a flow that there is: their numbers come from the flow's own variables. */

#include "base/random.h"
#include "packet.h"
#include <cothon/stack.h>

/*
 * A segment of one of the stack's flows, by chance: mostly one that its peer could send, or one at
 * an edge. Returns false when there is no flow.
 */
bool generate_segment(struct cothon_random *random, struct cothon_stack *stack,
		      struct packet *packet);
/* An ICMP error about a segment that one of the stack's flows has sent, or might have. */
bool generate_error(struct cothon_random *random, struct cothon_stack *stack,
		    struct packet *packet);
/* Options for a SYN, known and unknown; returns their length. */
size_t generate_syn_options(struct cothon_random *random, uint8_t options[static 40]);

#endif
