/* SPDX-License-Identifier: MIT */

/*
 * Plays packet scripts: script [-c CASE] FILE...
 *
 * Every case of every file is played for IPv4 and for IPv6, and reported as TAP. With -c only cases whose name
 * contains CASE. README.md describes the notation.
 */

#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct counts {
	unsigned played, failed;
};

static char *read_file(const char *name, size_t *len)
{
	FILE *file = fopen(name, "r");
	size_t size = 1 << 20;
	char *text = malloc(size);

	if (!file || !text) {
		perror(name);
		exit(2);
	}
	*len = fread(text, 1, size - 1, file);
	text[*len] = 0;
	if (ferror(file) || *len == size - 1) {
		fprintf(stderr, "%s: cannot be read\n", name);
		exit(2);
	}
	fclose(file);
	return text;
}

/* Every line of a message is a comment of TAP. */
static void explain(char *message)
{
	for (char *line = strtok(message, "\n"); line; line = strtok(NULL, "\n"))
		printf("# %s\n", line);
}

static void play_both(struct counts *counts, const char *file, unsigned line, const char *name,
		      const char *text, const char *end)
{
	struct play *play = malloc(sizeof(*play));
	const char *base = strrchr(file, '/');

	if (!play)
		abort();
	base = base ? base + 1 : file;
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		bool good = play_case(play, base, line, text, end, ipv6);

		printf("%sok %u - %s: %s (IPv%c)\n", good ? "" : "not ", ++counts->played, base,
		       name, ipv6 ? '6' : '4');
		if (!good) {
			counts->failed++;
			explain(play->message);
		}
	}
	free(play);
}

/* The next line that begins with "case ", at or behind `text`; NULL when there is none. */
static const char *next_case(const char *text)
{
	while (text && *text && strncmp(text, "case ", 5) != 0) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text && *text ? text : NULL;
}

static unsigned lines_between(const char *from, const char *to)
{
	unsigned lines = 0;

	for (; from < to; from++)
		lines += *from == '\n';
	return lines;
}

static void play_file(struct counts *counts, const char *file, const char *wanted)
{
	size_t len;
	char *whole = read_file(file, &len);
	const char *at = next_case(whole);

	if (!at) {
		printf("not ok %u - %s has no case\n", ++counts->played, file);
		counts->failed++;
	}
	while (at) {
		const char *body = strchr(at, '\n'), *next;
		char name[200];

		body = body ? body + 1 : whole + len;
		next = next_case(body);
		snprintf(name, sizeof(name), "%.*s", (int)(body - at - 6), at + 5);
		if (!wanted || strstr(name, wanted))
			play_both(counts, file, lines_between(whole, body) + 1, name, body,
				  next ? next : whole + len);
		at = next;
	}
	free(whole);
}

int main(int argc, char **argv)
{
	struct counts counts = {0};
	const char *wanted = NULL;
	int option;

	while ((option = getopt(argc, argv, "c:")) != -1) {
		if (option != 'c')
			return 2;
		wanted = optarg;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = optind; i < argc; i++)
		play_file(&counts, argv[i], wanted);
	printf("1..%u\n", counts.played);
	return counts.failed || !counts.played;
}
