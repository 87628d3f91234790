/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <linux/sockios.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* --- what is served --- */

static unsigned handled, cancelled_count;
static struct control_request *waiting;

static void get_word(struct control_request *request)
{
	handled++;
	control_answer(request, 200,
		       json_pack("{ss, ss}", "word", "hello", "query", request->query));
}

/* Answers with the body's own fields. */
static void post_echo(struct control_request *request)
{
	handled++;
	control_answer(request, 200, request->body ? json_incref(request->body) : json_object());
}

static void get_big(struct control_request *request)
{
	enum {
		SIZE = 4 << 20
	};
	char *text = malloc(SIZE);

	memset(text, 'x', SIZE);
	control_answer(request, 200, json_pack("{so}", "text", json_stringn(text, SIZE)));
	free(text);
}

static void cancelled(struct control_request *request, void *owner)
{
	assert_ptr_equal(request, waiting);
	assert_ptr_equal(owner, &waiting);
	waiting = NULL;
	cancelled_count++;
}

static void get_later(struct control_request *request)
{
	waiting = request;
	control_later(request, cancelled, &waiting);
}

static void get_nothing(struct control_request *request)
{
	control_answer(request, 200, NULL);
}

static const struct control_route routes[] = {
	{HTTP_GET, "/word", get_word},       {HTTP_POST, "/word", post_echo},
	{HTTP_GET, "/big", get_big},         {HTTP_GET, "/later", get_later},
	{HTTP_GET, "/nothing", get_nothing}, {0},
};

#define HEAD(line) line " HTTP/1.1\r\nHost: x\r\n"
#define GET(path)  HEAD("GET " path) "\r\n"

static struct stage stage;

static int open_stage(void **state)
{
	(void)state;
	handled = cancelled_count = 0;
	waiting = NULL;
	stage_open(&stage, routes, 0);
	return 0;
}

static int close_stage(void **state)
{
	(void)state;
	stage_close(&stage);
	return 0;
}

static void assert_heard(const char *text)
{
	if (!strstr(stage.heard, text))
		fail_msg("heard no \"%s\" in: %.500s", text, stage.heard);
}

/* --- what is right --- */

static void a_request_is_answered(void **state)
{
	(void)state;
	assert_int_equal(stage_ask(&stage, GET("/word?from=3")), 200);
	assert_heard("Content-Type: application/json\r\n");
	assert_heard("\r\n\r\n{\"word\":\"hello\",\"query\":\"from=3\"}\n");
	assert_false(stage.ended);
}

static void a_body_comes_with_its_length_or_in_chunks(void **state)
{
	(void)state;
	assert_int_equal(
		stage_ask(&stage, HEAD("POST /word") "Content-Length: 9\r\n\r\n{\"a\": [1]}"), 400);
	assert_int_equal(stage_ask(&stage,
				   HEAD("POST /word") "Content-Length: 10\r\n\r\n{\"a\": [1]}"),
			 200);
	assert_heard("\r\n\r\n{\"a\":[1]}\n");
	assert_int_equal(stage_ask(&stage, HEAD("POST /word") "Transfer-Encoding: chunked\r\n\r\n"
							      "3\r\n{\"a\r\n6;x=y\r\n\": [1]\r\n"
							      "1\r\n}\r\n0\r\nHost: z\r\n\r\n"),
			 200);
	assert_heard("\r\n\r\n{\"a\":[1]}\n");
}

static void a_request_may_come_byte_by_byte(void **state)
{
	static const char request[] = HEAD("POST /word") "Content-Length: 7\r\n\r\n{\"a\":1}";

	(void)state;
	stage_connect(&stage);
	for (size_t i = 0; i + 1 < sizeof(request); i++) {
		assert_int_equal(handled, 0);
		stage_say(&stage, request + i, 1);
		stage_settle(&stage);
	}
	stage_run(&stage, stage_has_answer);
	assert_heard("{\"a\":1}");
}

static bool has_fifty(struct stage *at)
{
	return stage_answers(at) == 50;
}

