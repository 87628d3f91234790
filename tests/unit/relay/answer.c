/* SPDX-License-Identifier: MIT */
#include "relay/answer.h"

#include "base/bytes.h"
#include "relay/question.h"
#include "relay/reply.h"
#include <errno.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

struct message {
	uint8_t bytes[4096];
	size_t len;
};

static void put_name(struct message *message, const char *name)
{
	message->len += (size_t)dn_comp(name, message->bytes + message->len, 256, NULL, NULL);
}

static void put16(struct message *message, unsigned value)
{
	cothon_put16(message->bytes + message->len, (uint16_t)value);
	message->len += 2;
}

static struct message begin(const char *name, uint16_t type)
{
	struct message message = {.len = RELAY_DNS_HEADER};

	message.bytes[2] = 0x81;
	message.bytes[3] = 0x80;
	message.bytes[5] = 1;
	put_name(&message, name);
	put16(&message, type);
	put16(&message, RELAY_DNS_IN);
	return message;
}

/* Adds a record to the section whose counter is at `section`. */
static void put(struct message *message, unsigned section, const char *name, uint16_t type,
		uint32_t ttl, const void *data, size_t len)
{
	message->bytes[section + 1]++;
	put_name(message, name);
	put16(message, type);
	put16(message, RELAY_DNS_IN);
	put16(message, ttl >> 16);
	put16(message, ttl & 0xffff);
	put16(message, (unsigned)len);
	memcpy(message->bytes + message->len, data, len);
	message->len += len;
}

static void put_a(struct message *message, const char *name, uint32_t ttl, uint8_t last)
{
	const uint8_t data[4] = {192, 0, 2, last};

	put(message, 6, name, RELAY_DNS_A, ttl, data, 4);
}

static void put_alias(struct message *message, const char *name, const char *to, uint32_t ttl)
{
	uint8_t data[256];
	int len = dn_comp(to, data, sizeof(data), NULL, NULL);

	put(message, 6, name, RELAY_DNS_CNAME, ttl, data, (size_t)len);
}

static void put_soa(struct message *message, uint32_t ttl, uint8_t minimum)
{
	const uint8_t data[22] = {[21] = minimum};

	put(message, 8, "example", RELAY_DNS_SOA, ttl, data, sizeof(data));
}

static struct relay_answer read_message(const struct message *message)
{
	/* Of its own size, for what reads beyond it to be seen. */
	uint8_t *copy = malloc(message->len);
	struct relay_answer answer;

	memcpy(copy, message->bytes, message->len);
	assert_int_equal(relay_answer_read(copy, message->len, &answer), 0);
	free(copy);
	return answer;
}

static void assert_addr(const struct relay_answer *answer, unsigned i, const char *text)
{
	char got[COTHON_ADDR_TEXT];

	assert_true(i < answer->count);
	assert_string_equal(cothon_addr_format(&answer->addrs[i], got), text);
}

static void addresses_and_the_least_ttl(void **state)
{
	struct message message = begin("www.example", RELAY_DNS_A);
	struct relay_answer answer;

	(void)state;
	put_a(&message, "www.example", 300, 1);
	put_a(&message, "WWW.Example", 200, 2);
	put_a(&message, "other.example", 1, 3);
	answer = read_message(&message);
	assert_int_equal(answer.count, 2);
	assert_addr(&answer, 0, "192.0.2.1");
	assert_addr(&answer, 1, "192.0.2.2");
	assert_int_equal(answer.ttl, 200);
	assert_string_equal(answer.alias, "");
}

static void ipv6_addresses(void **state)
{
	const uint8_t data[16] = {0x20, 1, 0xd, 0xb8, [15] = 9};
	struct message message = begin("www.example", RELAY_DNS_AAAA);
	struct relay_answer answer;

	(void)state;
	put(&message, 6, "www.example", RELAY_DNS_AAAA, 60, data, 16);
	/* Of another length, and of another type. */
	put(&message, 6, "www.example", RELAY_DNS_AAAA, 60, data, 15);
	put_a(&message, "www.example", 60, 1);
	answer = read_message(&message);
	assert_int_equal(answer.count, 1);
	assert_addr(&answer, 0, "2001:db8::9");
}

