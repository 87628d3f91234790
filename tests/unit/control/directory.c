/* SPDX-License-Identifier: MIT */
#include "control/directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>

static char runtime[64], path[80];
static pid_t holder;

static int make_runtime(void **state)
{
	(void)state;
	snprintf(runtime, sizeof(runtime), "/tmp/cothon-test-XXXXXX");
	assert_non_null(mkdtemp(runtime));
	snprintf(path, sizeof(path), "%s/cothon", runtime);
	assert_int_equal(setenv("XDG_RUNTIME_DIR", runtime, 1), 0);
	holder = 0;
	return 0;
}

static int remove_runtime(void **state)
{
	(void)state;
	unlink(path);
	rmdir(path);
	return rmdir(runtime);
}

static void claim(struct control_claim *claim, const char *name, const char *command)
{
	assert_int_equal(control_claim(claim, name, command, &holder), 0);
}

static void assert_mode(const char *file, mode_t type, mode_t mode)
{
	struct stat status;

	assert_int_equal(lstat(file, &status), 0);
	assert_int_equal(status.st_mode, type | mode);
}

static void a_name_is_taken_and_given_up(void **state)
{
	mode_t mask = umask(0);
	struct sockaddr_un address;
	struct control_claim web;
	int fd;

	(void)state;
	claim(&web, "web", "true");
	umask(mask);
	assert_string_equal(web.name, "web");
	assert_mode(path, S_IFDIR, 0700);
	address = control_directory_address(&web.directory, "web");
	assert_mode(address.sun_path, S_IFSOCK, 0600);
	fd = control_directory_connect(&web.directory, "web");
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(control_directory_connect(&web.directory, "wab"), -ENOENT);
	control_claim_release(&web);
	assert_int_equal(access(address.sun_path, F_OK), -1);
}

