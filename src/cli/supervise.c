/* SPDX-License-Identifier: MIT */
#include "cli/supervise.h"

#include "cli/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	/* Microseconds. */
	PROGRESS_AFTER = 1000000,
	/* How long what the commands have sent may take to be delivered when all have ended. */
	DELIVERY_MOST = 10000000,
	/* Between two looks whether a command that somebody waits for accepts. */
	LOOK_AGAIN = 20000,
	/* Between two looks whether a command is in use. */
	IDLE_LOOK = 1000000,
};

static const char *name_of(const struct cli_ward *ward)
{
	return ward->member->options.name;
}

static size_t count_of(const struct cli_supervisor *supervisor)
{
	return supervisor->file->member_count;
}

/* Says something about a sandbox, to who waits in front of it and in its journal. */
__attribute__((format(printf, 2, 3))) static void say(struct cli_ward *ward, const char *format, ...)
{
	struct timespec now;
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	clock_gettime(CLOCK_REALTIME, &now);
	control_journal_add(ward->journal, CONTROL_COTHON,
			    (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000, text,
			    strlen(text));
	cli_message(name_of(ward), "%s", text);
}

static void enter(struct cli_ward *ward, enum cli_phase phase, uint64_t now)
{
	ward->phase = phase;
	ward->since = now;
	ward->deadline = UINT64_MAX;
}

/* --- health --- */

static bool is_well(const struct cli_ward *ward)
{
	return ward->phase == CLI_RUNNING &&
	       ward->checkup.wellness == CONFIG_WELLNESS_HEALTHY;
}

static void stop(struct cli_ward *ward, uint64_t now);

static void end_checkup(struct cli_ward *ward)
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
			say(ward, "accepts connections on port %u again",
			    ward->member->health.port);
		return;
	}
	ward->unwell = ward->member->restart.when != CONFIG_RESTART_NO;
	say(ward, "does not accept connections on port %u%s", ward->member->health.port,
	    ward->unwell ? "; it is ended, to be started again" : "");
	if (ward->unwell)
		stop(ward, now);
}

static void answered(struct relay_knock *knock, bool accepted)
{
	take_checkup(cothon_container(knock, struct cli_ward, knock), accepted);
}