static void aliases_are_followed_in_any_order(void **state)
{
	struct message message = begin("a.example", RELAY_DNS_A);
	struct relay_answer answer;

	(void)state;
	put_a(&message, "c.example", 50, 7);
	put_alias(&message, "b.example", "c.example", 40);
	put_alias(&message, "a.example", "b.example", 70);
	put_a(&message, "x.example", 1, 66);
	answer = read_message(&message);
	assert_int_equal(answer.count, 1);
	assert_addr(&answer, 0, "192.0.2.7");
	assert_int_equal(answer.ttl, 40);
}

static void an_alias_that_leads_on_is_to_be_asked_for(void **state)
{
	struct message message = begin("a.example", RELAY_DNS_A);
	struct relay_answer answer;

	(void)state;
	put_alias(&message, "a.example", "B.Elsewhere", 70);
	answer = read_message(&message);
	assert_int_equal(answer.count, 0);
	assert_string_equal(answer.alias, "b.elsewhere");
	/* Not when it is said that there is nothing. */
	put_soa(&message, 30, 5);
	answer = read_message(&message);
	assert_string_equal(answer.alias, "");
	assert_int_equal(answer.ttl, 5);
}

static void a_ring_of_aliases_ends(void **state)
{
	struct message message = begin("a.example", RELAY_DNS_A);
	struct relay_answer answer;

	(void)state;
	put_alias(&message, "a.example", "b.example", 70);
	put_alias(&message, "b.example", "a.example", 70);
	answer = read_message(&message);
	assert_int_equal(answer.count, 0);
	assert_string_equal(answer.alias, "");
}

static void what_is_not_there_is_remembered_as_the_soa_says(void **state)
{
	struct message message = begin("a.example", RELAY_DNS_A);
	struct relay_answer answer;

	(void)state;
	message.bytes[3] |= RELAY_DNS_NXDOMAIN;
	assert_int_equal(read_message(&message).ttl, 0);
	put_soa(&message, 3, 200);
	answer = read_message(&message);
	assert_int_equal(answer.rcode, RELAY_DNS_NXDOMAIN);
	assert_int_equal(answer.ttl, 3);
}

static void addresses_are_bounded_and_ttls_are_positive(void **state)
{
	struct message message = begin("a.example", RELAY_DNS_A);

	(void)state;
	for (uint8_t i = 0; i < 40; i++)
		put_a(&message, "a.example", i == 30 ? UINT32_MAX : 60, i);
	assert_int_equal(read_message(&message).count, RELAY_NAME_ADDRESSES);
	assert_int_equal(read_message(&message).ttl, 0);
}

static void what_is_cut_or_lies_is_malformed(void **state)
{
	struct message message = begin("a.example", RELAY_DNS_A);
	struct relay_answer answer;

	(void)state;
	put_alias(&message, "a.example", "b.example", 70);
	put_a(&message, "b.example", 60, 1);
	for (size_t len = RELAY_DNS_HEADER; len < message.len; len++) {
		uint8_t *cut = malloc(len);

		memcpy(cut, message.bytes, len);
		assert_int_equal(relay_answer_read(cut, len, &answer), -EBADMSG);
		free(cut);
	}
	/* More records than there are. */
	message.bytes[7]++;
	assert_int_equal(relay_answer_read(message.bytes, message.len, &answer), -EBADMSG);
}

/* Replies: what the gateway writes is what it would read. */

static struct message query(const char *name, uint16_t type, bool edns)
{
	struct message message = begin(name, type);

	message.bytes[2] = 1;
	message.bytes[3] = 0;
	if (edns) {
		const uint8_t opt[11] = {0, 0, RELAY_DNS_OPT, 0x10, 0};

		message.bytes[11] = 1;
		memcpy(message.bytes + message.len, opt, sizeof(opt));
		message.len += sizeof(opt);
	}
	return message;
}

static void a_reply_has_the_address(void **state)
{
	const uint8_t bytes[4] = {198, 18, 0, 1};
	struct cothon_addr addr = cothon_addr_ipv4(bytes);

	(void)state;
	for (unsigned edns = 0; edns < 2; edns++) {
		struct message asked = query("www.example", RELAY_DNS_A, edns);
		struct relay_dns_question question, back;
		struct relay_answer answer;
		struct relay_reply reply;

		assert_int_equal(relay_dns_read_question(asked.bytes, asked.len, &question), 0);
		assert_int_equal(question.edns, edns);
		relay_reply_begin(&reply, asked.bytes, &question, 0);
		relay_reply_add_address(&reply, &addr);
		relay_reply_end(&reply, &question, 0, NULL);
		assert_true(relay_dns_answers(asked.bytes, asked.len, reply.bytes, reply.len));
		assert_int_equal(relay_answer_read(reply.bytes, reply.len, &answer), 0);
		assert_addr(&answer, 0, "198.18.0.1");
		assert_int_equal(answer.ttl, RELAY_REPLY_TTL);
		assert_int_equal(relay_dns_read_question(reply.bytes, reply.len, &back), 0);
		assert_int_equal(back.edns, edns);
	}
}

