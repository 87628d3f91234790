/* SPDX-License-Identifier: MIT */
#include "sandbox/inspection.h"

#include "../host/fresh.h"
#include "sandbox/inspect.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* Two sockets, the second held by two processes. */
static struct sandbox_inspection sample(void)
{
	static struct sandbox_socket sockets[2];
	static struct sandbox_process processes[2];
	static uint32_t holders[2];

	sockets[0] = (struct sandbox_socket){
		.transport = COTHON_TCP, .state = COTHON_TCP_LISTEN, .local = {.port = 80}};
	sockets[1] = (struct sandbox_socket){.transport = COTHON_UDP,
					     .ipv6 = true,
					     .state = COTHON_TCP_CLOSED,
					     .local = {.port = 53},
					     .first_holder = 0,
					     .holder_count = 2};
	processes[0] = (struct sandbox_process){.pid = 3, .command = "httpd"};
	processes[1] =
		(struct sandbox_process){.pid = 4, .command = "named", .arguments = "named -f"};
	holders[0] = 1;
	holders[1] = 0;
	return (struct sandbox_inspection){
		.socket_count = 2,
		.process_count = 2,
		.holder_count = 2,
		.sockets = sockets,
		.processes = processes,
		.holders = holders,
	};
}

/* Reads what has been written; returns what that does, and frees. */
static int reread(const struct sandbox_inspection *inspection)
{
	struct sandbox_inspection *read = NULL;
	int file = sandbox_inspection_write(inspection), error;

	assert_true(file >= 0);
	error = sandbox_inspection_read(file, &read);
	close(file);
	assert_true((error == 0) == (read != NULL));
	sandbox_inspection_free(read);
	return error;
}

