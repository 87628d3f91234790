/* SPDX-License-Identifier: MIT */
#include "sandbox/idmap.h"

#include "host/namespace.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A map of the most extents that Linux allows, as /proc shows it: columns of 10 digits. */
enum {
	OWN_MAP_TEXT = HOST_IDMAP_EXTENTS * 36
};

/* Reads the three numbers of a line and steps behind it. */
static bool read_line(const char **text, uint32_t numbers[static 3])
{
	for (int i = 0; i < 3; i++) {
		char *end;
		unsigned long number = strtoul(*text, &end, 10);

		if (end == *text || number > UINT32_MAX)
			return false;
		numbers[i] = (uint32_t)number;
		*text = end;
	}
	*text += strspn(*text, " \t\n");
	return true;
}

int sandbox_idmap_identity(const char *own, struct sandbox_idmap *map)
{
	size_t used = 0;
	uint32_t line[3];

	map->text[0] = '\0';
	while (*own) {
		char text[40];
		int len;

		if (!read_line(&own, line))
			return -EINVAL;
		len = snprintf(text, sizeof(text), "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", line[0],
			       line[0], line[2]);
		if (used + (size_t)len >= sizeof(map->text))
			break;
		memcpy(map->text + used, text, (size_t)len + 1);
		used += (size_t)len;
	}
	return used > 0 ? 0 : -EINVAL;
}

void sandbox_idmap_single(uint32_t inside, uint32_t outside, struct sandbox_idmap *map)
{
	snprintf(map->text, sizeof(map->text), "%" PRIu32 " %" PRIu32 " 1\n", inside, outside);
}

int sandbox_idmap_range(const struct sandbox_idmap *map, uint32_t id, uint32_t *first,
			uint32_t *last)
{
	const char *text = map->text;
	uint32_t line[3];

	while (read_line(&text, line)) {
		if (id < line[0] || id - line[0] >= line[2])
			continue;
		*first = line[0];
		*last = line[0] + line[2] - 1;
		return 0;
	}
	return -ENOENT;
}

/*
 * Whether the caller may give a namespace more than its own id, and user 0 among them
 * (capabilities(7)).
 */
static bool may_map_all(void)
{
	const uint32_t needed = 1U << CAP_SETUID | 1U << CAP_SETGID | 1U << CAP_SETFCAP;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

	return geteuid() == 0 && syscall(SYS_capget, &header, data) == 0 &&
	       (data[0].effective & needed) == needed;
}

static int identity_of(const char *path, struct sandbox_idmap *map)
{
	char *own = malloc(OWN_MAP_TEXT);
	int error;
	ssize_t len;

	if (!own)
		return -ENOMEM;
	len = host_read_file(path, own, OWN_MAP_TEXT);
	error = len < 0 ? (int)len : sandbox_idmap_identity(own, map);
	free(own);
	return error;
}

int sandbox_idmaps_choose(bool user, struct sandbox_idmaps *maps)
{
	uint32_t group = user ? getegid() : 0;
	int error;

	maps->single = !may_map_all();
	if (maps->single) {
		sandbox_idmap_single(user ? geteuid() : 0, geteuid(), &maps->users);
		sandbox_idmap_single(group, getegid(), &maps->groups);
	} else {
		group = getegid();
		error = identity_of("/proc/self/uid_map", &maps->users);
		if (error == 0)
			error = identity_of("/proc/self/gid_map", &maps->groups);
		if (error < 0)
			return error;
	}
	return sandbox_idmap_range(&maps->groups, group, &maps->group_first, &maps->group_last);
}

/*
 * The number that /proc has for the child: it may show another PID namespace than the caller's,
 * and then numbers processes otherwise than clone(2) does.
 */
static int number_in_proc(int pidfd)
{
	char path[64], text[1024];
	const char *line;
	ssize_t len;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	len = host_read_file(path, text, sizeof(text));
	if (len < 0)
		return (int)len;
	line = strstr(text, "\nPid:");
	return line ? (int)strtol(line + 5, NULL, 10) : -ESRCH;
}

int sandbox_idmaps_write(const struct sandbox_idmaps *maps, int pidfd)
{
	const struct {
		const char *name, *value;
	} files[] = {
		/* An unprivileged gid_map is refused as long as setgroups(2) could drop a group. */
		{"setgroups", maps->single ? "deny" : NULL},
		{"gid_map", maps->groups.text},
		{"uid_map", maps->users.text},
	};
	int pid = number_in_proc(pidfd);

	if (pid <= 0)
		return pid < 0 ? pid : -ESRCH;
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		char path[64];
		int error;

		if (!files[i].value)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i].name);
		error = host_proc_write(path, files[i].value);
		if (error < 0)
			return error;
	}
	return 0;
}
