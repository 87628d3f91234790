/* SPDX-License-Identifier: MIT */
#include "stack/fragment.h"

#include <errno.h>

enum {
	CONGESTION_EXPERIENCED =
		3, /* of the two lowest bits of a traffic class (RFC 3168 section 5) */
};

/* What makes fragments belong together (RFC 791 section 3.2, RFC 8200 section 4.5). */
struct key {
	struct cothon_addr source, destination;
	uint32_t ident;
	/* IPv6 leaves the protocol out: the first fragment's counts (RFC 8200 section 4.5). */
	uint32_t protocol;
};

struct datagram {
	struct cothon_list bucket, age;
	struct key key;
	struct cothon_ip ip; /* the first fragment's, once it has come */
	uint64_t deadline;
	struct cothon_buf *pieces; /* sorted by offset, which is in `mark` */
	uint32_t piece_count;
	uint32_t have;  /* bytes of payload */
	uint32_t total; /* 0: the last fragment has not come */
	size_t truesize;
	bool has_first;
	bool marked; /* one of its fragments was marked for congestion */
};

void cothon_fragments_init(struct cothon_fragments *fragments, const struct cothon_memory *memory,
			   struct cothon_pool *pool, const struct cothon_siphash_key *key,
			   size_t max_bytes)
{
	*fragments = (struct cothon_fragments){
		.memory = *memory, .pool = pool, .key = *key, .max_bytes = max_bytes};
	for (size_t i = 0; i < COTHON_FRAGMENT_BUCKETS; i++)
		cothon_list_init(&fragments->buckets[i]);
	cothon_list_init(&fragments->by_age);
}

static void drop(struct cothon_fragments *fragments, struct datagram *datagram)
{
	cothon_list_remove(&datagram->bucket);
	cothon_list_remove(&datagram->age);
	cothon_buf_put_list(datagram->pieces);
	fragments->bytes -= datagram->truesize;
	fragments->datagrams--;
	fragments->memory.free(fragments->memory.context, datagram, sizeof(*datagram));
}

static struct datagram *oldest(struct cothon_fragments *fragments)
{
	if (cothon_list_empty(&fragments->by_age))
		return NULL;
	return cothon_container(fragments->by_age.next, struct datagram, age);
}

void cothon_fragments_clear(struct cothon_fragments *fragments)
{
	struct datagram *datagram;

	while ((datagram = oldest(fragments)))
		drop(fragments, datagram);
}

static struct key key_of(const struct cothon_ip *ip)
{
	return (struct key){
		.source = ip->source,
		.destination = ip->destination,
		.ident = ip->ident,
		.protocol = ip->version == 4 ? ip->protocol : 0,
	};
}

static struct datagram *find(struct cothon_list *bucket, const struct key *key)
{
	for (struct cothon_list *node = bucket->next; node != bucket; node = node->next) {
		struct datagram *datagram = cothon_container(node, struct datagram, bucket);

		if (datagram->key.ident == key->ident && datagram->key.protocol == key->protocol &&
		    cothon_addr_equal(&datagram->key.source, &key->source) &&
		    cothon_addr_equal(&datagram->key.destination, &key->destination))
			return datagram;
	}
	return NULL;
}

static struct datagram *find_or_make(struct cothon_fragments *fragments, const struct cothon_ip *ip,
				     uint64_t now)
{
	struct key key = key_of(ip);
	const uint64_t words[] = {key.source.q[0], key.source.q[1], key.destination.q[0],
				  key.destination.q[1], (uint64_t)key.ident << 32 | key.protocol};
	uint64_t hash =
		cothon_siphash13_words(&fragments->key, words, sizeof(words) / sizeof(words[0]));
	struct cothon_list *bucket = &fragments->buckets[hash % COTHON_FRAGMENT_BUCKETS];
	struct datagram *datagram = find(bucket, &key);

	if (datagram)
		return datagram;
	datagram = fragments->memory.alloc(fragments->memory.context, sizeof(*datagram));
	if (!datagram)
		return NULL;
	*datagram = (struct datagram){
		.key = key,
		.ip = *ip,
		.deadline = now + COTHON_FRAGMENT_SECONDS * UINT64_C(1000000),
	};
	cothon_list_append(bucket, &datagram->bucket);
	cothon_list_append(&fragments->by_age, &datagram->age);
	fragments->datagrams++;
	return datagram;
}

/*
 * Puts a piece in its place. Returns 0, 1 when the very same piece is there already (RFC 8200 allows to ignore
 * it), or -EBADMSG when it overlaps another.
 */
