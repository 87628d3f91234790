/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
	OPTIONS_MAX = 32,
	/*
	 * What getopt_long(3) returns for the option at index 0 of the table; beyond all letters.
	 */
	FIRST = 256,
	/* Width of the help's left column. */
	COLUMN = 34,
};

/* The table in the form that getopt_long(3) reads. */
struct table {
	struct option options[OPTIONS_MAX + 2];
	char letters[2 + 2 * (OPTIONS_MAX + 1) + 1];
	size_t letters_len;
	const char *names[OPTIONS_MAX + 2];
	int count;
};

static void add(struct table *table, const struct cli_option *option)
{
	int i = table->count++;

	table->names[i] = option->name;
	table->options[i] = (struct option){
		.name = option->name,
		.has_arg = option->argument ? required_argument : no_argument,
		.val = FIRST + i,
	};
	if (!option->letter)
		return;
	table->letters[table->letters_len++] = option->letter;
	if (option->argument)
		table->letters[table->letters_len++] = ':';
}

static void make_table(const struct cli_syntax *syntax, struct table *table)
{
	static const struct cli_option help = {.name = "help", .letter = 'h'};

	memset(table, 0, sizeof(*table));
	/* Options end at the first operand, and errors are reported here. */
	table->letters[table->letters_len++] = '+';
	table->letters[table->letters_len++] = ':';
	for (const struct cli_option *option = syntax->options;
	     option->name && table->count < OPTIONS_MAX; option++)
		add(table, option);
	add(table, &help);
}

/* The place in the table of what getopt_long(3) has returned, or -1. */
static int place(const struct cli_syntax *syntax, const struct table *table, int found)
{
	if (found >= FIRST)
		return found - FIRST;
	if (found == 'h')
		return table->count - 1;
	for (int i = 0; i < table->count - 1; i++) {
		if (found && syntax->options[i].letter == found)
			return i;
	}
	return -1;
}

/* An option as it is written: "-p" when that is how it was given, else "--publish". */
struct spelling {
	char text[64];
};

static struct spelling spell(const struct table *table, int found, int at)
{
	struct spelling spelling;

	if (found < FIRST)
		snprintf(spelling.text, sizeof(spelling.text), "-%c", found);
	else
		snprintf(spelling.text, sizeof(spelling.text), "--%s", table->names[at]);
	return spelling;
}

static int unknown(const struct cli_syntax *syntax, const struct table *table, const char *typed,
		   struct cli_error *error)
{
	char name[64];
	const char *nearest;

	if (optopt)
		return cli_error(error, "unknown option -%c; `cothon %s --help` lists the options",
				 optopt, syntax->name);
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(typed + 2, "="), typed + 2);
	nearest = cli_nearest(name, table->names);
	if (nearest)
		return cli_error(error, "unknown option --%s; did you mean --%s?", name, nearest);
	return cli_error(error, "unknown option --%s; `cothon %s --help` lists the options", name,
			 syntax->name);
}

/* getopt_long(3) has found an error. */
static int refuse(const struct cli_syntax *syntax, const struct table *table, int kind,
		  const char *typed, struct cli_error *error)
{
	int at = place(syntax, table, optopt);

	if (at < 0)
		return unknown(syntax, table, typed, error);
	if (kind == ':')
		return cli_error(error, "%s needs an argument: %s", spell(table, optopt, at).text,
				 syntax->options[at].argument);
	return cli_error(error, "%s takes no argument", spell(table, optopt, at).text);
}

int cli_options_read(const struct cli_syntax *syntax, int argc, char **argv, void *target,
		     struct cli_error *error)
{
	struct table table;
	int found;

	make_table(syntax, &table);
	optind = 0; /* glibc begins anew */
	while ((found = getopt_long(argc, argv, table.letters, table.options, NULL)) != -1) {
		struct cli_error reason;
		int at;

		if (found == '?' || found == ':')
			return refuse(syntax, &table, found, argv[optind - 1], error);
		at = place(syntax, &table, found);
		if (at == table.count - 1)
			return 0;
		if (syntax->options[at].take(target, optarg, &reason) == 0)
			continue;
		return cli_error(error, "%s%s%s: %s", spell(&table, found, at).text,
				 optarg ? " " : "", optarg ? optarg : "", reason.text);
	}
	return optind;
}

/* A line of the left column and lines of the right one. */
static void print_columns(const char *left, const char *right)
{
	int width = printf("  %s", left);

	if (width >= COLUMN) {
		putchar('\n');
		width = 0;
	}
	for (;;) {
		int len = (int)strcspn(right, "\n");

		printf("%*s%.*s\n", COLUMN - width, "", len, right);
		if (!right[len])
			return;
		right += len + 1;
		width = 0;
	}
}

void cli_options_help(const struct cli_syntax *syntax)
{
	printf("%s\n\nusage: %s\n\n%s\n\n", syntax->examples, syntax->usage, syntax->summary);
	for (const struct cli_option *option = syntax->options; option->name; option++) {
		char left[128], letter[] = {'-', option->letter, ',', ' ', '\0'};

		snprintf(left, sizeof(left), "%s--%s%s%s", option->letter ? letter : "    ",
			 option->name, option->argument ? " " : "",
			 option->argument ? option->argument : "");
		print_columns(left, option->help);
	}
	print_columns("-h, --help", "this text");
}
