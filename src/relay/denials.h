/* SPDX-License-Identifier: MIT */
#ifndef RELAY_DENIALS_H
#define RELAY_DENIALS_H

/* What was not let through, the newest RELAY_DENIALS of it. */

#include "relay/policy.h"

/* A rule, and how often it has denied. */
struct relay_rule_denials {
	struct cothon_rule rule;
	uint64_t count;
};

struct relay_denials {
	struct relay_denial *ring; /* NULL until the first */
	uint64_t count;            /* all, ever */
	/* By what: the first rules that denied, NULL until the first; and all else. */
	struct relay_rule_denials *rules;
	unsigned rule_count, last_rule;
	uint64_t by[RELAY_DENIED_REBINDING + 1];
	void (*denied)(void *context, const struct relay_denial *denial);
	void *context;
};

/*
 * Notes that something was not let through. `denial` says what it was, the decision why; the time
 * and the rule are filled in.
 */
void relay_deny(struct relay *relay, struct relay_denial *denial,
		const struct relay_decision *decision);
void relay_denials_finish(struct relay_denials *denials);

#endif
