/* SPDX-License-Identifier: MIT */
#include "cli/up_engine.h"

#include "cli/explain.h"
#include "cli/isolate.h"
#include "cli/supervise.h"
#include "host/descriptors.h"
#include "host/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct engine {
	const struct cli_up_task *task;
	struct host_signals started;
	struct host_loop *loop;
	struct host_watch signals;
	struct host_steward steward;
	struct relay_neighbourhood *neighbourhood;
	struct cli_screen screen;
	struct cli_supervisor supervisor;
	struct cli_ward wards[CLI_UP_MEMBERS];
	int pipes[CLI_UP_MEMBERS][2]; /* the ends that are read */
	size_t started_count;
};

static size_t count_of(const struct engine *engine)
{
	return engine->task->file->member_count;
}

static int say(const struct engine *engine, const char *what, int error)
{
	cli_message(engine->task->file->network, "cannot %s: %s; %s", what, strerrordesc_np(-error),
		    cli_instance_remedy(error));
	return CLI_FAILED;
}

/* --- the sandboxes --- */

/* A pipe whose end for reading does not block; a command may not expect that of its own. */
static int make_pipe(int ends[static 2])
{
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	if (fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
		close(ends[0]);
		close(ends[1]);
		return -errno;
	}
	return 0;
}

static int start_with(struct engine *engine, size_t index, const int standard[static 3])
{
	const struct cli_up_member *member = &engine->task->file->members[index];
	const struct sandbox_config config = {
		.network = member->options.network,
		.user = member->options.user,
		.signals = &engine->started,
		.argv = member->options.command,
		.environment = member->environment,
		.directory = member->directory,
		.standard = standard,
		.listening = member->listening,
	};
	struct cli_ward *ward = &engine->wards[index];

	ward->member = member;
	return cli_instance_start(&ward->instance, &member->options, &config);
}

static int start_member(struct engine *engine, size_t index, int null)
{
	int out[2], err[2], error, status;

	if (engine->task->alone) {
		engine->started_count = index + 1;
		return start_with(engine, index,
				  (const int[3]){null, STDOUT_FILENO, STDERR_FILENO});
	}
	error = make_pipe(out);
	if (error < 0)
		return say(engine, "make a pipe", error);
	error = make_pipe(err);
	if (error < 0) {
		close(out[0]);
		close(out[1]);
		return say(engine, "make a pipe", error);
	}
	status = start_with(engine, index, (const int[3]){null, out[1], err[1]});
	close(out[1]);
	close(err[1]);
	engine->pipes[index][0] = out[0];
	engine->pipes[index][1] = err[0];
	engine->started_count = index + 1;
	return status;
}

/* They set themselves up at the same time. */
static int start_all(struct engine *engine)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int status = null < 0 ? say(engine, "open /dev/null", -errno) : CLI_OK;

	for (size_t i = 0; status == CLI_OK && i < count_of(engine); i++)
		status = start_member(engine, i, null);
	if (null >= 0)
		close(null);
	return status;
}

/* What the control socket tells of a sandbox beyond itself, and where its output goes. */
static int equip(struct engine *engine, size_t index)
{
	const struct cli_up_task *task = engine->task;
	struct cli_ward *ward = &engine->wards[index];
	int error;

	ward->journal = control_journal_create(CONTROL_JOURNAL_BYTES);
	if (!ward->journal)
		return -ENOMEM;
	if (task->alone)
		return 0;
	ward->supervision = (struct control_supervision){
		.network = task->file->network,
		.file = task->path,
		.digest = task->digest,
		.journal = ward->journal,
	};
	ward->instance.supervision = &ward->supervision;
	ward->instance.neighbourhood = engine->neighbourhood;
	ward->output.number = (unsigned)index;
	error = cli_output_open(&ward->output, engine->loop, ward->member->options.name,
				engine->pipes[index], ward->journal,
				task->screen >= 0 ? &engine->screen : NULL);
	return error;
}

static int claim_all(struct engine *engine)
{
	struct cli_presence *presences[CLI_UP_MEMBERS];
	int status = CLI_OK;

	for (size_t i = 0; status == CLI_OK && i < count_of(engine); i++) {
		presences[i] = &engine->wards[i].instance.presence;
		status = cli_instance_claim(&engine->wards[i].instance);
	}
	if (status != CLI_OK)
		return status;
	return cli_presence_guard(presences, count_of(engine), &engine->steward);
}

/* In the background nobody sees standard error: `cothon logs` has it. */
static void say_denied(void *owner, const char *text)
{
	cli_ward_say(owner, "%s", text);
}

static int join_all(struct engine *engine)
{
	int status = CLI_OK;

	for (size_t i = 0; status == CLI_OK && i < count_of(engine); i++) {
		int error = equip(engine, i);

		status = error < 0 ? say(engine, "take what the commands write", error)
				   : cli_instance_join(&engine->wards[i].instance, engine->loop,
						       &engine->steward);
	}
	for (size_t i = 0; status == CLI_OK && i < count_of(engine); i++) {
		struct cli_ward *ward = &engine->wards[i];

		cli_denied_say_by(&ward->instance.denied, say_denied, ward);
		cli_instance_tell(&ward->instance, engine->loop);
	}
	return status;
}

/* --- the outside --- */

