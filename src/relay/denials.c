/* SPDX-License-Identifier: MIT */
#include "relay/denials.h"

#include "relay/state.h"
#include <stdlib.h>
#include <time.h>

static uint64_t wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* The count of a rule that has denied; NULL: it is counted with others. */
static struct relay_rule_denials *find_rule(struct relay_denials *denials,
					    const struct cothon_rule *rule)
{
	/* What denies now has often denied just before. */
	for (unsigned i = 0; i < denials->rule_count; i++) {
		unsigned at = (denials->last_rule + i) % denials->rule_count;

		if (cothon_rule_equal(&denials->rules[at].rule, rule)) {
			denials->last_rule = at;
			return &denials->rules[at];
		}
	}
	if (!denials->rules)
		denials->rules = calloc(RELAY_DENIED_RULES, sizeof(*denials->rules));
	if (!denials->rules || denials->rule_count == RELAY_DENIED_RULES)
		return NULL;
	denials->rules[denials->rule_count].rule = *rule;
	return &denials->rules[denials->rule_count++];
}

static void count(struct relay_denials *denials, const struct relay_denial *denial)
{
	struct relay_rule_denials *rule = NULL;

	if (denial->by == RELAY_DENIED_BY_RULE)
		rule = find_rule(denials, &denial->rule);
	if (rule)
		rule->count++;
	else
		denials->by[denial->by]++;
}

void relay_denied_counts(const struct relay *relay,
			 void (*each)(const struct relay_denied_count *count, void *context),
			 void *context)
{
	const struct relay_denials *denials = &relay->denials;
	struct relay_denied_count figure = {.by = RELAY_DENIED_BY_RULE};

	for (unsigned i = 0; i < denials->rule_count; i++) {
		figure.rule = &denials->rules[i].rule;
		figure.count = denials->rules[i].count;
		each(&figure, context);
	}
	figure.rule = NULL;
	for (unsigned by = 0; by <= RELAY_DENIED_REBINDING; by++) {
		figure.by = (enum relay_denied_by)by;
		figure.count = denials->by[by];
		if (figure.count > 0)
			each(&figure, context);
	}
}

void relay_deny(struct relay *relay, struct relay_denial *denial,
		const struct relay_decision *decision)
{
	struct relay_denials *denials = &relay_lane_first(relay)->denials;

	denial->at = wall_clock();
	denial->by = decision->by;
	if (decision->by == RELAY_DENIED_BY_RULE)
		denial->rule = *cothon_rules_at(relay->policy.rules, (size_t)decision->rule);
	if (!denials->ring)
		denials->ring = calloc(RELAY_DENIALS, sizeof(*denials->ring));
	if (denials->ring)
		denials->ring[denials->count % RELAY_DENIALS] = *denial;
	denials->count++;
	count(denials, denial);
	if (denials->denied)
		denials->denied(denials->context, denial);
}

void relay_denials(const struct relay *relay, uint64_t from,
		   void (*each)(uint64_t number, const struct relay_denial *denial, void *context),
		   void *context)
{
	const struct relay_denials *denials = &relay->denials;
	uint64_t oldest = denials->count > RELAY_DENIALS ? denials->count - RELAY_DENIALS : 0;

	if (!denials->ring)
		return;
	for (uint64_t i = from > oldest ? from : oldest; i < denials->count; i++)
		each(i, &denials->ring[i % RELAY_DENIALS], context);
}

void relay_on_denied(struct relay *relay,
		     void (*denied)(void *context, const struct relay_denial *denial),
		     void *context)
{
	relay->denials.denied = denied;
	relay->denials.context = context;
}

void relay_denials_finish(struct relay_denials *denials)
{
	free(denials->ring);
	free(denials->rules);
	denials->ring = NULL;
	denials->rules = NULL;
	denials->rule_count = 0;
}
