/* SPDX-License-Identifier: MIT */
#include "control/peer.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* Whether the process that connected has ended; where the kernel cannot say, it has not. */
static bool has_ended(int fd)
{
	struct pollfd process = {.fd = -1, .events = POLLIN};
	socklen_t len = sizeof(process.fd);
	bool ended;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &process.fd, &len) < 0)
		return false;
	ended = poll(&process, 1, 0) != 0;
	close(process.fd);
	return ended;
}

/* Reads which user namespace a process is in. Returns false when that is not to be known. */
static bool user_namespace(const char *process, char text[static 64])
{
	char path[64];
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/%s/ns/user", process);
	len = readlink(path, text, 63);
	if (len < 0)
		return false;
	text[len] = '\0';
	return true;
}

/*
 * What runs in the sandbox has its owner's user, and finds the socket where its owner does. But it
 * is in a user namespace below the one of this process, which it cannot leave, and which this
 * process may look at. Root outside, which an ordinary user may not look at, is none of those.
 */
static bool is_outside(const struct ucred *peer)
{
	char own[64], other[64], process[16];

	snprintf(process, sizeof(process), "%d", (int)peer->pid);
	if (peer->pid <= 0 || !user_namespace("self", own))
		return false;
	if (!user_namespace(process, other))
		return peer->uid == 0 && geteuid() != 0;
	return strcmp(own, other) == 0;
}

bool control_peer_is_allowed(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (peer.uid != geteuid() && peer.uid != 0)
		return false;
	/* In this order the number is still that process's when it is asked for. */
	return is_outside(&peer) && !has_ended(fd);
}
