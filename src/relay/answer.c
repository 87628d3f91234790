/* SPDX-License-Identifier: MIT */
#include "relay/answer.h"

#include "base/bytes.h"
#include "relay/question.h"
#include <errno.h>
#include <resolv.h>
#include <strings.h>

enum {
	/* Aliases that are followed; a chain that is longer is a ring. */
	ALIASES_MAX = 16,
	ANSWER_COUNT_AT = 6,
	AUTHORITY_COUNT_AT = 8,
	FLAG_TRUNCATED = 0x02,
	/* Of a record, behind its owner's name: type, class, TTL, length of the data. */
	RECORD_HEADER = 10,
	/* The five numbers at the end of a SOA's data; MINIMUM is the last. */
	SOA_NUMBERS = 20,
	SOA_MINIMUM_AT = 16,
};

struct record {
	char owner[NS_MAXDNAME];
	uint16_t type, class;
	uint32_t ttl;
	size_t data; /* where it begins */
	uint16_t len;
};

/* Reads the name at `at` as text; returns its bytes there, or a negative number. */
static int read_name(struct cothon_bytes message, size_t at, char text[static NS_MAXDNAME])
{
	return dn_expand(message.data, message.data + message.len, message.data + at, text,
			 NS_MAXDNAME);
}

/* Reads the record at *at and moves *at behind it. Returns 0 or -EBADMSG. */
static int next_record(struct cothon_bytes message, size_t *at, struct record *record)
{
	int name = *at < message.len ? read_name(message, *at, record->owner) : -1;
	const uint8_t *header;

	if (name < 0)
		return -EBADMSG;
	header = cothon_bytes_at(message, *at + (size_t)name, RECORD_HEADER);
	if (!header)
		return -EBADMSG;
	record->type = cothon_get16(header);
	record->class = cothon_get16(header + 2);
	record->ttl = cothon_get32(header + 4);
	/* RFC 2181 section 8: a TTL whose most significant bit is set is 0. */
	if (record->ttl > INT32_MAX)
		record->ttl = 0;
	record->len = cothon_get16(header + 8);
	record->data = *at + (size_t)name + RECORD_HEADER;
	*at = record->data + record->len;
	return cothon_bytes_at(message, record->data, record->len) ? 0 : -EBADMSG;
}

static void lower_ttl(struct relay_answer *answer, uint32_t ttl)
{
	if (ttl < answer->ttl)
		answer->ttl = ttl;
}

static void take_address(struct cothon_bytes message, const struct record *record,
			 struct relay_answer *answer)
{
	const uint8_t *data = message.data + record->data;
	struct cothon_addr addr;

	if (record->len == 4 && record->type == RELAY_DNS_A)
		addr = cothon_addr_ipv4(data);
	else if (record->len == 16 && record->type == RELAY_DNS_AAAA)
		addr = cothon_addr_ipv6(data);
	else
		return;
	if (answer->count < RELAY_NAME_ADDRESSES)
		answer->addrs[answer->count++] = addr;
	lower_ttl(answer, record->ttl);
}

/*
 * Looks for what the answer section says of `name`: addresses are taken; an alias is put in its
 * place and *aliased set. Returns 0 or -EBADMSG.
 */
static int look_for(struct cothon_bytes message, size_t at, uint16_t type,
		    char name[static NS_MAXDNAME], struct relay_answer *answer, bool *aliased)
{
	unsigned count = cothon_get16(message.data + ANSWER_COUNT_AT);
	struct record record;

	*aliased = false;
	for (unsigned i = 0; i < count; i++) {
		if (next_record(message, &at, &record))
			return -EBADMSG;
		if (record.class != RELAY_DNS_IN || strcasecmp(record.owner, name) != 0)
			continue;
		if (record.type == type) {
			take_address(message, &record, answer);
		} else if (record.type == RELAY_DNS_CNAME) {
			lower_ttl(answer, record.ttl);
			*aliased = true;
			return read_name(message, record.data, name) < 0 ? -EBADMSG : 0;
		}
	}
	return 0;
}

/* Whether the authority section has a SOA record: then what is not there is known not to exist. */
static bool read_negative(struct cothon_bytes message, size_t at, struct relay_answer *answer)
{
	unsigned answers = cothon_get16(message.data + ANSWER_COUNT_AT);
	unsigned count = answers + cothon_get16(message.data + AUTHORITY_COUNT_AT);
	struct record record;

	for (unsigned i = 0; i < count; i++) {
		if (next_record(message, &at, &record))
			return false;
		if (i < answers || record.type != RELAY_DNS_SOA || record.len < SOA_NUMBERS)
			continue;
		lower_ttl(answer, record.ttl);
		lower_ttl(answer, cothon_get32(message.data + record.data + record.len -
					       SOA_NUMBERS + SOA_MINIMUM_AT));
		return true;
	}
	return false;
}

int relay_answer_read(const uint8_t *data, size_t len, struct relay_answer *answer)
{
	struct cothon_bytes message = {data, len};
	struct relay_dns_question question;
	char name[NS_MAXDNAME];
	unsigned aliases = 0;
	bool aliased;

	*answer = (struct relay_answer){
		.rcode = relay_dns_rcode(data),
		.truncated = data[2] & FLAG_TRUNCATED,
		.ttl = UINT32_MAX,
	};
	if (relay_dns_read_question(data, len, &question)) {
		/* One that only says that something failed. */
		answer->ttl = 0;
		return answer->rcode ? 0 : -EBADMSG;
	}
	memcpy(name, question.name, sizeof(name));
	do {
		if (look_for(message, question.end, question.type, name, answer, &aliased))
			return -EBADMSG;
	} while (aliased && answer->count == 0 && ++aliases < ALIASES_MAX);
	if (answer->count > 0)
		return 0;
	if (!read_negative(message, question.end, answer)) {
		answer->ttl = 0;
		if (answer->rcode == 0 && aliases > 0 && aliases < ALIASES_MAX &&
		    cothon_name_normalize(name, strlen(name), answer->alias))
			answer->alias[0] = '\0';
	}
	return 0;
}
