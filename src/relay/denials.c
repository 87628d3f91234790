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

void relay_deny(struct relay *relay, struct relay_denial *denial,
		const struct relay_decision *decision)
{
	struct relay_denials *denials = &relay->denials;

	denial->at = wall_clock();
	denial->by = decision->by;
	if (decision->by == RELAY_DENIED_BY_RULE)
		denial->rule = *cothon_rules_at(relay->policy.rules, (size_t)decision->rule);
	if (!denials->ring)
		denials->ring = calloc(RELAY_DENIALS, sizeof(*denials->ring));
	if (denials->ring)
		denials->ring[denials->count % RELAY_DENIALS] = *denial;
	denials->count++;
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
	denials->ring = NULL;
}
