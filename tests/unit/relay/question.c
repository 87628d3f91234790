/* SPDX-License-Identifier: MIT */
#include "relay/question.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* ID 0x1234, recursion desired, one question: www.example. A IN. */
static const uint8_t plain[] = {
	0x12, 0x34, 0x01, 0x00, 0,   1,   0,   0,   0,   0, 0, 0, 3, 'w', 'w',
	'w',  7,    'e',  'x',  'a', 'm', 'p', 'l', 'e', 0, 0, 1, 0, 1,
};

/* A copy of exactly `len` bytes, so that the sanitizers see one byte too many. */
static uint8_t *copy(const uint8_t *message, size_t len)
{
	uint8_t *made = malloc(len ? len : 1);

	assert_non_null(made);
	if (len)
		memcpy(made, message, len);
	return made;
}

static int check(const uint8_t *message, size_t len)
{
	uint8_t *exact = copy(message, len);
	int error = relay_dns_check_query(exact, len);

	free(exact);
	return error;
}

static void a_query_is_one_question(void **state)
{
	uint8_t message[sizeof(plain) + 11];

	(void)state;
	assert_int_equal(check(plain, sizeof(plain)), 0);
	/* What follows the question (EDNS) is no concern here. */
	memcpy(message, plain, sizeof(plain));
	memset(message + sizeof(plain), 0xaa, 11);
	assert_int_equal(check(message, sizeof(message)), 0);
	/* The root's own name. */
	memcpy(message, plain, sizeof(plain));
	message[12] = 0;
	assert_int_equal(check(message, 17), 0);
}

static void a_query_cut_anywhere_is_refused(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(plain); len++)
		assert_int_equal(check(plain, len), len < RELAY_DNS_HEADER ? -EBADMSG : -EPROTO);
}

static void what_is_no_query_gets_no_answer_or_says_why(void **state)
{
	uint8_t message[sizeof(plain)];

	(void)state;
	memcpy(message, plain, sizeof(plain));
	message[2] |= 0x80;
	assert_int_equal(check(message, sizeof(plain)), -EBADMSG);
	for (unsigned opcode = 1; opcode < 16; opcode++) {
		message[2] = (uint8_t)(opcode << 3);
		assert_int_equal(check(message, sizeof(plain)), -EOPNOTSUPP);
	}
	for (unsigned count = 0; count < 4; count++) {
		memcpy(message, plain, sizeof(plain));
		message[5] = (uint8_t)count;
		assert_int_equal(check(message, sizeof(plain)), count == 1 ? 0 : -EPROTO);
	}
}

static void pointers_and_long_names_are_no_questions(void **state)
{
	uint8_t message[12 + 512] = {0, 0, 0, 0, 0, 1};
	size_t at = 12;

	(void)state;
	message[12] = 0xc0;
	message[13] = 12;
	assert_int_equal(check(message, 18), -EPROTO);
	message[12] = 64;
	assert_int_equal(check(message, sizeof(message)), -EPROTO);
	/* Three labels of 63 bytes and one of 61 make 255 bytes with the end. */
	for (int i = 0; i < 3; i++) {
		message[at] = 63;
		at += 64;
	}
	message[at] = 61;
	message[at + 62] = 0;
	assert_int_equal(check(message, at + 62 + 5), 0);
	message[at] = 62;
	message[at + 62] = 1;
	message[at + 63] = 0;
	assert_int_equal(check(message, at + 63 + 5), -EPROTO);
}

static bool answers(const uint8_t *message, size_t len)
{
	uint8_t *exact = copy(message, len);
	bool result = relay_dns_answers(plain, sizeof(plain), exact, len);

	free(exact);
	return result;
}

static void an_answer_has_the_id_and_the_question(void **state)
{
	uint8_t message[sizeof(plain)];

	(void)state;
	memcpy(message, plain, sizeof(plain));
	assert_false(answers(message, sizeof(plain)));
	message[2] |= 0x80;
	assert_true(answers(message, sizeof(plain)));
	for (size_t len = 0; len < sizeof(plain); len++)
		assert_false(answers(message, len));
	/* Every bit of ID and question counts, but for the case of letters. */
	for (size_t i = 0; i < sizeof(plain); i++) {
		if (i >= 2 && i < 12)
			continue;
		for (int bit = 0; bit < 8; bit++) {
			bool letter = plain[i] >= 'a' && plain[i] <= 'z';

			message[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(answers(message, sizeof(plain)), letter && bit == 5);
			message[i] ^= (uint8_t)(1 << bit);
		}
	}
}

static void a_failure_may_come_without_the_question(void **state)
{
	uint8_t message[RELAY_DNS_HEADER] = {0x12, 0x34, 0x81, 0x80};

	(void)state;
	assert_false(answers(message, sizeof(message)));
	message[3] |= RELAY_DNS_FORMERR;
	assert_true(answers(message, sizeof(message)));
	message[0] ^= 1;
	assert_false(answers(message, sizeof(message)));
}

static void a_failure_answers_its_query(void **state)
{
	uint8_t message[sizeof(plain) + 11];

	(void)state;
	memcpy(message, plain, sizeof(plain));
	memset(message + sizeof(plain), 0xaa, 11);
	message[11] = 1;
	assert_int_equal(relay_dns_make_failure(message, sizeof(message), RELAY_DNS_SERVFAIL),
			 sizeof(plain));
	assert_true(answers(message, sizeof(plain)));
	assert_int_equal(relay_dns_rcode(message), RELAY_DNS_SERVFAIL);
	/* Response, recursion desired and available; one question and nothing else. */
	assert_int_equal(message[2], 0x81);
	assert_int_equal(message[3] & 0xf0, 0x80);
	assert_memory_equal(message + 4, ((uint8_t[]){0, 1, 0, 0, 0, 0, 0, 0}), 8);

	/* A malformed question is not repeated. */
	memcpy(message, plain, sizeof(plain));
	assert_int_equal(relay_dns_make_failure(message, sizeof(plain) - 1, RELAY_DNS_FORMERR),
			 RELAY_DNS_HEADER);
	assert_int_equal(message[5], 0);
	assert_int_equal(relay_dns_id(message), 0x1234);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_query_is_one_question),
		cmocka_unit_test(a_query_cut_anywhere_is_refused),
		cmocka_unit_test(what_is_no_query_gets_no_answer_or_says_why),
		cmocka_unit_test(pointers_and_long_names_are_no_questions),
		cmocka_unit_test(an_answer_has_the_id_and_the_question),
		cmocka_unit_test(a_failure_may_come_without_the_question),
		cmocka_unit_test(a_failure_answers_its_query),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