/* Looks at a running command when it is time. Returns when that is next. */
static uint64_t check_up(struct cli_ward *ward, uint64_t now)
{
	const struct config_health *health = &ward->member->health;

	if (!ward->member->has_health || (ward->member->on_demand && !ward->admitted))
		return UINT64_MAX;
	if (ward->knock_deadline && now >= ward->knock_deadline) {
		end_checkup(ward);
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

/* --- on demand --- */

static void wanted(void *context, uint16_t inside)
{
	struct cli_ward *ward = context;

	if (ward->wanted)
		return;
	ward->wanted = inside;
	ward->wanted_at = host_now();
}

/* Whoever connects waits from now on. */
static void hold(struct cli_ward *ward)
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
		say(ward, "does not accept connections on port %u; who waits is refused",
		    ward->wanted);
		end_checkup(ward);
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
	hold(ward);
	stop(ward, now);
	return now;
}

/* Who has waited long enough for a command that is not started just now is refused. Returns when that is. */
static uint64_t refuse_late(struct cli_ward *ward, uint64_t now)
{
	uint64_t give_up = ward->wanted_at + ward->member->start_timeout;

	if (!ward->wanted)
		return UINT64_MAX;
	if (now >= give_up)
		admit(ward, now);
	return ward->wanted ? give_up : UINT64_MAX;
}

static uint64_t serve_demand(struct cli_ward *ward, uint64_t now)
{
	if (!ward->member->on_demand || ward->phase != CLI_RUNNING)
		return UINT64_MAX;
	return ward->admitted ? look_whether_idle(ward, now) : await_command(ward, now);
}

/* --- starting and ending --- */

static void start(struct cli_ward *ward, uint64_t now)
{
	enter(ward, CLI_RUNNING, now);
	ward->started = true;
	ward->killed = ward->unwell = false;
	config_checkup_start(&ward->checkup, now);
	/* Where init has ended it is heard of. */
	sandbox_release(ward->instance.sandbox);
}

static void stop(struct cli_ward *ward, uint64_t now)
{
	end_checkup(ward);
	enter(ward, CLI_STOPPING, now);
	ward->deadline = now + ward->member->stop_grace;
	sandbox_signal(ward->instance.sandbox, SIGTERM);
	/* One that is stopped takes its signal when it goes on. */
	sandbox_signal(ward->instance.sandbox, SIGCONT);
}

static void drain(struct cli_ward *ward)
{
	if (!ward->drained)
		relay_drain(ward->instance.relay);
	ward->drained = true;
}

static void end_for_good(struct cli_ward *ward, uint64_t now)
{
	enter(ward, CLI_ENDED, now);
	drain(ward);
}

static void say_wait(struct cli_ward *ward, uint64_t wait)
{
	if (wait < 1000000)
		say(ward, "exited with status %d; starts again in %" PRIu64 " ms", ward->status,
		    wait / 1000);
	else
		say(ward, "exited with status %d; starts again in %" PRIu64 ".%" PRIu64 " s",
		    ward->status, wait / 1000000, wait / 100000 % 10);
}

/* The command waits for who connects. */
static void rest(struct cli_ward *ward, uint64_t now)
{
	if (ward->admitted)
		hold(ward);
	enter(ward, CLI_IDLE, now);
}

/* The command has ended, and all that it has left behind. */
static void decide(struct cli_ward *ward, uint64_t now)
{
	struct cli_supervisor *supervisor = ward->supervisor;
	bool asked = ward->phase == CLI_STOPPING && !ward->unwell;
	bool failed = ward->status != 0 || ward->unwell;
	/* Whoever connects next has it started; not at once, since who waits now does so again and again. */
	static const struct config_restart on_demand = {.when = CONFIG_RESTART_ON_FAILURE};
	uint64_t wait;

	cli_output_finish_line(&ward->output);
	end_checkup(ward);
	if (!supervisor->ending && ward->member->on_demand && (asked || !failed)) {
		rest(ward, now);
		return;
	}
	if (asked || supervisor->ending) {
		end_for_good(ward, now);
		return;
	}
	wait = config_restart_wait(ward->member->on_demand ? &on_demand : &ward->member->restart,
				   &ward->restarts, failed, now - ward->since);
	if (wait == UINT64_MAX) {
		if (failed)
			say(ward, "exited with status %d", ward->status);
		supervisor->failed |= failed;
		end_for_good(ward, now);
		return;
	}
	say_wait(ward, wait);
	if (ward->member->on_demand && ward->admitted)
		hold(ward);
	enter(ward, CLI_PAUSED, now);
	ward->deadline = now + wait;
}

static void say_failure(struct cli_ward *ward, int step, int reason)
{
	const struct sandbox_failure failure = {(enum sandbox_step)step, reason};
	struct cli_error error;

	say(ward, "%s", cli_explain_failure(&failure, &error));
}

/* The first process of the sandbox is no more: nothing can be started there. */
static void lose(struct cli_ward *ward, uint64_t now)
{
	if (ward->phase == CLI_ENDED)
		return;
	say(ward, "the sandbox has ended: its first process could not go on, or was killed");
	cli_output_finish_line(&ward->output);
	end_checkup(ward);
	ward->status = CLI_FAILED;
	ward->supervisor->failed = true;
	end_for_good(ward, now);
}

static void heard(struct sandbox_listener *listener, const struct sandbox_message *message)
{
	struct cli_ward *ward = cothon_container(listener, struct cli_ward, listener);
	struct cli_error error;

	switch (message->word) {
	case SANDBOX_WARNING:
	case SANDBOX_FAILED:
		say_failure(ward, message->value, message->detail);
		break;
	case SANDBOX_NOT_RUN:
		say(ward, "%s",
		    cli_explain_command(ward->member->options.command[0], message->value,
					message->detail, &error));
		break;
	case SANDBOX_EXITED:
		ward->status = message->value;
		break;
	case SANDBOX_EMPTY:
		decide(ward, host_now());
		break;
	case SANDBOX_GONE:
		lose(ward, host_now());
		break;
	default:
		break;
	}
}

/* --- dependencies --- */

/* Whether a ward may be started. *never becomes true when one that it waits for has ended before. */
static bool may_start(const struct cli_ward *ward, bool *never)
{
	const struct cli_up_file *file = ward->supervisor->file;
	const struct cli_ward *wards = ward->supervisor->wards;

	for (size_t i = 0; i < file->dependency_count; i++) {
		const struct cli_up_dependency *dependency = &file->dependencies[i];
		const struct cli_ward *on = &wards[dependency->between.on];
		bool there = dependency->healthy ? is_well(on) : on->started;

		if (&wards[dependency->between.of] != ward || there)
			continue;
		*never = on->phase == CLI_ENDED;
		return false;
	}
	return true;
}

/* Whether another one that has not ended depends on this one. */
static bool is_needed(const struct cli_ward *ward)
{
	const struct cli_up_file *file = ward->supervisor->file;
	const struct cli_ward *wards = ward->supervisor->wards;

	for (size_t i = 0; i < file->dependency_count; i++) {
		const struct config_dependency *between = &file->dependencies[i].between;

		if (&wards[between->on] == ward && wards[between->of].phase != CLI_ENDED)
			return true;
	}
	return false;
}

/* --- turns --- */

static void try_to_start(struct cli_ward *ward, uint64_t now)
{
	bool never = false;

	if (may_start(ward, &never)) {
		ward->started = true;
		if (ward->member->on_demand)
			rest(ward, now);
		else
			start(ward, now);
	} else if (never) {
		say(ward, "is not started: what it depends on has ended");
		ward->supervisor->failed = true;
		end_for_good(ward, now);
	}
}

static void step_ending(struct cli_ward *ward, uint64_t now)
{
	if (is_needed(ward))
		return;
	if (ward->phase == CLI_RUNNING)
		stop(ward, now);
	else if (ward->phase != CLI_STOPPING)
		end_for_good(ward, now);
}

/* Does what is due for a ward, and returns when it is its turn again. */
static uint64_t step(struct cli_ward *ward, uint64_t now)
{
	enum cli_phase before = ward->phase;
	uint64_t next = UINT64_MAX;

	if (ward->supervisor->ending && ward->phase != CLI_ENDED)
		step_ending(ward, now);
	/* What that means to the others is for the next round. */
	if (ward->phase != before)
		return now;
	switch (ward->phase) {
	case CLI_WAITING:
		try_to_start(ward, now);
		/* Its look is due at once. */
		return ward->phase == CLI_WAITING ? UINT64_MAX : now;
	case CLI_IDLE:
		if (!ward->wanted)
			break;
		start(ward, now);
		return now;
	case CLI_RUNNING: {
		uint64_t demand = serve_demand(ward, now);

		next = check_up(ward, now);
		next = demand < next ? demand : next;
		break;
	}
	case CLI_STOPPING:
		if (now >= ward->deadline && !ward->killed) {
			ward->killed = true;
			ward->deadline = UINT64_MAX;
			say(ward, "did not end when it was asked to, and is killed");
			sandbox_signal(ward->instance.sandbox, SIGKILL);
		}
		break;
	case CLI_PAUSED:
		next = refuse_late(ward, now);
		if (now >= ward->deadline && !ward->supervisor->ending) {
			if (ward->member->on_demand)
				rest(ward, now);
			else
				start(ward, now);
			return now;
		}
		break;
	case CLI_ENDED:
		break;
	}
	return ward->deadline < next ? ward->deadline : next;
}

static bool is_up(const struct cli_ward *ward)
{
	if (ward->phase == CLI_ENDED)
		return ward->status == 0;
	if (ward->member->on_demand)
		return ward->phase != CLI_WAITING;
	return ward->phase == CLI_RUNNING && (!ward->member->has_health || is_well(ward));
}

static const char *what_is_missing(const struct cli_ward *ward)
{
	switch (ward->phase) {
	case CLI_WAITING:
		return "waits for others";
	case CLI_IDLE:
		return "is idle";
	case CLI_RUNNING:
		return "is not healthy yet";
	case CLI_STOPPING:
		return "is ending";
	case CLI_PAUSED:
		return "is to be started again";
	case CLI_ENDED:
		break;
	}
	return "has ended";
}

/* Says what is waited for, when that takes long, and again when it has changed. */
static uint64_t tell_progress(struct cli_supervisor *supervisor, uint64_t now)
{
	char text[sizeof(supervisor->progress)] = "";
	size_t len = 0;

	if (now < supervisor->progress_at)
		return supervisor->progress_at;
	for (size_t i = 0; i < count_of(supervisor) && len < sizeof(text); i++) {
		const struct cli_ward *ward = &supervisor->wards[i];
		bool missing = supervisor->ending ? ward->phase != CLI_ENDED : !is_up(ward);

		if (missing)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s %s",
						len ? ", " : "", name_of(ward),
						what_is_missing(ward));
	}
	if (len > 0 && strcmp(text, supervisor->progress) != 0)
		cli_message(supervisor->file->network, "%s", text);
	memcpy(supervisor->progress, text, sizeof(text));
	supervisor->progress_at = now + PROGRESS_AFTER;
	return supervisor->progress_at;
}

