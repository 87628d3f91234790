/* SPDX-License-Identifier: MIT */
#include "port/binding.h"

#include <errno.h>

/*
 * A chained hash by transport and port, as many buckets as bindings. The low bits of the port are
 * the hash: it is the host's own applications that choose what they listen on, and even ports
 * chosen to collide are at most 65,536 / buckets in one bucket, 256 at worst.
 */

enum {
	BUCKETS_MIN = 64,
	BUCKETS_MAX = 65536,
};

struct cothon_bindings {
	struct cothon_memory memory;
	struct cothon_list *buckets;
	uint32_t size; /* a power of two */
	uint32_t count;
};

static struct cothon_list *bucket_of(const struct cothon_bindings *bindings, unsigned transport,
				     uint16_t port)
{
	/*
	 * The transports differ in bits that spread over the table: 6, 17, 33, 132 times an odd
	 * number.
	 */
	return &bindings->buckets[(port + transport * 0x9e37U) & (bindings->size - 1)];
}

static struct cothon_list *buckets_create(const struct cothon_memory *memory, uint32_t size)
{
	struct cothon_list *buckets = memory->alloc(memory->context, size * sizeof(*buckets));

	if (buckets)
		for (uint32_t i = 0; i < size; i++)
			cothon_list_init(&buckets[i]);
	return buckets;
}

static void buckets_destroy(const struct cothon_memory *memory, struct cothon_list *buckets,
			    uint32_t size)
{
	memory->free(memory->context, buckets, size * sizeof(*buckets));
}

struct cothon_bindings *cothon_bindings_create(const struct cothon_memory *memory)
{
	struct cothon_bindings *bindings = memory->alloc(memory->context, sizeof(*bindings));

	if (!bindings)
		return NULL;
	*bindings = (struct cothon_bindings){.memory = *memory, .size = BUCKETS_MIN};
	bindings->buckets = buckets_create(memory, BUCKETS_MIN);
	if (!bindings->buckets) {
		memory->free(memory->context, bindings, sizeof(*bindings));
		return NULL;
	}
	return bindings;
}

void cothon_bindings_destroy(struct cothon_bindings *bindings)
{
	struct cothon_memory memory = bindings->memory;

	buckets_destroy(&memory, bindings->buckets, bindings->size);
	memory.free(memory.context, bindings, sizeof(*bindings));
}

/*
 * Doubles the table. Where there is no memory for that, the chains get longer and nothing fails.
 * The order within a chain does not survive among ports that part, but does among those of one
 * port.
 */
static void bindings_grow(struct cothon_bindings *bindings)
{
	struct cothon_list *old = bindings->buckets;
	uint32_t old_size = bindings->size;
	struct cothon_list *buckets = buckets_create(&bindings->memory, 2 * old_size);

	if (!buckets)
		return;
	bindings->buckets = buckets;
	bindings->size = 2 * old_size;
	for (uint32_t i = 0; i < old_size; i++) {
		while (!cothon_list_empty(&old[i])) {
			struct cothon_binding *binding =
				cothon_container(old[i].next, struct cothon_binding, node);
			cothon_list_remove(&binding->node);
			cothon_list_append(bucket_of(bindings, binding->transport,
						     binding->endpoint.port),
					   &binding->node);
		}
	}
	buckets_destroy(&bindings->memory, old, old_size);
}

/* How well a binding's address fits a packet's, the best first; 0 when it does not. */
enum fit {
	FIT_NOT,
	FIT_BOTH_FAMILIES, /* :: for an IPv4 address */
	FIT_WILDCARD,      /* the wildcard of the address's own family */
	FIT_EXACT,
};

static enum fit binding_fit(const struct cothon_binding *binding, const struct cothon_addr *addr)
{
	const struct cothon_addr *own = &binding->endpoint.addr;

	if (cothon_addr_equal(own, addr))
		return FIT_EXACT;
	if (!cothon_addr_is_any(own))
		return FIT_NOT;
	if (cothon_addr_is_ipv4(own) == cothon_addr_is_ipv4(addr))
		return FIT_WILDCARD;
	/* 0.0.0.0 never takes IPv6, :: takes IPv4 when it was bound for both. */
	return binding->both_families && cothon_addr_is_ipv4(addr) ? FIT_BOTH_FAMILIES : FIT_NOT;
}

static bool bindings_conflict(const struct cothon_binding *a, const struct cothon_binding *b)
{
	if (a->reuse && b->reuse)
		return false;
	return binding_fit(a, &b->endpoint.addr) || binding_fit(b, &a->endpoint.addr);
}

/* The binding at a node of a bucket, or NULL when it is of another transport or port. */
static struct cothon_binding *binding_at(struct cothon_list *node, unsigned transport,
					 uint16_t port)
{
	struct cothon_binding *binding = cothon_container(node, struct cothon_binding, node);

	return binding->transport == transport && binding->endpoint.port == port ? binding : NULL;
}

int cothon_bindings_add(struct cothon_bindings *bindings, struct cothon_binding *binding)
{
	uint16_t port = binding->endpoint.port;
	struct cothon_list *bucket = bucket_of(bindings, binding->transport, port);

	for (struct cothon_list *node = bucket->next; node != bucket; node = node->next) {
		struct cothon_binding *other = binding_at(node, binding->transport, port);
		if (other && bindings_conflict(binding, other))
			return -EADDRINUSE;
	}
	if (bindings->count >= bindings->size && bindings->size < BUCKETS_MAX) {
		bindings_grow(bindings);
		bucket = bucket_of(bindings, binding->transport, port);
	}
	/*
	 * In front: of bindings that fit equally well, the newest is found first, as Linux has it.
	 */
	cothon_list_append(bucket->next, &binding->node);
	bindings->count++;
	return 0;
}

void cothon_bindings_remove(struct cothon_bindings *bindings, struct cothon_binding *binding)
{
	cothon_list_remove(&binding->node);
	bindings->count--;
}

struct cothon_binding *cothon_bindings_find(const struct cothon_bindings *bindings,
					    uint8_t transport, const struct cothon_endpoint *to)
{
	struct cothon_list *bucket = bucket_of(bindings, transport, to->port);
	struct cothon_binding *best = NULL;
	enum fit best_fit = FIT_NOT;

	for (struct cothon_list *node = bucket->next; node != bucket; node = node->next) {
		struct cothon_binding *binding = binding_at(node, transport, to->port);
		enum fit fit = binding ? binding_fit(binding, &to->addr) : FIT_NOT;
		if (fit > best_fit) {
			best = binding;
			best_fit = fit;
		}
	}
	return best;
}

bool cothon_bindings_hold(const struct cothon_bindings *bindings, uint8_t transport, uint16_t port)
{
	struct cothon_list *bucket = bucket_of(bindings, transport, port);

	for (struct cothon_list *node = bucket->next; node != bucket; node = node->next)
		if (binding_at(node, transport, port))
			return true;
	return false;
}
