/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/words.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The words as "[a][b]". */
static const char *split(const char *text)
{
	static char joined[256];
	char **words;
	size_t at, len = 0;

	joined[0] = '\0';
	assert_int_equal(config_words_split(text, &words, &at), 0);
	for (size_t i = 0; words[i]; i++)
		len += (size_t)snprintf(joined + len, sizeof(joined) - len, "[%s]", words[i]);
	free(words);
	return joined;
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(split("nginx -g 'daemon off;'"), "[nginx][-g][daemon off;]");
	assert_string_equal(split("  a\tb\n c  "), "[a][b][c]");
	assert_string_equal(split("echo '' \"\""), "[echo][][]");
	assert_string_equal(split("a'b c'd\"e f\"g"), "[ab cde fg]");
	assert_string_equal(split("\"a \\\" \\\\ \\n\""), "[a \" \\ \\n]");
	assert_string_equal(split("a\\ b \\$HOME \\*"), "[a b][$HOME][*]");
	assert_string_equal(split("'$HOME' '*' '|'"), "[$HOME][*][|]");
	assert_string_equal(split("a#b c~d"), "[a#b][c~d]");
	assert_string_equal(split(""), "");
	assert_string_equal(split(" \n "), "");
}

static void expect_error(const char *text, int error, size_t place)
{
	char **words;
	size_t at = SIZE_MAX;

	assert_int_equal(config_words_split(text, &words, &at), error);
	assert_int_equal(at, place);
}

static void test_what_does_not_end(void **state)
{
	(void)state;
	expect_error("a 'b", -EINVAL, 2);
	expect_error("a \"b", -EINVAL, 2);
	expect_error("a \"b\\", -EINVAL, 2);
	expect_error("a b\\", -EINVAL, 3);
}

static void test_what_only_a_shell_knows(void **state)
{
	static const char *const texts[] = {
		"a > b", "a < b", "a | b", "a & b", "a ; b", "a $ b",
		"a ` b", "a * b", "a ? b", "a # b", "a ~ b", "a ( b",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		expect_error(texts[i], -EBADMSG, 2);
	expect_error("echo \"a $HOME\"", -EBADMSG, 8);
	expect_error("echo a;b", -EBADMSG, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_what_does_not_end),
		cmocka_unit_test(test_what_only_a_shell_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
