/* SPDX-License-Identifier: MIT */
#ifndef CONFIG_PLAN_H
#define CONFIG_PLAN_H

/* In which order things that depend on one another are begun. */

#include <stddef.h>

enum {
	CONFIG_PLAN_MAX = 64 /* things */
};

/* `of` depends on `on`, both counted from 0. */
struct config_dependency {
	size_t of, on;
};

struct config_plan {
	/* All things, each behind those that it depends on; else in the order of their numbers. */
	size_t order[CONFIG_PLAN_MAX];
	/* -ELOOP: things of which each depends on the next one, and the last on the first. */
	size_t loop[CONFIG_PLAN_MAX], loop_len;
};

/* Makes the plan for `count` things. Returns 0 or -ELOOP. */
int config_plan_make(size_t count, const struct config_dependency *dependencies,
		     size_t dependency_count, struct config_plan *plan);

#endif
