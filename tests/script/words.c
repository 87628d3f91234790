/* SPDX-License-Identifier: MIT */
#include "play.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *words_next(struct words *words)
{
	return words->at < words->count ? words->word[words->at++] : NULL;
}

char *words_take(struct play *play, struct words *words, const char *what)
{
	char *word = words_next(words);

	if (!word)
		play_fail(play, "%s is missing", what);
	return word;
}

bool words_if(struct words *words, const char *word)
{
	if (words->at >= words->count || strcmp(words->word[words->at], word) != 0)
		return false;
	words->at++;
	return true;
}

void words_end(struct play *play, const struct words *words)
{
	if (words->at < words->count)
		play_fail(play, "\"%s\" is not understood here", words->word[words->at]);
}

uint64_t words_parse_number(struct play *play, const char *text)
{
	char *end;
	uint64_t number = strtoull(text, &end, 0);

	if (end == text || text[0] == '-')
		play_fail(play, "\"%s\" is not a number", text);
	if (*end == 'k' || *end == 'm')
		number *= *end++ == 'k' ? 1000 : 1000000;
	if (*end)
		play_fail(play, "\"%s\" is not a number", text);
	return number;
}

uint64_t words_number(struct play *play, struct words *words)
{
	return words_parse_number(play, words_take(play, words, "a number"));
}

uint64_t words_seconds(struct play *play, const char *text)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0 && seconds < 1e9))
		play_fail(play, "\"%s\" is not a time in seconds", text);
	return (uint64_t)(seconds * PLAY_SECOND + 0.5);
}
