/* SPDX-License-Identifier: MIT */
#include "control/applications.h"

#include "base/siphash.h"
#include "control/sockets.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	/* Flows that are remembered; one that comes to the place of another takes it. */
	PLACES = 4096,
	/* Microseconds between two questions at least, and in proportion to what the last one took. */
	PAUSE = 20000,
	PAUSE_SHARE = 10,
	/* Microseconds for which an answer holds, that it is somebody and that it is nobody. */
	HOLDS = 30000000,
	NOBODY_HOLDS = 500000,
};

struct place {
	struct cothon_flow flow;
	uint64_t until; /* the answer holds; 0: there is none yet */
	bool used, wanted;
	struct control_application application;
};

struct control_applications {
	struct host_loop *loop;
	struct sandbox *sandbox;
	struct host_hook hook;
	struct sandbox_question question;
	struct cothon_list queries, asked; /* those that wait, and those that the question is for */
	struct cothon_siphash_key key;
	bool wanted, asking;
	uint64_t asked_at, ask_at;
	struct place places[PLACES];
};

/* --- answers --- */

/* The socket of a flow's inner end. */
static const struct sandbox_socket *socket_of(const struct control_sockets *sockets,
					      const struct cothon_flow *flow)
{
	const struct cothon_endpoint inside = cothon_flow_remote(flow);
	const struct cothon_endpoint outside = cothon_flow_local(flow);
	const struct sandbox_socket *socket;

	if (flow->transport == COTHON_TCP)
		socket = control_sockets_flow(sockets, COTHON_TCP, &inside, &outside);
	else if (flow->transport == COTHON_UDP)
		socket = control_sockets_connected(sockets, &inside);
	else
		return NULL;
	return socket ? socket : control_sockets_binding(sockets, flow->transport, &inside);
}

/* What is no printable ASCII goes into no file and no log. */
static void copy_command(char *to, const char *from)
{
	size_t len = strnlen(from, SANDBOX_COMMAND - 1);

	for (size_t i = 0; i < len; i++)
		to[i] = from[i] > ' ' && from[i] <= '~' ? from[i] : '_';
	to[len] = '\0';
}

static struct control_application look_up(const struct control_sockets *sockets,
					  const struct cothon_flow *flow)
{
	const struct sandbox_socket *socket = sockets ? socket_of(sockets, flow) : NULL;
	struct control_application application = {.pid = 0};
	const struct sandbox_process *process;

	if (!socket || socket->holder_count == 0)
		return application;
	process =
		&sockets->inspection->processes[sockets->inspection->holders[socket->first_holder]];
	copy_command(application.command, process->command);
	application.pid = process->pid;
	return application;
}

/* Tells all that the question was for. */
static void tell(struct control_applications *applications, const struct control_sockets *sockets,
		 uint64_t now)
{
	for (size_t i = 0; i < PLACES; i++) {
		struct place *place = &applications->places[i];

		if (!place->wanted)
			continue;
		place->wanted = false;
		place->application = look_up(sockets, &place->flow);
		place->until = now + (place->application.pid ? HOLDS : NOBODY_HOLDS);
	}
	while (!cothon_list_empty(&applications->asked)) {
		struct control_application_query *query = cothon_container(
			applications->asked.next, struct control_application_query, node);
		struct control_application application = look_up(sockets, &query->flow);

		cothon_list_remove(&query->node);
		query->answered(query, &application);
	}
}

static void answered(struct sandbox_question *question, int error,
		     const struct sandbox_answer *answer)
{
	struct control_applications *applications =
		cothon_container(question, struct control_applications, question);
	struct control_sockets sockets;
	uint64_t now = host_now();
	bool ready = error == 0 && control_sockets_init(&sockets, answer->inspection) == 0;

	applications->asking = false;
	/* What looking costs the sandbox stays a small part of its time. */
	applications->ask_at = now + PAUSE + (now - applications->asked_at) * PAUSE_SHARE;
	tell(applications, ready ? &sockets : NULL, now);
	if (ready)
		control_sockets_free(&sockets);
	if (error == 0)
		sandbox_inspection_free(answer->inspection);
}

/* --- questions --- */

static uint64_t turn(struct host_hook *hook, uint64_t now)
{
	struct control_applications *applications =
		cothon_container(hook, struct control_applications, hook);

	if (!applications->wanted || applications->asking)
		return UINT64_MAX;
	if (now < applications->ask_at)
		return applications->ask_at;
	applications->wanted = false;
	applications->asking = true;
	applications->asked_at = now;
	cothon_list_splice(&applications->asked, &applications->queries);
	sandbox_ask(applications->sandbox, &applications->question);
	return UINT64_MAX;
}

static struct place *place_of(struct control_applications *applications,
			      const struct cothon_flow *flow)
{
	uint64_t hash = cothon_siphash24(&applications->key, flow, sizeof(*flow));

	return &applications->places[hash % PLACES];
}

const struct control_application *
control_applications_find(struct control_applications *applications, const struct cothon_flow *flow)
{
	struct place *place = place_of(applications, flow);
	bool known = place->used && cothon_flow_equal(&place->flow, flow);

	if (!known)
		*place = (struct place){.flow = *flow, .used = true};
	if (place->until <= host_now() && !place->wanted)
		place->wanted = applications->wanted = true;
	return place->until > 0 ? &place->application : NULL;
}

void control_applications_ask(struct control_applications *applications,
			      struct control_application_query *query)
{
	cothon_list_append(&applications->queries, &query->node);
	applications->wanted = true;
}

char *control_application_format(const struct control_application *application,
				 char text[static CONTROL_APPLICATION])
{
	text[0] = '\0';
	if (application->pid)
		snprintf(text, CONTROL_APPLICATION, "%s (process %d)", application->command,
			 application->pid);
	return text;
}

/* --- life --- */

int control_applications_create(struct host_loop *loop, struct sandbox *sandbox,
				struct control_applications **result)
{
	struct control_applications *applications = calloc(1, sizeof(*applications));
	int error;

	if (!applications)
		return -ENOMEM;
	if (getrandom(&applications->key, sizeof(applications->key), 0) < 0) {
		error = -errno;
		free(applications);
		return error;
	}
	applications->loop = loop;
	applications->sandbox = sandbox;
	applications->question.word = SANDBOX_INSPECT;
	applications->question.answered = answered;
	cothon_list_init(&applications->queries);
	cothon_list_init(&applications->asked);
	applications->hook.turn = turn;
	host_loop_hook(loop, &applications->hook);
	*result = applications;
	return 0;
}

void control_applications_destroy(struct control_applications *applications)
{
	if (!applications)
		return;
	if (applications->asking)
		sandbox_cancel(applications->sandbox, &applications->question);
	host_loop_unhook(applications->loop, &applications->hook);
	cothon_list_splice(&applications->asked, &applications->queries);
	tell(applications, NULL, host_now());
	free(applications);
}
