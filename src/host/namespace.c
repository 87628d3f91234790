/* SPDX-License-Identifier: MIT */
#include "host/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t host_namespace_fork(int flags, int *pidfd)
{
	unsigned long all = (unsigned)(flags | CLONE_PIDFD | SIGCHLD);
	long pid;

	/* Without a stack of its own the child goes on with a copy of the parent's. */
#ifdef __s390__
	pid = syscall(SYS_clone, NULL, all, pidfd, NULL, NULL);
#else
	pid = syscall(SYS_clone, all, NULL, pidfd, NULL, NULL);
#endif
	return pid < 0 ? -errno : (pid_t)pid;
}

/* For files that take a value with one call or not at all. */
static int write_at_once(int fd, const void *content, size_t len)
{
	ssize_t wrote = write(fd, content, len);

	if (wrote < 0)
		return -errno;
	return (size_t)wrote == len ? 0 : -EIO;
}

int host_proc_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int error;

	if (fd < 0)
		return -errno;
	error = write_at_once(fd, value, strlen(value));
	close(fd);
	return error;
}

ssize_t host_read_file(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t used = 0;
	ssize_t len = 0;

	if (fd < 0)
		return -errno;
	while (used < room) {
		len = read(fd, text + used, room - used);
		if (len < 0 && errno == EINTR)
			continue;
		if (len <= 0)
			break;
		used += (size_t)len;
	}
	if (len < 0)
		len = -errno;
	else if (used == room)
		len = -EFBIG;
	close(fd);
	if (len < 0)
		return len;
	text[used] = '\0';
	return (ssize_t)used;
}

int host_mount_proc(void)
{
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	return 0;
}

/*
 * Makes a file in the file system mounted at `directory`, readable by everyone whatever the umask.
 */
static int make_file(int directory, const char *name, const void *content, size_t len)
{
	int fd = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	int error;

	if (fd < 0)
		return -errno;
	error = fchmod(fd, 0644) < 0 ? -errno : write_at_once(fd, content, len);
	close(fd);
	return error;
}

/* A tmpfs that is mounted nowhere yet: a descriptor of its root, or a negative errno. */
static int detached_tmpfs(unsigned attributes)
{
	int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int root = -1, error;

	if (fs < 0)
		return -errno;
	if (fsconfig(fs, FSCONFIG_SET_STRING, "mode", "755", 0) == 0 &&
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		root = fsmount(fs, FSMOUNT_CLOEXEC,
			       attributes | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				       MOUNT_ATTR_NOEXEC);
	error = -errno;
	close(fs);
	return root < 0 ? error : root;
}

/* By descriptors alone: nothing is mounted but the file, on its target. Needs Linux 6.15. */
static int mount_detached(int target, const void *content, size_t len)
{
	static const char name[] = "file";
	int root = detached_tmpfs(0);
	int file, error;

	if (root < 0)
		return root;
	error = make_file(root, name, content, len);
	if (error < 0) {
		close(root);
		return error;
	}
	file = open_tree(root, name, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (file < 0 ||
	    move_mount(file, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		error = -errno;
	if (file >= 0)
		close(file);
	close(root);
	return error;
}

/* With a tmpfs that is mounted on `scratch` for the time it takes. */
static int mount_by_way_of(const char *scratch, const char *target, const void *content, size_t len)
{
	char path[64];
	int directory, error;

	if (mount("tmpfs", scratch, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755") < 0)
		return -errno;
	directory = open(scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
	error = directory < 0 ? -errno : make_file(directory, "file", content, len);
	if (directory >= 0)
		close(directory);
	snprintf(path, sizeof(path), "%s/file", scratch);
	if (error == 0 && mount(path, target, NULL, MS_BIND, NULL) < 0)
		error = -errno;
	/* The file stays mounted on its target. */
	umount2(scratch, MNT_DETACH);
	return error;
}

int host_mount_file(const char *target, const void *content, size_t len)
{
	/* Where one does not exist, or holds the target, the next one serves. */
	static const char *const scratch[] = {"/tmp", "/mnt", "/run"};
	struct stat stat;
	int error;
	int fd = open(target, O_PATH | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &stat) < 0)
		error = -errno;
	else if (S_ISDIR(stat.st_mode))
		error = -EISDIR;
	else
		error = mount_detached(fd, content, len);
	close(fd);
	for (size_t i = 0; error < 0 && error != -EISDIR && i < sizeof(scratch) / sizeof(*scratch);
	     i++)
		error = mount_by_way_of(scratch[i], target, content, len);
	return error;
}

/* Makes a mount that is nowhere yet the root, and lets go of the old one. */
static int change_root(int root)
{
	/* What is mounted here from now on is seen here alone. */
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    move_mount(root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0 || fchdir(root) < 0)
		return -errno;
	/* The old root is then mounted on the new one, which is where "." still is (pivot_root(2)). */
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return -errno;
	return 0;
}

int host_empty_root(void)
{
	int root = detached_tmpfs(MOUNT_ATTR_RDONLY);
	int error;

	if (root < 0)
		return root;
	error = change_root(root);
	close(root);
	return error;
}
