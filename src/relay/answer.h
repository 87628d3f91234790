/* SPDX-License-Identifier: MIT */
#ifndef RELAY_ANSWER_H
#define RELAY_ANSWER_H

/* What a resolver's answer to a question for addresses says (RFC 1035 section 4.1). */

#include "relay/names.h"

struct relay_answer {
	unsigned rcode;
	bool truncated;
	/* Addresses of the asked type, at the end of the chain of aliases. */
	unsigned count;
	struct cothon_addr addrs[RELAY_NAME_ADDRESSES];
	/*
	 * Seconds: the least of the records that were used; without addresses, for how long that
	 * may be remembered (RFC 2308 section 5), 0: not at all.
	 */
	uint32_t ttl;
	/*
	 * The name at which the chain ends without addresses, and that nothing more is said of: it
	 * is to be asked for. "": there is none.
	 */
	char alias[COTHON_NAME_MAX + 1];
};

/*
 * Reads an answer to a question of type A or AAAA that relay_dns_answers() has found to be one.
 * Only addresses of the name that was asked for count, or of what its aliases lead to. Returns 0, or
 * -EBADMSG when it is malformed.
 */
int relay_answer_read(const uint8_t *message, size_t len, struct relay_answer *answer);

#endif