static void screen_gone(struct cli_screen *screen)
{
	struct engine *engine = cothon_container(screen, struct engine, screen);

	cli_supervise_end(&engine->supervisor);
}

static void take_signals(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct engine *engine = cothon_container(watch, struct engine, signals);
	struct signalfd_siginfo signal;

	(void)events;
	(void)now;
	while (read(watch->fd, &signal, sizeof(signal)) == sizeof(signal)) {
		int signo = (int)signal.ssi_signo;

		if (signo == SIGTERM || signo == SIGINT || signo == SIGHUP || signo == SIGQUIT)
			cli_supervise_end(&engine->supervisor);
	}
}

static void ready(struct cli_supervisor *supervisor, bool up)
{
	struct engine *engine = cothon_container(supervisor, struct engine, supervisor);
	const char byte = 1;

	/* Who waits no longer is in the background already. */
	if (up && write(engine->task->ready, &byte, sizeof(byte)) < 0)
		cli_message(NULL, "nobody waits for the sandboxes");
	close(engine->task->ready);
	/* Nobody is in front of it who could see what has failed. */
	if (!up && engine->task->screen < 0)
		cli_supervise_end(supervisor);
}

static int open_screen(struct engine *engine)
{
	const struct cli_up_file *file = engine->task->file;
	struct cli_screen *screen = &engine->screen;

	if (engine->task->screen < 0)
		return 0;
	screen->colours = engine->task->colours;
	for (size_t i = 0; !engine->task->alone && i < file->member_count; i++) {
		int len = (int)strlen(file->members[i].options.name);

		screen->width = len > screen->width ? len : screen->width;
	}
	fcntl(engine->task->screen, F_SETFL, O_NONBLOCK);
	return cli_screen_open(screen, engine->loop, engine->task->screen, screen_gone);
}

/* --- the whole --- */

static int supervise(struct engine *engine)
{
	const char *network = engine->task->file->network;
	int error;

	engine->supervisor.loop = engine->loop;
	engine->supervisor.file = engine->task->file;
	engine->supervisor.wards = engine->wards;
	engine->supervisor.screen = engine->task->screen >= 0 ? &engine->screen : NULL;
	engine->supervisor.ready = ready;
	engine->signals.ready = take_signals;
	engine->signals.fd = host_signals_open();
	if (engine->signals.fd < 0)
		return say(engine, "take signals", engine->signals.fd);
	error = host_loop_add(engine->loop, &engine->signals, EPOLLIN);
	if (error == 0)
		error = cli_supervise_start(&engine->supervisor);
	if (error == 0 && cli_isolate(network, NULL) < 0)
		return CLI_FAILED;
	if (error == 0)
		error = host_loop_run(engine->loop);
	if (error < 0)
		return say(engine, "wait for events", error);
	cli_supervise_stop(&engine->supervisor);
	return engine->supervisor.failed ? 1 : CLI_OK;
}

static void end_all(struct engine *engine)
{
	for (size_t i = 0; i < engine->started_count; i++) {
		struct cli_ward *ward = &engine->wards[i];

		cli_instance_leave(&ward->instance);
		cli_output_close(&ward->output);
		cli_instance_end(&ward->instance);
		if (ward->journal)
			control_journal_destroy(ward->journal);
	}
	if (engine->neighbourhood)
		relay_neighbourhood_destroy(engine->neighbourhood);
	cli_screen_close(&engine->screen);
	if (engine->steward.pid > 0)
		host_steward_end(&engine->steward);
	host_loop_destroy(engine->loop);
}

static void steward_gone(struct host_steward *steward)
{
	struct engine *engine = cothon_container(steward, struct engine, steward);

	for (size_t i = 0; i < count_of(engine); i++)
		cli_ward_say(&engine->wards[i],
			     "the process that keeps the rights of Cothon's was killed from "
			     "outside; the sandbox goes on, but cannot be asked any more, and does "
			     "not follow /etc/resolv.conf");
}

static int run(struct engine *engine)
{
	int status = CLI_OK;
	int error = open_screen(engine);

	if (error == 0)
		error = relay_neighbourhood_create(engine->loop, &engine->neighbourhood);
	if (error < 0)
		return say(engine, "start the network", error);
	status = claim_all(engine);
	if (status == CLI_OK)
		status = join_all(engine);
	if (status == CLI_OK)
		host_steward_watch(&engine->steward, engine->loop, steward_gone);
	return status == CLI_OK ? supervise(engine) : status;
}

int cli_up_engine(const struct cli_up_task *task)
{
	struct engine *engine = calloc(1, sizeof(*engine));
	int status, error;

	if (!engine) {
		cli_message(task->file->network, "not enough memory");
		return CLI_FAILED;
	}
	engine->task = task;
	host_signals_take(&engine->started);
	error = host_loop_create(&engine->loop);
	if (error < 0) {
		free(engine);
		cli_message(task->file->network, "cannot start the event loop: %s",
			    cli_explain_error(error));
		return CLI_FAILED;
	}
	status = start_all(engine);
	host_descriptors_release();
	host_descriptors_unlimit();
	/* One that is alone may have it; in a file it is an error. */
	if (engine->wards[0].member && engine->wards[0].member->options.limits.descriptors)
		host_descriptors_set_limit(engine->wards[0].member->options.limits.descriptors);
	if (status == CLI_OK)
		status = run(engine);
	end_all(engine);
	free(engine);
	return status;
}
