/* SPDX-License-Identifier: MIT */
#include "relay/resolve.h"

#include "base/bytes.h"
#include "relay/answer.h"
#include "relay/question.h"
#include "relay/state.h"
#include <errno.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>

enum {
	FAMILIES = 2,
	FLAG_RECURSION_DESIRED = 0x01,
	/* Header, name, type and class, OPT record. */
	MESSAGE_MAX = RELAY_DNS_HEADER + NS_MAXCDNAME + 4 + 11,
	/* Bytes that an answer may have: more than a few routers' fragments would be lost on the way. */
	UDP_PAYLOAD = 1232,
};

/* The question for the addresses of one family. */
struct part {
	struct relay_query query;
	struct relay_lookup *lookup;
	uint16_t type;
	bool edns;
	unsigned aliases; /* followed */
	char asked[COTHON_NAME_MAX + 1];
	struct relay_answer answer;
	int status; /* as the name's */
	uint8_t message[MESSAGE_MAX];
};

struct relay_lookup {
	struct relay *relay;
	struct relay_name *name;
	struct cothon_list node; /* of all */
	struct cothon_list waiters;
	unsigned pending; /* parts without an answer */
	struct part parts[FAMILIES];
};

/* The end of a lookup */

static uint32_t clamp(uint32_t seconds, uint32_t most)
{
	if (seconds < RELAY_RESOLVE_TTL_MIN)
		return RELAY_RESOLVE_TTL_MIN;
	return seconds > most ? most : seconds;
}

/* Puts the addresses that were found into the name. Returns false without memory. */
static bool take_addresses(struct relay_name *name, const struct part parts[static FAMILIES])
{
	unsigned count = parts[0].answer.count + parts[1].answer.count;
	struct cothon_addr *addrs = count ? calloc(count, sizeof(*addrs)) : NULL;

	if (count && !addrs)
		return false;
	for (unsigned i = 0; i < parts[0].answer.count; i++)
		addrs[i] = parts[0].answer.addrs[i];
	for (unsigned i = 0; i < parts[1].answer.count; i++)
		addrs[parts[0].answer.count + i] = parts[1].answer.addrs[i];
	free(name->addrs);
	name->addrs = addrs;
	name->addr_count = (uint8_t)count;
	return true;
}

/*
 * What both families' answers say of the name: addresses of one are enough; else it does not exist
 * if one says so; else an answer is missing if one is.
 */
static void conclude(struct relay_name *name, const struct part parts[static FAMILIES],
		     uint64_t now)
{
	uint32_t positive = UINT32_MAX, negative = UINT32_MAX;
	int status = 0;

	for (unsigned i = 0; i < FAMILIES; i++) {
		const struct relay_answer *answer = &parts[i].answer;
		uint32_t *ttl = answer->count ? &positive : &negative;

		if (answer->ttl < *ttl)
			*ttl = answer->ttl;
		if (parts[i].status == -ENOENT || (parts[i].status && status == 0))
			status = parts[i].status;
	}
	if (!take_addresses(name, parts)) {
		status = -EAGAIN;
		negative = 0;
	} else if (name->addr_count) {
		status = 0;
	}
	name->status = status;
	name->fresh_until =
		now + RELAY_SECONDS(name->addr_count ? clamp(positive, RELAY_RESOLVE_TTL_MAX)
						     : clamp(negative, RELAY_RESOLVE_TTL_NEGATIVE));
}

static void destroy(struct relay_lookup *lookup)
{
	for (unsigned i = 0; i < FAMILIES; i++)
		relay_query_cancel(&lookup->parts[i].query);
	lookup->name->lookup = NULL;
	cothon_list_remove(&lookup->node);
	relay_names_put(&lookup->relay->names, lookup->name);
	free(lookup);
}

static void finish(struct relay_lookup *lookup)
{
	struct relay *relay = lookup->relay;
	struct relay_name *name = lookup->name;
	struct cothon_list waiters;

	cothon_list_init(&waiters);
	cothon_list_splice(&waiters, &lookup->waiters);
	conclude(name, lookup->parts, relay->now);
	destroy(lookup);
	if (name->status == -ENOENT)
		relay_names_discount(&relay->names, name);
	while (!cothon_list_empty(&waiters)) {
		struct relay_waiter *waiter =
			cothon_container(relay_take_first(&waiters), struct relay_waiter, node);

		waiter->resolved(waiter);
	}
}

