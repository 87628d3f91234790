/* SPDX-License-Identifier: MIT */
#ifndef EXAMPLES_DOCUMENTS_H
#define EXAMPLES_DOCUMENTS_H

/*
 * What the example servers serve: documents by name. Their bytes are a stream that a seed decides, so that no side
 * has to hold them and every client can tell whether each byte is right.
 */

#include <cothon/tcp.h>

struct document {
	const char *name;
	uint64_t size; /* bytes */
	uint64_t seed;
};

struct documents {
	const struct document *list;
	unsigned count;
};

/* The document of that name, or NULL. */
const struct document *documents_find(const struct documents *documents, const char *name);
/* Fills `data` with `len` bytes of the document, from `offset` on; they must lie in it. */
void document_read(const struct document *document, uint64_t offset, void *data, size_t len);
/* True if `data` is what document_read() would have filled in; false also for bytes beyond its end. */
bool document_matches(const struct document *document, uint64_t offset, const void *data,
		      size_t len);
/*
 * Writes as much of the document to a flow as that has room for, from *sent on, which goes forward. Returns true when
 * all of it is written.
 */
bool document_send(const struct document *document, uint64_t *sent, struct cothon_tcp *tcp);

#endif
