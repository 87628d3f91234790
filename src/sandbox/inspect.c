/* SPDX-License-Identifier: MIT */
#include "sandbox/inspect.h"

#include "host/sockdiag.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* Descriptors that one scan looks at: some 100 ms. */
	DESCRIPTORS = 1 << 17,
	FIRST_ROOM = 64,
};

struct found_socket {
	struct sandbox_socket socket;
	uint32_t inode;
};

/* That a process holds a socket. */
struct hold {
	uint32_t socket, process;
};

struct scan {
	int proc;
	/* Where in a process's list of numbers (NSpid in proc_pid_status(5)) the one inside is. */
	unsigned level;
	bool truncated;
	uint32_t descriptors;

	struct found_socket *sockets;
	struct sandbox_process *processes;
	struct hold *holds;
	uint32_t socket_count, process_count, hold_count;
	uint32_t socket_room, process_room, hold_room;
};

/*
 * Makes room for one more in an array of `count` of `size` bytes each, with at most `most`. Returns
 * the array, perhaps elsewhere now; NULL when there is no memory, and the old one is still there.
 */
static void *grow(void *array, uint32_t count, uint32_t *room, size_t size, uint32_t most)
{
	uint32_t wanted = *room ? *room * 2 : FIRST_ROOM;
	void *grown;

	if (count < *room)
		return array;
	if (wanted > most)
		wanted = most;
	grown = realloc(array, wanted * size);
	if (grown)
		*room = wanted;
	return grown;
}

/* --- sockets --- */

static int take_socket(const struct host_inet_socket *socket, void *context)
{
	struct scan *scan = context;
	struct found_socket *grown;

	if (scan->socket_count == SANDBOX_SOCKETS) {
		scan->truncated = true;
		return 0;
	}
	grown = grow(scan->sockets, scan->socket_count, &scan->socket_room, sizeof(*grown),
		     SANDBOX_SOCKETS);
	if (!grown)
		return -ENOMEM;
	scan->sockets = grown;
	grown += scan->socket_count++;
	*grown = (struct found_socket){
		.inode = socket->inode,
		.socket =
			{
				.transport = socket->transport,
				.ipv6 = socket->family == AF_INET6,
				.v6only = socket->v6only,
				.state = (uint8_t)socket->state,
				.uid = socket->uid,
				.local = socket->local,
				.remote = socket->remote,
				.bytes_in = socket->bytes_in,
				.bytes_out = socket->bytes_out,
				.retransmits = socket->retransmits,
				.srtt = socket->srtt,
			},
	};
	return 0;
}

static int by_inode(const void *a, const void *b)
{
	const struct found_socket *x = a, *y = b;

	return x->inode < y->inode ? -1 : x->inode > y->inode;
}

static int list_sockets(struct scan *scan)
{
	static const struct {
		enum cothon_transport transport;
		int family;
	} lists[] = {
		{COTHON_TCP, AF_INET},
		{COTHON_TCP, AF_INET6},
		{COTHON_UDP, AF_INET},
		{COTHON_UDP, AF_INET6},
	};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		int error =
			host_sockdiag_list(lists[i].transport, lists[i].family, take_socket, scan);

		/* A kernel without IPv6 has no such sockets. */
		if (error < 0 && !(error == -ENOENT && lists[i].family == AF_INET6))
			return error;
	}
	if (scan->socket_count > 0)
		qsort(scan->sockets, scan->socket_count, sizeof(*scan->sockets), by_inode);
	return 0;
}

/* --- processes --- */

/* Reads the beginning of a file into text[room], ending it with NUL; returns its length. */
static size_t read_start(int directory, const char *name, char *text, size_t room)
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, room - 1);

	if (fd >= 0)
		close(fd);
	if (len < 0)
		len = 0;
	text[len] = '\0';
	return (size_t)len;
}

/*
 * The numbers of a process, from the namespace of `proc` inwards. Returns how many there are, and
 * puts the one at `level` into *pid.
 */
