/* SPDX-License-Identifier: MIT */
#ifndef SIM_SCENARIO_H
#define SIM_SCENARIO_H

/*
 * A scenario is all that follows from one seed: how many nodes, their bounds, their links' weather, what
 * their applications do, which faults there are and when. It goes on until faults are over, then until all that
 * is under way has come to its end, and in the end nothing may be left. Some end in the midst of everything instead.
 */

#include <stdbool.h>
#include <stdint.h>

struct scenario_result {
	uint64_t hash; /* of all frames and their times, if it was asked for */
	uint64_t frames, steps;
	uint64_t bytes;  /* read by applications */
	uint64_t passed; /* microseconds */
};

/* Runs a seed to its end; what is wrong ends the process. */
void scenario_run(uint64_t seed, bool hash, bool trace, struct scenario_result *result);

#endif
