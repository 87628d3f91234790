/* SPDX-License-Identifier: MIT */
#include "host/scribe.h"

#include "host/descriptors.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	/* Bytes moved at a time, and what the socket holds as far as the host lets it. */
	PIECE = 256 << 10,
	SOCKET_BUFFER = 4 << 20,
};

int host_scribe_join(int *engine, int *scribe)
{
	const int size = SOCKET_BUFFER;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	/* The host cuts it to what it allows; the engine asks for what is left with MSG_DONTWAIT. */
	(void)setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	*engine = ends[0];
	*scribe = ends[1];
	return 0;
}

static int write_all(int file, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t written = write(file, bytes, len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		bytes += written;
		len -= (size_t)written;
	}
	return 0;
}

int host_scribe_write(int socket, int file)
{
	static char piece[PIECE];
	int error = 0;
	ssize_t len = 1;

	while (error == 0 && len > 0) {
		len = read(socket, piece, sizeof(piece));
		if (len < 0 && errno == EINTR)
			len = 1;
		else if (len < 0)
			error = -errno;
		else if (len > 0)
			error = write_all(file, piece, (size_t)len);
	}
	if (error < 0)
		(void)!send(socket, &error, sizeof(error), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(socket);
	return error;
}

static _Noreturn void work(int socket, int file, bool apart)
{
	const int kept[] = {socket, file};
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	signal(SIGPIPE, SIG_IGN);
	if (apart)
		setsid();
	host_descriptors_close(STDERR_FILENO + 1, kept, sizeof(kept) / sizeof(*kept));
	/* A pipe that the caller's caller reads ends with the caller. */
	host_descriptors_release();
	dup2(STDIN_FILENO, STDERR_FILENO);
	_exit(host_scribe_write(socket, file) < 0);
}

pid_t host_scribe_start(int socket, int file, bool apart)
{
	pid_t pid = fork();

	if (pid == 0)
		work(socket, file, apart);
	return pid < 0 ? -errno : pid;
}

void host_scribe_await(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
}
