/* SPDX-License-Identifier: MIT */

/*
 * The file in memory by which a sandbox's init says who holds which sockets: a byte of flags, and
 * the file. What is accepted can be walked through, and is the same when it is written and read
 * again.
 */

#include "fuzz.h"
#include "sandbox/inspection.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	UNSEALED = 1,
	SHAPED = 2, /* few of each, and the file is as long as its header says */
};

struct header {
	uint32_t truncated, socket_count, process_count, holder_count;
};

static size_t shape(uint8_t *data)
{
	struct header header;

	memcpy(&header, data, sizeof(header));
	header.truncated %= 2;
	header.socket_count %= 8;
	header.process_count %= 8;
	header.holder_count %= 8;
	memcpy(data, &header, sizeof(header));
	return sizeof(header) + header.socket_count * sizeof(struct sandbox_socket) +
	       header.process_count * sizeof(struct sandbox_process) +
	       header.holder_count * sizeof(uint32_t);
}

/* A file with the input's bytes, and zeros where they end too early. */
static int make_file(const uint8_t *data, size_t size, unsigned flags)
{
	int seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint8_t *copy = fuzz_copy(data, size);
	size_t len = size;

	fuzz_check(fd >= 0);
	if ((flags & SHAPED) && size >= sizeof(struct header))
		len = shape(copy);
	fuzz_check(write(fd, copy, size < len ? size : len) >= 0);
	fuzz_check(ftruncate(fd, (off_t)len) == 0);
	fuzz_check((flags & UNSEALED) || fcntl(fd, F_ADD_SEALS, seals) == 0);
	free(copy);
	return fd;
}

static void walk(const struct sandbox_inspection *inspection)
{
	for (uint32_t i = 0; i < inspection->socket_count; i++) {
		const struct sandbox_socket *socket = &inspection->sockets[i];

		for (uint32_t k = 0; k < socket->holder_count; k++) {
			uint32_t holder = inspection->holders[socket->first_holder + k];

			fuzz_check(holder < inspection->process_count);
		}
		fuzz_check(cothon_tcp_state_name((enum cothon_tcp_state)socket->state));
	}
	for (uint32_t i = 0; i < inspection->process_count; i++) {
		const struct sandbox_process *process = &inspection->processes[i];

		fuzz_check(strlen(process->command) < sizeof(process->command));
		fuzz_check(strlen(process->arguments) < sizeof(process->arguments));
	}
}

static void write_again(const struct sandbox_inspection *inspection)
{
	struct sandbox_inspection *again;
	int fd = sandbox_inspection_write(inspection);

	fuzz_check(fd >= 0 && sandbox_inspection_read(fd, &again) == 0);
	fuzz_check(again->truncated == inspection->truncated &&
		   again->socket_count == inspection->socket_count &&
		   again->process_count == inspection->process_count &&
		   again->holder_count == inspection->holder_count);
	fuzz_check(memcmp(again->sockets, inspection->sockets,
			  again->socket_count * sizeof(*again->sockets)) == 0);
	fuzz_check(memcmp(again->holders, inspection->holders,
			  again->holder_count * sizeof(*again->holders)) == 0);
	sandbox_inspection_free(again);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sandbox_inspection *inspection;
	int fd;

	if (size == 0)
		return 0;
	fd = make_file(data + 1, size - 1, data[0]);
	if (sandbox_inspection_read(fd, &inspection) == 0) {
		fuzz_check(!(data[0] & UNSEALED));
		walk(inspection);
		write_again(inspection);
		sandbox_inspection_free(inspection);
	}
	close(fd);
	return 0;
}
