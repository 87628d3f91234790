/* SPDX-License-Identifier: MIT */

/* What an isolated process can still do, and what it cannot: seen from outside, and tried from inside. */

#include "host/isolation.h"
#include "host/steward.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs `act` in an isolated process; returns its status as waitpid(2) has it. */
static int status_of(int (*act)(void))
{
	enum host_isolation_step step;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (host_isolate(NULL, NULL, &step) < 0)
			_exit(100 + (int)step);
		_exit(act());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* What is allowed */

static int use_sockets(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	struct ifaddrs *all;
	void *memory;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || (sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1 &&
		       errno != ENETUNREACH))
		return 1;
	if (getifaddrs(&all) < 0)
		return 2;
	freeifaddrs(all);
	memory = malloc(64 << 20);
	if (!memory)
		return 3;
	free(memory);
	if (geteuid() == 65534)
		return 4;
	return 0;
}

static void test_allowed(void **state)
{
	(void)state;
	assert_int_equal(status_of(use_sockets), 0);
}

/* What an attacker would try */

#if !COTHON_SANITIZED

static int try_file(void)
{
	return open("/etc/passwd", O_RDONLY) < 0;
}

static int try_descriptor(void)
{
	return openat(0, "..", O_RDONLY) < 0;
}

static int try_program(void)
{
	char *const argv[] = {(char *)(uintptr_t) "sh", NULL};

	execve("/bin/sh", argv, argv + 1);
	return 1;
}

static int try_process(void)
{
	return fork() < 0;
}

static int try_thread(void)
{
	return syscall(SYS_clone, CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, NULL, NULL, NULL, NULL) <
	       0;
}

static int try_unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0;
}

static int try_packet_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0;
}

static int try_trace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) < 0;
}

static int try_namespace(void)
{
	return unshare(CLONE_NEWUSER) < 0;
}

static int try_mount(void)
{
	return (int)syscall(SYS_mount, "proc", "/", "proc", 0UL, NULL) < 0;
}

static int try_new_code(void)
{
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0) == MAP_FAILED;
}

static int try_old_code(void)
{
	void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED || mprotect(memory, 4096, PROT_READ | PROT_EXEC) < 0;
}

static int try_stat(void)
{
	char status[256];

	return (int)syscall(SYS_newfstatat, AT_FDCWD, "/", status, 0) < 0;
}

static int try_memory_of_others(void)
{
	return (int)syscall(SYS_process_vm_readv, getppid(), NULL, 0UL, NULL, 0UL, 0UL) < 0;
}

static int try_bpf(void)
{
	return (int)syscall(SYS_bpf, 0, NULL, 0) < 0;
}

static int try_kernel_key(void)
{
	return (int)syscall(SYS_keyctl, 0, 0, 0) < 0;
}

/* To write what the terminal then takes for typed. */
static int try_typing(void)
{
	return ioctl(0, TIOCSTI, "x") < 0;
}

static int try_ring(void)
{
	return (int)syscall(SYS_io_uring_setup, 1, NULL) < 0;
}

static void test_forbidden(void **state)
{
	static const struct {
		const char *what;
		int (*act)(void);
	} tries[] = {
		{"a file", try_file},
		{"a file by a descriptor", try_descriptor},
		{"a program", try_program},
		{"a process", try_process},
		{"a thread", try_thread},
		{"a Unix socket", try_unix_socket},
		{"a packet socket", try_packet_socket},
		{"to trace", try_trace},
		{"a namespace", try_namespace},
		{"a mount", try_mount},
		{"memory to write code into", try_new_code},
		{"to make memory code", try_old_code},
		{"what a path is", try_stat},
		{"the memory of others", try_memory_of_others},
		{"bpf(2)", try_bpf},
		{"keyctl(2)", try_kernel_key},
		{"io_uring", try_ring},
		{"to type on the terminal", try_typing},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		int status = status_of(tries[i].act);

		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: status %x", tries[i].what, (unsigned)status);
	}
}

/* A signal is allowed as a call, but goes to nobody else. */
static int try_signal(void)
{
	return kill(getppid(), 0) == 0 ? 1 : errno == EPERM ? 0 : 2;
}

static void test_signals(void **state)
{
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, 1U);

	(void)state;
	/* Before version 6 Landlock has no scopes, and the signal goes through. */
	assert_int_equal(status_of(try_signal), version < 6 ? 1 << 8 : 0);
}

#endif

/* Seen from outside */

static void expect_line(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in:\n%s", line, text);
}

static void read_status(pid_t pid, char *text, size_t room)
{
	char path[64];
	size_t len;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	len = fread(text, 1, room - 1, file);
	text[len] = '\0';
	fclose(file);
}