/* Whether all are up, or one has failed before. */
static uint64_t look_whether_ready(struct cli_supervisor *supervisor, uint64_t now)
{
	bool all = true;

	for (size_t i = 0; i < count_of(supervisor); i++)
		all = all && is_up(&supervisor->wards[i]);
	if (!all && !supervisor->failed && !supervisor->ending)
		return tell_progress(supervisor, now);
	supervisor->told_ready = true;
	supervisor->ready(supervisor, all);
	return now;
}

static unsigned undelivered(const struct cli_supervisor *supervisor)
{
	unsigned count = 0;

	for (size_t i = 0; i < count_of(supervisor); i++)
		count += relay_undelivered(supervisor->wards[i].instance.relay);
	return count;
}

/* All have ended: the loop stops when what they sent is delivered, or takes too long. */
static uint64_t finish(struct cli_supervisor *supervisor, uint64_t now)
{
	if (!supervisor->give_up_at)
		supervisor->give_up_at = now + DELIVERY_MOST;
	if (undelivered(supervisor) == 0 || now >= supervisor->give_up_at)
		host_loop_stop(supervisor->loop);
	return supervisor->give_up_at;
}

static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct cli_supervisor *supervisor = cothon_container(hook, struct cli_supervisor, hook);
	uint64_t next = UINT64_MAX, wanted;
	bool ended = true;

	/* In the order in which they depend on one another: what one brings about, the next one sees. */
	for (size_t i = 0; i < count_of(supervisor); i++) {
		struct cli_ward *ward = &supervisor->wards[supervisor->file->plan.order[i]];

		wanted = step(ward, now);
		next = wanted < next ? wanted : next;
		ended = ended && ward->phase == CLI_ENDED;
	}
	if (!supervisor->told_ready) {
		wanted = look_whether_ready(supervisor, now);
		next = wanted < next ? wanted : next;
	} else if (supervisor->ending && !ended) {
		/* Those that are not needed any more end now: the others' turn has been. */
		wanted = tell_progress(supervisor, now);
		next = wanted < next ? wanted : next;
	}
	if (!ended)
		return next;
	wanted = finish(supervisor, now);
	return wanted < next ? wanted : next;
}