static unsigned read_numbers(int process, unsigned level, int32_t *pid)
{
	char text[4096], *at;
	unsigned count = 0;

	read_start(process, "status", text, sizeof(text));
	at = strstr(text, "\nNSpid:");
	if (!at)
		return 0;
	for (at += strlen("\nNSpid:"); *at == '\t' || *at == ' ';) {
		long number = strtol(at, &at, 10);

		if (count++ == level)
			*pid = (int32_t)number;
	}
	return count;
}

static int learn_level(struct scan *scan)
{
	int self = openat(scan->proc, "self", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned count;
	int32_t pid;

	if (self < 0)
		return -errno;
	count = read_numbers(self, 0, &pid);
	close(self);
	if (count == 0)
		return -ESRCH;
	scan->level = count - 1;
	return 0;
}

/* Notes the process whose directory this is. Returns 1, 0 when it is not to be noted, or -ENOMEM. */
static int take_process(struct scan *scan, int process)
{
	struct sandbox_process *grown;
	size_t len;

	if (scan->process_count == SANDBOX_PROCESSES) {
		scan->truncated = true;
		return 0;
	}
	grown = grow(scan->processes, scan->process_count, &scan->process_room, sizeof(*grown),
		     SANDBOX_PROCESSES);
	if (!grown)
		return -ENOMEM;
	scan->processes = grown;
	grown += scan->process_count;
	memset(grown, 0, sizeof(*grown));
	/* One that has ended meanwhile, or is in no namespace of ours. */
	if (read_numbers(process, scan->level, &grown->pid) <= scan->level || grown->pid <= 0)
		return 0;
	len = read_start(process, "comm", grown->command, sizeof(grown->command));
	if (len > 0 && grown->command[len - 1] == '\n')
		grown->command[len - 1] = '\0';
	len = read_start(process, "cmdline", grown->arguments, sizeof(grown->arguments));
	while (len > 0 && grown->arguments[len - 1] == '\0')
		len--;
	for (size_t i = 0; i < len; i++) {
		if (grown->arguments[i] == '\0')
			grown->arguments[i] = ' ';
	}
	return 1;
}

static int take_hold(struct scan *scan, uint32_t socket)
{
	struct hold *grown;

	if (scan->hold_count == SANDBOX_HOLDERS) {
		scan->truncated = true;
		return 0;
	}
	grown = grow(scan->holds, scan->hold_count, &scan->hold_room, sizeof(*grown),
		     SANDBOX_HOLDERS);
	if (!grown)
		return -ENOMEM;
	scan->holds = grown;
	scan->holds[scan->hold_count++] = (struct hold){socket, scan->process_count};
	return 0;
}

/* The place of the socket that the descriptor is, among those found; -1: none of them. */
static int64_t socket_of(const struct scan *scan, int descriptors, const char *name)
{
	static const char kind[] = "socket:[";
	struct found_socket key = {0}, *found;
	char link[64];
	ssize_t len = readlinkat(descriptors, name, link, sizeof(link) - 1);

	if (len < 0)
		return -1;
	link[len] = '\0';
	if (strncmp(link, kind, sizeof(kind) - 1) != 0)
		return -1;
	key.inode = (uint32_t)strtoul(link + sizeof(kind) - 1, NULL, 10);
	if (key.inode == 0)
		return -1;
	found = bsearch(&key, scan->sockets, scan->socket_count, sizeof(key), by_inode);
	return found ? found - scan->sockets : -1;
}

static int by_socket(const void *a, const void *b)
{
	const struct hold *x = a, *y = b;

	if (x->socket != y->socket)
		return x->socket < y->socket ? -1 : 1;
	return x->process < y->process ? -1 : x->process > y->process;
}

/* Of several descriptors of a process for one socket, one counts. */
static void remove_twins(struct scan *scan, uint32_t first)
{
	uint32_t kept = first;

	if (scan->hold_count > first)
		qsort(scan->holds + first, scan->hold_count - first, sizeof(*scan->holds),
		      by_socket);
	for (uint32_t i = first; i < scan->hold_count; i++) {
		if (kept == first || scan->holds[kept - 1].socket != scan->holds[i].socket)
			scan->holds[kept++] = scan->holds[i];
	}
	scan->hold_count = kept;
}

static int list_descriptors(struct scan *scan, DIR *descriptors)
{
	struct dirent *entry;

	while ((entry = readdir(descriptors))) {
		int64_t socket;
		int error;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		if (scan->descriptors++ >= DESCRIPTORS) {
			scan->truncated = true;
			return 0;
		}
		socket = socket_of(scan, dirfd(descriptors), entry->d_name);
		error = socket < 0 ? 0 : take_hold(scan, (uint32_t)socket);
		if (error < 0)
			return error;
	}
	return 0;
}

static int look_at_process(struct scan *scan, int process)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *descriptors = fd < 0 ? NULL : fdopendir(fd);
	uint32_t first = scan->hold_count;
	int result;

	if (!descriptors) {
		if (fd >= 0)
			close(fd);
		/* It is none of ours, or has ended. */
		return 0;
	}
	result = list_descriptors(scan, descriptors);
	closedir(descriptors);
	remove_twins(scan, first);
	if (result < 0 || scan->hold_count == first)
		return result;
	result = take_process(scan, process);
	if (result == 1)
		scan->process_count++;
	else
		scan->hold_count = first;
	return result < 0 ? result : 0;
}