static void requests_of_a_connection_are_answered_in_turn(void **state)
{
	char text[64];

	(void)state;
	stage_connect(&stage);
	for (int i = 0; i < 50; i++) {
		char request[256];
		int len = snprintf(text, sizeof(text), "{\"n\":%d}", i);

		len = snprintf(request, sizeof(request),
			       HEAD("POST /word") "Content-Length: %d\r\n\r\n%s", len, text);
		stage_say(&stage, request, (size_t)len);
	}
	stage_run(&stage, has_fifty);
	for (int i = 0, at = 0; i < 50; i++) {
		const char *found;

		snprintf(text, sizeof(text), "{\"n\":%d}", i);
		found = strstr(stage.heard + at, text);
		assert_non_null(found);
		at = (int)(found - stage.heard);
	}
}

static void head_has_no_body(void **state)
{
	(void)state;
	stage_connect(&stage);
	stage_say(&stage, HEAD("HEAD /word") "\r\n", strlen(HEAD("HEAD /word") "\r\n"));
	stage_settle(&stage);
	assert_heard("HTTP/1.1 200 OK\r\n");
	assert_heard("Content-Length: 28\r\n");
	assert_string_equal(stage.heard + stage.heard_len - 4, "\r\n\r\n");
}

static void a_connection_ends_when_the_client_wants_it(void **state)
{
	(void)state;
	assert_int_equal(stage_ask(&stage, HEAD("GET /word") "Connection: close\r\n\r\n"), 200);
	assert_heard("Connection: close\r\n");
	stage_run(&stage, stage_has_ended);
	assert_int_equal(stage_ask(&stage, "GET /word HTTP/1.0\r\n\r\n"), 200);
	stage_run(&stage, stage_has_ended);
	/* A request, and no more: it is answered all the same. */
	stage_connect(&stage);
	stage_say(&stage, GET("/word"), strlen(GET("/word")));
	stage_finish(&stage);
	stage_run(&stage, stage_has_ended);
	assert_int_equal(stage_answers(&stage), 1);
}

static void whoever_waits_for_it_is_told_to_go_on(void **state)
{
	(void)state;
	stage_connect(&stage);
	stage_say(&stage, HEAD("POST /word") "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n",
		  strlen(HEAD("POST /word") "Expect: 100-Continue\r\nContent-Length: 2\r\n\r\n"));
	stage_run(&stage, stage_has_answer);
	assert_string_equal(stage.heard, "HTTP/1.1 100 Continue\r\n\r\n");
	stage_say(&stage, "{}", 2);
	stage_settle(&stage);
	assert_int_equal(stage_answers(&stage), 2);
	assert_heard("HTTP/1.1 200 OK");
}

static void an_answer_waits_for_a_slow_client(void **state)
{
	(void)state;
	assert_int_equal(stage_ask(&stage, GET("/big") GET("/word")), 200);
	while (stage_answers(&stage) < 2)
		stage_settle(&stage);
	assert_true(stage.heard_len > 4 << 20);
	assert_heard("hello");
}

/* --- what is wrong --- */

