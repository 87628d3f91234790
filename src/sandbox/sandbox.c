/* SPDX-License-Identifier: MIT */
#include "sandbox/sandbox.h"

#include "base/list.h"
#include "host/descriptors.h"
#include "host/namespace.h"
#include "sandbox/idmap.h"
#include "sandbox/init.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct sandbox {
	pid_t init;
	struct host_watch watch; /* of the channel */
	struct host_loop *loop;  /* NULL when not watched */
	struct sandbox_listener *listener;
	struct sandbox_questions questions;
};

static int fail(struct sandbox_failure *failure, enum sandbox_step step, int error)
{
	*failure = (struct sandbox_failure){.step = step, .error = error};
	return error;
}

/* Makes init and gives it its users and groups. */
static int start(struct sandbox *sandbox, const struct sandbox_config *config,
		 const struct sandbox_idmaps *maps, struct sandbox_failure *failure)
{
	const struct sandbox_message mapped = {.word = SANDBOX_MAPPED};
	int ends[2], pidfd, error;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(failure, SANDBOX_STEP_CHANNEL, -errno);
	sandbox->init = host_namespace_fork(
		CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID, &pidfd);
	if (sandbox->init == 0) {
		close(ends[0]);
		sandbox_init(config, maps, ends[1]);
	}
	close(ends[1]);
	if (sandbox->init < 0) {
		close(ends[0]);
		return fail(failure, SANDBOX_STEP_NAMESPACES, sandbox->init);
	}
	sandbox->watch.fd = ends[0];
	error = sandbox_idmaps_write(maps, pidfd);
	close(pidfd);
	if (error < 0)
		return fail(failure, SANDBOX_STEP_IDMAP, error);
	/* Where init has ended already, its last word says why. */
	sandbox_channel_send(sandbox->watch.fd, &mapped, -1, 0);
	return 0;
}

int sandbox_start(const struct sandbox_config *config, struct sandbox **sandbox,
		  struct sandbox_failure *failure)
{
	struct sandbox *made = calloc(1, sizeof(*made));
	struct sandbox_idmaps maps;
	int error;

	if (!made)
		return fail(failure, SANDBOX_STEP_CHANNEL, -ENOMEM);
	error = sandbox_idmaps_choose(config->user, &maps);
	if (error < 0) {
		free(made);
		return fail(failure, SANDBOX_STEP_IDMAP, error);
	}
	error = start(made, config, &maps, failure);
	if (error < 0) {
		if (made->init > 0)
			sandbox_end(made);
		else
			free(made);
		return error;
	}
	*sandbox = made;
	return 0;
}

void sandbox_shed(const struct sandbox *sandbox)
{
	host_descriptors_close(STDERR_FILENO + 1, &sandbox->watch.fd, 1);
}

int sandbox_device(struct sandbox *sandbox, int *tun, struct sandbox_failure *failure)
{
	struct sandbox_message message;
	int error = sandbox_channel_receive(sandbox->watch.fd, &message, tun, 0);

	if (error == 0 && message.word == SANDBOX_DEVICE && *tun >= 0)
		return 0;
	if (error == 0 && message.word == SANDBOX_FAILED)
		return fail(failure, (enum sandbox_step)message.value, message.detail);
	return fail(failure, SANDBOX_STEP_CHANNEL, error < 0 ? error : -EBADMSG);
}

void sandbox_ask(struct sandbox *sandbox, struct sandbox_question *question)
{
	sandbox_questions_add(&sandbox->questions, question);
}

void sandbox_cancel(struct sandbox *sandbox, struct sandbox_question *question)
{
	sandbox_questions_cancel(&sandbox->questions, question);
}

/* Hands on what init said, until nothing is left. */
static void hear(struct host_watch *watch, uint32_t events, uint64_t now)
{
	struct sandbox *sandbox = cothon_container(watch, struct sandbox, watch);
	struct sandbox_message message;
	int error, passed;
	pid_t sender;

	(void)events;
	(void)now;
	for (;;) {
		error = sandbox_channel_receive_from(watch->fd, &message, &passed, &sender,
						     MSG_DONTWAIT);
		if (error == -EAGAIN)
			return;
		if (error < 0)
			break;
		if (sandbox_questions_hear(&sandbox->questions, &message, passed, sender))
			continue;
		if (passed >= 0)
			close(passed);
		sandbox->listener->heard(sandbox->listener, &message);
	}
	host_loop_remove(sandbox->loop, watch);
	sandbox->loop = NULL;
	sandbox_questions_end(&sandbox->questions, -EPIPE);
	message = (struct sandbox_message){.word = SANDBOX_GONE};
	sandbox->listener->heard(sandbox->listener, &message);
}

int sandbox_watch(struct sandbox *sandbox, struct host_loop *loop,
		  struct sandbox_listener *listener)
{
	int error;

	sandbox->watch.ready = hear;
	sandbox_questions_init(&sandbox->questions, sandbox->watch.fd, sandbox->init);
	sandbox->listener = listener;
	error = host_loop_add(loop, &sandbox->watch, EPOLLIN);
	if (error == 0)
		sandbox->loop = loop;
	return error;
}

int sandbox_release(struct sandbox *sandbox)
{
	const struct sandbox_message go = {.word = SANDBOX_GO};

	return sandbox_channel_send(sandbox->watch.fd, &go, -1, 0);
}

pid_t sandbox_pid(const struct sandbox *sandbox)
{
	return sandbox->init;
}

int sandbox_signal(struct sandbox *sandbox, int signo)
{
	const struct sandbox_message signal = {.word = SANDBOX_SIGNAL, .value = signo};

	/* Where init has not yet taken the many before it, this one is no news to the command. */
	return sandbox_channel_send(sandbox->watch.fd, &signal, -1, MSG_DONTWAIT);
}

void sandbox_end(struct sandbox *sandbox)
{
	if (sandbox->loop)
		host_loop_remove(sandbox->loop, &sandbox->watch);
	close(sandbox->watch.fd);
	sandbox_questions_drop(&sandbox->questions);
	/*
	 * With the first process of a PID namespace the kernel ends all the others, and waits for
	 * them.
	 */
	kill(sandbox->init, SIGKILL);
	while (waitpid(sandbox->init, NULL, 0) < 0 && errno == EINTR)
		;
	free(sandbox);
}
