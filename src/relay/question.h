/* SPDX-License-Identifier: MIT */
#ifndef RELAY_QUESTION_H
#define RELAY_QUESTION_H

/*
 * What a forwarder has to know of a DNS message (RFC 1035 section 4.1): its header and its
 * question.
 */

#include <arpa/nameser.h>
#include <cothon/addr.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	RELAY_DNS_HEADER = 12,
	RELAY_DNS_PORT = 53,

	RELAY_DNS_FORMERR = 1,
	RELAY_DNS_SERVFAIL = 2,
	RELAY_DNS_NXDOMAIN = 3,
	RELAY_DNS_NOTIMP = 4,
	RELAY_DNS_REFUSED = 5,

	RELAY_DNS_IN = 1,

	RELAY_DNS_A = 1,
	RELAY_DNS_CNAME = 5,
	RELAY_DNS_SOA = 6,
	RELAY_DNS_PTR = 12,
	RELAY_DNS_AAAA = 28,
	RELAY_DNS_OPT = 41,
	RELAY_DNS_SVCB = 64,
	RELAY_DNS_HTTPS = 65,
	RELAY_DNS_ANY = 255,
};

/* A question, as it is asked. */
struct relay_dns_question {
	uint16_t type, class;
	/* The query has an OPT record, so that the answer may have one (RFC 6891 section 6.1.1). */
	bool edns;
	size_t end; /* of the question in the message */
	/* As text without the last dot; what is no printable character stands there as \ and its number. */
	char name[NS_MAXDNAME];
};

static inline uint16_t relay_dns_id(const uint8_t *message)
{
	return (uint16_t)(message[0] << 8 | message[1]);
}

static inline void relay_dns_set_id(uint8_t *message, uint16_t id)
{
	message[0] = (uint8_t)(id >> 8);
	message[1] = (uint8_t)id;
}

static inline unsigned relay_dns_rcode(const uint8_t *message)
{
	return message[3] & 0xf;
}

/*
 * Looks at a query of `len` bytes. Returns 0 when it is one with a single, well-formed question;
 * -EBADMSG when it is none and deserves no answer (shorter than a header, or a response); -EPROTO
 * when its answer is FORMERR; -EOPNOTSUPP when it is NOTIMP (another operation than a query).
 */
int relay_dns_check_query(const uint8_t *message, size_t len);
/* Reads the question of a message that has one. Returns 0, or -EBADMSG when it is malformed. */
int relay_dns_read_question(const uint8_t *message, size_t len,
			    struct relay_dns_question *question);
/*
 * The address that a name stands for in a question of type PTR: below in-addr.arpa (RFC 1035 section
 * 3.5) or ip6.arpa (RFC 3596 section 2.5). Returns false for other names.
 */
bool relay_dns_reverse(const char *name, struct cothon_addr *addr);
/*
 * True when `answer` is a response with the ID of `query` and its question (names compare without
 * regard to case). A response that only says that something failed may come without a question.
 */
bool relay_dns_answers(const uint8_t *query, size_t query_len, const uint8_t *answer,
		       size_t answer_len);
/*
 * Makes the response to a query (at least a header) that says `rcode` and nothing else: the header
 * and, if it is well-formed, the question, in place. Returns its length.
 */
size_t relay_dns_make_failure(uint8_t *query, size_t len, unsigned rcode);

#endif
