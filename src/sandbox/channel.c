/* SPDX-License-Identifier: MIT */
#include "sandbox/channel.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* Room for the control message that carries one descriptor. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

int sandbox_channel_send(int channel, const struct sandbox_message *message, int pass, int flags)
{
	struct sandbox_message copy = *message;
	struct iovec iov = {.iov_base = &copy, .iov_len = sizeof(copy)};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control = {0};

	if (pass >= 0) {
		struct cmsghdr *rights;

		header.msg_control = &control;
		header.msg_controllen = sizeof(control.room);
		rights = CMSG_FIRSTHDR(&header);
		rights->cmsg_level = SOL_SOCKET;
		rights->cmsg_type = SCM_RIGHTS;
		rights->cmsg_len = CMSG_LEN(sizeof(pass));
		memcpy(CMSG_DATA(rights), &pass, sizeof(pass));
	}
	while (sendmsg(channel, &header, flags | MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int passed_descriptor(struct msghdr *header)
{
	struct cmsghdr *rights = CMSG_FIRSTHDR(header);
	int fd;

	if (!rights || rights->cmsg_level != SOL_SOCKET || rights->cmsg_type != SCM_RIGHTS ||
	    rights->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -1;
	memcpy(&fd, CMSG_DATA(rights), sizeof(fd));
	return fd;
}

int sandbox_channel_receive(int channel, struct sandbox_message *message, int *passed, int flags)
{
	struct iovec iov = {.iov_base = message, .iov_len = sizeof(*message)};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control = {0};
	ssize_t len;

	if (passed) {
		header.msg_control = &control;
		header.msg_controllen = sizeof(control.room);
	}
	do {
		len = recvmsg(channel, &header, flags | MSG_CMSG_CLOEXEC);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		/*
		 * A socket pair says so when the other side ended without reading all it was sent.
		 */
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (passed)
		*passed = passed_descriptor(&header);
	if (len == 0)
		return -EPIPE;
	return len == sizeof(*message) && !(header.msg_flags & MSG_TRUNC) ? 0 : -EBADMSG;
}