static void wrong_requests_are_refused(void **state)
{
	static const struct {
		const char *request;
		unsigned status;
		const char *text;
	} cases[] = {
		{GET("/nowhere"), 404, "there are: /word, /big, /later, /nothing"},
		{HEAD("DELETE /word") "\r\n", 501, "GET, HEAD, POST"},
		{HEAD("POST /big") "\r\n", 405, "\r\nAllow: GET\r\n"},
		{HEAD("PATCH /word") "\r\n", 501, "no resource has the method PATCH"},
		{HEAD("FETCH /word") "\r\n", 501, "\"error\""},
		{HEAD("OPTIONS *") "\r\n", 501, "OPTIONS"},
		{"GET /word HTTP/1.1\r\n\r\n", 400, "one Host field"},
		{HEAD("GET /word") "Host: y\r\n\r\n", 400, "one Host field"},
		{"GET /word HTTP/2.0\r\nHost: x\r\n\r\n", 505, "\"error\""},
		{"GET /word\r\n\r\n", 505, "\"error\""},
		{HEAD("POST /word") "Transfer-Encoding: gzip\r\n\r\n", 501, "\"error\""},
		{HEAD("POST /word") "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400,
		 "\"error\""},
		{HEAD("POST /word") "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", 400, "\"error\""},
		{HEAD("POST /word") "Content-Length: 1048577\r\n\r\n", 413, "at most 1 MiB"},
		{HEAD("POST /word") "Content-Length: 99999999999999999999999\r\n\r\n", 400,
		 "\"error\""},
		{HEAD("POST /word") "Content-Length: -1\r\n\r\n", 400, "\"error\""},
		{HEAD("POST /word") "Expect: tea\r\n\r\n", 417, "\"error\""},
		{HEAD("GET /word") "Bad\x01Name: x\r\n\r\n", 400, "\"error\""},
		{"\x16\x03\x01\x02\x00\x01", 501, "\"error\""},
		{GET("/nothing"), 500, "no memory"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		unsigned status = stage_ask(&stage, cases[i].request);

		if (status != cases[i].status)
			fail_msg("%s: %u", cases[i].request, status);
		assert_heard(cases[i].text);
	}
	assert_int_equal(handled, 0);
}

static void a_body_that_is_no_object_is_refused(void **state)
{
	static const struct {
		const char *body, *text;
	} cases[] = {
		{"{", "line 1, column 1"},
		{"[1]", "no object"},
		{"17", "not JSON"},
		{"{\"a\":1,\"a\":2}", "duplicate"},
		{"{\"a\":1} x", "not JSON"},
		{"{\n\"a\": \"\xff\"}", "line 2"},
		{"{\"a\":\"\\u0000\"}", "not JSON"},
		{"{\"a\":NaN}", "not JSON"},
		{"{\"a\":1e999}", "not JSON"},
		{"{\"a\":99999999999999999999}", "not JSON"},
	};
	char request[256];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		snprintf(request, sizeof(request),
			 HEAD("POST /word") "Content-Length: %zu\r\n\r\n%s", strlen(cases[i].body),
			 cases[i].body);
		assert_int_equal(stage_ask(&stage, request), 400);
		assert_heard(cases[i].text);
		assert_heard("\"hint\":");
		/* The connection is in order; the next request of it is served. */
		assert_false(stage.ended);
	}
	assert_int_equal(handled, 0);
}

static void nesting_is_bounded(void **state)
{
	enum {
		DEPTH = 100000
	};
	char *request = malloc(DEPTH + 256);
	size_t len =
		(size_t)sprintf(request, HEAD("POST /word") "Content-Length: %d\r\n\r\n", DEPTH);

	(void)state;
	memset(request + len, '[', DEPTH);
	request[len + DEPTH] = '\0';
	assert_int_equal(stage_ask(&stage, request), 400);
	assert_heard("not JSON");
	free(request);
}

static void a_request_cut_off_anywhere_is_not_handled(void **state)
{
	static const char request[] =
		HEAD("POST /word") "Content-Length: 7\r\nX: y\r\n\r\n{\"a\":1}";

	(void)state;
	for (size_t len = 0; len + 1 < sizeof(request); len++) {
		stage_connect(&stage);
		stage_say(&stage, request, len);
		stage_finish(&stage);
		stage_run(&stage, stage_has_ended);
		assert_int_equal(handled, 0);
		assert_int_equal(stage.heard_len, 0);
	}
}

/* `before`, then `count` letters, then `after`. */
static unsigned ask_long(const char *before, size_t count, const char *after)
{
	char *request = malloc(strlen(before) + count + strlen(after) + 1);
	size_t len = strlen(before);
	unsigned status;

	snprintf(request, len + 1, "%s", before);
	memset(request + len, 'a', count);
	memcpy(request + len + count, after, strlen(after) + 1);
	status = stage_ask(&stage, request);
	free(request);
	return status;
}

static void heads_and_bodies_are_bounded(void **state)
{
	static const char head[] = HEAD("GET /word") "X: ";
	size_t rest = CONTROL_HEAD_MAX - strlen(head) - 4;

	(void)state;
	assert_int_equal(ask_long(head, rest, "\r\n\r\n"), 200);
	assert_int_equal(ask_long(head, rest + 1, "\r\n\r\n"), 431);
	assert_heard("at most 8 KiB");
	assert_int_equal(ask_long(head, 10 << 20, "\r\n\r\n"), 431);
	assert_int_equal(ask_long("GET /", CONTROL_TARGET_MAX - 1, " HTTP/1.1\r\nHost: x\r\n\r\n"),
			 404);
	assert_int_equal(ask_long("GET /", CONTROL_TARGET_MAX, " HTTP/1.1\r\nHost: x\r\n\r\n"),
			 414);
	assert_int_equal(ask_long(HEAD("POST /word") "Content-Length: 1048576\r\n\r\n{\"a\":\"",
				  CONTROL_BODY_MAX - 8, "\"}"),
			 200);
	/* In chunks the bound is found out only when it is reached. */
	assert_int_equal(ask_long(HEAD("POST /word") "Transfer-Encoding: chunked\r\n\r\n200000\r\n",
				  0x200000, "\r\n0\r\n\r\n"),
			 413);
	/* Neither are trailers a way around it. */
	assert_int_equal(ask_long(HEAD("POST /word") "Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
				  3 << 20, "\r\n\r\n"),
			 431);
	/* Empty lines before a request count as its head. */
	stage_connect(&stage);
	for (int i = 0; i < 5000; i++)
		stage_say(&stage, "\r\n", 2);
	stage_run(&stage, stage_has_answer);
	assert_heard("HTTP/1.1 431");
}

