/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

/*
 * A sandbox: a command and its children in user, network, mount and PID namespaces of their own.
 * Its first process, init, sets it up from inside, starts the command, collects what its processes
 * leave, and reports to the engine, the process that calls what is declared here. When init or the
 * engine ends, for whatever reason, the kernel ends all the sandbox's processes; namespaces and
 * device go with the last of them.
 *
 *	sandbox_start()		init is made, and sets up the sandbox meanwhile
 *	sandbox_device()	the engine gets the sandbox's end of the link
 *	sandbox_watch()
 *	sandbox_release()	the command runs; when the sandbox is empty again, it may do so again
 *	sandbox_end()
 */

#include "host/loop.h"
#include "host/signals.h"
#include "relay/relay.h"
#include "sandbox/channel.h"
#include "sandbox/listen.h"
#include "sandbox/question.h"

struct sandbox_config {
	struct relay_network network;
	unsigned queues; /* of the device; 0 is one */
	/* The command keeps the caller's user and group, and has no capabilities. */
	bool user;
	/*
	 * The signals that the command is to have: those that host_signals_take(), called before,
	 * has changed.
	 */
	const struct host_signals *signals;
	char *const *argv; /* ends with NULL */
	/* NULL: the caller's. */
	char *const *environment; /* ends with NULL */
	const char *directory;
	/*
	 * What the command gets as 0, 1 and 2, whenever it is started, and nothing else that the caller has
	 * open. NULL: all that the caller has, once; it cannot be started again then.
	 */
	const int *standard;
	/* Sockets that init listens on before the command is started, and how that is given them. */
	struct sandbox_listening listening;
};

/* What was refused: where, and a negative errno. */
struct sandbox_failure {
	enum sandbox_step step;
	int error;
};

struct sandbox;

/*
 * Begins a sandbox. The process must have one thread; what `config` points to is read before it
 * returns, and by init. On success *sandbox is the caller's, to be ended by sandbox_end(). Returns
 * 0, or the error with *failure filled in.
 */
int sandbox_start(const struct sandbox_config *config, struct sandbox **sandbox,
		  struct sandbox_failure *failure);

/*
 * The engine gives up the descriptors above 2 that it was started with: now the sandbox holds
 * them, and a pipe that the command closes is closed. Closes what the caller has opened, so it
 * comes first after sandbox_start().
 */
void sandbox_shed(const struct sandbox *sandbox);

/*
 * Waits for a queue of the TUN device, to be called once for each; *tun becomes its descriptor, not blocking, the
 * caller's. Returns 0, or the error with *failure filled in; -EPIPE when init ended without a word.
 */
int sandbox_device(struct sandbox *sandbox, int *tun, struct sandbox_failure *failure);

/* What init says, as it comes; SANDBOX_GONE is the last. It must not end the sandbox. */
struct sandbox_listener {
	void (*heard)(struct sandbox_listener *listener, const struct sandbox_message *message);
};

/* Joins the sandbox to the loop until sandbox_end(). Returns 0 or the errno of epoll_ctl(2). */
int sandbox_watch(struct sandbox *sandbox, struct host_loop *loop,
		  struct sandbox_listener *listener);

/*
 * Lets the command run; to be called again only when SANDBOX_EMPTY was heard, and with config->standard.
 * Returns 0, or -EPIPE when init has ended.
 */
int sandbox_release(struct sandbox *sandbox);
/* The process ID of init, as it is outside. */
pid_t sandbox_pid(const struct sandbox *sandbox);
/*
 * Sends a signal to the command, if it runs. Returns 0, -EPIPE, or -EAGAIN when too many are under
 * way.
 */
int sandbox_signal(struct sandbox *sandbox, int signo);
/*
 * Asks init, when it has answered what it was asked before; needs sandbox_watch(). Until it is
 * answered or cancelled the question stays where it is; after sandbox_end() it is not answered any more.
 */
void sandbox_ask(struct sandbox *sandbox, struct sandbox_question *question);
void sandbox_cancel(struct sandbox *sandbox, struct sandbox_question *question);
/* Ends whatever is left of the sandbox, waits for init's end, and frees. */
void sandbox_end(struct sandbox *sandbox);

#endif
