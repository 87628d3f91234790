/* SPDX-License-Identifier: MIT */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

/* What the targets share. */

#include "base/bytes.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A target: libFuzzer calls it with inputs of its own, the replay driver with those of the tree. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process where a condition does not hold; libFuzzer then keeps the input. */
#define fuzz_check(condition)                                                           \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                        \
		}                                                                       \
	} while (0)

/* A copy in memory of just its size, so that what reads beyond it is found; to be freed. */
static inline uint8_t *fuzz_copy(const void *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	fuzz_check(copy);
	if (size)
		memcpy(copy, data, size);
	return copy;
}

/* The same as a text: ended by NUL, and at the first one inside. */
static inline char *fuzz_text(const void *data, size_t size)
{
	const void *end = size ? memchr(data, '\0', size) : NULL;
	size_t len = end ? (size_t)((const char *)end - (const char *)data) : size;
	char *text = malloc(len + 1);

	fuzz_check(text);
	if (len)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

#endif
