/* SPDX-License-Identifier: MIT */
#include "base/siphash.h"

struct state {
	uint64_t v[4];
};

static inline uint64_t rotate(uint64_t x, unsigned bits)
{
	return x << bits | x >> (64 - bits);
}

/* The byte order of SipHash's input is little-endian. */
static inline uint64_t get64(const uint8_t *p)
{
	uint64_t word = 0;

	for (unsigned i = 0; i < 8; i++)
		word |= (uint64_t)p[i] << (8 * i);
	return word;
}

static inline struct state start(const struct cothon_siphash_key *key)
{
	return (struct state){{
		key->k[0] ^ 0x736f6d6570736575,
		key->k[1] ^ 0x646f72616e646f6d,
		key->k[0] ^ 0x6c7967656e657261,
		key->k[1] ^ 0x7465646279746573,
	}};
}

static inline void round_once(struct state *s)
{
	s->v[0] += s->v[1];
	s->v[1] = rotate(s->v[1], 13) ^ s->v[0];
	s->v[0] = rotate(s->v[0], 32);
	s->v[2] += s->v[3];
	s->v[3] = rotate(s->v[3], 16) ^ s->v[2];
	s->v[0] += s->v[3];
	s->v[3] = rotate(s->v[3], 21) ^ s->v[0];
	s->v[2] += s->v[1];
	s->v[1] = rotate(s->v[1], 17) ^ s->v[2];
	s->v[2] = rotate(s->v[2], 32);
}

static inline void compress(struct state *s, uint64_t word, unsigned rounds)
{
	s->v[3] ^= word;
	for (unsigned i = 0; i < rounds; i++)
		round_once(s);
	s->v[0] ^= word;
}

static inline uint64_t finish(struct state *s, unsigned rounds)
{
	s->v[2] ^= 0xff;
	for (unsigned i = 0; i < rounds; i++)
		round_once(s);
	return s->v[0] ^ s->v[1] ^ s->v[2] ^ s->v[3];
}

struct cothon_siphash_key cothon_siphash_key(const uint8_t seed[static 32], uint64_t purpose)
{
	/* Each half of the seed is the key to one half of the result: all 256 bits count. */
	struct cothon_siphash_key key;

	for (unsigned half = 0; half < 2; half++) {
		const uint8_t *p = seed + 16 * half;
		struct cothon_siphash_key root = {{get64(p), get64(p + 8)}};

		/* The purpose's bytes in the order that memory has on a little-endian machine. */
		struct state s = start(&root);

		compress(&s, purpose, 2);
		compress(&s, (uint64_t)sizeof(purpose) << 56, 2);
		key.k[half] = finish(&s, 4);
	}
	return key;
}

uint64_t cothon_siphash24(const struct cothon_siphash_key *key, const void *data, size_t len)
{
	struct state s = start(key);
	const uint8_t *p = data;
	size_t left = len;

	for (; left >= 8; left -= 8, p += 8)
		compress(&s, get64(p), 2);

	uint64_t last = (uint64_t)len << 56;

	for (size_t i = 0; i < left; i++)
		last |= (uint64_t)p[i] << (8 * i);
	compress(&s, last, 2);
	return finish(&s, 4);
}

uint64_t cothon_siphash13_words(const struct cothon_siphash_key *key, const uint64_t *words,
				size_t count)
{
	struct state s = start(key);

	for (size_t i = 0; i < count; i++)
		compress(&s, words[i], 1);
	compress(&s, (uint64_t)(count * sizeof(*words)) << 56, 1);
	return finish(&s, 3);
}
