/* SPDX-License-Identifier: MIT */
#include "relay/names.h"

#include "base/bytes.h"
#include <stdlib.h>
#include <string.h>

enum {
	BUCKETS = 65536,
	/* Numbers begin behind the first address of the prefix, which looks like the network's own. */
	FIRST_NUMBER = 1,
};

static const struct cothon_addr ipv4_prefix = {
	.b = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 198, 18, 0, 0},
};
static const struct cothon_addr ipv6_prefix = {.b = {0xfd, 0, 0xc0, 0x71}};

/* Addresses */

bool relay_names_is_synthetic(const struct cothon_addr *addr)
{
	return cothon_addr_in_prefix(addr, &ipv4_prefix, 15) ||
	       cothon_addr_in_prefix(addr, &ipv6_prefix, 96);
}

struct relay_name *relay_names_find(const struct relay_names *names, const struct cothon_addr *addr)
{
	uint32_t number = cothon_get32(addr->b + 12);

	if (!names->by_number || !relay_names_is_synthetic(addr))
		return NULL;
	if (cothon_addr_is_ipv4(addr))
		number -= cothon_get32(ipv4_prefix.b + 12);
	if (number < FIRST_NUMBER || number - FIRST_NUMBER >= RELAY_NAMES_MAX)
		return NULL;
	return names->by_number[number - FIRST_NUMBER];
}

struct cothon_addr relay_names_address(const struct relay_name *name, bool ipv6)
{
	struct cothon_addr addr = ipv6 ? ipv6_prefix : ipv4_prefix;

	cothon_put32(addr.b + 12, cothon_get32(addr.b + 12) + name->number);
	return addr;
}

/* The table */

void relay_names_init(struct relay_names *names, const uint8_t seed[static COTHON_SEED_LEN],
		      uint64_t purpose)
{
	*names = (struct relay_names){
		.key = cothon_siphash_key(seed, purpose),
		.max = RELAY_NAMES_MAX,
	};
	cothon_list_init(&names->by_use);
}

static struct relay_name **bucket_of(const struct relay_names *names, const char *text)
{
	return &names->buckets[cothon_siphash24(&names->key, text, strlen(text)) % BUCKETS];
}

static void touch(struct relay_names *names, struct relay_name *name)
{
	cothon_list_remove(&name->by_use);
	cothon_list_append(&names->by_use, &name->by_use);
}

static void forget(struct relay_names *names, struct relay_name *name)
{
	struct relay_name **at = bucket_of(names, name->text);

	while (*at != name)
		at = &(*at)->next;
	*at = name->next;
	names->by_number[name->number - FIRST_NUMBER] = NULL;
	names->count--;
	cothon_list_remove(&name->by_use);
	free(name->addrs);
	free(name);
}

/*
 * Forgets the name that was used the longest time ago, and puts its number into *number. Those in
 * use are passed by and count as used now, so that the next search does not meet them again.
 */
static bool evict(struct relay_names *names, uint32_t *number)
{
	for (uint32_t i = 0; i < names->count; i++) {
		struct relay_name *oldest =
			cothon_container(names->by_use.next, struct relay_name, by_use);

		if (oldest->users == 0) {
			*number = oldest->number;
			forget(names, oldest);
			names->forgotten++;
			return true;
		}
		touch(names, oldest);
	}
	return false;
}

static bool make_tables(struct relay_names *names)
{
	if (!names->buckets)
		names->buckets = calloc(BUCKETS, sizeof(*names->buckets));
	if (!names->by_number)
		names->by_number = calloc(RELAY_NAMES_MAX, sizeof(struct relay_name *));
	return names->buckets && names->by_number;
}

static struct relay_name *create(struct relay_names *names, const char *text)
{
	size_t len = strlen(text) + 1;
	struct relay_name *name = calloc(1, sizeof(*name) + len);
	struct relay_name **bucket = bucket_of(names, text);

	if (!name)
		return NULL;
	if (names->next_number < names->max) {
		name->number = FIRST_NUMBER + names->next_number++;
	} else if (!evict(names, &name->number)) {
		free(name);
		return NULL;
	}
	memcpy(name->text, text, len);
	name->next = *bucket;
	*bucket = name;
	names->by_number[name->number - FIRST_NUMBER] = name;
	names->count++;
	cothon_list_append(&names->by_use, &name->by_use);
	return name;
}

struct relay_name *relay_names_obtain(struct relay_names *names, const char *text)
{
	struct relay_name *name;

	if (!make_tables(names))
		return NULL;
	for (name = *bucket_of(names, text); name; name = name->next) {
		if (strcmp(name->text, text) == 0) {
			touch(names, name);
			return name;
		}
	}
	return create(names, text);
}

struct relay_name *relay_names_take(struct relay_name *name)
{
	name->users++;
	return name;
}

void relay_names_put(struct relay_names *names, struct relay_name *name)
{
	name->users--;
	/* What does not exist stays where it is, at the front. */
	if (name->status == 0)
		touch(names, name);
}

void relay_names_discount(struct relay_names *names, struct relay_name *name)
{
	cothon_list_remove(&name->by_use);
	cothon_list_append(names->by_use.next, &name->by_use);
}

void relay_names_finish(struct relay_names *names)
{
	for (uint32_t i = 0; names->by_number && i < names->next_number; i++) {
		if (names->by_number[i])
			forget(names, names->by_number[i]);
	}
	free(names->buckets);
	free(names->by_number);
	names->buckets = NULL;
	names->by_number = NULL;
}
