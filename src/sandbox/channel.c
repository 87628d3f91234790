/* SPDX-License-Identifier: MIT */
#include "sandbox/channel.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Room for the control messages that carry one descriptor and who the sender is. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
};

/* Appends a control message to those that the header has. */
static void attach(struct msghdr *header, union control *control, int type, const void *data,
		   size_t len)
{
	struct cmsghdr *message = (void *)(control->room + header->msg_controllen);

	header->msg_control = control;
	header->msg_controllen += CMSG_SPACE(len);
	message->cmsg_level = SOL_SOCKET;
	message->cmsg_type = type;
	message->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(message), data, len);
}

/* A socket pair says so when the other side ended without reading all it was sent. */
static int channel_error(int error)
{
	return error == ECONNRESET ? -EPIPE : -error;
}

static int send_message(int channel, const struct msghdr *header, int flags)
{
	while (sendmsg(channel, header, flags | MSG_NOSIGNAL) < 0) {
		if (errno != EINTR)
			return channel_error(errno);
	}
	return 0;
}

int sandbox_channel_send(int channel, const struct sandbox_message *message, int pass, int flags)
{
	struct sandbox_message copy = *message;
	struct iovec iov = {.iov_base = &copy, .iov_len = sizeof(copy)};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control = {0};

	if (pass >= 0)
		attach(&header, &control, SCM_RIGHTS, &pass, sizeof(pass));
	return send_message(channel, &header, flags);
}

int sandbox_channel_send_as(int channel, const struct sandbox_message *message, pid_t pid)
{
	const struct ucred sender = {.pid = pid, .uid = getuid(), .gid = getgid()};
	struct sandbox_message copy = *message;
	struct iovec iov = {.iov_base = &copy, .iov_len = sizeof(copy)};
	struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control = {0};

	attach(&header, &control, SCM_CREDENTIALS, &sender, sizeof(sender));
	return send_message(channel, &header, 0);
}

int sandbox_channel_identify(int channel)
{
	const int on = 1;

	return setsockopt(channel, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ? -errno : 0;
}

/* Takes the one descriptor that may come with a message; of several, none is kept. */
static void take_descriptors(const struct cmsghdr *rights, int *passed)
{
	size_t count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(rights) + i * sizeof(fd), sizeof(fd));
		if (count == 1)
			*passed = fd;
		else
			close(fd);
	}
}

static void take_control(struct msghdr *header, int *passed, pid_t *sender)
{
	struct cmsghdr *control;

	for (control = CMSG_FIRSTHDR(header); control; control = CMSG_NXTHDR(header, control)) {
		struct ucred ucred;

		if (control->cmsg_level != SOL_SOCKET)
			continue;
		if (control->cmsg_type == SCM_RIGHTS)
			take_descriptors(control, passed);
		if (control->cmsg_type != SCM_CREDENTIALS ||
		    control->cmsg_len != CMSG_LEN(sizeof(ucred)))
			continue;
		memcpy(&ucred, CMSG_DATA(control), sizeof(ucred));
		*sender = ucred.pid;
	}
}

int sandbox_channel_receive_from(int channel, struct sandbox_message *message, int *passed,
				 pid_t *sender, int flags)
{
	struct iovec iov = {.iov_base = message, .iov_len = sizeof(*message)};
	union control control = {0};
	struct msghdr header = {.msg_iov = &iov,
				.msg_iovlen = 1,
				.msg_control = &control,
				.msg_controllen = sizeof(control.room)};
	ssize_t len;

	do {
		len = recvmsg(channel, &header, flags | MSG_CMSG_CLOEXEC);
	} while (len < 0 && errno == EINTR);
	if (len < 0)
		return channel_error(errno);
	*passed = -1;
	*sender = 0;
	take_control(&header, passed, sender);
	if (len == sizeof(*message) && !(header.msg_flags & MSG_TRUNC))
		return 0;
	if (*passed >= 0)
		close(*passed);
	*passed = -1;
	return len == 0 ? -EPIPE : -EBADMSG;
}

int sandbox_channel_receive(int channel, struct sandbox_message *message, int *passed, int flags)
{
	int received = -1;
	pid_t sender;
	int error = sandbox_channel_receive_from(channel, message, &received, &sender, flags);

	if (passed)
		*passed = received;
	else if (received >= 0)
		close(received);
	return error;
}
