/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* What was taken, in order: "colour=red sail ". */
struct taken {
	char text[256];
	size_t len;
};

static int take_colour(void *target, const char *value, struct cli_error *error)
{
	struct taken *taken = target;

	if (strcmp(value, "red") != 0 && strcmp(value, "-x") != 0)
		return cli_error(error, "no ship has that colour; write red");
	taken->len += (size_t)snprintf(taken->text + taken->len, sizeof(taken->text) - taken->len,
				       "colour=%s ", value);
	return 0;
}

static int take_sail(void *target, const char *value, struct cli_error *error)
{
	struct taken *taken = target;

	(void)error;
	assert_null(value);
	taken->len += (size_t)snprintf(taken->text + taken->len, sizeof(taken->text) - taken->len,
				       "sail ");
	return 0;
}

static const struct cli_option table[] = {
	{"colour", 'c', "COLOUR", "of the ship", take_colour},
	{"sail", 0, NULL, "set it", take_sail},
	{0},
};

static const struct cli_syntax syntax = {
	.name = "launch",
	.usage = "cothon launch",
	.examples = "  cothon launch",
	.summary = "Launches.",
	.options = table,
};

/* A command line of at most 7 words, in one text. */
static int read_line(const char *line, struct taken *taken, struct cli_error *error)
{
	static char copy[256];
	char *argv[9] = {NULL}, *rest = NULL;
	int argc = 0;

	snprintf(copy, sizeof(copy), "launch %s", line);
	for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		argv[argc++] = word;
	memset(taken, 0, sizeof(*taken));
	return cli_options_read(&syntax, argc, argv, taken, error);
}

static void test_good(void **state)
{
	static const struct {
		const char *line;
		int operand;
		const char *taken;
	} cases[] = {
		{"", 1, ""},
		{"ship", 1, ""},
		{"--sail ship", 2, "sail "},
		{"-c red ship", 3, "colour=red "},
		{"-cred --sail ship", 3, "colour=red sail "},
		{"--colour red --colour=red x y", 4, "colour=red colour=red "},
		/* Unambiguous beginnings serve, as with every getopt_long(3). */
		{"--col red x", 3, "colour=red "},
		/* Options end at the first operand, or at "--". */
		{"ship --sail -c", 1, ""},
		{"--sail -- --sail", 3, "sail "},
		{"-- -c", 2, ""},
		{"-c -x ship", 3, "colour=-x "},
		{"--help", 0, ""},
		{"-h", 0, ""},
		{"--sail --help ship", 0, "sail "},
		{"ship --help", 1, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cli_error error;
		struct taken taken;

		assert_int_equal(read_line(cases[i].line, &taken, &error), cases[i].operand);
		assert_string_equal(taken.text, cases[i].taken);
	}
}

static void test_bad(void **state)
{
	static const char *const cases[][2] = {
		{"--sial ship", "unknown option --sial; did you mean --sail?"},
		{"--color=red", "unknown option --color; did you mean --colour?"},
		{"--anchor", "unknown option --anchor; `cothon launch --help` lists the options"},
		{"-q", "unknown option -q; `cothon launch --help` lists the options"},
		{"-c", "-c needs an argument: COLOUR"},
		{"--colour", "--colour needs an argument: COLOUR"},
		{"--sail=high x", "--sail takes no argument"},
		{"-c blue x", "-c blue: no ship has that colour; write red"},
		{"--sail --colour=blue", "--colour blue: no ship has that colour; write red"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct cli_error error = {"nothing"};
		struct taken taken;

		assert_int_equal(read_line(cases[i][0], &taken, &error), -EINVAL);
		assert_string_equal(error.text, cases[i][1]);
	}
}

/* One name, wherever it stands among the options. */
static void test_name(void **state)
{
	char *lines[][5] = {{"launch", "--sail", "argo"},
			    {"launch", "argo", "--sail"},
			    {"launch", "--sail"},
			    {"launch", "argo", "--sail", "ark"},
			    {"launch", "argo", "--help"}};
	const char *name = NULL;
	struct cli_error error;
	struct taken taken = {0};

	(void)state;
	assert_true(cli_options_name(&syntax, 3, lines[0], &taken, &name, &error) > 0);
	assert_string_equal(name, "argo");
	name = NULL;
	assert_true(cli_options_name(&syntax, 3, lines[1], &taken, &name, &error) > 0);
	assert_string_equal(name, "argo");
	assert_string_equal(taken.text, "sail sail ");
	name = NULL;
	assert_true(cli_options_name(&syntax, 2, lines[2], &taken, &name, &error) > 0);
	assert_null(name);
	assert_int_equal(cli_options_name(&syntax, 4, lines[3], &taken, &name, &error), -EINVAL);
	assert_string_equal(error.text, "one name at a time, not `ark` too");
	assert_int_equal(cli_options_name(&syntax, 3, lines[4], &taken, &name, &error), 0);
}

static void test_nearest(void **state)
{
	static const char *const names[] = {"run", "services", "doctor", "help", NULL};
	static const char *const cases[][2] = {
		{"rum", "run"},          {"rn", "run"},        {"runn", "run"},
		{"service", "services"}, {"docter", "doctor"}, {"dcotor", "doctor"},
		{"hepl", "help"},
	};
	static const char *const far[] = {"", "x", "publish", "top", "rrrrrrr", "hlpe", "rnuu"};
	char longest[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(cli_nearest(cases[i][0], names), cases[i][1]);
	for (size_t i = 0; i < sizeof(far) / sizeof(*far); i++)
		assert_null(cli_nearest(far[i], names));
	memset(longest, 'r', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_null(cli_nearest(longest, names));
}

static void test_commands(void **state)
{
	(void)state;
	for (const struct cli_command *command = cli_commands; command->name; command++) {
		assert_ptr_equal(cli_command_find(command->name), command);
		assert_true(strlen(command->summary) > 0);
	}
	assert_null(cli_command_find("ru"));
	assert_null(cli_command_find(""));
}

static void see(const struct cli_syntax *seen, void *context)
{
	*(const struct cli_syntax **)context = seen;
}

static void test_view(void **state)
{
	const struct cli_syntax *seen = NULL;

	(void)state;
	cli_options_view(see, &seen);
	cli_options_help(&syntax);
	cli_options_view(NULL, NULL);
	assert_ptr_equal(seen, &syntax);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),     cmocka_unit_test(test_bad),
		cmocka_unit_test(test_name),     cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_commands), cmocka_unit_test(test_view),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
