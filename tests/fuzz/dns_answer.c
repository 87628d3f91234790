/* SPDX-License-Identifier: MIT */

/*
 * What resolvers answer and what sandboxes ask: the first byte chooses. What is read of a message
 * must fit in what was read into, and an answer made of a question must be one to it.
 */

#include "fuzz.h"
#include "relay/answer.h"
#include "relay/question.h"
#include "relay/reply.h"
#include <cothon/rule.h>

static void read_answer(const uint8_t *message, size_t len)
{
	char normal[COTHON_NAME_MAX + 1];
	struct relay_answer answer;

	if (len < RELAY_DNS_HEADER || relay_answer_read(message, len, &answer))
		return;
	fuzz_check(answer.count <= RELAY_NAME_ADDRESSES);
	/* What is asked for next is a name. */
	if (answer.alias[0]) {
		fuzz_check(cothon_name_normalize(answer.alias, strlen(answer.alias), normal) == 0);
		fuzz_check(strcmp(normal, answer.alias) == 0);
	}
}

static void answer_question(const uint8_t *message, size_t len)
{
	struct relay_dns_question question;
	struct cothon_addr addr = {0};
	struct relay_answer answer;
	struct relay_reply reply;

	if (relay_dns_check_query(message, len) || relay_dns_read_question(message, len, &question))
		return;
	(void)relay_dns_reverse(question.name, &addr);
	relay_reply_begin(&reply, message, &question, 0);
	relay_reply_add_address(&reply, &addr);
	relay_reply_add_nothing(&reply);
	relay_reply_add_pointer(&reply, "name.example");
	relay_reply_end(&reply, &question, RELAY_REPLY_BLOCKED, "no rule allows it");
	fuzz_check(reply.len <= sizeof(reply.bytes));
	fuzz_check(relay_dns_answers(message, len, reply.bytes, reply.len));
	fuzz_check(relay_answer_read(reply.bytes, reply.len, &answer) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (len == 0)
		return 0;
	copy = fuzz_copy(data + 1, len - 1);
	if (data[0] & 1)
		read_answer(copy, len - 1);
	else
		answer_question(copy, len - 1);
	free(copy);
	return 0;
}
