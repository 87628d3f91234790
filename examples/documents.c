/* SPDX-License-Identifier: MIT */
#include "documents.h"

#include <string.h>

enum { WORD = sizeof(uint64_t) };

const struct document *documents_find(const struct documents *documents, const char *name)
{
	for (unsigned i = 0; i < documents->count; i++) {
		if (strcmp(documents->list[i].name, name) == 0)
			return &documents->list[i];
	}
	return NULL;
}

/* The bytes of a document are those of numbered words, each a mix of its number and the seed (SplitMix64). */
static uint64_t word(const struct document *document, uint64_t number)
{
	uint64_t x = document->seed + number * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

/* The bytes from `offset` on that lie in one word, `len` at most; returns how many there are. */
static size_t piece(const struct document *document, uint64_t offset, size_t len,
		    uint8_t bytes[static WORD])
{
	uint64_t whole = word(document, offset / WORD);
	size_t skip = offset % WORD, count = WORD - skip;

	memcpy(bytes, (const uint8_t *)&whole + skip, count);
	return count < len ? count : len;
}

void document_read(const struct document *document, uint64_t offset, void *data, size_t len)
{
	uint8_t *to = data, bytes[WORD];

	while (len > 0) {
		size_t count = piece(document, offset, len, bytes);

		memcpy(to, bytes, count);
		to += count;
		offset += count;
		len -= count;
	}
}

bool document_matches(const struct document *document, uint64_t offset, const void *data, size_t len)
{
	const uint8_t *from = data;
	uint8_t bytes[WORD];

	if (offset > document->size || len > document->size - offset)
		return false;
	while (len > 0) {
		size_t count = piece(document, offset, len, bytes);

		if (memcmp(from, bytes, count) != 0)
			return false;
		from += count;
		offset += count;
		len -= count;
	}
	return true;
}
