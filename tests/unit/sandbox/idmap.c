/* SPDX-License-Identifier: MIT */
#include "sandbox/idmap.h"

#include "../host/fresh.h"
#include "host/namespace.h"

#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void test_identity(void **state)
{
	/* A namespace's own map, as /proc shows it, and the map for its child. */
	static const char *const maps[][2] = {
		{"         0          0 4294967295\n", "0 0 4294967295\n"},
		{"         0       1000          1\n", "0 0 1\n"},
		{"      1000       1000          1\n", "1000 1000 1\n"},
		/* The kernel takes a line only if one line of the parent's holds all of it. */
		{"         0       1000          1\n         1     100000      65536\n",
		 "0 0 1\n1 1 65536\n"},
		{"0 1 2\n4294967294 9 1", "0 0 2\n4294967294 4294967294 1\n"},
	};
	static const char *const wrong[] = {
		"",        "\n", "0", "0 0", "0 0\n", "0 0 1\n2\n", "a b c\n", "0 0 4294967296\n",
		"0 0 x\n",
	};
	struct sandbox_idmap map;

	(void)state;
	for (size_t i = 0; i < sizeof(maps) / sizeof(*maps); i++) {
		assert_int_equal(sandbox_idmap_identity(maps[i][0], &map), 0);
		assert_string_equal(map.text, maps[i][1]);
	}
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
		assert_int_equal(sandbox_idmap_identity(wrong[i], &map), -EINVAL);
}

static void test_identity_is_bounded(void **state)
{
	/* The most extents there may be, of the longest numbers. */
	char *own = calloc(HOST_IDMAP_EXTENTS, 40);
	struct sandbox_idmap map;
	size_t len = 0;

	(void)state;
	assert_non_null(own);
	for (unsigned i = 0; i < HOST_IDMAP_EXTENTS; i++)
		len += (size_t)sprintf(own + len, "%10u %10u %10u\n", 4000000000U + i, i, 1U);
	assert_int_equal(sandbox_idmap_identity(own, &map), 0);
	len = strlen(map.text);
	assert_true(len < SANDBOX_IDMAP_TEXT && len > SANDBOX_IDMAP_TEXT - 30);
	/* Whole lines only. */
	assert_int_equal(map.text[len - 1], '\n');
	assert_memory_equal(map.text, "4000000000 4000000000 1\n4000000001 ", 35);
	free(own);
}

static void test_single_and_range(void **state)
{
	struct sandbox_idmap map;
	uint32_t first = 9, last = 9;

	(void)state;
	sandbox_idmap_single(0, 12345, &map);
	assert_string_equal(map.text, "0 12345 1\n");
	assert_int_equal(sandbox_idmap_range(&map, 0, &first, &last), 0);
	assert_int_equal(first, 0);
	assert_int_equal(last, 0);
	assert_int_equal(sandbox_idmap_range(&map, 1, &first, &last), -ENOENT);

	assert_int_equal(sandbox_idmap_identity("0 1000 1\n1 100000 65536\n", &map), 0);
	assert_int_equal(sandbox_idmap_range(&map, 1, &first, &last), 0);
	assert_int_equal(first, 1);
	assert_int_equal(last, 65536);
	assert_int_equal(sandbox_idmap_range(&map, 65536, &first, &last), 0);
	assert_int_equal(sandbox_idmap_range(&map, 65537, &first, &last), -ENOENT);

	assert_int_equal(sandbox_idmap_identity("0 0 4294967295\n", &map), 0);
	assert_int_equal(sandbox_idmap_range(&map, 4294967294, &first, &last), 0);
	assert_int_equal(last, 4294967294);
	assert_int_equal(sandbox_idmap_range(&map, 4294967295, &first, &last), -ENOENT);
}

/* The maps that a child of this process gets, chosen and written. */
static int write_maps(bool user, uid_t expected)
{
	struct sandbox_idmaps maps;
	int pidfd, status, gate[2], error;
	pid_t child;
	char byte;

	CHECK(sandbox_idmaps_choose(user, &maps) == 0);
	CHECK(pipe2(gate, O_CLOEXEC) == 0);
	child = host_namespace_fork(CLONE_NEWUSER, &pidfd);
	if (child == 0) {
		close(gate[1]);
		_exit(read(gate[0], &byte, 1) == 0 && geteuid() == expected && getegid() == expected
			      ? 0
			      : 1);
	}
	CHECK(child > 0);
	error = sandbox_idmaps_write(&maps, pidfd);
	close(gate[1]);
	CHECK(waitpid(child, &status, 0) == child);
	CHECK(error == 0 && status == 0);
	/* Now it has ended, and can be given nothing. */
	CHECK(sandbox_idmaps_write(&maps, pidfd) < 0);
	return 0;
}

static int write_as_root(void)
{
	int failed = write_maps(false, 0);

	return failed ? failed : write_maps(true, 0);
}

/* What this process may give: the whole map of a namespace that has one id is that one. */
static void test_write_as_root(void **state)
{
	(void)state;
	ASSERT_FRESH(0, write_as_root);
}

static int lose_privilege(void)
{
	struct sandbox_idmaps maps;

	CHECK(sandbox_idmaps_choose(false, &maps) == 0 && !maps.single);
	/*
	 * In a namespace without a map this process is user 65534, and has no right to its
	 * parent's.
	 */
	CHECK(unshare(CLONE_NEWUSER) == 0);
	CHECK(sandbox_idmaps_choose(false, &maps) == 0 && maps.single);
	CHECK(strcmp(maps.users.text, "0 65534 1\n") == 0);
	CHECK(maps.group_first == 0 && maps.group_last == 0);
	CHECK(sandbox_idmaps_choose(true, &maps) == 0);
	CHECK(strcmp(maps.users.text, "65534 65534 1\n") == 0);
	CHECK(maps.group_first == 65534 && maps.group_last == 65534);
	return 0;
}

static void test_choose(void **state)
{
	(void)state;
	ASSERT_FRESH(0, lose_privilege);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_identity),         cmocka_unit_test(test_identity_is_bounded),
		cmocka_unit_test(test_single_and_range), cmocka_unit_test(test_write_as_root),
		cmocka_unit_test(test_choose),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
