/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_STATES_H
#define HOSTILE_STATES_H

/* What segments do to a TCP flow in a certain state. */

#include "scene.h"
#include <cothon/tcp.h>

/*
 * Brings flows into the state, one for each combination of the six flags with places of the
 * sequence and acknowledgment numbers, and sees what a segment brings about. A wrong outcome fails
 * the test.
 */
void states_all_flags(enum scene_family family, enum cothon_tcp_state state);
/*
 * An ACK of the stack's SYN or SYN-ACK that comes before that has gone out, from a peer that has
 * guessed its number, does not bring the flow forward.
 */
void states_early_ack(enum scene_family family, enum cothon_tcp_state state);

#endif
