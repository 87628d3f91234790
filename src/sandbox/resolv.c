/* SPDX-License-Identifier: MIT */
#include "sandbox/resolv.h"

#include "host/namespace.h"
#include "relay/neighbour.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* Whether a line begins with one of the words that the sandbox takes over. */
static bool taken_over(const char *line, size_t len)
{
	static const char *const words[] = {"search", "domain", "options"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t word = strlen(words[i]);

		if (len > word && memcmp(line, words[i], word) == 0 &&
		    (line[word] == ' ' || line[word] == '\t'))
			return true;
	}
	return false;
}

static int append(char *text, size_t room, size_t *used, const char *piece, size_t len)
{
	if (len >= room - *used)
		return -EFBIG;
	memcpy(text + *used, piece, len);
	*used += len;
	text[*used] = '\0';
	return 0;
}

static int append_server(char *text, size_t room, size_t *used, const struct relay_family *family)
{
	char addr[COTHON_ADDR_TEXT], line[COTHON_ADDR_TEXT + 16];
	int len;

	if (!family->enabled)
		return 0;
	len = snprintf(line, sizeof(line), "nameserver %s\n",
		       cothon_addr_format(&family->dns, addr));
	return append(text, room, used, line, (size_t)len);
}

/* Length of the word that begins a line if that says where names are searched for, else 0. */
static size_t search_word(const char *line, size_t len)
{
	static const char *const words[] = {"search", "domain"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		size_t word = strlen(words[i]);

		if (len > word && memcmp(line, words[i], word) == 0)
			return word;
	}
	return 0;
}

/*
 * Takes over a line. On a network that is shared, a name is one of a neighbour's first; of several lines that
 * say where to search the last one counts (resolv.conf(5)), so it stands in each.
 */
static int append_line(char *text, size_t room, size_t *used, const char *line, size_t len,
		       bool shared)
{
	static const char neighbours[] = "search " RELAY_NEIGHBOUR_DOMAIN;
	size_t word = shared ? search_word(line, len) : 0;
	int error = 0;

	if (word)
		error = append(text, room, used, neighbours, sizeof(neighbours) - 1);
	if (error == 0)
		error = append(text, room, used, line + word, len - word);
	return error ? error : append(text, room, used, "\n", 1);
}

int sandbox_resolv_make(const struct relay_network *network, const char *host, char *text,
			size_t room)
{
	static const char neighbours[] = "search " RELAY_NEIGHBOUR_DOMAIN;
	size_t used = 0;
	int error = append_server(text, room, &used, &network->ipv4);

	if (error == 0)
		error = append_server(text, room, &used, &network->ipv6);
	if (error == 0 && network->shared)
		error = append_line(text, room, &used, neighbours, sizeof(neighbours) - 1, false);
	while (error == 0 && *host) {
		size_t len = strcspn(host, "\n");

		if (taken_over(host, len))
			error = append_line(text, room, &used, host, len, network->shared);
		host += len;
		host += *host == '\n';
	}
	return error < 0 ? error : (int)used;
}

/* Puts the file in place; returns 0 or what is said of host_mount_file(). */
static int put_in_place(const struct relay_network *network, const char *path)
{
	/* One buffer for the host's file and one for ours. */
	char *host = malloc(2 * (size_t)SANDBOX_RESOLV_MAX);
	char *text;
	ssize_t len;
	int made;

	if (!host)
		return -ENOMEM;
	text = host + SANDBOX_RESOLV_MAX;
	len = host_read_file(path, host, SANDBOX_RESOLV_MAX);
	/* A file that cannot be read, or is no reasonable one, has nothing to take over. */
	made = sandbox_resolv_make(network, len < 0 ? "" : host, text, SANDBOX_RESOLV_MAX);
	if (made == -EFBIG)
		made = sandbox_resolv_make(network, "", text, SANDBOX_RESOLV_MAX);
	if (made >= 0)
		made = host_mount_file(path, text, (size_t)made);
	free(host);
	return made;
}

/* Puts the file in place and learns by what it is known. */
static int mount_known(struct sandbox_resolv *resolv, const struct relay_network *network)
{
	struct stat file;
	int error = put_in_place(network, resolv->path);

	if (error < 0)
		return error;
	if (stat(resolv->path, &file) < 0)
		return -errno;
	resolv->device = file.st_dev;
	return 0;
}

int sandbox_resolv_mount(struct sandbox_resolv *resolv, const struct relay_network *network,
			 const char *path)
{
	int error;

	*resolv = (struct sandbox_resolv){.path = path, .mounts = -1};
	error = mount_known(resolv, network);
	if (error < 0)
		return error;
	resolv->mounts = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	return resolv->mounts < 0 ? -errno : 0;
}

/* Whether the mount is there, also below another that the command may have put over it. */
static bool mounted(const struct sandbox_resolv *resolv)
{
	int fd = fcntl(resolv->mounts, F_DUPFD_CLOEXEC, 0);
	FILE *mounts = fd < 0 ? NULL : fdopen(fd, "r");
	size_t room = 0;
	char *line = NULL, device[32];
	bool found = false;

	/* Nothing is done where nothing can be seen. */
	if (!mounts)
		return true;
	rewind(mounts);
	/* One field of a line is the device (proc_pid_mountinfo(5)); no other looks like one. */
	snprintf(device, sizeof(device), " %u:%u ", major(resolv->device), minor(resolv->device));
	while (!found && getline(&line, &room, mounts) >= 0)
		found = strstr(line, device) != NULL;
	free(line);
	fclose(mounts);
	return found;
}

int sandbox_resolv_keep(struct sandbox_resolv *resolv, const struct relay_network *network)
{
	return mounted(resolv) ? 0 : mount_known(resolv, network);
}
