/* SPDX-License-Identifier: MIT */

/* Descriptors that come with a request, and what lives as long as its connection. */

#include "host/passing.h"
#include "stage.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static unsigned ends;

static void count_end(void *owner)
{
	assert_ptr_equal(owner, &ends);
	ends++;
}

/* Writes a letter into each descriptor that came, the next one into the next, and counts them. */
static void take_all(struct control_request *request)
{
	int fd, count = 0;

	while ((fd = control_take_descriptor(request)) >= 0) {
		char letter = (char)('a' + count++);

		assert_int_equal(write(fd, &letter, 1), 1);
		close(fd);
	}
	assert_int_equal(fd, -ENOENT);
	control_answer(request, HTTP_STATUS_OK, json_pack("{si}", "count", count));
}

static void take_none(struct control_request *request)
{
	control_answer(request, HTTP_STATUS_OK, json_object());
}

static void keep(struct control_request *request)
{
	int error = control_until_end(request, count_end, &ends);

	control_answer(request, HTTP_STATUS_OK, json_pack("{si}", "error", error));
}

static void text(struct control_request *request)
{
	control_answer_text(request, HTTP_STATUS_OK, "text/plain", "a\nb", 3);
}

static const struct control_route routes[] = {
	{HTTP_GET, "/all", take_all},
	{HTTP_GET, "/none", take_none},
	{HTTP_GET, "/keep", keep},
	{HTTP_GET, "/text", text},
	{0},
};

static void say_with(struct stage *stage, const char *request, const int *descriptors,
		     unsigned count)
{
	assert_int_equal(host_passing_send(stage->client, request, strlen(request), descriptors,
					   count),
			 strlen(request));
}

static bool two_answers(struct stage *stage)
{
	return stage_answers(stage) == 2;
}

static void they_are_taken_in_their_order(void **state)
{
	struct stage stage;
	int first[2], second[2];
	char got;

	(void)state;
	assert_int_equal(pipe(first), 0);
	assert_int_equal(pipe(second), 0);
	stage_open(&stage, routes, 0);
	stage_connect(&stage);
	say_with(&stage, "GET /all HTTP/1.1\r\nHost: x\r\n\r\n", (int[]){first[1], second[1]}, 2);
	stage_run(&stage, stage_has_answer);
	assert_non_null(strstr(stage.heard, "{\"count\":2}"));
	close(first[1]);
	close(second[1]);
	assert_int_equal(read(first[0], &got, 1), 1);
	assert_int_equal(got, 'a');
	assert_int_equal(read(second[0], &got, 1), 1);
	assert_int_equal(got, 'b');
	close(first[0]);
	close(second[0]);
	stage_close(&stage);
}

static void what_is_not_taken_is_closed_with_the_request(void **state)
{
	struct stage stage;
	int ends_of_pipe[2];
	char got;

	(void)state;
	assert_int_equal(pipe(ends_of_pipe), 0);
	stage_open(&stage, routes, 0);
	stage_connect(&stage);
	say_with(&stage, "GET /none HTTP/1.1\r\nHost: x\r\n\r\n", &ends_of_pipe[1], 1);
	stage_run(&stage, stage_has_answer);
	close(ends_of_pipe[1]);
	assert_int_equal(read(ends_of_pipe[0], &got, 1), 0);
	/* The next request does not find it. */
	say_with(&stage, "GET /all HTTP/1.1\r\nHost: x\r\n\r\n", NULL, 0);
	stage_run(&stage, two_answers);
	assert_non_null(strstr(stage.heard, "{\"count\":0}"));
	close(ends_of_pipe[0]);
	stage_close(&stage);
}

static void more_than_there_may_be_are_closed(void **state)
{
	struct stage stage;
	int ends_of_pipe[2], many[HOST_PASSING_MAX];
	char got[2 * HOST_PASSING_MAX];

	(void)state;
	assert_int_equal(pipe(ends_of_pipe), 0);
	for (unsigned i = 0; i < HOST_PASSING_MAX; i++)
		many[i] = ends_of_pipe[1];
	stage_open(&stage, routes, 0);
	stage_connect(&stage);
	say_with(&stage, "GET /all HT", many, HOST_PASSING_MAX);
	stage_settle(&stage);
	say_with(&stage, "TP/1.1\r\nHost: x\r\n\r\n", many, HOST_PASSING_MAX);
	stage_run(&stage, stage_has_answer);
	close(ends_of_pipe[1]);
	assert_int_equal(read(ends_of_pipe[0], got, sizeof(got)), HOST_PASSING_MAX);
	assert_int_equal(read(ends_of_pipe[0], got, sizeof(got)), 0);
	close(ends_of_pipe[0]);
	stage_close(&stage);
}

static bool it_has_ended(struct stage *stage)
{
	(void)stage;
	return ends > 0;
}

static void what_lives_with_the_connection_ends_with_it(void **state)
{
	struct stage stage;

	(void)state;
	ends = 0;
	stage_open(&stage, routes, 0);
	assert_int_equal(stage_ask(&stage, "GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	assert_non_null(strstr(stage.heard, "{\"error\":0}"));
	assert_int_equal(ends, 0);
	stage_hang_up(&stage);
	stage_run(&stage, it_has_ended);
	assert_int_equal(ends, 1);
	/* And once only, also where the server ends it. */
	assert_int_equal(stage_ask(&stage, "GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	stage_close(&stage);
	assert_int_equal(ends, 2);
}

static void a_connection_has_one_of_these(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, routes, 0);
	assert_int_equal(stage_ask(&stage, "GET /keep HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	say_with(&stage, "GET /keep HTTP/1.1\r\nHost: x\r\n\r\n", NULL, 0);
	stage_run(&stage, two_answers);
	assert_non_null(strstr(stage.heard, "{\"error\":-16}"));
	stage_close(&stage);
}

static void an_answer_may_be_of_another_type(void **state)
{
	struct stage stage;

	(void)state;
	stage_open(&stage, routes, 0);
	assert_int_equal(stage_ask(&stage, "GET /text HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	assert_non_null(strstr(stage.heard, "Content-Type: text/plain\r\nContent-Length: 3\r\n"));
	assert_non_null(strstr(stage.heard, "\r\n\r\na\nb"));
	stage_close(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(they_are_taken_in_their_order),
		cmocka_unit_test(what_is_not_taken_is_closed_with_the_request),
		cmocka_unit_test(more_than_there_may_be_are_closed),
		cmocka_unit_test(what_lives_with_the_connection_ends_with_it),
		cmocka_unit_test(a_connection_has_one_of_these),
		cmocka_unit_test(an_answer_may_be_of_another_type),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
