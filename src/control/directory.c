/* SPDX-License-Identifier: MIT */
#include "control/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".sock"

static bool is_alphanumeric(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_name_character(char c)
{
	return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
}

bool control_name_is_valid(const char *name)
{
	size_t len = 0;

	while (is_name_character(name[len]))
		len++;
	return len > 0 && len <= CONTROL_NAME_MAX && name[len] == '\0' && is_alphanumeric(name[0]);
}

/* --- the directory --- */

/*
 * Opens the directory at directory->path. What is checked is what was opened, so that nobody can
 * put something else in its place between.
 */
static int open_checked(struct control_directory *directory, bool make)
{
	struct stat status;
	int fd;

	if (make && mkdir(directory->path, 0700) < 0 && errno != EEXIST)
		return -errno;
	fd = open(directory->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ELOOP || errno == ENOTDIR || errno == EACCES ? -EPERM : -errno;
	if (fstat(fd, &status) < 0 || status.st_uid != geteuid() ||
	    (status.st_mode & 07777) != 0700) {
		close(fd);
		return -EPERM;
	}
	directory->fd = fd;
	return 0;
}

/* Whether a directory is there and the user's own, so that one may be made in it. */
static bool is_own(const char *path)
{
	struct stat status;

	return lstat(path, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid();
}

/* Tries the place with that path. -ENAMETOOLONG: a socket's path would not fit its address. */
__attribute__((format(printf, 3, 4))) static int try_place(struct control_directory *directory,
							   bool make, const char *format, ...)
{
	va_list arguments;
	int len;

	va_start(arguments, format);
	len = vsnprintf(directory->path, sizeof(directory->path), format, arguments);
	va_end(arguments);
	if (len < 0 || (size_t)len >= sizeof(directory->path))
		return -ENAMETOOLONG;
	return open_checked(directory, make);
}

int control_directory_open(struct control_directory *directory, bool make)
{
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
	unsigned user = geteuid();
	char own[64];
	int error;

	*directory = (struct control_directory){.fd = -1};
	snprintf(own, sizeof(own), "/run/user/%u", user);
	if (runtime && runtime[0] == '/' && is_own(runtime)) {
		error = try_place(directory, make, "%s/cothon", runtime);
		if (error != -ENAMETOOLONG)
			return error;
	}
	if (is_own(own))
		return try_place(directory, make, "%s/cothon", own);
	if (user == 0 && is_own("/run"))
		return try_place(directory, make, "/run/cothon");
	return try_place(directory, make, "/tmp/cothon-%u", user);
}

void control_directory_close(struct control_directory *directory)
{
	close(directory->fd);
}

struct sockaddr_un control_directory_address(const struct control_directory *directory,
					     const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%.*s" SUFFIX, directory->path,
		 CONTROL_NAME_MAX, name);
	return address;
}

int control_directory_connect(const struct control_directory *directory, const char *name)
{
	struct sockaddr_un address = control_directory_address(directory, name);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int error;

	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = -errno;
	close(fd);
	return error;
}

int control_directory_names(const struct control_directory *directory,
			    bool (*each)(void *context, const char *name), void *context)
{
	DIR *entries = opendir(directory->path);
	const struct dirent *entry;
	bool more = true;

	if (!entries)
		return -errno;
	while (more && (entry = readdir(entries))) {
		char name[CONTROL_NAME_MAX + 1];
		size_t len = strlen(entry->d_name);

		if (len <= strlen(SUFFIX) || len - strlen(SUFFIX) > CONTROL_NAME_MAX ||
		    strcmp(entry->d_name + len - strlen(SUFFIX), SUFFIX) != 0)
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(len - strlen(SUFFIX)), entry->d_name);
		if (control_name_is_valid(name))
			more = each(context, name);
	}
	closedir(entries);
	return 0;
}

/* --- names --- */

/* The process that listens at the other end of a connected socket, or 0. */
static pid_t listening_process(int fd)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len);
	return peer.pid;
}

