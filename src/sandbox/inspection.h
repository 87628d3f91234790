/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_INSPECTION_H
#define SANDBOX_INSPECTION_H

/*
 * What init finds when it looks at the sandbox: its sockets, and the processes that hold them. It
 * goes from init to the engine as a sealed file in memory.
 */

#include <cothon/tcp.h>
#include <sys/types.h>

/* The most that an inspection holds; of what is more, the rest is left out. */
enum {
	SANDBOX_SOCKETS = 65536,
	SANDBOX_PROCESSES = 4096,  /* that hold a socket */
	SANDBOX_HOLDERS = 1 << 18, /* of all sockets together */
	SANDBOX_COMMAND = 16,
	SANDBOX_ARGUMENTS = 256,
};

struct sandbox_socket {
	uint8_t transport; /* COTHON_TCP or COTHON_UDP */
	bool ipv6, v6only; /* IPv6 that is not v6only takes IPv4 as well */
	/* enum cothon_tcp_state; UDP: ESTABLISHED when it is connected, else CLOSED. */
	uint8_t state;
	uint32_t uid; /* its owner's, inside */
	struct cothon_endpoint local, remote;
	uint64_t bytes_in, bytes_out; /* TCP: payload */
	uint32_t retransmits;
	uint32_t srtt; /* microseconds; 0: not known */
	/* Its processes: holders[first_holder .. + holder_count) are indexes into processes. */
	uint32_t first_holder, holder_count;
};

struct sandbox_process {
	int32_t pid;      /* inside */
	int32_t host_pid; /* as the engine knows it; 0: not known */
	char command[SANDBOX_COMMAND];
	char arguments[SANDBOX_ARGUMENTS]; /* one after the other, separated by spaces */
};

struct sandbox_inspection {
	bool truncated;
	uint32_t socket_count, process_count, holder_count;
	struct sandbox_socket *sockets;
	struct sandbox_process *processes;
	uint32_t *holders;
};

/*
 * Writes an inspection to a file in memory, which then cannot change. Returns its descriptor, the
 * caller's, or a negative errno.
 */
int sandbox_inspection_write(const struct sandbox_inspection *inspection);
/*
 * Reads what another process has written, and believes nothing: on success *inspection becomes one
 * whose counts, indexes, states and texts are in order. Returns 0; -EBADMSG for a file that is no
 * inspection, or could still change; -ENOMEM; or the errno of a call to the file.
 */
int sandbox_inspection_read(int fd, struct sandbox_inspection **inspection);
/* Frees one that was read; NULL does nothing. */
void sandbox_inspection_free(struct sandbox_inspection *inspection);

#endif
