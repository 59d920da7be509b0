#ifndef SLUICE_BASE_LIST_H
#define SLUICE_BASE_LIST_H
/* Intrusive doubly linked ring. A head and a member are the same struct; a member on no list points
 * at itself, so that list_remove is always legal. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct list {
    struct list *prev, *next;
};

/* The object that holds the member `field` at `ptr`. Through an integer, so that `type` may be
 * const where `ptr` is. */
#define CONTAINER_OF(ptr, type, field) ((type *)((uintptr_t)(ptr)-offsetof(type, field)))

static inline void list_init(struct list *l)
{
    l->prev = l->next = l;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline bool list_is_linked(const struct list *member)
{
    return member->next != member;
}

static inline void list_insert_before(struct list *at, struct list *member)
{
    member->prev = at->prev;
    member->next = at;
    at->prev->next = member;
    at->prev = member;
}

static inline void list_push_back(struct list *head, struct list *member)
{
    list_insert_before(head, member);
}

static inline void list_push_front(struct list *head, struct list *member)
{
    list_insert_before(head->next, member);
}

static inline void list_remove(struct list *member)
{
    member->prev->next = member->next;
    member->next->prev = member->prev;
    list_init(member);
}

/* Takes the first member off; NULL if there is none. */
static inline struct list *list_pop_front(struct list *head)
{
    if (list_is_empty(head))
        return NULL;
    struct list *first = head->next;
    list_remove(first);
    return first;
}

/* Moves all members of `from` to the end of `to`. */
static inline void list_append_all(struct list *to, struct list *from)
{
    if (list_is_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define LIST_EACH(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)

/* As LIST_EACH, but the body may remove `it`. */
#define LIST_EACH_SAFE(it, head)                                                                   \
    for (struct list *it = (head)->next, *it##_next_ = it->next; it != (head);                     \
         it = it##_next_, it##_next_ = it->next)
#endif
