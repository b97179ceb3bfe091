#ifndef BASE_LIST_H
#define BASE_LIST_H
/*
 * list.h - a ring of nodes embedded in their owners. Layer: base.
 *
 * Order    push_back/pop_front make a queue.
 * Owner    the list never owns its members; a member knows its node.
 * Limit    a node is in at most one list; list_del() leaves it empty.
 */
#include "base/cc.h"

struct list {
	struct list *next, *prev;
};

/* clang-format off */
#define LIST_INIT(l) { &(l), &(l) }
/* clang-format on */

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_push_back(struct list *l, struct list *node)
{
	node->prev = l->prev;
	node->next = l;
	l->prev->next = node;
	l->prev = node;
}

static inline void list_push_front(struct list *l, struct list *node)
{
	list_push_back(l->next, node);
}

/* Take a node out of whatever list it is in; harmless when it is in none. */
static inline void list_del(struct list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	list_init(node);
}

/* The first node, taken out; NULL when the list is empty. */
static inline struct list *list_pop_front(struct list *l)
{
	struct list *node = l->next;

	if (node == l)
		return NULL;
	list_del(node);
	return node;
}

#define LIST_ENTRY(node, type, member) CONTAINER_OF(node, type, member)
#define LIST_EACH(it, l) for (struct list *it = (l)->next; it != (l); it = it->next)
/* Like LIST_EACH, and the body may take `it` out. */
#define LIST_EACH_SAFE(it, l)                                               \
	for (struct list *it = (l)->next, *it##_next = it->next; it != (l); \
	     it = it##_next, it##_next = it->next)

#endif /* BASE_LIST_H */