static void a_client_reads_why_although_it_goes_on_sending(void **state)
{
	char block[4096];

	(void)state;
	memset(block, 'a', sizeof(block));
	stage_connect(&stage);
	stage_say(&stage, HEAD("POST /word") "Content-Length: 2000000\r\n\r\n",
		  strlen(HEAD("POST /word") "Content-Length: 2000000\r\n\r\n"));
	for (int i = 0; i < 480; i++)
		stage_say(&stage, block, sizeof(block));
	stage_run(&stage, stage_has_ended);
	assert_heard("HTTP/1.1 413");
}

static void others_are_served_while_one_is_slow(void **state)
{
	struct stage *at = &stage;
	int slow;

	(void)state;
	stage_connect(at);
	stage_say(at, "GET /wo", 7);
	slow = at->client;
	at->client = -1;
	assert_int_equal(stage_ask(at, GET("/word")), 200);
	stage_hang_up(at);
	at->client = slow;
	at->heard_len = 0;
	stage_say(at, "rd HTTP/1.1\r\nHost: x\r\n\r\n", 24);
	stage_run(at, stage_has_answer);
}

static unsigned handled_before, handled_at_once;

static bool has_fifty_by_the_round(struct stage *at)
{
	if (handled - handled_before > handled_at_once)
		handled_at_once = handled - handled_before;
	handled_before = handled;
	return has_fifty(at);
}

/* Nobody keeps the loop to himself, however much he asks. */
static void a_round_has_one_request_of_a_client(void **state)
{
	(void)state;
	handled_before = handled_at_once = 0;
	stage_connect(&stage);
	for (int i = 0; i < 50; i++)
		stage_say(&stage, GET("/word"), strlen(GET("/word")));
	stage_run(&stage, has_fifty_by_the_round);
	assert_int_equal(handled_at_once, 1);
}

static unsigned rounds_of_flood;

static bool flood_is_over(struct stage *at)
{
	int left;

	assert_int_equal(ioctl(at->client, SIOCOUTQ, &left), 0);
	rounds_of_flood += left > 0;
	return left == 0;
}

