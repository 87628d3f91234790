/* SPDX-License-Identifier: MIT */
#include "control/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum {
	WAIT = 50
};

static int ends[2];
static unsigned status;
static json_t *answer;

static int open_pair(void **state)
{
	(void)state;
	answer = NULL;
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends);
}

static int close_pair(void **state)
{
	(void)state;
	json_decref(answer);
	close(ends[0]);
	if (ends[1] >= 0)
		close(ends[1]);
	return 0;
}

/* What the other end says, before it is asked. */
static void say(const char *text)
{
	assert_int_equal(write(ends[1], text, strlen(text)), strlen(text));
}

static void end(void)
{
	close(ends[1]);
	ends[1] = -1;
}

static int ask(void)
{
	return control_client_ask(ends[0], HTTP_GET, "/v1/x", NULL, WAIT, &status, &answer);
}

static void a_request_is_made_and_its_answer_read(void **state)
{
	json_t *body = json_pack("{si}", "a", 1);
	char heard[512] = "";

	(void)state;
	say("HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{\"b\": 2}\n");
	assert_int_equal(control_client_ask(ends[0], HTTP_PUT, "/v1/x?y=1", body, WAIT, &status,
					    &answer),
			 0);
	json_decref(body);
	assert_int_equal(status, 201);
	assert_int_equal(json_integer_value(json_object_get(answer, "b")), 2);
	assert_true(read(ends[1], heard, sizeof(heard) - 1) > 0);
	assert_non_null(strstr(heard, "PUT /v1/x?y=1 HTTP/1.1\r\nHost: "));
	assert_non_null(strstr(heard, "Content-Length: 7\r\n"));
	assert_non_null(strstr(heard, "\r\n\r\n{\"a\":1}"));
}

static void several_requests_may_follow_one_another(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
		assert_int_equal(ask(), 0);
		json_decref(answer);
		answer = NULL;
	}
}

static void what_was_said_before_the_end_is_read(void **state)
{
	(void)state;
	say("HTTP/1.1 413 Payload Too Large\r\nContent-Length: 13\r\n\r\n{\"error\":\"x\"}");
	end();
	assert_int_equal(ask(), 0);
	assert_int_equal(status, 413);
}

static void an_end_before_the_answer_is_noticed(void **state)
{
	static const char whole[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

	for (size_t len = 0; len + 1 < sizeof(whole); len++) {
		assert_int_equal(write(ends[1], whole, len), len);
		end();
		assert_int_equal(ask(), -EPIPE);
		assert_null(answer);
		close_pair(state);
		assert_int_equal(open_pair(state), 0);
	}
}

static void silence_has_an_end(void **state)
{
	(void)state;
	assert_int_equal(ask(), -ETIMEDOUT);
	say("HTTP/1.1 200 OK\r\nContent-Len");
	assert_int_equal(ask(), -ETIMEDOUT);
}

static void what_is_no_answer_is_noticed(void **state)
{
	static const char *const cases[] = {
		"SSH-2.0-OpenSSH_9.2\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{a}",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
		"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		say(cases[i]);
		assert_int_equal(ask(), -EBADMSG);
		close_pair(state);
		assert_int_equal(open_pair(state), 0);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_pair, close_pair)
	const struct CMUnitTest tests[] = {
		TEST(a_request_is_made_and_its_answer_read),
		TEST(several_requests_may_follow_one_another),
		TEST(what_was_said_before_the_end_is_read),
		TEST(an_end_before_the_answer_is_noticed),
		TEST(silence_has_an_end),
		TEST(what_is_no_answer_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