static int insert(struct datagram *datagram, struct cothon_buf *piece)
{
	struct cothon_buf **at = &datagram->pieces;

	while (*at && (*at)->mark + (*at)->len <= piece->mark)
		at = &(*at)->next;
	if (*at && (*at)->mark < piece->mark + piece->len)
		return (*at)->mark == piece->mark && (*at)->len == piece->len ? 1 : -EBADMSG;
	piece->next = *at;
	*at = piece;
	datagram->piece_count++;
	datagram->have += piece->len;
	datagram->truesize += cothon_buf_truesize(piece);
	return 0;
}

/* Checks a fragment against the datagram's length as far as it is known, and learns from it. */
static int check_length(struct datagram *datagram, const struct cothon_ip *ip, uint32_t len)
{
	uint32_t end = ip->fragment_offset + len;

	/* RFC 8200 section 4.5: only the last may be no multiple of eight, and none may reach beyond 65,535. */
	if (len == 0 || end > 65535 || (ip->more_fragments && len % 8))
		return -EBADMSG;
	if (datagram->total &&
	    (end > datagram->total || (!ip->more_fragments && end != datagram->total)))
		return -EBADMSG;
	if (ip->more_fragments)
		return 0;
	for (const struct cothon_buf *piece = datagram->pieces; piece; piece = piece->next) {
		if (piece->mark + piece->len > end)
			return -EBADMSG;
	}
	datagram->total = end;
	return 0;
}

static int join(struct cothon_fragments *fragments, struct datagram *datagram, struct cothon_ip *ip,
		struct cothon_buf **buf)
{
	struct cothon_buf *whole = cothon_buf_get(fragments->pool, datagram->total);

	if (!whole) {
		drop(fragments, datagram);
		return -ENOMEM;
	}
	for (const struct cothon_buf *piece = datagram->pieces; piece; piece = piece->next) {
		memcpy(whole->data + whole->len, piece->data, piece->len);
		whole->len += piece->len;
	}
	*ip = datagram->ip;
	/* RFC 3168 section 5.3: what was marked in one part is marked. */
	if (datagram->marked)
		ip->traffic_class |= CONGESTION_EXPERIENCED;
	ip->fragment = ip->more_fragments = false;
	ip->fragment_offset = 0;
	ip->payload_len = whole->len;
	*buf = whole;
	drop(fragments, datagram);
	return 1;
}

static int make_room(struct cothon_fragments *fragments, const struct datagram *but)
{
	int result = 0;

	while (fragments->bytes > fragments->max_bytes ||
	       fragments->datagrams > COTHON_FRAGMENT_DATAGRAMS) {
		struct datagram *victim = oldest(fragments);

		if (victim == but) {
			if (fragments->datagrams == 1)
				break;
			victim = cothon_container(victim->age.next, struct datagram, age);
		}
		drop(fragments, victim);
		result = -ENOBUFS;
	}
	return result;
}

int cothon_fragments_add(struct cothon_fragments *fragments, struct cothon_ip *ip,
			 struct cothon_buf **buf, uint64_t now)
{
	struct cothon_buf *piece = cothon_buf_compact(*buf);
	struct datagram *datagram = find_or_make(fragments, ip, now);
	int error;

	*buf = NULL;
	if (!datagram) {
		cothon_buf_put(piece);
		return -ENOMEM;
	}
	piece->mark = ip->fragment_offset;
	error = check_length(datagram, ip, piece->len);
	if (!error && datagram->piece_count == COTHON_FRAGMENT_PIECES)
		error = -EBADMSG;
	if (!error)
		error = insert(datagram, piece);
	if (error) {
		cothon_buf_put(piece);
		if (error < 0)
			drop(fragments, datagram);
		return error < 0 ? error : 0;
	}
	fragments->bytes += cothon_buf_truesize(piece);
	datagram->marked |= (ip->traffic_class & CONGESTION_EXPERIENCED) == CONGESTION_EXPERIENCED;
	if (ip->fragment_offset == 0) {
		datagram->ip = *ip;
		datagram->has_first = true;
	}
	if (datagram->total && datagram->have == datagram->total)
		return join(fragments, datagram, ip, buf);
	return make_room(fragments, datagram);
}

bool cothon_fragments_expire(struct cothon_fragments *fragments, uint64_t now,
			     struct cothon_fragment_loss *loss)
{
	struct datagram *datagram = oldest(fragments);

	if (!datagram || datagram->deadline > now)
		return false;
	*loss = (struct cothon_fragment_loss){.ip = datagram->ip, .has_first = datagram->has_first};
	if (datagram->has_first) {
		loss->quote_len = datagram->pieces->len < 8 ? datagram->pieces->len : 8;
		memcpy(loss->quote, datagram->pieces->data, loss->quote_len);
	}
	drop(fragments, datagram);
	return true;
}

uint64_t cothon_fragments_deadline(const struct cothon_fragments *fragments)
{
	if (cothon_list_empty(&fragments->by_age))
		return UINT64_MAX;
	return cothon_container(fragments->by_age.next, struct datagram, age)->deadline;
}
