/* SPDX-License-Identifier: MIT */
#ifndef RELAY_RESOLV_H
#define RELAY_RESOLV_H

/* The host's resolvers, as resolv.conf(5) names them, followed as the file changes. */

#include "host/steward.h"
#include <cothon/addr.h>
#include <sys/stat.h>

enum {
	RELAY_RESOLVERS_MAX = 3
}; /* MAXNS of resolv.conf(5): further ones are ignored */

struct relay_resolver {
	struct cothon_endpoint endpoint;
	uint32_t scope; /* the interface of a link-local address, or 0 */
};

struct relay_resolvers {
	const char *path;                   /* NULL: they were given and do not change */
	const struct host_steward *steward; /* opens it; NULL: this process does */
	unsigned count;
	struct relay_resolver list[RELAY_RESOLVERS_MAX];
	/* The file that was read; `settled` when no change of it can have gone unseen. */
	struct stat read;
	bool settled;
};

/*
 * Reads the nameserver lines of a text in the form of resolv.conf(5). Lines that are malformed are
 * skipped. Returns how many there are in `list`, with port 53; without any it is the resolver of
 * this machine, 127.0.0.1, as the manual says.
 */
unsigned relay_resolv_parse(const char *text, size_t len,
			    struct relay_resolver list[static RELAY_RESOLVERS_MAX]);
/* Resolvers that are given: the first RELAY_RESOLVERS_MAX of `count`. */
void relay_resolvers_fix(struct relay_resolvers *resolvers, const struct cothon_endpoint *endpoints,
			 unsigned count);
/*
 * Resolvers that are read from `path`, or from what the steward opens, unless that is NULL. Both are the
 * caller's, and outlive this.
 */
void relay_resolvers_follow(struct relay_resolvers *resolvers, const char *path,
			    const struct host_steward *steward);
/* Reads them again if the file is another one or has changed since. */
void relay_resolvers_refresh(struct relay_resolvers *resolvers);

#endif
