/* SPDX-License-Identifier: MIT */
#include "cli/supervise.h"

#include "cli/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

enum {
	/* Microseconds. */
	PROGRESS_AFTER = 1000000,
	/* How long what the commands have sent and written may take to be delivered when all have ended. */
	DELIVERY_MOST = 10000000,
	/* What is shown of a command's last words. */
	LAST_LINES = 10,
};

static size_t count_of(const struct cli_supervisor *supervisor)
{
	return supervisor->file->member_count;
}

/* --- starting and ending --- */

static void drain(struct cli_ward *ward)
{
	if (!ward->drained)
		relay_drain(ward->instance.relay);
	ward->drained = true;
}

static void end_for_good(struct cli_ward *ward, uint64_t now)
{
	cli_ward_enter(ward, CLI_ENDED, now);
	drain(ward);
}

static void say_wait(struct cli_ward *ward, uint64_t wait)
{
	if (wait < 1000000)
		cli_ward_say(ward, "exited with status %d; starts again in %" PRIu64 " ms",
			     ward->status, wait / 1000);
	else
		cli_ward_say(ward,
			     "exited with status %d; starts again in %" PRIu64 ".%" PRIu64 " s",
			     ward->status, wait / 1000000, wait / 100000 % 10);
}

static bool show_line(const struct control_line *line, void *context)
{
	const struct cli_ward *ward = context;

	if (line->source != CONTROL_COTHON)
		fprintf(stderr, "%s | %.*s\n", cli_ward_name(ward), (int)line->len, line->text);
	return true;
}

/* The command has failed for good. Where nobody has seen what it wrote, its last lines are shown. */
static void say_end(struct cli_ward *ward)
{
	uint64_t next = control_journal_next(ward->journal);

	if (!ward->supervisor->screen && !ward->supervisor->told_ready)
		control_journal_read(ward->journal, next < LAST_LINES ? 0 : next - LAST_LINES,
				     show_line, ward);
	cli_ward_say(ward, "exited with status %d", ward->status);
}

/* The command waits for who connects. */
static void rest(struct cli_ward *ward, uint64_t now)
{
	if (ward->admitted)
		cli_ward_hold(ward);
	cli_ward_enter(ward, CLI_IDLE, now);
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
	cli_ward_end_checkup(ward);
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
			say_end(ward);
		supervisor->failed |= failed;
		end_for_good(ward, now);
		return;
	}
	say_wait(ward, wait);
	if (ward->member->on_demand && ward->admitted)
		cli_ward_hold(ward);
	cli_ward_enter(ward, CLI_PAUSED, now);
	ward->deadline = now + wait;
}

static void say_failure(struct cli_ward *ward, int step, int reason)
{
	const struct sandbox_failure failure = {(enum sandbox_step)step, reason};
	struct cli_error error;

	cli_ward_say(ward, "%s", cli_explain_failure(&failure, &error));
}

/* The first process of the sandbox is no more: nothing can be started there. */
static void lose(struct cli_ward *ward, uint64_t now)
{
	if (ward->phase == CLI_ENDED)
		return;
	cli_ward_say(ward,
		     "the sandbox has ended: its first process could not go on, or was killed");
	cli_output_finish_line(&ward->output);
	cli_ward_end_checkup(ward);
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
		say_failure(ward, message->value, message->detail);
		break;
	case SANDBOX_FAILED:
		ward->refused = true;
		say_failure(ward, message->value, message->detail);
		break;
	case SANDBOX_STARTED:
		ward->executed = !ward->refused;
		ward->started = ward->started || ward->executed;
		break;
	case SANDBOX_NOT_RUN:
		ward->refused = true;
		cli_ward_say(ward, "%s",
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
		bool there = dependency->healthy ? cli_ward_is_well(on) : on->started;

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
		ward->started = ward->member->on_demand;
		if (ward->member->on_demand)
			rest(ward, now);
		else
			cli_ward_start(ward, now);
	} else if (never) {
		cli_ward_say(ward, "is not started: what it depends on has ended");
		ward->supervisor->failed = true;
		end_for_good(ward, now);
	}
}

static void step_ending(struct cli_ward *ward, uint64_t now)
{
	if (is_needed(ward))
		return;
	if (ward->phase == CLI_RUNNING)
		cli_ward_stop(ward, now);
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
		cli_ward_start(ward, now);
		return now;
	case CLI_RUNNING: {
		uint64_t demand = cli_ward_serve_demand(ward, now);

		next = cli_ward_check_up(ward, now);
		next = demand < next ? demand : next;
		break;
	}
	case CLI_STOPPING:
		if (now >= ward->deadline && !ward->killed) {
			ward->killed = true;
			ward->deadline = UINT64_MAX;
			cli_ward_say(ward, "did not end when it was asked to, and is killed");
			sandbox_signal(ward->instance.sandbox, SIGKILL);
		}
		break;
	case CLI_PAUSED:
		next = cli_ward_refuse_late(ward, now);
		if (now >= ward->deadline && !ward->supervisor->ending) {
			if (ward->member->on_demand)
				rest(ward, now);
			else
				cli_ward_start(ward, now);
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
	return ward->phase == CLI_RUNNING && ward->executed &&
	       (!ward->member->has_health || cli_ward_is_well(ward));
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
						len ? ", " : "", cli_ward_name(ward),
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

/* Whether who waits in front has all that the commands wrote. */
static bool is_shown(const struct cli_supervisor *supervisor)
{
	bool all = true;

	for (size_t i = 0; i < count_of(supervisor); i++)
		all = cli_output_finish_line(&supervisor->wards[i].output) && all;
	return all && (!supervisor->screen || supervisor->screen->len == 0);
}

/* All have ended: the loop stops when what they sent and wrote is delivered, or takes too long. */
static uint64_t finish(struct cli_supervisor *supervisor, uint64_t now)
{
	if (!supervisor->give_up_at)
		supervisor->give_up_at = now + DELIVERY_MOST;
	if ((is_shown(supervisor) && undelivered(supervisor) == 0) || now >= supervisor->give_up_at)
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
		return cli_ward_is_well(ward) ? "healthy" : "unhealthy";
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
		cli_ward_enter(ward, CLI_WAITING, now);
		if (ward->member->on_demand)
			cli_ward_hold(ward);
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
			cli_ward_stop(ward, host_now());
		ward->killed = true;
		ward->deadline = UINT64_MAX;
		sandbox_signal(ward->instance.sandbox, SIGKILL);
	}
}

void cli_supervise_stop(struct cli_supervisor *supervisor)
{
	for (size_t i = 0; i < count_of(supervisor); i++)
		cli_ward_end_checkup(&supervisor->wards[i]);
	host_loop_unhook(supervisor->loop, &supervisor->hook);
}