/* The names in a process's root directory, "." and ".." not counted; -1 when it is not to be seen. */
static int count_root(pid_t pid)
{
	char path[64];
	int count = 0;
	DIR *root;

	snprintf(path, sizeof(path), "/proc/%d/root/", (int)pid);
	root = opendir(path);
	if (!root)
		return -1;
	for (struct dirent *entry; (entry = readdir(root));)
		count += entry->d_name[0] != '.';
	closedir(root);
	return count;
}

static void test_seen(void **state)
{
	enum host_isolation_step step;
	int gate[2], ready[2], status;
	char text[8192], byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(gate), 0);
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		close(gate[1]);
		if (host_isolate(NULL, NULL, &step) == 0 && write(ready[1], "x", 1) == 1 &&
		    read(gate[0], &byte, 1) == 0)
			_exit(0);
		_exit(1);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	read_status(pid, text, sizeof(text));
	expect_line(text, "CapInh:\t0000000000000000");
	expect_line(text, "CapPrm:\t0000000000000000");
	expect_line(text, "CapEff:\t0000000000000000");
	expect_line(text, "CapBnd:\t0000000000000000");
	expect_line(text, "CapAmb:\t0000000000000000");
	expect_line(text, "NoNewPrivs:\t1");
	expect_line(text, COTHON_SANITIZED ? "Seccomp:\t0" : "Seccomp:\t2");
	/* Only root may look into what is not dumpable. */
	if (!COTHON_SANITIZED)
		assert_int_equal(count_root(pid), geteuid() == 0 ? 0 : -1);
	close(gate[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(gate[0]);
	close(ready[0]);
}

/* The steward */

static bool is_stream(int fd)
{
	int type = 0;
	socklen_t len = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

static void say_end(void *context)
{
	const int *fd = context;

	if (write(*fd, "e", 1) != 1)
		_exit(1);
}

static struct host_steward steward;

static int ask_steward(void)
{
	struct host_sockaddr at = {.len = sizeof(at.in)};
	int file = host_steward_open(&steward);
	int stream = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET, SOCK_DGRAM, 0);
	char byte;

	if (file < 0 || read(file, &byte, 1) != 1 || byte != '#')
		return 1;
	at.in.sin_family = AF_INET;
	at.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (host_steward_bind(&steward, stream, &at) != 0 || host_socket_local(stream).port == 0)
		return 2;
	if (host_steward_bind(&steward, stream, &at) != -EINVAL)
		return 3;
	at.in.sin_addr.s_addr = htonl(0xc0000201);
	if (host_steward_bind(&steward, datagram, &at) != -EADDRNOTAVAIL)
		return 4;
	at.any.sa_family = AF_UNIX;
	if (host_steward_bind(&steward, datagram, &at) != -EINVAL)
		return 5;
	if (!host_steward_allows(&steward, stream) || host_steward_allows(&steward, datagram))
		return 6;
	return 0;
}

static void start_steward(const char *file, int *ended)
{
	const struct host_steward_config config = {
		.file = file,
		.allows = is_stream,
		.last = say_end,
		.context = ended,
		.descriptors = ended,
		.descriptor_count = 1,
	};

	assert_int_equal(host_steward_start(&config, &steward), 0);
}

static void test_steward(void **state)
{
	char path[] = "/dev/shm/cothon-steward-XXXXXX", byte;
	int fd = mkstemp(path), ends[2];

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "#\n", 2), 2);
	assert_int_equal(pipe(ends), 0);
	start_steward(path, &ends[1]);
	close(ends[1]);
	assert_int_equal(status_of(ask_steward), 0);
	unlink(path);
	assert_int_equal(host_steward_open(&steward), -ENOENT);
	host_steward_end(&steward);
	/* It has done what was to be done last, and nobody holds the pipe any more. */
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(byte, 'e');
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
	close(fd);
}

/* A directory, a device or a pipe in the file's place is not opened. */
static void test_steward_kind(void **state)
{
	static const char *const others[] = {"/tmp", "/dev/zero", "/nowhere/at/all"};
	static const int errors[] = {-EINVAL, -EINVAL, -ENOENT};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		int ends[2];

		assert_int_equal(pipe(ends), 0);
		start_steward(others[i], &ends[1]);
		assert_int_equal(host_steward_open(&steward), errors[i]);
		host_steward_end(&steward);
		close(ends[0]);
		close(ends[1]);
	}
}

int main(void)
{
	/* With sanitizers no system call and no signal is forbidden, see host_isolate(). */
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_allowed),
#if !COTHON_SANITIZED
		cmocka_unit_test(test_forbidden),
		cmocka_unit_test(test_signals),
#endif
		cmocka_unit_test(test_seen),
		cmocka_unit_test(test_steward),
		cmocka_unit_test(test_steward_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
