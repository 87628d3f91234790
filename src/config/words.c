/* SPDX-License-Identifier: MIT */
#include "config/words.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct splitter {
	const char *from; /* what is still to be read */
	char *to;         /* where the next character of a word goes */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Whether a shell would see more in an unquoted character; some only at the beginning of a word. */
static bool is_special(char c, bool first)
{
	return strchr("|&;<>()$`*?", c) || (first && (c == '#' || c == '~'));
}

static int take_single_quoted(struct splitter *splitter)
{
	const char *end = strchr(splitter->from + 1, '\'');
	size_t len;

	if (!end)
		return -EINVAL;
	len = (size_t)(end - splitter->from - 1);
	memcpy(splitter->to, splitter->from + 1, len);
	splitter->to += len;
	splitter->from = end + 1;
	return 0;
}

static int take_double_quoted(struct splitter *splitter)
{
	const char *from = splitter->from + 1;

	for (; *from != '"'; from++) {
		if (*from == '$' || *from == '`') {
			splitter->from = from;
			return -EBADMSG;
		}
		if (*from == '\\' && (from[1] == '"' || from[1] == '\\'))
			from++;
		if (!*from)
			return -EINVAL;
		*splitter->to++ = *from;
	}
	splitter->from = from + 1;
	return 0;
}

/* Takes the word that begins here. On an error `from` is where it is. */
static int take_word(struct splitter *splitter)
{
	const char *begin = splitter->from;
	int result = 0;

	while (result == 0 && *splitter->from && !is_blank(*splitter->from)) {
		char c = *splitter->from;

		if (c == '\'') {
			result = take_single_quoted(splitter);
		} else if (c == '"') {
			result = take_double_quoted(splitter);
		} else if (is_special(c, splitter->from == begin)) {
			result = -EBADMSG;
		} else if (c == '\\' && !splitter->from[1]) {
			result = -EINVAL;
		} else {
			splitter->from += c == '\\';
			*splitter->to++ = *splitter->from++;
		}
	}
	*splitter->to++ = '\0';
	return result;
}

int config_words_split(const char *text, char ***words, size_t *at)
{
	/* A word takes a character at least, and one of what parts it from the next. */
	size_t len = strlen(text), most = len / 2 + 2, count = 0;
	char **list = calloc(1, most * sizeof(*list) + len + 2);
	struct splitter splitter = {text, (char *)(list + most)};
	int result = 0;

	if (!list)
		return -ENOMEM;
	for (;;) {
		while (is_blank(*splitter.from))
			splitter.from++;
		if (!*splitter.from || result)
			break;
		list[count++] = splitter.to;
		result = take_word(&splitter);
	}
	if (result == 0) {
		*words = list;
		return 0;
	}
	*at = (size_t)(splitter.from - text);
	free(list);
	return result;
}
