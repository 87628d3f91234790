/* SPDX-License-Identifier: MIT */
#ifndef SIM_CREW_H
#define SIM_CREW_H

/*
 * Seeds run by several processes, so that one which fails, crashes or does not end takes nobody
 * along, and is named.
 */

#include <stdint.h>

enum {
	CREW_JOBS_MAX = 256,
	/* Seeds that failed, after which no more are run. */
	CREW_FAILURES_MAX = 20,
	/* Seconds that a seed may take: it takes milliseconds, with sanitizers tenths of a second. */
	CREW_SEED_SECONDS = 120,
};

/*
 * Runs `each` for `count` seeds from `first` on in `jobs` processes. What fails is said on stderr, with
 * the command that runs it again: `program` replay SEED. Returns how many failed.
 */
unsigned crew_run(const char *program, uint64_t first, uint64_t count, unsigned jobs,
		  void (*each)(uint64_t seed));

#endif