static void test_round_trip(void **state)
{
	struct sandbox_inspection written = sample(), *read;
	int file = sandbox_inspection_write(&written);

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(fcntl(file, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(sandbox_inspection_read(file, &read), 0);
	assert_int_equal(read->socket_count, 2);
	assert_memory_equal(read->sockets, written.sockets, 2 * sizeof(*read->sockets));
	assert_memory_equal(read->processes, written.processes, 2 * sizeof(*read->processes));
	assert_memory_equal(read->holders, written.holders, 2 * sizeof(*read->holders));
	assert_false(read->truncated);
	sandbox_inspection_free(read);
	close(file);
}

static void test_empty(void **state)
{
	const struct sandbox_inspection empty = {.truncated = true};

	(void)state;
	assert_int_equal(reread(&empty), 0);
}

/* Each of these is one lie in an inspection that is in order otherwise. */
#define LIES(X)                                                                                \
	X(transport, i.sockets[1].transport = COTHON_SCTP)                                     \
	X(state, i.sockets[0].state = COTHON_TCP_CLOSED + 1)                                   \
	X(ipv6_is_bool, memset(&i.sockets[0].ipv6, 2, 1))                                      \
	X(v6only_is_bool, memset(&i.sockets[0].v6only, 255, 1))                                \
	X(first_holder, i.sockets[0].first_holder = 3)                                         \
	X(holder_count, i.sockets[1].holder_count = 3)                                         \
	X(holders_wrap, i.sockets[1].first_holder = 1; i.sockets[1].holder_count = UINT32_MAX) \
	X(holder, i.holders[0] = 2)                                                            \
	X(pid, i.processes[0].pid = 0)                                                         \
	X(host_pid, i.processes[0].host_pid = -1)                                              \
	X(command, memset(i.processes[1].command, 'x', SANDBOX_COMMAND))                       \
	X(arguments, memset(i.processes[1].arguments, 'x', SANDBOX_ARGUMENTS))

#define LIE(name, lie)                                  \
	static void test_lie_##name(void **state)       \
	{                                               \
		struct sandbox_inspection i = sample(); \
                                                        \
		(void)state;                            \
		assert_int_equal(reread(&i), 0);        \
		lie;                                    \
		assert_int_equal(reread(&i), -EBADMSG); \
	}
LIES(LIE)
#undef LIE

/* A file of these bytes, sealed or not. */
static int file_of(const void *bytes, size_t len, bool sealed)
{
	int file = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_int_equal(write(file, bytes, len), len);
	if (sealed)
		fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	return file;
}

static void assert_refused(int file)
{
	struct sandbox_inspection *read;

	assert_int_equal(sandbox_inspection_read(file, &read), -EBADMSG);
	close(file);
}

static void test_files(void **state)
{
	const struct sandbox_inspection written = sample();
	int file = sandbox_inspection_write(&written), pipes[2];
	uint32_t counts[4] = {0};
	char bytes[4096];
	ssize_t len = pread(file, bytes, sizeof(bytes), 0);

	(void)state;
	close(file);
	assert_true(len > 0 && (size_t)len < sizeof(bytes));
	/* Whole it is one; cut anywhere, or with a byte more, it is none. */
	file = file_of(bytes, (size_t)len, true);
	struct sandbox_inspection *read;
	assert_int_equal(sandbox_inspection_read(file, &read), 0);
	sandbox_inspection_free(read);
	close(file);
	for (size_t cut = 0; cut < (size_t)len; cut++)
		assert_refused(file_of(bytes, cut, true));
	assert_refused(file_of(bytes, (size_t)len + 1, true));
	/* What could still change is none. */
	assert_refused(file_of(bytes, (size_t)len, false));
	/* What is no file in memory is none, and is not read: that could take for ever. */
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_refused(pipes[0]);
	close(pipes[1]);
	/* Counts beyond the bounds. */
	for (unsigned i = 0; i < 4; i++) {
		memset(counts, 0, sizeof(counts));
		counts[i] = UINT32_MAX;
		assert_refused(file_of(counts, sizeof(counts), true));
	}
}

/* --- a look at this process itself --- */

static const struct sandbox_socket *find(const struct sandbox_inspection *inspection, uint16_t port)
{
	for (uint32_t i = 0; i < inspection->socket_count; i++) {
		if (inspection->sockets[i].local.port == port &&
		    inspection->sockets[i].state == COTHON_TCP_LISTEN)
			return &inspection->sockets[i];
	}
	return NULL;
}

static void test_look(void **state)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), copy;
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	const struct sandbox_process *process;
	const struct sandbox_socket *found;
	struct sandbox_inspection *seen;

	(void)state;
	assert_int_equal(bind(listener, (struct sockaddr *)&at, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	getsockname(listener, (struct sockaddr *)&at, &len);
	copy = dup(listener);
	assert_int_equal(sandbox_inspect_here(proc, &seen), 0);
	found = find(seen, ntohs(at.sin_port));
	assert_non_null(found);
	/* Two descriptors, one holder. */
	assert_int_equal(found->holder_count, 1);
	process = &seen->processes[seen->holders[found->first_holder]];
	assert_int_equal(process->pid, getpid());
	assert_string_equal(process->command, "test-sandbox-in");
	assert_non_null(strstr(process->arguments, "test-sandbox-inspection"));
	assert_int_equal(reread(seen), 0);
	sandbox_inspection_free(seen);
	close(copy);
	close(listener);

	/* A descriptor of something else shows nobody. */
	close(proc);
	proc = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(sandbox_inspect_here(proc, &seen), -ENOENT);
	close(proc);
}

/* In a network namespace without any socket. */
static int look_at_nothing(void)
{
	struct sandbox_inspection *seen;
	int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	CHECK(sandbox_inspect_here(proc, &seen) == 0);
	CHECK(seen->socket_count == 0 && seen->process_count == 0 && seen->holder_count == 0);
	sandbox_inspection_free(seen);
	close(proc);
	return 0;
}

static void test_nothing(void **state)
{
	(void)state;
	ASSERT_FRESH(CLONE_NEWNET, look_at_nothing);
}

int main(void)
{
#define LIE(name, lie) cmocka_unit_test(test_lie_##name),
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_empty),
		LIES(LIE) cmocka_unit_test(test_files), cmocka_unit_test(test_look),
		cmocka_unit_test(test_nothing),
	};
#undef LIE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
