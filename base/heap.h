#ifndef SLUICE_BASE_HEAP_H
#define SLUICE_BASE_HEAP_H
/* An intrusive pairing heap: the smallest key first, equal keys in the order of their arrival.
 *
 * Needs no memory of its own, so inserting cannot fail. heap_insert O(1), heap_remove and taking
 * the first O(log n) amortised. Fredman et al., The Pairing Heap, 1986. One thread at a time. */
#include <stdbool.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    uint64_t order; /* arrival, breaks ties */
    struct heap_node *child;
    struct heap_node *next; /* sibling */
    struct heap_node *prev; /* sibling, or the parent of a first child */
    bool linked;
};

struct heap {
    struct heap_node *root;
    uint64_t arrivals;
};

void heap_init(struct heap *h);
void heap_insert(struct heap *h, struct heap_node *n, uint64_t key); /* `n` is on no heap */
void heap_remove(struct heap *h, struct heap_node *n); /* nothing where `n` is on no heap */

static inline struct heap_node *heap_first(const struct heap *h)
{
    return h->root;
}
#endif
