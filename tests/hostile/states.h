/* SPDX-License-Identifier: MIT */
#ifndef HOSTILE_STATES_H
#define HOSTILE_STATES_H

/* Every combination of TCP's flags in every state of a flow. */

#include "scene.h"
#include <cothon/tcp.h>

/*
 * Brings flows into the state, one for each combination of the six flags with places of the sequence and
 * acknowledgment numbers, and sees what a segment brings about. A wrong outcome fails the test.
 */
void states_all_flags(enum scene_family family, enum cothon_tcp_state state);

#endif
