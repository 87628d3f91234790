/* SPDX-License-Identifier: MIT */
#ifndef SANDBOX_IDMAP_H
#define SANDBOX_IDMAP_H

/*
 * Which users and groups a sandbox has (user_namespaces(7)). Root gives its sandbox all that
 * itself has, so that servers there may change to users of their own; anybody else has one user
 * and one group to give.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* The kernel takes a map with one write of less than a page. */
enum {
	SANDBOX_IDMAP_TEXT = 4096
};

/* A map as the kernel reads it: lines of "INSIDE OUTSIDE COUNT". */
struct sandbox_idmap {
	char text[SANDBOX_IDMAP_TEXT];
};

struct sandbox_idmaps {
	struct sandbox_idmap users, groups;
	/* The command's group inside; group_last is the end of the range of groups it is in. */
	uint32_t group_first, group_last;
	/* The map is of one group only: then the kernel wants setgroups(2) to be given up. */
	bool single;
};

/*
 * The map that gives a child namespace all ids of the caller's, each under its own number, from
 * the text of the caller's own map. What does not fit in the map's room is left out. Returns 0, or
 * -EINVAL for a text that is no map or holds nothing.
 */
int sandbox_idmap_identity(const char *own, struct sandbox_idmap *map);
/* One id. */
void sandbox_idmap_single(uint32_t inside, uint32_t outside, struct sandbox_idmap *map);
/*
 * *first and *last become the ids inside of the line of the map that has `id`. Returns 0, or
 * -ENOENT.
 */
int sandbox_idmap_range(const struct sandbox_idmap *map, uint32_t id, uint32_t *first,
			uint32_t *last);

/*
 * Chooses the maps for a sandbox of the caller's. `user`: the caller keeps its own ids instead of
 * being root inside. Returns 0, or the errno of reading /proc/self/uid_map and gid_map.
 */
int sandbox_idmaps_choose(bool user, struct sandbox_idmaps *maps);
/*
 * Gives the maps to a child that is in a user namespace of its own; `pidfd` is a descriptor of it.
 * Returns 0, or the errno of a file of /proc: -EPERM where the kernel refuses.
 */
int sandbox_idmaps_write(const struct sandbox_idmaps *maps, int pidfd);

#endif