/* --- as it is seen from outside --- */

static const char *state_of(const struct cli_ward *ward)
{
	switch (ward->phase) {
	case CLI_WAITING:
		return "waiting";
	case CLI_IDLE:
		return "idle";
	case CLI_RUNNING:
		if (!ward->member->has_health)
			return "running";
		if (ward->checkup.wellness == CONFIG_WELLNESS_STARTING)
			return "starting";
		return is_well(ward) ? "healthy" : "unhealthy";
	case CLI_STOPPING:
		return "stopping";
	case CLI_PAUSED:
		return "restarting";
	case CLI_ENDED:
		break;
	}
	return "exited";
}

static void look(void *context, struct control_state *state)
{
	const struct cli_ward *ward = context;

	*state = (struct control_state){
		.word = state_of(ward),
		.restarts = ward->restarts.total,
		.status = ward->status,
	};
}

/* --- the whole --- */

int cli_supervise_start(struct cli_supervisor *supervisor)
{
	uint64_t now = host_now();

	for (size_t i = 0; i < count_of(supervisor); i++) {
		struct cli_ward *ward = &supervisor->wards[i];
		int error;

		ward->supervisor = supervisor;
		ward->status = -1;
		ward->listener.heard = heard;
		ward->supervision.look = look;
		ward->supervision.context = ward;
		enter(ward, CLI_WAITING, now);
		if (ward->member->on_demand)
			hold(ward);
		error = sandbox_watch(ward->instance.sandbox, supervisor->loop, &ward->listener);
		if (error < 0)
			return error;
	}
	supervisor->began = now;
	supervisor->progress_at = now + PROGRESS_AFTER;
	supervisor->hook.turn = turn;
	host_loop_hook(supervisor->loop, &supervisor->hook);
	return 0;
}

void cli_supervise_end(struct cli_supervisor *supervisor)
{
	bool again = supervisor->ending;

	supervisor->ending = true;
	supervisor->progress_at = host_now() + PROGRESS_AFTER;
	for (size_t i = 0; again && i < count_of(supervisor); i++) {
		struct cli_ward *ward = &supervisor->wards[i];

		if (ward->phase != CLI_RUNNING && ward->phase != CLI_STOPPING)
			continue;
		if (ward->phase == CLI_RUNNING)
			stop(ward, host_now());
		ward->killed = true;
		ward->deadline = UINT64_MAX;
		sandbox_signal(ward->instance.sandbox, SIGKILL);
	}
}

void cli_supervise_stop(struct cli_supervisor *supervisor)
{
	for (size_t i = 0; i < count_of(supervisor); i++)
		end_checkup(&supervisor->wards[i]);
	host_loop_unhook(supervisor->loop, &supervisor->hook);
}
