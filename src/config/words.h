/* SPDX-License-Identifier: MIT */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

/* A command in one line, split into words as a shell would, but for all that makes a shell a language. */

#include <stddef.h>

/*
 * Splits a text at blanks. Words in '...' stay as they are; in "..." a backslash takes the meaning from
 * '"' and '\\', outside of quotes from any character. On success *words, which ends with NULL, is the
 * caller's in one piece. Returns 0; -EINVAL with *at the place of a quote that is not closed, or of a
 * backslash at the end; -EBADMSG with *at the place of one of | & ; < > ( ) $ ` * ? # ~ where a shell would see more than
 * a character in it; or -ENOMEM. A text of blanks has no word.
 */
int config_words_split(const char *text, char ***words, size_t *at);

#endif
