/* SPDX-License-Identifier: MIT */
#include "relay/question.h"

#include "base/bytes.h"
#include <ctype.h>
#include <errno.h>
#include <resolv.h>
#include <stdlib.h>
#include <strings.h>

enum {
	/* The third byte of the header. */
	FLAG_RESPONSE = 0x80,
	OPCODE_MASK = 0x78,
	FLAG_RECURSION_DESIRED = 0x01,
	/* The fourth. */
	FLAG_RECURSION_AVAILABLE = 0x80,

	/*
	 * RFC 1035 section 2.3.4; the two upper bits of a length are set for a compression pointer.
	 */
	LABEL_MAX = 63,
	NAME_MAX_BYTES = 255,
	TYPE_AND_CLASS = 4,

	QUESTION_COUNT_AT = 4,
	ANSWER_COUNT_AT = 6,
	/* Of a record, behind its owner's name: type, class, TTL, length of the data. */
	RECORD_HEADER = 10,
	/* Records that are looked at to find the OPT record: a query has one or two. */
	RECORDS_MAX = 16,
};

/*
 * Bytes of the question behind the header, or 0 when there is not exactly one that is well-formed.
 */
static size_t question_len(const uint8_t *message, size_t len)
{
	struct cothon_bytes bytes = {message, len};
	size_t at = RELAY_DNS_HEADER;

	if (cothon_get16(message + QUESTION_COUNT_AT) != 1)
		return 0;
	for (;;) {
		const uint8_t *label = cothon_bytes_at(bytes, at, 1);

		/*
		 * A name that comes first has nothing to point back to, so no length is a pointer.
		 */
		if (!label || *label > LABEL_MAX)
			return 0;
		at += 1 + (size_t)*label;
		if (at - RELAY_DNS_HEADER > NAME_MAX_BYTES)
			return 0;
		if (*label == 0)
			break;
	}
	if (!cothon_bytes_at(bytes, at, TYPE_AND_CLASS))
		return 0;
	return at + TYPE_AND_CLASS - RELAY_DNS_HEADER;
}

int relay_dns_check_query(const uint8_t *message, size_t len)
{
	if (len < RELAY_DNS_HEADER || (message[2] & FLAG_RESPONSE))
		return -EBADMSG;
	if (message[2] & OPCODE_MASK)
		return -EOPNOTSUPP;
	return question_len(message, len) ? 0 : -EPROTO;
}

/* Whether an OPT record is among the records behind the question. */
static bool has_opt(const uint8_t *message, size_t len, size_t at)
{
	struct cothon_bytes bytes = {message, len};
	unsigned count = 0;

	for (unsigned section = 0; section < 3; section++)
		count += cothon_get16(message + ANSWER_COUNT_AT + 2 * section);
	for (unsigned i = 0; i < count && i < RECORDS_MAX && at < len; i++) {
		int name = dn_skipname(message + at, message + len);
		const uint8_t *header =
			name < 0 ? NULL : cothon_bytes_at(bytes, at + (size_t)name, RECORD_HEADER);

		if (!header)
			return false;
		if (cothon_get16(header) == RELAY_DNS_OPT)
			return true;
		at += (size_t)name + RECORD_HEADER + cothon_get16(header + 8);
	}
	return false;
}

int relay_dns_read_question(const uint8_t *message, size_t len, struct relay_dns_question *question)
{
	size_t size = len < RELAY_DNS_HEADER ? 0 : question_len(message, len);

	if (!size || dn_expand(message, message + len, message + RELAY_DNS_HEADER, question->name,
			       sizeof(question->name)) < 0)
		return -EBADMSG;
	question->end = RELAY_DNS_HEADER + size;
	question->type = cothon_get16(message + question->end - TYPE_AND_CLASS);
	question->class = cothon_get16(message + question->end - 2);
	question->edns = has_opt(message, len, question->end);
	return 0;
}

static bool reverse_ipv4(const char *name, struct cothon_addr *addr)
{
	uint8_t bytes[4];

	for (unsigned i = 0; i < 4; i++) {
		char *end;
		unsigned long number = strtoul(name, &end, 10);

		if (!isdigit((unsigned char)*name) || *end != '.' || number > UINT8_MAX)
			return false;
		bytes[3 - i] = (uint8_t)number;
		name = end + 1;
	}
	*addr = cothon_addr_ipv4(bytes);
	return strcasecmp(name, "in-addr.arpa") == 0;
}

static bool reverse_ipv6(const char *name, struct cothon_addr *addr)
{
	static const char digits[] = "0123456789abcdef";

	*addr = (struct cothon_addr){0};
	for (unsigned i = 0; i < 32; i++) {
		const char *digit = *name ? strchr(digits, tolower((unsigned char)*name)) : NULL;

		if (!digit || name[1] != '.')
			return false;
		addr->b[15 - i / 2] |= (uint8_t)((digit - digits) << i % 2 * 4);
		name += 2;
	}
	return strcasecmp(name, "ip6.arpa") == 0;
}

bool relay_dns_reverse(const char *name, struct cothon_addr *addr)
{
	return reverse_ipv4(name, addr) || reverse_ipv6(name, addr);
}

/*
 * Lengths of labels are below the letters, so the whole name may be compared without regard to
 * case.
 */
static bool same_question(const uint8_t *a, const uint8_t *b, size_t len)
{
	size_t name_len = len - TYPE_AND_CLASS;

	for (size_t i = 0; i < name_len; i++) {
		if (tolower(a[i]) != tolower(b[i]))
			return false;
	}
	return memcmp(a + name_len, b + name_len, TYPE_AND_CLASS) == 0;
}

bool relay_dns_answers(const uint8_t *query, size_t query_len, const uint8_t *answer,
		       size_t answer_len)
{
	size_t len = question_len(query, query_len);

	if (answer_len < RELAY_DNS_HEADER || !(answer[2] & FLAG_RESPONSE) ||
	    relay_dns_id(answer) != relay_dns_id(query))
		return false;
	if (cothon_get16(answer + QUESTION_COUNT_AT) == 0)
		return relay_dns_rcode(answer) != 0;
	return question_len(answer, answer_len) == len &&
	       same_question(query + RELAY_DNS_HEADER, answer + RELAY_DNS_HEADER, len);
}

size_t relay_dns_make_failure(uint8_t *query, size_t len, unsigned rcode)
{
	size_t question = question_len(query, len);

	query[2] = (uint8_t)(FLAG_RESPONSE | (query[2] & (OPCODE_MASK | FLAG_RECURSION_DESIRED)));
	query[3] = (uint8_t)(FLAG_RECURSION_AVAILABLE | (rcode & 0xf));
	memset(query + QUESTION_COUNT_AT, 0, RELAY_DNS_HEADER - QUESTION_COUNT_AT);
	query[QUESTION_COUNT_AT + 1] = question ? 1 : 0;
	return RELAY_DNS_HEADER + question;
}
