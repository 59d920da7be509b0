#include "base/heap.h"

#include <assert.h>
#include <stddef.h>

static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return a->key < b->key || (a->key == b->key && a->order < b->order);
}

static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
    if (a == NULL || b == NULL)
        return a ? a : b;
    if (before(b, a)) {
        struct heap_node *t = a;
        a = b;
        b = t;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child != NULL)
        a->child->prev = b;
    a->child = b;
    a->next = a->prev = NULL;
    return a;
}

/* Melds a list of siblings into one tree: pairs from the left, then the pairs from the right,
 * without recursion. */
static struct heap_node *meld_siblings(struct heap_node *first)
{
    struct heap_node *pairs = NULL;
    while (first != NULL) {
        struct heap_node *a = first;
        struct heap_node *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->prev = NULL;
        if (b != NULL)
            b->next = b->prev = NULL;
        struct heap_node *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct heap_node *root = NULL;
    while (pairs != NULL) {
        struct heap_node *next = pairs->next;
        pairs->next = pairs->prev = NULL;
        root = meld(root, pairs);
        pairs = next;
    }
    return root;
}

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_insert(struct heap *h, struct heap_node *n, uint64_t key)
{
    assert(!n->linked);
    *n = (struct heap_node){.key = key, .order = h->arrivals++, .linked = true};
    h->root = meld(h->root, n);
}

static void unlink_child(struct heap_node *n)
{
    if (n->prev->child == n)
        n->prev->child = n->next;
    else
        n->prev->next = n->next;
    if (n->next != NULL)
        n->next->prev = n->prev;
}

void heap_remove(struct heap *h, struct heap_node *n)
{
    if (!n->linked)
        return;
    struct heap_node *orphans = meld_siblings(n->child);
    if (n == h->root) {
        h->root = orphans;
    } else {
        unlink_child(n);
        h->root = meld(h->root, orphans);
    }
    n->linked = false;
    n->child = n->next = n->prev = NULL;
}
