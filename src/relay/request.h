/* SPDX-License-Identifier: MIT */
#ifndef RELAY_REQUEST_H
#define RELAY_REQUEST_H

/*
 * What the sandbox asks its DNS server, and the answer.
 *
 * Where there are rules about names, an allowed name has the synthetic addresses of names.h; that it
 * exists and has addresses at all is asked of the host's resolvers first. Its other records are
 * theirs, but those that would give its real addresses away (HTTPS, SVCB). A name that may not be
 * asked for is never sent on. Its answer is that there is no such name: NXDOMAIN ends the matter
 * for every resolver library, while REFUSED has musl wait until its time-out, and glibc, Go and
 * c-ares ask every server again and then report a failure that may pass, so that programs try
 * again. Whoever sent an OPT record is told the truth as an extended error (RFC 8914).
 */

#include "relay/dns.h"
#include "relay/query.h"
#include "relay/resolve.h"

enum {
	RELAY_REQUEST_LEN_MAX = 4096, /* bytes of a query; larger ones are malformed */
};

/* One that waits. */
struct relay_request {
	struct relay *relay;
	struct relay_asker asker;
	struct cothon_list node;
	/* For a name's addresses. */
	struct relay_name *name;
	struct relay_waiter waiter;
	/* For a resolver's answer. */
	struct relay_query query;
	uint16_t id; /* the asker's */
	size_t len;
	uint8_t message[];
};

/*
 * Answers a query, now or later. Returns 0, or -EBADMSG for what deserves no answer. A request that
 * waits is its stream's `request` until it is answered.
 */
int relay_request_take(struct relay *relay, const struct relay_asker *asker, const uint8_t *message,
		       size_t len);
/* Forgets a request; nobody is told. */
void relay_request_cancel(struct relay_request *request);
void relay_request_finish(struct relay *relay);

#endif
