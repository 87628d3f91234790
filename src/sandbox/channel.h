/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_CHANNEL_H
#define SANDBOX_CHANNEL_H

/*
 * What the engine and the sandbox's init say to each other: words over a pair of Unix sockets that
 * keep message boundaries. The end of either process ends the channel for the other.
 */

#include <sys/types.h>

/* What was being done when something was refused: its name, and a text to put after "cannot". */
#define SANDBOX_STEPS(X)                                          \
	X(CHANNEL, "make the channel to the sandbox")             \
	X(NAMESPACES, "make namespaces for the sandbox")          \
	X(IDMAP, "give the sandbox its users and groups")         \
	X(TUN_OPEN, "open /dev/net/tun")                          \
	X(TUN_MAKE, "make a network device in the sandbox")       \
	X(NETWORK, "set up addresses and routes in the sandbox")  \
	X(RESOLV, "put /etc/resolv.conf in place in the sandbox") \
	X(PRIVILEGES, "take privileges from the command")         \
	X(LISTEN, "listen on a port in the sandbox")              \
	X(DIRECTORY, "go to the directory of the command")        \
	X(FORK, "start a process in the sandbox")                 \
	X(ENTER, "enter the sandbox")

enum sandbox_step {
#define SANDBOX_STEP(name, text) SANDBOX_STEP_##name,
	SANDBOX_STEPS(SANDBOX_STEP)
#undef SANDBOX_STEP
};

enum sandbox_word {
	/* From init. */
	SANDBOX_DEVICE,  /* here is the TUN device's descriptor; the network is being set up */
	SANDBOX_WARNING, /* value: step, detail: errno; it goes on without */
	SANDBOX_FAILED,  /* value: step, detail: errno; init ends */
	SANDBOX_NOT_RUN, /* value: the errno of execve(2); detail: there is a file of that name; its exit follows */
	SANDBOX_STARTED, /* the command runs, unless one of the two before was heard; with config->standard only */
	SANDBOX_STOPPED, /* value: by which signal; detail: a group inside has the terminal */
	SANDBOX_EXITED,  /* value: the exit status as a shell has it, 128 + n for signal n */
	SANDBOX_EMPTY,   /* no process is left but init */
	/* The sender is process number `value` of the inspection that follows. */
	SANDBOX_PROCESS,
	/* The answer to SANDBOX_INSPECT: value 0 and an inspection's file, or an errno. */
	SANDBOX_INSPECTED,
	/* The answers to SANDBOX_ENTER: value CLONE_NEW* and its descriptor, or an errno. */
	SANDBOX_NAMESPACE,
	/* To init. */
	SANDBOX_MAPPED,  /* users and groups are there */
	SANDBOX_GO,      /* run the command; again, when there is none */
	SANDBOX_SIGNAL,  /* value: a signal for the command */
	SANDBOX_INSPECT, /* say who holds which sockets */
	SANDBOX_ENTER,   /* give the sandbox's namespaces */
	/* Made by sandbox_watch(): init is gone. */
	SANDBOX_GONE,
};

struct sandbox_message {
	enum sandbox_word word;
	int value, detail;
};

/*
 * Sends a message, with a copy of descriptor `pass` unless that is negative; `flags` as for
 * sendmsg(2). Returns 0, or the errno of sendmsg(2): -EPIPE when the other side has ended, -EAGAIN
 * with MSG_DONTWAIT when there is no room.
 */
int sandbox_channel_send(int channel, const struct sandbox_message *message, int pass, int flags);
/*
 * Receives a message; `flags` as for recvmsg(2). A descriptor that came along becomes *passed, the
 * caller's; otherwise that is -1. With `passed` NULL none is accepted. Returns 0; -EPIPE when the
 * other side has ended; -EBADMSG for what is no message; or the errno of recvmsg(2), -EAGAIN with
 * MSG_DONTWAIT.
 */
int sandbox_channel_receive(int channel, struct sandbox_message *message, int *passed, int flags);

/*
 * Receives as sandbox_channel_receive() does; *sender becomes the process that the message is from,
 * as the receiver numbers processes: 0 when that is not known, because sandbox_channel_identify()
 * was not called.
 */
int sandbox_channel_receive_from(int channel, struct sandbox_message *message, int *passed,
				 pid_t *sender, int flags);
/* From now on the sender of what is received is known. Returns 0 or the errno of setsockopt(2). */
int sandbox_channel_identify(int channel);
/*
 * Sends a message in the name of another process, which the caller knows as `pid`. Needs
 * CAP_SYS_ADMIN in the caller's PID namespace. Returns as sandbox_channel_send(); -ESRCH when there
 * is no such process, -EPERM.
 */
int sandbox_channel_send_as(int channel, const struct sandbox_message *message, pid_t pid);

#endif
