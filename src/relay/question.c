/* SPDX-License-Identifier: MIT */
#include "relay/question.h"

#include "base/bytes.h"
#include <ctype.h>
#include <errno.h>

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
