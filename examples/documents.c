/* SPDX-License-Identifier: MIT */
#include "documents.h"

#include <string.h>

enum {
	WORDS = 64, /* made at a time */
	PIECES = 8,
	PIECES_SIZE = 256 << 10,
};

const struct document *documents_find(const struct documents *documents, const char *name)
{
	for (unsigned i = 0; i < documents->count; i++) {
		if (strcmp(documents->list[i].name, name) == 0)
			return &documents->list[i];
	}
	return NULL;
}

/*
 * The bytes of a document are those of numbered words, each a mix of its number and the seed (SplitMix64). Makes the
 * words that begin with the one `offset` lies in; returns how many of the `len` bytes from there are among them.
 */
static size_t make(const struct document *document, uint64_t offset, size_t len,
		   uint64_t words[static WORDS])
{
	uint64_t first = offset / sizeof(*words);
	size_t count = WORDS * sizeof(*words) - offset % sizeof(*words);

	for (unsigned i = 0; i < WORDS; i++) {
		uint64_t x = document->seed + (first + i) * UINT64_C(0x9e3779b97f4a7c15);

		x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
		words[i] = x ^ x >> 31;
	}
	return count < len ? count : len;
}

void document_read(const struct document *document, uint64_t offset, void *data, size_t len)
{
	uint64_t words[WORDS];
	uint8_t *to = data;

	while (len > 0) {
		size_t count = make(document, offset, len, words);

		memcpy(to, (const uint8_t *)words + offset % sizeof(*words), count);
		to += count;
		offset += count;
		len -= count;
	}
}

bool document_matches(const struct document *document, uint64_t offset, const void *data,
		      size_t len)
{
	uint64_t words[WORDS];
	const uint8_t *from = data;

	if (offset > document->size || len > document->size - offset)
		return false;
	while (len > 0) {
		size_t count = make(document, offset, len, words);

		if (memcmp(from, (const uint8_t *)words + offset % sizeof(*words), count) != 0)
			return false;
		from += count;
		offset += count;
		len -= count;
	}
	return true;
}

bool document_send(const struct document *document, uint64_t *sent, struct cothon_tcp *tcp)
{
	while (*sent < document->size) {
		uint64_t left = document->size - *sent;
		struct iovec pieces[PIECES];
		unsigned count = cothon_tcp_reserve(tcp, left < PIECES_SIZE ? left : PIECES_SIZE,
						    pieces, PIECES);
		size_t made = 0;

		if (count == 0)
			return false;
		/* The bytes are made where the stack sends them from. */
		for (unsigned i = 0; i < count; i++) {
			document_read(document, *sent + made, pieces[i].iov_base,
				      pieces[i].iov_len);
			made += pieces[i].iov_len;
		}
		cothon_tcp_commit(tcp, made);
		*sent += made;
	}
	return true;
}