static int bind_private(int fd, const struct sockaddr_un *address)
{
	mode_t mask = umask(0177);
	int error = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(mask);
	return error;
}

/*
 * Takes claim->name, unless somebody has it. A socket that refuses connections has lost its
 * process; while the directory is locked, none is between bind(2) and listen(2).
 */
static int take_name(struct control_claim *claim, pid_t *holder)
{
	struct sockaddr_un address = control_directory_address(&claim->directory, claim->name);
	int fd, error;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	error = bind_private(fd, &address);
	if (error == -EADDRINUSE) {
		int other = control_directory_connect(&claim->directory, claim->name);

		/* Whoever has too many clients waiting is there, too. */
		if (other >= 0 || other == -EAGAIN) {
			*holder = other >= 0 ? listening_process(other) : 0;
			if (other >= 0)
				close(other);
			close(fd);
			return -EEXIST;
		}
		unlink(address.sun_path);
		error = bind_private(fd, &address);
	}
	if (!error && listen(fd, SOMAXCONN) < 0)
		error = -errno;
	if (error)
		close(fd);
	else
		claim->listener = fd;
	return error;
}

/* The last part of the command's path, in the letters of a name. */
static void name_after(const char *command, char name[static CONTROL_NAME_MAX + 1])
{
	const char *slash = strrchr(command, '/');
	size_t len = 0;

	for (const char *from = slash ? slash + 1 : command; *from; from++) {
		/* What is not a name's first character is left out at its beginning. */
		if (len == 0 && !is_alphanumeric(*from))
			continue;
		if (len == CONTROL_NAME_MAX)
			break;
		name[len++] = is_name_character(*from) ? *from : '-';
	}
	name[len] = '\0';
	if (len == 0)
		memcpy(name, "sandbox", sizeof("sandbox"));
}

static int take_name_after(struct control_claim *claim, const char *command)
{
	char base[CONTROL_NAME_MAX + 1];
	pid_t holder;
	int error;

	name_after(command, base);
	memcpy(claim->name, base, sizeof(base));
	error = take_name(claim, &holder);
	for (unsigned n = 2; error == -EEXIST; n++) {
		char number[16];
		int len = snprintf(number, sizeof(number), "-%u", n);

		snprintf(claim->name, sizeof(claim->name), "%.*s%s", CONTROL_NAME_MAX - len, base,
			 number);
		error = take_name(claim, &holder);
	}
	return error;
}

/* flock(2), whatever signal comes between. */
static int lock(int fd)
{
	while (flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

int control_claim(struct control_claim *claim, const char *name, const char *command, pid_t *holder)
{
	int error = control_directory_open(&claim->directory, true);

	if (error)
		return error;
	error = lock(claim->directory.fd);
	if (!error && name) {
		snprintf(claim->name, sizeof(claim->name), "%s", name);
		error = take_name(claim, holder);
	} else if (!error) {
		error = take_name_after(claim, command);
	}
	flock(claim->directory.fd, LOCK_UN);
	claim->holder = getpid();
	if (error)
		control_directory_close(&claim->directory);
	return error;
}

void control_claim_remove(const struct control_claim *claim)
{
	struct sockaddr_un address = control_directory_address(&claim->directory, claim->name);
	struct control_directory directory = claim->directory;
	bool is_left;
	int other;

	/*
	 * Whoever has taken the name meanwhile listens, and nobody takes it now. A process that is being
	 * ended may listen still.
	 */
	if (open_checked(&directory, false) < 0)
		return;
	if (lock(directory.fd) == 0) {
		other = control_directory_connect(&directory, claim->name);
		is_left = other == -ECONNREFUSED ||
			  (other >= 0 && listening_process(other) == claim->holder);
		if (is_left)
			unlink(address.sun_path);
		if (other >= 0)
			close(other);
	}
	control_directory_close(&directory);
}

void control_claim_release(struct control_claim *claim)
{
	close(claim->listener);
	control_directory_close(&claim->directory);
	control_claim_remove(claim);
}
