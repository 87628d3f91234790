/* SPDX-License-Identifier: MIT */
#include "cli/ward.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

const char *cli_ward_name(const struct cli_ward *ward)
{
	const struct cli_run_options *options = &ward->member->options;

	return options->name ? options->name : options->command[0];
}

void cli_ward_say(struct cli_ward *ward, const char *format, ...)
{
	struct timespec now;
	char text[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	clock_gettime(CLOCK_REALTIME, &now);
	control_journal_add(ward->journal, CONTROL_COTHON,
			    (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000, text,
			    strlen(text));
	cli_message(cli_ward_name(ward), "%s", text);
}

void cli_ward_enter(struct cli_ward *ward, enum cli_phase phase, uint64_t now)
{
	ward->phase = phase;
	ward->since = now;
	ward->deadline = UINT64_MAX;
}

/* --- starting and ending --- */

void cli_ward_start(struct cli_ward *ward, uint64_t now)
{
	cli_ward_enter(ward, CLI_RUNNING, now);
	ward->killed = ward->unwell = ward->executed = ward->refused = false;
	config_checkup_start(&ward->checkup, now);
	/* Where init has ended it is heard of. */
	sandbox_release(ward->instance.sandbox);
}

void cli_ward_stop(struct cli_ward *ward, uint64_t now)
{
	cli_ward_end_checkup(ward);
	cli_ward_enter(ward, CLI_STOPPING, now);
	ward->deadline = now + ward->member->stop_grace;
	sandbox_signal(ward->instance.sandbox, SIGTERM);
	/* One that is stopped takes its signal when it goes on. */
	sandbox_signal(ward->instance.sandbox, SIGCONT);
}

/* --- health --- */

bool cli_ward_is_well(const struct cli_ward *ward)
{
	return ward->phase == CLI_RUNNING && ward->checkup.wellness == CONFIG_WELLNESS_HEALTHY;
}

void cli_ward_end_checkup(struct cli_ward *ward)
{
	relay_knock_cancel(&ward->knock);
	ward->knock_deadline = 0;
}

static void take_checkup(struct cli_ward *ward, bool accepted)
{
	enum config_wellness before = ward->checkup.wellness;
	uint64_t now = host_now();

	ward->knock_deadline = 0;
	if (ward->phase != CLI_RUNNING)
		return;
	config_checkup_take(&ward->checkup, &ward->member->health, accepted, now);
	if (ward->checkup.wellness == before)
		return;
	if (ward->checkup.wellness == CONFIG_WELLNESS_HEALTHY) {
		if (before == CONFIG_WELLNESS_UNHEALTHY)
			cli_ward_say(ward, "accepts connections on port %u again",
				     ward->member->health.port);
		return;
	}
	ward->unwell = ward->member->restart.when != CONFIG_RESTART_NO;
	cli_ward_say(ward, "does not accept connections on port %u%s", ward->member->health.port,
		     ward->unwell ? "; it is ended, to be started again" : "");
	if (ward->unwell)
		cli_ward_stop(ward, now);
}

static void answered(struct relay_knock *knock, bool accepted)
{
	take_checkup(cothon_container(knock, struct cli_ward, knock), accepted);
}

uint64_t cli_ward_check_up(struct cli_ward *ward, uint64_t now)
{
	const struct config_health *health = &ward->member->health;

	if (!ward->member->has_health || (ward->member->on_demand && !ward->admitted))
		return UINT64_MAX;
	if (ward->knock_deadline && now >= ward->knock_deadline) {
		cli_ward_end_checkup(ward);
		take_checkup(ward, false);
	}
	if (ward->phase == CLI_RUNNING && config_checkup_is_due(&ward->checkup, now)) {
		ward->knock_deadline = now + health->timeout;
		if (relay_knock_start(&ward->knock, ward->instance.relay, health->port, answered))
			take_checkup(ward, false);
		/* What was opened goes out in the next round. */
		return now;
	}
	return ward->knock_deadline ? ward->knock_deadline : ward->checkup.next;
}