static int list_processes(struct scan *scan)
{
	int fd = openat(scan->proc, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *processes = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int error = 0;

	if (!processes) {
		error = -errno;
		if (fd >= 0)
			close(fd);
		return error;
	}
	while (error == 0 && (entry = readdir(processes))) {
		int process;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		process = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (process < 0)
			continue;
		error = look_at_process(scan, process);
		close(process);
	}
	closedir(processes);
	return error;
}

/* --- the result --- */

static void give_holders(const struct scan *scan, struct sandbox_inspection *inspection)
{
	uint32_t next = 0;

	for (uint32_t i = 0; i < scan->socket_count; i++) {
		struct sandbox_socket *socket = &inspection->sockets[i];

		*socket = scan->sockets[i].socket;
		socket->first_holder = next;
		while (next < scan->hold_count && scan->holds[next].socket == i) {
			inspection->holders[next] = scan->holds[next].process;
			next++;
		}
		socket->holder_count = next - socket->first_holder;
	}
}

static int make_result(struct scan *scan, struct sandbox_inspection **result)
{
	struct sandbox_inspection *made = calloc(1, sizeof(*made));

	if (!made)
		return -ENOMEM;
	made->sockets = calloc(scan->socket_count + 1, sizeof(*made->sockets));
	made->holders = calloc(scan->hold_count + 1, sizeof(*made->holders));
	if (!made->sockets || !made->holders) {
		sandbox_inspection_free(made);
		return -ENOMEM;
	}
	made->truncated = scan->truncated;
	made->socket_count = scan->socket_count;
	made->process_count = scan->process_count;
	made->holder_count = scan->hold_count;
	made->processes = scan->processes;
	scan->processes = NULL;
	if (scan->hold_count > 0)
		qsort(scan->holds, scan->hold_count, sizeof(*scan->holds), by_socket);
	give_holders(scan, made);
	*result = made;
	return 0;
}

int sandbox_inspect_here(int proc, struct sandbox_inspection **inspection)
{
	struct scan scan = {.proc = proc};
	int error = learn_level(&scan);

	if (error == 0)
		error = list_sockets(&scan);
	/* Where there is no socket nobody holds one. */
	if (error == 0 && scan.socket_count > 0)
		error = list_processes(&scan);
	if (error == 0)
		error = make_result(&scan, inspection);
	free(scan.sockets);
	free(scan.processes);
	free(scan.holds);
	return error;
}
