/* SPDX-License-Identifier: MIT */

/*
 * `cothon __complete WORD...`, which the shells' completions ask: what the last word, begun or empty, may
 * become. The words are those behind "cothon". Each line is a word, and behind a tab what it means; or
 * ":files", or ":command N" where a command begins at the N-th word: then the shell knows better.
 */

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/running.h"
#include <cothon/service.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	/* An operand's or an argument's name. */
	KIND = 32,
	/* What is said of a word, in characters at most. */
	MEANING = 60,
};

/* What is to be completed: the words behind the subcommand, of which the last is not finished. */
struct line {
	char **words;
	int count;
	/* What stands in front of a candidate: "--log=", or nothing. */
	const char *lead;
	int lead_len;
	const char *begun;
};

/* --- candidates --- */

/* Offers a word if it fits what is begun. Of its meaning, the beginning says enough. */
static void offer(const struct line *line, const char *word, const char *meaning)
{
	size_t len = strcspn(meaning, ";\n[");

	if (strncmp(word, line->begun, strlen(line->begun)) != 0)
		return;
	while (len > 0 && meaning[len - 1] == ' ')
		len--;
	printf("%.*s%s", line->lead_len, line->lead, word);
	if (len > 0)
		printf("\t%.*s", len > MEANING ? MEANING : (int)len, meaning);
	putchar('\n');
}

static void offer_sandboxes(const struct line *line)
{
	struct control_directory directory;
	char(*names)[CONTROL_NAME_MAX + 1] = NULL;
	struct cli_error error;
	int count;

	if (control_directory_open(&directory, false) < 0)
		return;
	count = cli_running_names(&directory, &names, &error);
	for (int i = 0; i < count; i++)
		offer(line, names[i], "a running sandbox");
	free(names);
	control_directory_close(&directory);
}

/* There are thousands: a first letter is asked for. Of several of a name the first speaks for all. */
static void offer_services(const struct line *line)
{
	size_t count;
	const struct cothon_service *all = cothon_service_all(&count);

	for (size_t i = 0; i < count && line->begun[0]; i++) {
		if (cothon_service_by_name(all[i].name, 0) == &all[i])
			offer(line, all[i].name, cothon_service_description(&all[i]));
	}
}

static void offer_subcommands(const struct line *line)
{
	for (const struct cli_command *command = cli_commands; command->name; command++)
		offer(line, command->name, command->summary);
}

/* What one of an operand's or an argument's names stands for. */
static void offer_one(const struct line *line, const char *name)
{
	if (islower((unsigned char)name[0]))
		offer(line, name, "");
	else if (strcmp(name, "NAME") == 0)
		offer_sandboxes(line);
	else if (strcmp(name, "SERVICE") == 0 || strcmp(name, "PORT") == 0)
		offer_services(line);
	else if (strcmp(name, "SUBCOMMAND") == 0)
		offer_subcommands(line);
	else if (strcmp(name, "FILE") == 0)
		puts(":files");
}

/* "add|rm|ls", "NAME|FILE": each of them. */
static void offer_kind(const struct line *line, const char *kind)
{
	while (*kind) {
		size_t len = strcspn(kind, "|");
		char name[KIND];

		snprintf(name, sizeof(name), "%.*s", (int)len, kind);
		/* A service's name serves as a port: "PORT|SERVICE" is one offer. */
		if (strcmp(name, "PORT") != 0 || !strstr(kind, "SERVICE"))
			offer_one(line, name);
		kind += len + (kind[len] == '|');
	}
}

static void offer_options(const struct line *line, const struct cli_syntax *syntax)
{
	for (const struct cli_option *option = syntax->options; option->name; option++) {
		char word[64];

		snprintf(word, sizeof(word), "--%s", option->name);
		offer(line, word, option->help);
		snprintf(word, sizeof(word), "-%c", option->letter);
		if (option->letter)
			offer(line, word, option->help);
	}
	offer(line, "--help", "what it does, with examples");
}

/* --- the usage --- */

/* Copies what of a usage's word are its names: "NAME|FILE" of "[NAME|FILE]...". */
static void name_kind(const char *word, size_t len, char kind[static KIND])
{
	size_t skip = strspn(word, "["), used = 0;

	for (size_t i = skip; i < len && used < KIND - 1; i++) {
		if (!isalpha((unsigned char)word[i]) && word[i] != '|')
			break;
		kind[used++] = word[i];
	}
	kind[used] = '\0';
}

