#include "base/map.h"

#include <assert.h>

#include "base/mem.h"

enum { FIRST_BUCKETS = 16 };

enum err map_init(struct map *m)
{
    *m = (struct map){.bucket_count = FIRST_BUCKETS};
    m->buckets = mem_zalloc(FIRST_BUCKETS * sizeof(struct map_node *));
    return m->buckets ? OK : ERR_NOMEM;
}

void map_fini(struct map *m)
{
    mem_free(m->buckets);
    *m = (struct map){0};
}

static struct map_node **bucket_of(const struct map *m, uint64_t hash)
{
    return &m->buckets[hash & (m->bucket_count - 1)];
}

static void grow(struct map *m)
{
    struct map bigger = {.bucket_count = m->bucket_count * 2, .count = m->count};
    bigger.buckets = mem_zalloc(bigger.bucket_count * sizeof(struct map_node *));
    if (bigger.buckets == NULL)
        return;
    for (size_t i = 0; i < m->bucket_count; i++) {
        struct map_node *n = m->buckets[i];
        while (n != NULL) {
            struct map_node *next = n->next;
            struct map_node **b = bucket_of(&bigger, n->hash);
            n->next = *b;
            *b = n;
            n = next;
        }
    }
    mem_free(m->buckets);
    *m = bigger;
}

void map_insert(struct map *m, struct map_node *node, uint64_t hash)
{
    if (m->count >= m->bucket_count)
        grow(m);
    struct map_node **b = bucket_of(m, hash);
    node->hash = hash;
    node->next = *b;
    *b = node;
    m->count++;
}

struct map_node *map_find(const struct map *m, uint64_t hash, const void *key, map_eq_fn *eq)
{
    for (struct map_node *n = *bucket_of(m, hash); n != NULL; n = n->next) {
        if (n->hash == hash && eq(n, key))
            return n;
    }
    return NULL;
}

void map_remove(struct map *m, struct map_node *node)
{
    struct map_node **at = bucket_of(m, node->hash);
    while (*at != node) {
        assert(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    m->count--;
}

struct map_node *map_next(const struct map *m, const struct map_node *node)
{
    if (node != NULL && node->next != NULL)
        return node->next;
    size_t i = node ? (node->hash & (m->bucket_count - 1)) + 1 : 0;
    for (; i < m->bucket_count; i++) {
        if (m->buckets[i] != NULL)
            return m->buckets[i];
    }
    return NULL;
}
