/* SPDX-License-Identifier: MIT */
#include "control/log.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char path[] = "/tmp/cothon-log-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 || close(fd) < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

/* Reads line `number` of the file, counted from 0; NULL: there is none. The caller's. */
static json_t *read_line(unsigned number)
{
	FILE *file = fopen(path, "r");
	char line[16384];
	json_t *json = NULL;

	assert_non_null(file);
	for (unsigned i = 0; fgets(line, sizeof(line), file); i++) {
		if (i == number)
			json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	}
	fclose(file);
	return json;
}

static void assert_text(const json_t *json, const char *name, const char *wanted)
{
	assert_string_equal(json_string_value(json_object_get(json, name)), wanted);
}

static void open_log(struct control_log *log, enum control_log_level level)
{
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(control_log_open(log, path, level), 0);
	assert_int_equal(log->form, CONTROL_LOG_JSON);
	control_log_name(log, "web");
}

static void lines_are_json_whatever_is_in_them(void **state)
{
	struct control_log_line line = {
		.level = CONTROL_LOG_WARNING,
		.at = UINT64_C(1700000000123456),
		.message = "a \"quoted\"\nline\xff",
	};
	struct control_log log;
	json_t *json;

	(void)state;
	open_log(&log, 0);
	for (unsigned i = 0; i < CONTROL_LOG_FIELDS + 5; i++)
		control_log_add(&line, i ? "more" : "event", "some\x01");
	assert_int_equal(line.count, CONTROL_LOG_FIELDS);
	control_log_write(&log, &line);
	json = read_line(0);
	assert_non_null(json);
	assert_text(json, "time", "2023-11-14T22:13:20.123456Z");
	assert_text(json, "level", "warning");
	assert_text(json, "sandbox", "web");
	assert_text(json, "message", "a \"quoted\"\nline\xef\xbf\xbd");
	assert_text(json, "event", "some\x01");
	json_decref(json);
	control_log_close(&log);
	control_log_close(&log);
}

static void levels_hold(void **state)
{
	struct control_log log;

	(void)state;
	assert_int_equal(control_log_level("error"), CONTROL_LOG_ERROR);
	assert_int_equal(control_log_level("debug"), CONTROL_LOG_DEBUG);
	assert_int_equal(control_log_level("loud"), -EINVAL);
	open_log(&log, CONTROL_LOG_WARNING);
	control_log_say(&log, CONTROL_LOG_INFO, "not told");
	control_log_say(&log, CONTROL_LOG_ERROR, "told %d", 1);
	control_log_say(NULL, CONTROL_LOG_ERROR, "nowhere");
	json_t *json = read_line(0);

	assert_text(json, "message", "told 1");
	json_decref(json);
	assert_null(read_line(1));
	control_log_close(&log);
	assert_int_equal(control_log_open(&log, NULL, 0), 0);
	assert_false(control_log_wants(&log, CONTROL_LOG_ERROR));
	control_log_say(&log, CONTROL_LOG_ERROR, "nowhere");
	assert_int_equal(control_log_open(&log, "/none/such", 0), -ENOENT);
}

/* What is beyond the bound is told in one line, and nothing is lost without a word. */
static void what_is_held_back_is_told(void **state)
{
	struct control_log log;
	unsigned lines = 0;
	uint64_t told = 0;
	json_t *json;

	(void)state;
	open_log(&log, 0);
	log.limit = 3;
	for (unsigned i = 0; i < 1000; i++)
		control_log_say(&log, CONTROL_LOG_WARNING, "line %u", i);
	assert_true(log.all_held_back > 0);
	control_log_flush(&log, true);
	assert_int_equal(log.held_back, 0);
	/* However many seconds it took. */
	while ((json = read_line(lines))) {
		const char *count = json_string_value(json_object_get(json, "lines"));

		told += count ? strtoull(count, NULL, 10) : 1;
		lines++;
		json_decref(json);
	}
	assert_int_equal(told, 1000);
	control_log_close(&log);
}

/* Adds up the lines that a pipe has, and those that one of them tells of. */
static uint64_t count_lines(int fd)
{
	char bytes[128 << 10];
	uint64_t count = 0;
	size_t len = 0;
	ssize_t more;

	while ((more = read(fd, bytes + len, sizeof(bytes) - 1 - len)) > 0)
		len += (size_t)more;
	bytes[len] = '\0';
	for (char *line = strtok(bytes, "\n"); line; line = strtok(NULL, "\n")) {
		json_t *json = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		const char *told = json_string_value(json_object_get(json, "lines"));

		assert_non_null(json);
		count += told ? strtoull(told, NULL, 10) : 1;
		json_decref(json);
	}
	return count;
}

/* Whoever reads a pipe and does not, keeps nobody waiting. */
static void a_pipe_that_is_full_is_not_waited_for(void **state)
{
	char place[64];
	struct control_log log;
	uint64_t told;
	int ends[2];

	(void)state;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fcntl(ends[0], F_SETFL, O_NONBLOCK) >= 0);
	snprintf(place, sizeof(place), "/proc/self/fd/%d", ends[1]);
	assert_int_equal(control_log_open(&log, place, 0), 0);
	log.limit = UINT_MAX;
	/* Ends the test where it waits. */
	alarm(10);
	for (unsigned i = 0; i < 2000; i++)
		control_log_say(&log, CONTROL_LOG_WARNING, "line %u", i);
	assert_true(control_log_flush(&log, true));
	alarm(0);
	assert_true(log.all_held_back > 0);
	told = count_lines(ends[0]);
	assert_false(control_log_flush(&log, true));
	assert_int_equal(told + count_lines(ends[0]), 2000);
	control_log_close(&log);
	close(ends[0]);
	close(ends[1]);
}

/* What a pipe might take in pieces is told of by its number. */
static void a_line_too_long_is_held_back(void **state)
{
	char long_text[1001];
	struct control_log log;
	json_t *json;

	(void)state;
	memset(long_text, 1, sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	open_log(&log, 0);
	control_log_say(&log, CONTROL_LOG_WARNING, "%s", long_text);
	control_log_flush(&log, true);
	json = read_line(0);
	assert_text(json, "lines", "1");
	json_decref(json);
	control_log_close(&log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_json_whatever_is_in_them),
		cmocka_unit_test(levels_hold),
		cmocka_unit_test(what_is_held_back_is_told),
		cmocka_unit_test(a_pipe_that_is_full_is_not_waited_for),
		cmocka_unit_test(a_line_too_long_is_held_back),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
