/* SPDX-License-Identifier: MIT */
#include "port/binding.h"

#include <errno.h>
#include <string.h>

enum {
	PAGE = 256
};

struct page {
	struct cothon_list ports[PAGE];
};

struct cothon_bindings {
	struct cothon_memory memory;
	struct cothon_siphash_key key;
	struct page *pages[65536 / PAGE]; /* NULL: nothing was ever bound there */
};

struct cothon_bindings *cothon_bindings_create(const struct cothon_memory *memory,
					       const struct cothon_siphash_key *key)
{
	struct cothon_bindings *bindings = memory->alloc(memory->context, sizeof(*bindings));

	if (bindings)
		*bindings = (struct cothon_bindings){.memory = *memory, .key = *key};
	return bindings;
}

void cothon_bindings_destroy(struct cothon_bindings *bindings)
{
	struct cothon_memory memory = bindings->memory;

	for (size_t i = 0; i < sizeof(bindings->pages) / sizeof(bindings->pages[0]); i++) {
		if (bindings->pages[i])
			memory.free(memory.context, bindings->pages[i], sizeof(struct page));
	}
	memory.free(memory.context, bindings, sizeof(*bindings));
}

/* The list of a port, or NULL when nothing was ever bound near it. */
static struct cothon_list *list_of(const struct cothon_bindings *bindings, uint16_t port)
{
	struct page *page = bindings->pages[port / PAGE];

	return page ? &page->ports[port % PAGE] : NULL;
}

/* The same, made where it is missing; NULL when there is no memory. */
static struct cothon_list *make_list(struct cothon_bindings *bindings, uint16_t port)
{
	struct page **page = &bindings->pages[port / PAGE];

	if (!*page) {
		*page = bindings->memory.alloc(bindings->memory.context, sizeof(**page));
		if (!*page)
			return NULL;
		for (size_t i = 0; i < PAGE; i++)
			cothon_list_init(&(*page)->ports[i]);
	}
	return &(*page)->ports[port % PAGE];
}

/* How well a binding's address fits a packet's, the best last. */
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
	/* 0.0.0.0 never takes IPv6. */
	return cothon_addr_is_ipv4(addr) && !binding->v6_only ? FIT_BOTH_FAMILIES : FIT_NOT;
}

bool cothon_binding_covers(const struct cothon_binding *binding, const struct cothon_addr *addr)
{
	return binding_fit(binding, addr) != FIT_NOT;
}

static bool bindings_conflict(const struct cothon_binding *a, const struct cothon_binding *b)
{
	if (a->reuse_port && b->reuse_port)
		return false;
	if (a->transport == COTHON_UDP && a->reuse_address && b->reuse_address)
		return false;
	return cothon_binding_covers(a, &b->endpoint.addr) ||
	       cothon_binding_covers(b, &a->endpoint.addr);
}

/* The binding at a node of a list, or NULL when it is of another transport. */
static struct cothon_binding *binding_at(struct cothon_list *node, unsigned transport)
{
	struct cothon_binding *binding = cothon_container(node, struct cothon_binding, node);

	return binding->transport == transport ? binding : NULL;
}

int cothon_bindings_add(struct cothon_bindings *bindings, struct cothon_binding *binding)
{
	struct cothon_list *list = make_list(bindings, binding->endpoint.port);

	if (!list)
		return -ENOMEM;
	for (struct cothon_list *node = list->next; node != list; node = node->next) {
		struct cothon_binding *other = binding_at(node, binding->transport);

		if (other && bindings_conflict(binding, other))
			return -EADDRINUSE;
	}
	/*
	 * Of those that fit equally well the first is found: the newest. Those of IPv6 that share come last, in
	 * the order of their coming, as Linux has it.
	 */
	if (binding->reuse_port && !cothon_addr_is_ipv4(&binding->endpoint.addr))
		cothon_list_append(list, &binding->node);
	else
		cothon_list_append(list->next, &binding->node);
	return 0;
}

void cothon_bindings_remove(struct cothon_bindings *bindings, struct cothon_binding *binding)
{
	(void)bindings;
	cothon_list_remove(&binding->node);
}

/* Whether two bindings of one port take packets in turn. */
static bool bindings_share(const struct cothon_binding *a, const struct cothon_binding *b)
{
	return a->reuse_port && b->reuse_port && a->transport == b->transport &&
	       a->v6_only == b->v6_only && cothon_addr_equal(&a->endpoint.addr, &b->endpoint.addr);
}

/* The one among those that share with `first`, itself included, that a flow belongs to. */
static struct cothon_binding *choose(const struct cothon_bindings *bindings,
				     struct cothon_list *list, struct cothon_binding *first,
				     const struct cothon_endpoint *to,
				     const struct cothon_endpoint *from)
{
	struct cothon_flow flow = cothon_flow_make(first->transport, to, from);
	uint64_t words[sizeof(flow) / sizeof(uint64_t)];
	uint32_t count = 0, number;

	for (struct cothon_list *node = list->next; node != list; node = node->next)
		count += bindings_share(first, cothon_container(node, struct cothon_binding, node));
	if (count < 2)
		return first;
	memcpy(words, &flow, sizeof(flow));
	number = (uint32_t)(cothon_siphash13_words(&bindings->key, words, 5) % count);
	for (struct cothon_list *node = list->next; node != list; node = node->next) {
		struct cothon_binding *binding =
			cothon_container(node, struct cothon_binding, node);

		if (bindings_share(first, binding) && number-- == 0)
			return binding;
	}
	return first;
}

struct cothon_binding *cothon_bindings_find(const struct cothon_bindings *bindings,
					    uint8_t transport, const struct cothon_endpoint *to,
					    const struct cothon_endpoint *from)
{
	struct cothon_list *list = list_of(bindings, to->port);
	struct cothon_binding *best = NULL;
	enum fit best_fit = FIT_NOT;

	if (!list)
		return NULL;
	for (struct cothon_list *node = list->next; node != list; node = node->next) {
		struct cothon_binding *binding = binding_at(node, transport);
		enum fit fit = binding ? binding_fit(binding, &to->addr) : FIT_NOT;

		if (fit > best_fit) {
			best = binding;
			best_fit = fit;
		}
	}
	return best && best->reuse_port ? choose(bindings, list, best, to, from) : best;
}

bool cothon_bindings_hold(const struct cothon_bindings *bindings, uint8_t transport, uint16_t port)
{
	struct cothon_list *list = list_of(bindings, port);

	if (!list)
		return false;
	for (struct cothon_list *node = list->next; node != list; node = node->next)
		if (binding_at(node, transport))
			return true;
	return false;
}
