/* SPDX-License-Identifier: MIT */
#include "sandbox/inspection.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* Without these seals a file may be anything: one of a file system that never answers. */
static const int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;

/* What the file begins with; sockets, processes and holders follow. */
struct header {
	uint32_t truncated, socket_count, process_count, holder_count;
};

static int write_all(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t wrote = write(fd, at, len);

		if (wrote < 0)
			return -errno;
		at += wrote;
		len -= (size_t)wrote;
	}
	return 0;
}

static int write_inspection(int fd, const struct sandbox_inspection *inspection)
{
	const struct header header = {
		.truncated = inspection->truncated,
		.socket_count = inspection->socket_count,
		.process_count = inspection->process_count,
		.holder_count = inspection->holder_count,
	};
	int error = write_all(fd, &header, sizeof(header));

	if (error == 0)
		error = write_all(fd, inspection->sockets,
				  header.socket_count * sizeof(*inspection->sockets));
	if (error == 0)
		error = write_all(fd, inspection->processes,
				  header.process_count * sizeof(*inspection->processes));
	if (error == 0)
		error = write_all(fd, inspection->holders,
				  header.holder_count * sizeof(*inspection->holders));
	if (error == 0 && fcntl(fd, F_ADD_SEALS, seals) < 0)
		error = -errno;
	return error;
}

int sandbox_inspection_write(const struct sandbox_inspection *inspection)
{
	int fd = memfd_create("inspection", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int error;

	if (fd < 0)
		return -errno;
	error = write_inspection(fd, inspection);
	if (error < 0)
		close(fd);
	return error < 0 ? error : fd;
}

/*
 * Reads exactly `len` bytes at `*at` into memory of their own, and steps behind them. Returns NULL
 * with *error.
 */
static void *read_part(int fd, size_t *at, size_t len, int *error)
{
	/* Never of no size, so that NULL means that there is none. */
	char *made = calloc(1, len + 1);
	size_t used = 0;

	*error = -ENOMEM;
	while (made && used < len) {
		ssize_t got = pread(fd, made + used, len - used, (off_t)(*at + used));

		if (got > 0) {
			used += (size_t)got;
			continue;
		}
		*error = got == 0 ? -EBADMSG : -errno;
		free(made);
		return NULL;
	}
	*at += len;
	return made;
}

static bool is_text(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

/* A byte that is read as bool must be one. */
static bool is_bool(const bool *value)
{
	uint8_t byte;

	memcpy(&byte, value, sizeof(byte));
	return byte <= 1;
}

static bool is_socket(const struct sandbox_socket *socket, uint32_t holder_count)
{
	return (socket->transport == COTHON_TCP || socket->transport == COTHON_UDP) &&
	       is_bool(&socket->ipv6) && is_bool(&socket->v6only) &&
	       socket->state <= COTHON_TCP_CLOSED && socket->first_holder <= holder_count &&
	       socket->holder_count <= holder_count - socket->first_holder;
}

static bool is_process(const struct sandbox_process *process)
{
	return process->pid > 0 && process->host_pid >= 0 &&
	       is_text(process->command, sizeof(process->command)) &&
	       is_text(process->arguments, sizeof(process->arguments));
}

static int check(const struct sandbox_inspection *inspection)
{
	for (uint32_t i = 0; i < inspection->socket_count; i++) {
		if (!is_socket(&inspection->sockets[i], inspection->holder_count))
			return -EBADMSG;
	}
	for (uint32_t i = 0; i < inspection->process_count; i++) {
		if (!is_process(&inspection->processes[i]))
			return -EBADMSG;
	}
	for (uint32_t i = 0; i < inspection->holder_count; i++) {
		if (inspection->holders[i] >= inspection->process_count)
			return -EBADMSG;
	}
	return 0;
}

static bool is_sealed(int fd)
{
	int has = fcntl(fd, F_GET_SEALS);

	return has >= 0 && (has & seals) == seals;
}

static int read_header(int fd, size_t *at, struct header *header)
{
	struct stat status;
	size_t size;
	void *part;
	int error;

	if (!is_sealed(fd) || fstat(fd, &status) < 0)
		return -EBADMSG;
	part = read_part(fd, at, sizeof(*header), &error);
	if (!part)
		return error;
	memcpy(header, part, sizeof(*header));
	free(part);
	if (header->truncated > 1 || header->socket_count > SANDBOX_SOCKETS ||
	    header->process_count > SANDBOX_PROCESSES || header->holder_count > SANDBOX_HOLDERS)
		return -EBADMSG;
	size = sizeof(*header) + header->socket_count * sizeof(struct sandbox_socket) +
	       header->process_count * sizeof(struct sandbox_process) +
	       header->holder_count * sizeof(uint32_t);
	return status.st_size == (off_t)size ? 0 : -EBADMSG;
}

static int read_inspection(int fd, struct sandbox_inspection *inspection)
{
	struct header header = {0};
	size_t at = 0;
	int error = read_header(fd, &at, &header);

	if (error < 0)
		return error;
	inspection->truncated = header.truncated;
	inspection->socket_count = header.socket_count;
	inspection->process_count = header.process_count;
	inspection->holder_count = header.holder_count;
	inspection->sockets =
		read_part(fd, &at, header.socket_count * sizeof(*inspection->sockets), &error);
	if (!inspection->sockets)
		return error;
	inspection->processes =
		read_part(fd, &at, header.process_count * sizeof(*inspection->processes), &error);
	if (!inspection->processes)
		return error;
	inspection->holders =
		read_part(fd, &at, header.holder_count * sizeof(*inspection->holders), &error);
	if (!inspection->holders)
		return error;
	return check(inspection);
}

int sandbox_inspection_read(int fd, struct sandbox_inspection **inspection)
{
	struct sandbox_inspection *made = calloc(1, sizeof(*made));
	int error;

	if (!made)
		return -ENOMEM;
	error = read_inspection(fd, made);
	if (error < 0)
		sandbox_inspection_free(made);
	else
		*inspection = made;
	return error;
}

void sandbox_inspection_free(struct sandbox_inspection *inspection)
{
	if (!inspection)
		return;
	free(inspection->sockets);
	free(inspection->processes);
	free(inspection->holders);
	free(inspection);
}
