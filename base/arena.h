#ifndef SLUICE_BASE_ARENA_H
#define SLUICE_BASE_ARENA_H
/* Memory with one common end: pieces are taken one by one and given back all at once.
 *
 * Life: arena_init, any number of arena_alloc, arena_fini. Bounded by `max_bytes`. Embedded by its
 * owner and used on the owner's thread. A piece never moves. */
#include <stddef.h>

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *head;
    size_t used;      /* of the head block */
    size_t bytes;     /* taken from the heap so far */
    size_t max_bytes; /* past it arena_alloc answers NULL */
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_fini(struct arena *a);

/* Aligned for any type, uninitialised; NULL when the heap or the bound says no. */
void *arena_alloc(struct arena *a, size_t size);
void *arena_zalloc(struct arena *a, size_t size);

/* A NUL-terminated copy that lives as long as the arena; `at` is NULL when it could not be made. */
struct str arena_str(struct arena *a, struct str s);
#endif
