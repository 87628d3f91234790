/* SPDX-License-Identifier: MIT */
#include "config/health.h"

void config_checkup_start(struct config_checkup *checkup, uint64_t now)
{
	*checkup = (struct config_checkup){.began = now, .next = now};
}

bool config_checkup_is_due(struct config_checkup *checkup, uint64_t now)
{
	if (checkup->next == UINT64_MAX || now < checkup->next)
		return false;
	checkup->next = UINT64_MAX;
	return true;
}

static void note_failure(struct config_checkup *checkup, const struct config_health *health,
			 uint64_t now)
{
	if (checkup->wellness == CONFIG_WELLNESS_STARTING &&
	    now - checkup->began < health->start_period)
		return;
	checkup->failures++;
	if (checkup->failures >= health->retries)
		checkup->wellness = CONFIG_WELLNESS_UNHEALTHY;
}

void config_checkup_take(struct config_checkup *checkup, const struct config_health *health,
			 bool answered, uint64_t now)
{
	uint64_t wait = health->interval;

	if (answered) {
		checkup->wellness = CONFIG_WELLNESS_HEALTHY;
		checkup->failures = 0;
	} else {
		note_failure(checkup, health, now);
	}
	/* Others may wait for it. */
	if (checkup->wellness == CONFIG_WELLNESS_STARTING && wait > CONFIG_HEALTH_EAGER)
		wait = CONFIG_HEALTH_EAGER;
	checkup->next = now + wait;
}
