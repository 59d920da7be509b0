#ifndef SLUICE_BASE_MAP_H
#define SLUICE_BASE_MAP_H
/* A hash table of intrusive nodes: the owner embeds a `map_node`, knows its hash and can tell
 * equality.
 *
 * Chained, doubling at load 1. Growing needs memory; where there is none the chains only get
 * longer, so inserting cannot fail after map_init. Order is unspecified. One thread at a time, or
 * the owner's lock. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct map_node {
    struct map_node *next;
    uint64_t hash;
};

typedef bool map_eq_fn(const struct map_node *node, const void *key);

struct map {
    struct map_node **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;
};

enum err map_init(struct map *m) MUST_CHECK;
void map_fini(struct map *m); /* the nodes are their owners' */

void map_insert(struct map *m, struct map_node *node, uint64_t hash);
struct map_node *map_find(const struct map *m, uint64_t hash, const void *key, map_eq_fn *eq);
void map_remove(struct map *m, struct map_node *node); /* `node` is in it */

/* Walks all nodes: start with NULL, ends with NULL. The current node may be removed only after its
 * successor was taken. */
struct map_node *map_next(const struct map *m, const struct map_node *node);
#endif
