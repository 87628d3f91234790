/* SPDX-License-Identifier: MIT */
#include "host/namespace.h"

#include "fresh.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* What the sandbox's file is to say. */
static const char content[] = "nameserver 10.0.2.3\n";

static bool reads(const char *path, const char *expected)
{
	char text[256];
	ssize_t len = host_read_file(path, text, sizeof(text));

	return len == (ssize_t)strlen(expected) && strcmp(text, expected) == 0;
}

static bool writes(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	return file && fputs(text, file) >= 0 && fclose(file) == 0;
}

/*
 * A folder with a file, a link to it, a link to nothing, and a folder, in a file system of its
 * own.
 */
static int make_scene(void)
{
	CHECK(mount("tmpfs", "/mnt", "tmpfs", 0, NULL) == 0);
	CHECK(writes("/mnt/resolv.conf", "the host's\n"));
	CHECK(symlink("resolv.conf", "/mnt/link") == 0);
	CHECK(symlink("nothing", "/mnt/dangling") == 0);
	CHECK(mkdir("/mnt/folder", 0755) == 0);
	return 0;
}

static int put_file(const char *target)
{
	struct stat status;
	int kept = open("/mnt/resolv.conf", O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	umask(0077);
	CHECK(host_mount_file(target, content, strlen(content)) == 0);
	CHECK(reads("/mnt/resolv.conf", content));
	CHECK(stat("/mnt/resolv.conf", &status) == 0 && (status.st_mode & 07777) == 0644);
	/* The file that was there is what it was. */
	CHECK(read(kept, text, sizeof(text)) > 0 && strcmp(text, "the host's\n") == 0);
	CHECK(umount2("/mnt/resolv.conf", MNT_DETACH) == 0);
	CHECK(reads("/mnt/resolv.conf", "the host's\n"));
	return 0;
}

static int mount_file(void)
{
	int failed = make_scene();

	CHECK(!failed);
	failed = put_file("/mnt/resolv.conf");
	if (!failed)
		failed = put_file("/mnt/link");
	return failed;
}

/* From now on a system call is refused, as on a kernel that does not know it. */
static int refuse(unsigned number)
{
	const struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog filter = {
		.len = sizeof(program) / sizeof(*program),
		.filter = (struct sock_filter *)program,
	};

	CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0) == 0);
	return 0;
}

static int mount_file_without(unsigned number)
{
	int failed = refuse(number);

	if (!failed)
		failed = mount_file();
	/* Nothing stays mounted on the way. */
	if (!failed && access("/tmp/file", F_OK) == 0)
		failed = __LINE__;
	return failed;
}

static int mount_file_without_fsopen(void)
{
	return mount_file_without(SYS_fsopen);
}

static int mount_file_without_open_tree(void)
{
	return mount_file_without(SYS_open_tree);
}

static int mount_file_refused(void)
{
	CHECK(!make_scene());
	CHECK(host_mount_file("/mnt/dangling", content, strlen(content)) == -ENOENT);
	CHECK(host_mount_file("/mnt/absent", content, strlen(content)) == -ENOENT);
	CHECK(host_mount_file("/mnt/folder", content, strlen(content)) == -EISDIR);
	CHECK(reads("/mnt/resolv.conf", "the host's\n"));
	return 0;
}

static void test_mount_file(void **state)
{
	(void)state;
	ASSERT_FRESH(CLONE_NEWNS, mount_file);
}

static void test_mount_file_by_bind(void **state)
{
	(void)state;
	ASSERT_FRESH(CLONE_NEWNS, mount_file_without_fsopen);
	ASSERT_FRESH(CLONE_NEWNS, mount_file_without_open_tree);
}

static void test_mount_file_refused(void **state)
{
	(void)state;
	ASSERT_FRESH(CLONE_NEWNS, mount_file_refused);
}

/* The exit status of a child that is in namespaces of its own; negative when there is none. */
static int status_of_fork(int flags, int (*body)(void))
{
	int pidfd = -1, status;
	pid_t child = host_namespace_fork(flags, &pidfd);

	if (child == 0)
		_exit(body());
	if (child < 0)
		return child;
	assert_int_equal(fcntl(pidfd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(waitpid(child, &status, 0), child);
	close(pidfd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

static int is_init(void)
{
	/* Its /proc is the one of the namespace that it is process 1 of. */
	return getpid() == 1 && host_mount_proc() == 0 &&
			       reads("/proc/self/comm", "test-host-names\n") &&
			       access("/proc/2", F_OK) < 0
		       ? 7
		       : 1;
}

static void test_fork(void **state)
{
	int status = status_of_fork(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID, is_init);

	(void)state;
	if (status == -EPERM || status == -ENOSPC) {
		print_message("# this machine gives %u no namespaces\n", geteuid());
		skip();
	}
	assert_int_equal(status, 7);
}

static int fork_refused(void)
{
	int pidfd;

	CHECK(host_proc_write("/proc/sys/user/max_user_namespaces", "0") == 0);
	CHECK(host_namespace_fork(CLONE_NEWUSER, &pidfd) == -ENOSPC);
	return 0;
}

static void test_fork_refused(void **state)
{
	(void)state;
	ASSERT_FRESH(0, fork_refused);
}

static void test_read_file(void **state)
{
	char path[] = "/tmp/cothon-namespace-XXXXXX", text[8];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(host_read_file(path, text, sizeof(text)), 0);
	assert_string_equal(text, "");
	assert_int_equal(write(fd, "1234567", 7), 7);
	assert_int_equal(host_read_file(path, text, sizeof(text)), 7);
	assert_string_equal(text, "1234567");
	/* One more has no room for the NUL. */
	assert_int_equal(write(fd, "8", 1), 1);
	assert_int_equal(host_read_file(path, text, sizeof(text)), -EFBIG);
	close(fd);
	unlink(path);
	assert_int_equal(host_read_file(path, text, sizeof(text)), -ENOENT);
	assert_int_equal(host_read_file("/tmp", text, sizeof(text)), -EISDIR);
}

static void test_proc_write(void **state)
{
	(void)state;
	assert_int_equal(host_proc_write("/proc/self/oom_score_adj", "500"), 0);
	assert_true(reads("/proc/self/oom_score_adj", "500\n"));
	assert_int_equal(host_proc_write("/proc/self/oom_score_adj", "2000"), -EINVAL);
	assert_int_equal(host_proc_write("/proc/self/absent", "1"), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mount_file),
		cmocka_unit_test(test_mount_file_by_bind),
		cmocka_unit_test(test_mount_file_refused),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_fork_refused),
		cmocka_unit_test(test_read_file),
		cmocka_unit_test(test_proc_write),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
