/* SPDX-License-Identifier: MIT */
#ifndef STACK_FRAGMENT_H
#define STACK_FRAGMENT_H

/*
 * Reassembly of fragments (RFC 791, RFC 815, RFC 8200 section 4.5). Bytes held, datagrams and their age are
 * bounded. Fragments that overlap without being the same discard the whole datagram (RFC 5722), in both
 * families.
 */

#include "base/list.h"
#include "base/siphash.h"
#include "base/wheel.h"
#include "wire/ip.h"
#include <cothon/buf.h>

enum {
	COTHON_FRAGMENT_BUCKETS = 64,
	COTHON_FRAGMENT_DATAGRAMS = 1024, /* incomplete ones at a time */
	COTHON_FRAGMENT_PIECES = 128,     /* of one datagram: 64 KiB in pieces of 512 bytes */
	COTHON_FRAGMENT_SECONDS = 60,     /* RFC 8200 section 4.5 */
};

struct cothon_fragments {
	struct cothon_memory memory;
	struct cothon_pool *pool;
	struct cothon_siphash_key key;
	struct cothon_list buckets[COTHON_FRAGMENT_BUCKETS];
	struct cothon_list by_age; /* oldest first */
	uint32_t datagrams;
	size_t bytes, max_bytes;
};

/* A datagram that was given up. */
struct cothon_fragment_loss {
	struct cothon_ip ip;
	bool has_first; /* its first fragment had come: an ICMP error may say so (RFC 8200 section 4.5) */
	uint8_t quote[8];
	size_t quote_len;
};

void cothon_fragments_init(struct cothon_fragments *fragments, const struct cothon_memory *memory,
			   struct cothon_pool *pool, const struct cothon_siphash_key *key,
			   size_t max_bytes);
void cothon_fragments_clear(struct cothon_fragments *fragments);
/*
 * Takes in a fragment, whose payload is all of `buf`, which becomes the table's. Returns 1 when that made a
 * datagram whole: *buf is its payload and *ip its header, now the caller's; 0 when more is missing; -EBADMSG
 * when the fragment or its datagram was dropped; -ENOMEM; -ENOBUFS when the bound made it drop another.
 */
int cothon_fragments_add(struct cothon_fragments *fragments, struct cothon_ip *ip,
			 struct cothon_buf **buf, uint64_t now);
/* Takes out one datagram that is too old at `now`. Returns false when there is none. */
bool cothon_fragments_expire(struct cothon_fragments *fragments, uint64_t now,
			     struct cothon_fragment_loss *loss);
/* When the oldest will be too old; UINT64_MAX: never. */
uint64_t cothon_fragments_deadline(const struct cothon_fragments *fragments);

#endif
