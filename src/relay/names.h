/* SPDX-License-Identifier: MIT */
#ifndef RELAY_NAMES_H
#define RELAY_NAMES_H

/*
 * The names that the sandbox has asked for, and the addresses they have inside.
 *
 * A name is known inside by a synthetic address, which exists nowhere else: in 198.18.0.0/15, which
 * is set aside for tests between networks (RFC 2544), and in fd00:c071::/96. Both end with the same
 * number. So a flow to such an address carries the name with it, however many names share one real
 * address, and whatever the name's real addresses are by then. A name keeps its number as long as
 * it is known; when there is no room for another, the one that was asked for or used the longest
 * time ago and that nothing uses is forgotten.
 */

#include "base/list.h"
#include "base/siphash.h"
#include <cothon/rule.h>
#include <cothon/stack.h>

enum {
	RELAY_NAMES_MAX = 65536,
	RELAY_NAME_ADDRESSES = 16, /* real ones that are kept of one name */
};

struct relay_lookup;

struct relay_name {
	struct relay_name *next; /* in its bucket */
	struct cothon_list by_use;
	uint32_t number;
	uint32_t users;

	/* What resolve.c knows of it. */
	struct relay_lookup *lookup; /* under way, or NULL */
	uint64_t fresh_until;        /* 0: it was never resolved */
	/*
	 * 0, also without any address; -ENOENT: there is no such name; -EAGAIN: nobody could tell.
	 */
	int status;
	uint8_t addr_count;
	struct cothon_addr *addrs;

	char text[]; /* in normal form */
};

struct relay_names {
	struct cothon_siphash_key key;
	/* Both NULL until the first name. */
	struct relay_name **buckets;
	struct relay_name **by_number;
	uint32_t count, max;
	uint64_t forgotten;   /* to make room */
	uint32_t next_number; /* the first that no name ever had */
	struct cothon_list by_use;
};

/* `max` is RELAY_NAMES_MAX, and may be set to less as long as there is no name. */
void relay_names_init(struct relay_names *names, const uint8_t seed[static COTHON_SEED_LEN],
		      uint64_t purpose);
/* Forgets all names; nothing may use one any more. */
void relay_names_finish(struct relay_names *names);
/*
 * The entry of a name in normal form, made if there is none; it counts as used now. Returns NULL
 * without memory, or when all that are known are in use.
 */
struct relay_name *relay_names_obtain(struct relay_names *names, const char *text);
/* Keeps a name from being forgotten until relay_names_put(). Returns it. */
struct relay_name *relay_names_take(struct relay_name *name);
/* Gives it back; it counts as used now. */
void relay_names_put(struct relay_names *names, struct relay_name *name);
/* Makes a name the first to be forgotten: it does not exist. */
void relay_names_discount(struct relay_names *names, struct relay_name *name);

/* True for an address that could only be a synthetic one. */
bool relay_names_is_synthetic(const struct cothon_addr *addr);
/* The name that has a synthetic address, or NULL. */
struct relay_name *relay_names_find(const struct relay_names *names,
				    const struct cothon_addr *addr);
/* The synthetic address of a name. */
struct cothon_addr relay_names_address(const struct relay_name *name, bool ipv6);

#endif