/* Nor however much he says when he has been answered for the last time. */
static void what_comes_after_the_last_answer_is_thrown_away_bit_by_bit(void **state)
{
	static const char last[] = HEAD("GET /word") "Connection: close\r\n\r\n";
	char block[4096];

	(void)state;
	rounds_of_flood = 0;
	memset(block, 'a', sizeof(block));
	stage_connect(&stage);
	stage_say(&stage, last, strlen(last));
	stage_run(&stage, stage_has_answer);
	while (send(stage.client, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		continue;
	stage_run(&stage, flood_is_over);
	assert_true(rounds_of_flood > 1);
}

static void a_connection_too_many_is_closed(void **state)
{
	int clients[CONTROL_CONNECTIONS];

	(void)state;
	for (int i = 0; i < CONTROL_CONNECTIONS; i++) {
		stage_connect(&stage);
		clients[i] = stage.client;
		stage.client = -1;
	}
	stage_connect(&stage);
	stage_run(&stage, stage_has_ended);
	assert_int_equal(stage.heard_len, 0);
	/* When one has gone there is room again. */
	for (int i = 0; i < CONTROL_CONNECTIONS; i++) {
		stage.client = clients[i];
		stage_hang_up(&stage);
	}
	assert_int_equal(stage_ask(&stage, GET("/word")), 200);
}

/* --- later --- */

static void an_answer_may_come_later(void **state)
{
	(void)state;
	stage_connect(&stage);
	stage_say(&stage, GET("/later") GET("/word"), strlen(GET("/later") GET("/word")));
	stage_settle(&stage);
	assert_non_null(waiting);
	/* What is behind it waits. */
	assert_int_equal(handled, 0);
	assert_int_equal(stage.heard_len, 0);
	control_answer(waiting, 200, json_pack("{ss}", "word", "at last"));
	stage_settle(&stage);
	assert_int_equal(stage_answers(&stage), 2);
	assert_heard("at last");
	assert_heard("hello");
	assert_int_equal(cancelled_count, 0);
}

static bool is_cancelled(struct stage *at)
{
	(void)at;
	return cancelled_count > 0;
}

static void a_client_that_has_gone_is_not_answered(void **state)
{
	(void)state;
	stage_connect(&stage);
	stage_say(&stage, GET("/later"), strlen(GET("/later")));
	stage_settle(&stage);
	stage_hang_up(&stage);
	stage_run(&stage, is_cancelled);
	assert_null(waiting);
}

static void a_client_that_has_finished_is_answered(void **state)
{
	(void)state;
	stage_connect(&stage);
	stage_say(&stage, GET("/later"), strlen(GET("/later")));
	stage_finish(&stage);
	stage_settle(&stage);
	control_answer(waiting, 200, json_object());
	stage_run(&stage, stage_has_ended);
	assert_int_equal(stage_answers(&stage), 1);
}

static void the_servers_end_cancels(void **state)
{
	(void)state;
	stage_connect(&stage);
	stage_say(&stage, GET("/later"), strlen(GET("/later")));
	stage_settle(&stage);
	control_server_destroy(stage.server);
	stage.server = NULL;
	assert_int_equal(cancelled_count, 1);
}

/* --- time --- */

static void waiting_has_an_end(void **state)
{
	struct stage impatient;

	(void)state;
	stage_open(&impatient, routes, 30000);
	/* Nothing at all: left without a word. */
	stage_connect(&impatient);
	stage_run(&impatient, stage_has_ended);
	assert_int_equal(impatient.heard_len, 0);
	/* A part of a request, however often another byte comes. */
	stage_connect(&impatient);
	for (int i = 0; i < 500 && !stage_has_answer(&impatient); i++) {
		stage_say(&impatient, i ? "a" : "GET /", i ? 1 : 5);
		stage_settle(&impatient);
	}
	assert_non_null(strstr(impatient.heard, "HTTP/1.1 408"));
	/* A handler that does not answer. */
	assert_int_equal(stage_ask(&impatient, GET("/later")), 504);
	assert_int_equal(cancelled_count, 1);
	/* A client that does not take its answer. */
	stage_connect(&impatient);
	stage_say(&impatient, GET("/big"), strlen(GET("/big")));
	{
		int reader = impatient.client;

		impatient.client = -1;
		for (int i = 0; i < 60; i++)
			stage_settle(&impatient);
		impatient.client = reader;
	}
	stage_run(&impatient, stage_has_ended);
	assert_true(impatient.heard_len < 4 << 20);
	stage_close(&impatient);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)
	const struct CMUnitTest tests[] = {
		TEST(a_request_is_answered),
		TEST(a_body_comes_with_its_length_or_in_chunks),
		TEST(a_request_may_come_byte_by_byte),
		TEST(requests_of_a_connection_are_answered_in_turn),
		TEST(head_has_no_body),
		TEST(a_connection_ends_when_the_client_wants_it),
		TEST(whoever_waits_for_it_is_told_to_go_on),
		TEST(an_answer_waits_for_a_slow_client),
		TEST(wrong_requests_are_refused),
		TEST(a_body_that_is_no_object_is_refused),
		TEST(nesting_is_bounded),
		TEST(a_request_cut_off_anywhere_is_not_handled),
		TEST(heads_and_bodies_are_bounded),
		TEST(a_client_reads_why_although_it_goes_on_sending),
		TEST(others_are_served_while_one_is_slow),
		TEST(a_round_has_one_request_of_a_client),
		TEST(what_comes_after_the_last_answer_is_thrown_away_bit_by_bit),
		TEST(a_connection_too_many_is_closed),
		TEST(an_answer_may_come_later),
		TEST(a_client_that_has_gone_is_not_answered),
		TEST(a_client_that_has_finished_is_answered),
		TEST(the_servers_end_cancels),
		TEST(waiting_has_an_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
