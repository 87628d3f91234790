/* SPDX-License-Identifier: MIT */
#ifndef CONFIG_HEALTH_H
#define CONFIG_HEALTH_H

/* Whether a command is well: as long as it accepts connections on a port. */

#include <stdbool.h>
#include <stdint.h>

enum {
	/* Microseconds between two looks as long as the command has not been well once. */
	CONFIG_HEALTH_EAGER = 250000,
};

struct config_health {
	uint16_t port;
	uint64_t interval; /* microseconds from the end of one look to the next */
	uint64_t timeout;  /* of one look */
	/* For so long after the start it does not count that the command does not answer. */
	uint64_t start_period;
	unsigned retries; /* so many looks in vain, one after the other: it is not well */
};

enum config_wellness {
	CONFIG_WELLNESS_STARTING, /* it has not answered yet */
	CONFIG_WELLNESS_HEALTHY,
	CONFIG_WELLNESS_UNHEALTHY,
};

struct config_checkup {
	enum config_wellness wellness;
	uint64_t began; /* when the command was started */
	uint64_t next;  /* when it is looked at; UINT64_MAX: a look is under way */
	unsigned failures;
};

/* The command starts. `now` are microseconds of any clock that never goes back. */
void config_checkup_start(struct config_checkup *checkup, uint64_t now);
/* Whether it is time for a look; then one is under way. */
bool config_checkup_is_due(struct config_checkup *checkup, uint64_t now);
/* What the look has found. */
void config_checkup_take(struct config_checkup *checkup, const struct config_health *health,
			 bool answered, uint64_t now);

#endif
