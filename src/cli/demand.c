/* SPDX-License-Identifier: MIT */
#include "cli/ward.h"

#include "base/list.h"

enum {
	/* Microseconds between two looks whether a command that somebody waits for accepts. */
	LOOK_AGAIN = 20000,
	/* Between two looks whether a command is in use. */
	IDLE_LOOK = 1000000,
};

static void wanted(void *context, uint16_t inside)
{
	struct cli_ward *ward = context;

	if (ward->wanted)
		return;
	ward->wanted = inside;
	ward->wanted_at = host_now();
}

void cli_ward_hold(struct cli_ward *ward)
{
	ward->admitted = false;
	ward->wanted = 0;
	relay_hold(ward->instance.relay, wanted, ward);
}

/* Those who wait go in; where nobody accepts there, they are refused. */
static void admit(struct cli_ward *ward, uint64_t now)
{
	ward->admitted = true;
	ward->wanted = 0;
	ward->busy_at = now;
	ward->checkup.next = now;
	relay_admit(ward->instance.relay);
}

static void came_to(struct relay_knock *knock, bool accepted)
{
	struct cli_ward *ward = cothon_container(knock, struct cli_ward, knock);
	uint64_t now = host_now();

	ward->knock_deadline = 0;
	if (accepted && ward->phase == CLI_RUNNING)
		admit(ward, now);
	else
		ward->checkup.next = now + LOOK_AGAIN;
}

/* Until the command accepts, clients wait: it is looked at often. Returns when it is next. */
static uint64_t await_command(struct cli_ward *ward, uint64_t now)
{
	uint64_t give_up = ward->wanted_at + ward->member->start_timeout;

	if (now >= give_up) {
		cli_ward_say(ward, "does not accept connections on port %u; who waits is refused",
			     ward->wanted);
		cli_ward_end_checkup(ward);
		admit(ward, now);
		return now;
	}
	/* Init listens already, and the kernel keeps who connects. */
	if (ward->member->listening.count > 0) {
		admit(ward, now);
		return now;
	}
	if (!ward->knock_deadline && now >= ward->checkup.next) {
		ward->knock_deadline = give_up;
		ward->checkup.next = UINT64_MAX;
		if (relay_knock_start(&ward->knock, ward->instance.relay, ward->wanted, came_to)) {
			ward->knock_deadline = 0;
			ward->checkup.next = now + LOOK_AGAIN;
		}
		return now;
	}
	return ward->checkup.next < give_up ? ward->checkup.next : give_up;
}

/* Ends a command that nobody has used for long. Returns when that is to be looked at again. */
static uint64_t look_whether_idle(struct cli_ward *ward, uint64_t now)
{
	uint64_t end;

	if (!ward->member->idle)
		return UINT64_MAX;
	if (relay_flow_count(ward->instance.relay).tcp > 0)
		ward->busy_at = now;
	end = ward->busy_at + ward->member->idle;
	/* A flow that begins and ends between two looks may be missed by this much. */
	if (now < end)
		return end < now + IDLE_LOOK ? end : now + IDLE_LOOK;
	cli_ward_hold(ward);
	cli_ward_stop(ward, now);
	return now;
}

uint64_t cli_ward_refuse_late(struct cli_ward *ward, uint64_t now)
{
	uint64_t give_up = ward->wanted_at + ward->member->start_timeout;

	if (!ward->wanted)
		return UINT64_MAX;
	if (now >= give_up)
		admit(ward, now);
	return ward->wanted ? give_up : UINT64_MAX;
}

uint64_t cli_ward_serve_demand(struct cli_ward *ward, uint64_t now)
{
	if (!ward->member->on_demand || ward->phase != CLI_RUNNING)
		return UINT64_MAX;
	return ward->admitted ? look_whether_idle(ward, now) : await_command(ward, now);
}