/* The length of a usage's word: up to a space that is not in brackets. */
static size_t word_len(const char *word)
{
	int depth = 0;
	size_t len = 0;

	for (; word[len] && (depth > 0 || word[len] != ' '); len++)
		depth += (word[len] == '[') - (word[len] == ']');
	return len;
}

/*
 * Finds in a usage what the operand of that index is; "" when there is none. The first word is
 * "cothon", the second the subcommand.
 */
static void find_kind(const char *usage, int index, char kind[static KIND])
{
	bool repeats = false;
	int place = -2;

	kind[0] = '\0';
	for (; *usage; usage += strspn(usage, " ")) {
		size_t len = word_len(usage), skip = strspn(usage, "[");
		bool option = usage[skip] == '-' || strncmp(usage + skip, "OPTION", 6) == 0;

		if (!option && place >= 0) {
			name_kind(usage, len, kind);
			repeats = len > 3 && strncmp(usage + len - 3, "...", 3) == 0;
		}
		if (!option && place++ == index)
			return;
		usage += len;
	}
	if (!repeats)
		kind[0] = '\0';
}

/* --- the line --- */

static const struct cli_option *find_option(const struct cli_syntax *syntax, const char *word)
{
	for (const struct cli_option *option = syntax->options; option->name; option++) {
		size_t len = strlen(option->name);

		if (strncmp(word, "--", 2) == 0 && strncmp(word + 2, option->name, len) == 0 &&
		    (!word[2 + len] || word[2 + len] == '='))
			return option;
		if (option->letter && word[0] == '-' && word[1] == option->letter && !word[2])
			return option;
	}
	return NULL;
}

/* The argument of an option is what is begun. A name is one that is given, not that of a sandbox. */
static void offer_argument(const struct line *line, const struct cli_option *option)
{
	if (option->argument && strcmp(option->argument, "NAME") != 0)
		offer_kind(line, option->argument);
}

/* A word that begins with "-". */
static void complete_option(struct line *line, const struct cli_syntax *syntax)
{
	const char *equals = strchr(line->begun, '=');
	const struct cli_option *option = find_option(syntax, line->begun);

	if (!equals) {
		offer_options(line, syntax);
	} else if (option) {
		line->lead = line->begun;
		line->lead_len = (int)(equals + 1 - line->begun);
		line->begun = equals + 1;
		offer_argument(line, option);
	}
}

static void complete(const struct cli_syntax *syntax, void *context)
{
	struct line *line = context;
	const struct cli_option *pending = NULL; /* whose argument comes next */
	bool options = true;
	int operands = 0;
	char kind[KIND];

	for (int i = 0; i < line->count - 1; i++) {
		const char *word = line->words[i];

		find_kind(syntax->usage, operands, kind);
		if (pending) {
			pending = NULL;
		} else if (options && strcmp(word, "--") == 0) {
			options = false;
		} else if (options && word[0] == '-' && word[1]) {
			pending = find_option(syntax, word);
			if (pending && (!pending->argument || strchr(word, '=')))
				pending = NULL;
		} else if (strcmp(kind, "COMMAND") == 0) {
			printf(":command %d\n", i + 1);
			return;
		} else {
			operands++;
		}
	}
	find_kind(syntax->usage, operands, kind);
	if (pending)
		offer_argument(line, pending);
	else if (options && line->begun[0] == '-')
		complete_option(line, syntax);
	else if (strcmp(kind, "COMMAND") == 0)
		printf(":command %d\n", line->count);
	else
		offer_kind(line, kind);
}

int cli_complete(int argc, char **argv)
{
	static char option[] = "--help";
	const struct cli_command *command = argc > 2 ? cli_command_find(argv[1]) : NULL;
	struct line line = {.words = argv + 2, .count = argc - 2, .lead = ""};

	if (argc < 2)
		return CLI_FAILED;
	line.begun = argv[argc - 1];
	if (command) {
		char *arguments[] = {argv[1], option, NULL};

		cli_options_view(complete, &line);
		command->run(2, arguments);
		cli_options_view(NULL, NULL);
	} else if (argc == 2) {
		offer_subcommands(&line);
		offer(&line, "--help", "the subcommands");
		offer(&line, "--version", "which version this is");
	}
	return CLI_OK;
}