static void a_refusal_has_its_reason(void **state)
{
	struct message asked = query("www.example", RELAY_DNS_A, true);
	struct relay_dns_question question;
	struct relay_answer answer;
	struct relay_reply reply;

	(void)state;
	assert_int_equal(relay_dns_read_question(asked.bytes, asked.len, &question), 0);
	relay_reply_begin(&reply, asked.bytes, &question, RELAY_DNS_NXDOMAIN);
	relay_reply_add_nothing(&reply);
	relay_reply_end(&reply, &question, RELAY_REPLY_BLOCKED, "because");
	assert_int_equal(relay_answer_read(reply.bytes, reply.len, &answer), 0);
	assert_int_equal(answer.rcode, RELAY_DNS_NXDOMAIN);
	assert_int_equal(answer.ttl, RELAY_REPLY_NEGATIVE_TTL);
	assert_memory_equal(reply.bytes + reply.len - 7, "because", 7);
	assert_int_equal(reply.bytes[reply.len - 8], RELAY_REPLY_BLOCKED);
}

static void the_longest_names_fit(void **state)
{
	char name[COTHON_NAME_MAX + 1];
	struct message asked;
	struct relay_dns_question question;
	struct relay_reply reply;

	(void)state;
	memset(name, 'a', sizeof(name));
	for (size_t i = 63; i < COTHON_NAME_MAX; i += 64)
		name[i] = '.';
	name[COTHON_NAME_MAX] = '\0';
	asked = query(name, RELAY_DNS_PTR, true);
	assert_int_equal(relay_dns_read_question(asked.bytes, asked.len, &question), 0);
	assert_string_equal(question.name, name);
	relay_reply_begin(&reply, asked.bytes, &question, 0);
	relay_reply_add_pointer(&reply, name);
	relay_reply_add_nothing(&reply);
	relay_reply_end(&reply, &question, RELAY_REPLY_BLOCKED, "no rule allows it");
	assert_true(reply.len < sizeof(reply.bytes));
}

static void reverse_names(void **state)
{
	const char *const none[] = {"1.0.18.198.in-addr.arp",
				    "0.18.198.in-addr.arpa",
				    "256.0.18.198.in-addr.arpa",
				    "-1.0.18.198.in-addr.arpa",
				    "1.0.18.198",
				    "",
				    "x.0.18.198.in-addr.arpa",
				    "1.2.3.4.5.in-addr.arpa"};
	struct cothon_addr addr;
	char text[COTHON_ADDR_TEXT];

	(void)state;
	assert_true(relay_dns_reverse("1.2.18.198.IN-ADDR.arpa", &addr));
	assert_string_equal(cothon_addr_format(&addr, text), "198.18.2.1");
	assert_true(relay_dns_reverse("f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.7.0.C.0.0."
				      "d.f.ip6.arpa",
				      &addr));
	assert_string_equal(cothon_addr_format(&addr, text), "fd00:c071::f");
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_false(relay_dns_reverse(none[i], &addr));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_and_the_least_ttl),
		cmocka_unit_test(ipv6_addresses),
		cmocka_unit_test(aliases_are_followed_in_any_order),
		cmocka_unit_test(an_alias_that_leads_on_is_to_be_asked_for),
		cmocka_unit_test(a_ring_of_aliases_ends),
		cmocka_unit_test(what_is_not_there_is_remembered_as_the_soa_says),
		cmocka_unit_test(addresses_are_bounded_and_ttls_are_positive),
		cmocka_unit_test(what_is_cut_or_lies_is_malformed),
		cmocka_unit_test(a_reply_has_the_address),
		cmocka_unit_test(a_refusal_has_its_reason),
		cmocka_unit_test(the_longest_names_fit),
		cmocka_unit_test(reverse_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
