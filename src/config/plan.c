/* SPDX-License-Identifier: MIT */
#include "config/plan.h"

#include <errno.h>
#include <stdbool.h>

struct planner {
	const struct config_dependency *dependencies;
	size_t dependency_count;
	struct config_plan *plan;
	size_t planned;
	bool done[CONFIG_PLAN_MAX];
	/* The way from the thing that was begun with, and which things are on it. */
	size_t way[CONFIG_PLAN_MAX], way_len;
	bool on_way[CONFIG_PLAN_MAX];
};

/* The way has come back to `thing`. */
static int note_loop(struct planner *planner, size_t thing)
{
	size_t first = 0;

	while (planner->way[first] != thing)
		first++;
	for (size_t i = first; i < planner->way_len; i++)
		planner->plan->loop[i - first] = planner->way[i];
	planner->plan->loop_len = planner->way_len - first;
	return -ELOOP;
}

/* The next thing that `of` depends on and that is not planned yet; `of` when there is none. */
static size_t next_missing(const struct planner *planner, size_t of)
{
	for (size_t i = 0; i < planner->dependency_count; i++) {
		const struct config_dependency *dependency = &planner->dependencies[i];

		if (dependency->of == of && dependency->on != of && !planner->done[dependency->on])
			return dependency->on;
	}
	return of;
}

static bool depends_on_itself(const struct planner *planner, size_t thing)
{
	for (size_t i = 0; i < planner->dependency_count; i++) {
		if (planner->dependencies[i].of == thing && planner->dependencies[i].on == thing)
			return true;
	}
	return false;
}

static void step_on(struct planner *planner, size_t thing)
{
	planner->way[planner->way_len++] = thing;
	planner->on_way[thing] = true;
}

/* Plans a thing, behind all that it depends on. */
static int plan_thing(struct planner *planner, size_t thing)
{
	step_on(planner, thing);
	while (planner->way_len > 0) {
		size_t last = planner->way[planner->way_len - 1];
		size_t missing = next_missing(planner, last);

		if (depends_on_itself(planner, last))
			return note_loop(planner, last);
		if (missing != last && planner->on_way[missing])
			return note_loop(planner, missing);
		if (missing != last) {
			step_on(planner, missing);
			continue;
		}
		planner->done[last] = true;
		planner->on_way[last] = false;
		planner->plan->order[planner->planned++] = last;
		planner->way_len--;
	}
	return 0;
}

int config_plan_make(size_t count, const struct config_dependency *dependencies,
		     size_t dependency_count, struct config_plan *plan)
{
	struct planner planner = {
		.dependencies = dependencies,
		.dependency_count = dependency_count,
		.plan = plan,
	};

	*plan = (struct config_plan){0};
	for (size_t thing = 0; thing < count; thing++) {
		int result = planner.done[thing] ? 0 : plan_thing(&planner, thing);

		if (result)
			return result;
	}
	return 0;
}
