/* SPDX-License-Identifier: MIT */
#ifndef CONTROL_DIRECTORY_H
#define CONTROL_DIRECTORY_H

/*
 * Where the control sockets of a user's sandboxes are: NAME.sock in $XDG_RUNTIME_DIR/cothon; without
 * that, in /run/user/UID/cothon, root's in /run/cothon; where there is neither, in
 * /tmp/cothon-UID. The directory is the user's, with mode 0700, and no symbolic link; another one
 * is not used.
 *
 * The directory itself is the lock (flock(2)) under which names are taken. A name is taken as long
 * as somebody listens on its socket; what a crash leaves behind is not a taken name.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/un.h>

enum {
	CONTROL_NAME_MAX = 63, /* characters of a name */
	/* Room for the directory's path: with a socket's name behind it, it fits a sockaddr_un. */
	CONTROL_PATH = sizeof(((struct sockaddr_un *)NULL)->sun_path) - CONTROL_NAME_MAX -
		       sizeof("/.sock") + 1,
};

struct control_directory {
	int fd;
	char path[CONTROL_PATH];
};

/*
 * Opens the user's directory; `make` has it made where it is not there. Where none of the places
 * serves, directory->path is the last that was tried. Returns 0; -ENOENT when there is none, and
 * none was to be made; -EPERM for one that is not the user's alone; or the errno of mkdir(2) or
 * open(2).
 */
int control_directory_open(struct control_directory *directory, bool make);
void control_directory_close(struct control_directory *directory);
/* The address of a sandbox's socket; `name` is of at most CONTROL_NAME_MAX characters. */
struct sockaddr_un control_directory_address(const struct control_directory *directory,
					     const char *name);
/*
 * Connects to a sandbox's socket. Returns a descriptor, not blocking and closed on exec;
 * -ENOENT or -ECONNREFUSED when no such sandbox runs; -EAGAIN when too many clients wait for it; or
 * the errno of socket(2) or connect(2).
 */
int control_directory_connect(const struct control_directory *directory, const char *name);
/*
 * Calls `each` with every name that has a socket, in no order, until it returns false. Returns 0 or
 * the errno of opening the directory.
 */
int control_directory_names(const struct control_directory *directory,
			    bool (*each)(void *context, const char *name), void *context);

/* 1 to 63 letters, digits, '_', '.' and '-', the first a letter or a digit. */
bool control_name_is_valid(const char *name);

/* A name that is taken, and its socket. */
struct control_claim {
	struct control_directory directory;
	char name[CONTROL_NAME_MAX + 1];
	int listener; /* not blocking */
	pid_t holder; /* the process that listens */
};

/*
 * Takes `name`; when that is NULL, a name after the command: the last part of its path, with -2, -3
 * and so on behind it where that is taken. Returns 0; -EEXIST when `name` is taken, with *holder the
 * process that has it (0: not known); or an error of control_directory_open(), or the errno of
 * flock(2), socket(2), bind(2) or listen(2).
 */
int control_claim(struct control_claim *claim, const char *name, const char *command,
		  pid_t *holder);
/* Gives the name up. */
void control_claim_release(struct control_claim *claim);
/*
 * Removes the socket; one that somebody else has made in its place meanwhile stays. Needs none of
 * the claim's descriptors, so that another process can do it when the one that had the name has
 * ended.
 */
void control_claim_remove(const struct control_claim *claim);

#endif
