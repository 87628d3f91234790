/* SPDX-License-Identifier: MIT */
#ifndef RELAY_REPLY_H
#define RELAY_REPLY_H

/* Writes the answers that the gateway gives of its own knowledge. */

#include "relay/question.h"
#include <cothon/addr.h>

enum {
	/* A question, a record, and the reason for a refusal. */
	RELAY_REPLY_MAX = 1024,

	/* Seconds: for how long what is answered, or not there, may be remembered. */
	RELAY_REPLY_TTL = 60,
	RELAY_REPLY_NEGATIVE_TTL = 5,

	/* Extended DNS error "Blocked" (RFC 8914 section 4.16). */
	RELAY_REPLY_BLOCKED = 15,
};

struct relay_reply {
	size_t len;
	uint8_t bytes[RELAY_REPLY_MAX];
};

/* Begins the reply to a query that has this question. */
void relay_reply_begin(struct relay_reply *reply, const uint8_t *query,
		       const struct relay_dns_question *question, unsigned rcode);
/* The name has an address. */
void relay_reply_add_address(struct relay_reply *reply, const struct cothon_addr *addr);
/* The name stands for an address whose name is `name`, in normal form. */
void relay_reply_add_pointer(struct relay_reply *reply, const char *name);
/* There is nothing, or no such name: for how long that may be remembered (RFC 2308 section 3). */
void relay_reply_add_nothing(struct relay_reply *reply);
/*
 * Ends the reply, where the query had an OPT record with one (RFC 6891). `code` and `text` tell the
 * reason of a refusal (RFC 8914); text NULL: there is none to tell.
 */
void relay_reply_end(struct relay_reply *reply, const struct relay_dns_question *question,
		     uint16_t code, const char *text);

#endif
