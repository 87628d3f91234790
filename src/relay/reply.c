/* SPDX-License-Identifier: MIT */
#include "relay/reply.h"

#include "base/bytes.h"
#include <resolv.h>

enum {
	QUESTION_COUNT_AT = 4,
	ANSWER_COUNT_AT = 6,
	AUTHORITY_COUNT_AT = 8,
	ADDITIONAL_COUNT_AT = 10,
	/* The flags that are the query's: operation and recursion desired. */
	QUERY_FLAGS = 0x79,
	FLAG_RESPONSE = 0x80,
	FLAG_RECURSION_AVAILABLE = 0x80,

	/* A pointer to the question's name. */
	POINTER_TO_QUESTION = 0xc000 | RELAY_DNS_HEADER,
	/* What a requestor may send (RFC 6891 section 6.2.3), as the DNS flag day of 2020 has it. */
	UDP_PAYLOAD = 1232,
	OPTION_ERROR = 15, /* RFC 8914 section 2 */
};

static void put(struct relay_reply *reply, const void *bytes, size_t len)
{
	memcpy(reply->bytes + reply->len, bytes, len);
	reply->len += len;
}

static void put16(struct relay_reply *reply, unsigned value)
{
	cothon_put16(reply->bytes + reply->len, (uint16_t)value);
	reply->len += 2;
}

static void put32(struct relay_reply *reply, uint32_t value)
{
	cothon_put32(reply->bytes + reply->len, value);
	reply->len += 4;
}

static void count(struct relay_reply *reply, size_t at)
{
	reply->bytes[at + 1]++;
}

/* A record of the question's name, up to its data. */
static void put_record(struct relay_reply *reply, unsigned type, uint32_t ttl, size_t len)
{
	put16(reply, POINTER_TO_QUESTION);
	put16(reply, type);
	put16(reply, RELAY_DNS_IN);
	put32(reply, ttl);
	put16(reply, (unsigned)len);
}

void relay_reply_begin(struct relay_reply *reply, const uint8_t *query,
		       const struct relay_dns_question *question, unsigned rcode)
{
	reply->len = 0;
	put(reply, query, question->end);
	reply->bytes[2] = (uint8_t)(FLAG_RESPONSE | (query[2] & QUERY_FLAGS));
	reply->bytes[3] = (uint8_t)(FLAG_RECURSION_AVAILABLE | rcode);
	memset(reply->bytes + QUESTION_COUNT_AT, 0, RELAY_DNS_HEADER - QUESTION_COUNT_AT);
	count(reply, QUESTION_COUNT_AT);
}

void relay_reply_add_address(struct relay_reply *reply, const struct cothon_addr *addr)
{
	bool ipv4 = cothon_addr_is_ipv4(addr);
	size_t len = ipv4 ? 4 : 16;

	put_record(reply, ipv4 ? RELAY_DNS_A : RELAY_DNS_AAAA, RELAY_REPLY_TTL, len);
	put(reply, addr->b + 16 - len, len);
	count(reply, ANSWER_COUNT_AT);
}

void relay_reply_add_pointer(struct relay_reply *reply, const char *name)
{
	uint8_t packed[NS_MAXCDNAME];
	int len = dn_comp(name, packed, sizeof(packed), NULL, NULL);

	if (len < 0)
		return;
	put_record(reply, RELAY_DNS_PTR, RELAY_REPLY_TTL, (size_t)len);
	put(reply, packed, (size_t)len);
	count(reply, ANSWER_COUNT_AT);
}

void relay_reply_add_nothing(struct relay_reply *reply)
{
	/* Server and mailbox: the root. Serial, refresh, retry, expire: nobody copies this zone. */
	static const uint8_t soa[2 + 16] = {0};

	put_record(reply, RELAY_DNS_SOA, RELAY_REPLY_NEGATIVE_TTL, sizeof(soa) + 4);
	put(reply, soa, sizeof(soa));
	put32(reply, RELAY_REPLY_NEGATIVE_TTL);
	count(reply, AUTHORITY_COUNT_AT);
}

void relay_reply_end(struct relay_reply *reply, const struct relay_dns_question *question,
		     uint16_t code, const char *text)
{
	size_t len = text ? strlen(text) : 0;

	if (!question->edns)
		return;
	put(reply, "", 1);
	put16(reply, RELAY_DNS_OPT);
	put16(reply, UDP_PAYLOAD);
	put32(reply, 0);
	put16(reply, text ? (unsigned)(2 + 2 + 2 + len) : 0);
	if (text) {
		put16(reply, OPTION_ERROR);
		put16(reply, (unsigned)(2 + len));
		put16(reply, code);
		put(reply, text, len);
	}
	count(reply, ADDITIONAL_COUNT_AT);
}
