/* SPDX-License-Identifier: MIT */
#ifndef BASE_LIST_H
#define BASE_LIST_H

/*
 * A doubly linked ring through a member of its elements. A node that is in no list points to
 * itself.
 */

#include <stdbool.h>
#include <stddef.h>

struct cothon_list {
	struct cothon_list *next, *prev;
};

/* The element of type `type` whose member `member` is `node`. */
#define cothon_container(node, type, member) \
	((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void cothon_list_init(struct cothon_list *list)
{
	list->next = list->prev = list;
}

static inline bool cothon_list_empty(const struct cothon_list *list)
{
	return list->next == list;
}

static inline void cothon_list_append(struct cothon_list *list, struct cothon_list *node)
{
	node->prev = list->prev;
	node->next = list;
	list->prev->next = node;
	list->prev = node;
}

/* Takes a node out of the list it is in, if any. */
static inline void cothon_list_remove(struct cothon_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	cothon_list_init(node);
}

/* Moves all of `from` to the end of `to`. */
static inline void cothon_list_splice(struct cothon_list *to, struct cothon_list *from)
{
	if (cothon_list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	cothon_list_init(from);
}

#endif