static void names_follow_the_command(void **state)
{
	static const struct {
		const char *command, *name;
	} cases[] = {
		{"nginx", "nginx"},
		{"/usr/sbin/nginx", "nginx"},
		{"./a b/c d", "c-d"},
		{"--x", "x"},
		{".hidden", "hidden"},
		{"/", "sandbox"},
		{"\xc3\xa4\xc3\xa4", "sandbox"},
		{"caf\xc3\xa9", "caf--"},
		{"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct control_claim first, second;
		char expected[80];

		claim(&first, NULL, cases[i].command);
		assert_string_equal(first.name, cases[i].name);
		claim(&second, NULL, cases[i].command);
		snprintf(expected, sizeof(expected), "%.61s-2", cases[i].name);
		assert_string_equal(second.name, expected);
		assert_true(control_name_is_valid(second.name));
		control_claim_release(&first);
		control_claim_release(&second);
	}
}

static void the_least_free_number_is_taken(void **state)
{
	struct control_claim claims[4], again;

	(void)state;
	for (int i = 0; i < 4; i++)
		claim(&claims[i], NULL, "true");
	assert_string_equal(claims[3].name, "true-4");
	control_claim_release(&claims[1]);
	claim(&again, NULL, "true");
	assert_string_equal(again.name, "true-2");
	control_claim_release(&again);
	for (int i = 0; i < 4; i++) {
		if (i != 1)
			control_claim_release(&claims[i]);
	}
}

static void a_taken_name_is_refused(void **state)
{
	struct control_claim first, second;

	(void)state;
	claim(&first, "web", "true");
	assert_int_equal(control_claim(&second, "web", "true", &holder), -EEXIST);
	assert_int_equal(holder, getpid());
	control_claim_release(&first);
	claim(&second, "web", "true");
	control_claim_release(&second);
}

static void what_a_crash_leaves_is_replaced(void **state)
{
	struct control_claim first, second;

	(void)state;
	claim(&first, "web", "true");
	/* As the end of its process does. */
	close(first.listener);
	control_directory_close(&first.directory);
	claim(&second, "web", "true");
	assert_string_equal(second.name, "web");
	close(second.listener);
	control_directory_close(&second.directory);
	claim(&first, NULL, "web");
	assert_string_equal(first.name, "web");
	control_claim_release(&first);
}

static void what_another_has_made_meanwhile_stays(void **state)
{
	struct control_claim first, second;
	struct sockaddr_un address;

	(void)state;
	claim(&first, "web", "true");
	address = control_directory_address(&first.directory, "web");
	close(first.listener);
	control_directory_close(&first.directory);
	claim(&second, "web", "true");
	first.holder = getppid(); /* as if the name had been another process's */
	control_claim_remove(&first);
	assert_int_equal(access(address.sun_path, F_OK), 0);
	assert_int_equal(control_claim(&first, "web", "true", &holder), -EEXIST);
	control_claim_release(&second);
	assert_int_equal(access(address.sun_path, F_OK), -1);
	control_claim_remove(&second);
}

/* Takes the name when `gate` ends, says how that went, and keeps the name until `hold` ends. */
static _Noreturn void compete(int gate, int said, int hold)
{
	struct control_claim mine;
	char byte;
	int result;

	if (read(gate, &byte, 1) != 0)
		_exit(1);
	result = control_claim(&mine, "web", "true", &holder);
	byte = result == 0 ? 'w' : result == -EEXIST ? 'l' : '?';
	if (write(said, &byte, 1) != 1 || read(hold, &byte, 1) != 0)
		_exit(1);
	if (result == 0)
		control_claim_release(&mine);
	_exit(0);
}

/* The number of those that win the name, out of 20 that want it. */
static int race(void)
{
	enum {
		COUNT = 20
	};
	int gate[2], said[2], hold[2], winners = 0;
	pid_t children[COUNT];

	assert_int_equal(pipe(gate) | pipe(said) | pipe(hold), 0);
	for (int i = 0; i < COUNT; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0) {
			close(gate[1]);
			close(hold[1]);
			compete(gate[0], said[1], hold[0]);
		}
	}
	close(gate[1]);
	for (int i = 0; i < COUNT; i++) {
		char byte;

		assert_int_equal(read(said[0], &byte, 1), 1);
		assert_true(byte == 'w' || byte == 'l');
		winners += byte == 'w';
	}
	close(hold[1]);
	for (int i = 0; i < COUNT; i++) {
		int status;

		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	for (int i = 0; i < 2; i++)
		close(said[i]);
	close(gate[0]);
	close(hold[0]);
	return winners;
}

static void of_many_at_the_same_moment_one_wins(void **state)
{
	struct control_claim left;

	(void)state;
	assert_int_equal(race(), 1);
	/* And so it is where a crash has left a socket. */
	claim(&left, "web", "true");
	close(left.listener);
	control_directory_close(&left.directory);
	assert_int_equal(race(), 1);
}

static void another_directory_is_not_used(void **state)
{
	struct control_claim mine;
	char elsewhere[80];

	(void)state;
	/* Open to others. */
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(control_claim(&mine, "web", "true", &holder), -EPERM);
	assert_string_equal(mine.directory.path, path);
	rmdir(path);
	/* A link, even to one that would be right. */
	snprintf(elsewhere, sizeof(elsewhere), "%s/real", runtime);
	assert_int_equal(mkdir(elsewhere, 0700), 0);
	assert_int_equal(symlink(elsewhere, path), 0);
	assert_int_equal(control_claim(&mine, "web", "true", &holder), -EPERM);
	unlink(path);
	rmdir(elsewhere);
	/* Somebody else's. */
	if (geteuid() == 0) {
		assert_int_equal(mkdir(path, 0700), 0);
		assert_int_equal(chown(path, 12345, 12345), 0);
		assert_int_equal(control_claim(&mine, "web", "true", &holder), -EPERM);
		rmdir(path);
	}
	/* No directory. */
	assert_int_equal(close(creat(path, 0600)), 0);
	assert_int_equal(control_claim(&mine, "web", "true", &holder), -EPERM);
}

static void without_a_directory_there_is_none(void **state)
{
	struct control_directory directory;

	(void)state;
	assert_int_equal(control_directory_open(&directory, false), -ENOENT);
}

static bool count(void *context, const char *name)
{
	assert_true(control_name_is_valid(name));
	++*(int *)context;
	return true;
}

static void names_are_listed(void **state)
{
	struct control_claim first, second;
	char file[128];
	int names = 0;

	(void)state;
	claim(&first, "web", "true");
	claim(&second, NULL, "true");
	snprintf(file, sizeof(file), "%s/-x.sock", path);
	close(creat(file, 0600));
	assert_int_equal(control_directory_names(&first.directory, count, &names), 0);
	assert_int_equal(names, 2);
	unlink(file);
	control_claim_release(&first);
	control_claim_release(&second);
}

static void names_are_of_certain_letters(void **state)
{
	static const char *const right[] = {"a", "0", "a.b", "A_b-c.d", "web-2"};
	static const char *const wrong[] = {"",    ".",   "..",  "-a",       "_a",
					    "a/b", "a b", "a\n", "\xc3\xa4", "a:b"};
	char longest[CONTROL_NAME_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++)
		assert_true(control_name_is_valid(right[i]));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_false(control_name_is_valid(wrong[i]));
	memset(longest, 'a', sizeof(longest));
	longest[CONTROL_NAME_MAX + 1] = '\0';
	assert_false(control_name_is_valid(longest));
	longest[CONTROL_NAME_MAX] = '\0';
	assert_true(control_name_is_valid(longest));
}

static void a_long_directory_is_left_for_another(void **state)
{
	char deep[160];
	struct control_directory directory = {.fd = -1};
	int error;

	(void)state;
	snprintf(deep, sizeof(deep), "%s/an-uncommonly-long-name-of-a-runtime-directory", runtime);
	assert_int_equal(mkdir(deep, 0700), 0);
	setenv("XDG_RUNTIME_DIR", deep, 1);
	error = control_directory_open(&directory, false);
	if (error == 0)
		control_directory_close(&directory);
	assert_null(strstr(directory.path, "uncommonly"));
	rmdir(deep);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_runtime, remove_runtime)
	const struct CMUnitTest tests[] = {
		TEST(a_name_is_taken_and_given_up),
		TEST(names_follow_the_command),
		TEST(the_least_free_number_is_taken),
		TEST(a_taken_name_is_refused),
		TEST(what_a_crash_leaves_is_replaced),
		TEST(what_another_has_made_meanwhile_stays),
		TEST(of_many_at_the_same_moment_one_wins),
		TEST(another_directory_is_not_used),
		TEST(without_a_directory_there_is_none),
		TEST(names_are_listed),
		TEST(names_are_of_certain_letters),
		TEST(a_long_directory_is_left_for_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