/* Asking */

static void ask(struct part *part)
{
	struct relay_query *query = &part->query;
	uint8_t *end = part->message + RELAY_DNS_HEADER;
	int len = dn_comp(part->asked, end, NS_MAXCDNAME, NULL, NULL);

	memset(part->message, 0, RELAY_DNS_HEADER);
	part->message[2] = FLAG_RECURSION_DESIRED;
	cothon_put16(part->message + 4, 1);
	/* A name in normal form always fits. */
	end += len < 0 ? 0 : len;
	cothon_put16(end, part->type);
	cothon_put16(end + 2, RELAY_DNS_IN);
	end += 4;
	if (part->edns) {
		cothon_put16(part->message + 10, 1);
		memset(end, 0, 11);
		cothon_put16(end + 1, RELAY_DNS_OPT);
		cothon_put16(end + 3, UDP_PAYLOAD);
		end += 11;
	}
	query->message = part->message;
	query->len = (size_t)(end - part->message);
	relay_query_start(part->lookup->relay, query);
}

/* Reads an answer. Returns true when another question follows from it. */
static bool read_answer(struct part *part, const uint8_t *message, size_t len)
{
	struct relay_answer *answer = &part->answer;

	if (!message || relay_answer_read(message, len, answer)) {
		*answer = (struct relay_answer){.ttl = 0};
		part->status = -EAGAIN;
		return false;
	}
	/* RFC 6891 section 7: a server that does not know the OPT record says FORMERR. */
	if (answer->rcode == RELAY_DNS_FORMERR && part->edns) {
		part->edns = false;
		return true;
	}
	if (answer->alias[0] && part->aliases < RELAY_RESOLVE_ALIASES) {
		part->aliases++;
		memcpy(part->asked, answer->alias, sizeof(part->asked));
		return true;
	}
	if (answer->rcode == RELAY_DNS_NXDOMAIN)
		part->status = -ENOENT;
	else if (answer->rcode || answer->alias[0] || (answer->truncated && !answer->count))
		part->status = -EAGAIN;
	else
		part->status = 0;
	return false;
}

static void answered(struct relay_query *query, const uint8_t *message, size_t len)
{
	struct part *part = cothon_container(query, struct part, query);

	if (read_answer(part, message, len))
		ask(part);
	else if (--part->lookup->pending == 0)
		finish(part->lookup);
}

static void begin(struct relay *relay, struct relay_name *name, struct relay_lookup *lookup)
{
	static const uint16_t types[FAMILIES] = {RELAY_DNS_A, RELAY_DNS_AAAA};

	lookup->relay = relay;
	lookup->name = relay_names_take(name);
	name->lookup = lookup;
	cothon_list_append(&relay->lookups, &lookup->node);
	cothon_list_init(&lookup->waiters);
	lookup->pending = FAMILIES;
	for (unsigned i = 0; i < FAMILIES; i++) {
		struct part *part = &lookup->parts[i];

		part->lookup = lookup;
		part->type = types[i];
		part->edns = true;
		part->query.answered = answered;
		memcpy(part->asked, name->text, strlen(name->text) + 1);
		ask(part);
	}
}

bool relay_resolve(struct relay *relay, struct relay_name *name, struct relay_waiter *waiter)
{
	struct relay_lookup *lookup;

	if (!name->lookup && name->fresh_until > relay->now)
		return true;
	if (!name->lookup) {
		lookup = calloc(1, sizeof(*lookup));
		if (!lookup) {
			name->status = -EAGAIN;
			return true;
		}
		begin(relay, name, lookup);
	}
	cothon_list_append(&name->lookup->waiters, &waiter->node);
	return false;
}

void relay_resolve_cancel(struct relay_waiter *waiter)
{
	cothon_list_remove(&waiter->node);
}

void relay_resolve_finish(struct relay *relay)
{
	while (!cothon_list_empty(&relay->lookups))
		destroy(cothon_container(relay_take_first(&relay->lookups), struct relay_lookup,
					 node));
}
