/* SPDX-License-Identifier: MIT */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum {
	OPTIONS_MAX = 64,
	/*
	 * What getopt_long(3) returns for the option at index 0 of the table; beyond all letters.
	 */
	FIRST = 256,
	/* The help: the width of a line, where an option's text begins at most, what is before it. */
	WIDTH = 79,
	COLUMN = 28,
	GAP = 2,
	/* Room for an option as the help shows it. */
	LEFT = 128,
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

int cli_options_name(const struct cli_syntax *syntax, int argc, char **argv, void *target,
		     const char **name, struct cli_error *error)
{
	int operand = cli_options_read(syntax, argc, argv, target, error);

	if (operand <= 0 || operand == argc)
		return operand;
	*name = argv[operand];
	argc -= operand;
	argv += operand;
	operand = cli_options_read(syntax, argc, argv, target, error);
	if (operand > 0 && operand < argc)
		return cli_error(error, "one name at a time, not `%s` too", argv[operand]);
	return operand;
}

/* --- the help --- */

/* Where the next character goes: the column in a line that has an indent. */
struct pen {
	int column, indent;
};

/* Puts a word behind those that are in the line, or into the next line where it has no room. */
static void put_word(struct pen *pen, const char *word, int len)
{
	if (pen->column > pen->indent && pen->column + 1 + len > WIDTH) {
		printf("\n%*s", pen->indent, "");
		pen->column = pen->indent;
	} else if (pen->column > pen->indent) {
		putchar(' ');
		pen->column++;
	}
	printf("%.*s", len, word);
	pen->column += len;
}

/* Puts the words of a text, up to its `end`, into lines with an indent that the first one has. */
static void put_words(int indent, const char *text, const char *end)
{
	struct pen pen = {.column = indent, .indent = indent};

	while (text < end) {
		int len = (int)strcspn(text, " \n");

		if (len > 0)
			put_word(&pen, text, len);
		text += len + 1;
	}
	putchar('\n');
}

/* Fills paragraphs anew. An empty line ends one; a line that begins with two spaces stays as it is. */
static void print_paragraphs(const char *text)
{
	const char *paragraph = NULL; /* one that is still to be printed */
	size_t len;

	for (;; text += len + 1) {
		bool as_it_is;

		len = strcspn(text, "\n");
		as_it_is = len == 0 || strncmp(text, "  ", 2) == 0;
		if (as_it_is && paragraph) {
			put_words(0, paragraph, text);
			paragraph = NULL;
		}
		if (as_it_is)
			printf("%.*s\n", (int)len, text);
		else if (!paragraph)
			paragraph = text;
		if (!text[len])
			break;
	}
	if (paragraph)
		put_words(0, paragraph, text + len);
}

/* An option as the help shows it: "-p, --publish SPEC". */
static void write_left(const struct cli_option *option, char left[static LEFT])
{
	const char letter[] = {'-', option->letter, ',', ' ', '\0'};

	snprintf(left, LEFT, "  %s--%s%s%s", option->letter ? letter : "    ", option->name,
		 option->argument ? " " : "", option->argument ? option->argument : "");
}

/* Prints an option; `column` is where its text begins, in a line of its own where need be. */
static void print_option(const struct cli_option *option, int column)
{
	char left[LEFT];
	int width;

	write_left(option, left);
	width = printf("%s", left);
	if (width + GAP > column)
		width = printf("\n") - 1;
	printf("%*s", column - width, "");
	put_words(column, option->help, option->help + strlen(option->help));
}

/* Where the options' texts begin: behind the longest option that leaves room for them. */
static int column_of(const struct cli_syntax *syntax)
{
	int column = 0;

	for (const struct cli_option *option = syntax->options; option->name; option++) {
		char left[LEFT];
		int width;

		write_left(option, left);
		width = (int)strlen(left) + GAP;
		if (width <= COLUMN && width > column)
			column = width;
	}
	return column ? column : COLUMN / 2;
}

static struct {
	cli_options_viewer *see;
	void *context;
} viewer;

void cli_options_view(cli_options_viewer *see, void *context)
{
	viewer.see = see;
	viewer.context = context;
}

void cli_options_help(const struct cli_syntax *syntax)
{
	const struct cli_option help = {.name = "help", .letter = 'h', .help = "this text"};
	static const char usage[] = "usage: ";
	int column = column_of(syntax);

	if (viewer.see) {
		viewer.see(syntax, viewer.context);
		return;
	}
	printf("%s\n\n%s", syntax->examples, usage);
	put_words((int)strlen(usage), syntax->usage, syntax->usage + strlen(syntax->usage));
	putchar('\n');
	print_paragraphs(syntax->summary);
	putchar('\n');
	for (const struct cli_option *option = syntax->options; option->name; option++)
		print_option(option, column);
	print_option(&help, column);
}
