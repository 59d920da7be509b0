#include "base/arena.h"

#include <stdint.h>

#include "base/mem.h"

enum { FIRST_BLOCK = 512, MAX_BLOCK = 65536, ALIGN = 16 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    _Alignas(ALIGN) char data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

void arena_fini(struct arena *a)
{
    while (a->head != NULL) {
        struct arena_block *next = a->head->next;
        mem_free(a->head);
        a->head = next;
    }
    a->used = a->bytes = 0;
}

/* Blocks double in size up to MAX_BLOCK; a larger piece gets a block of its own. */
static struct arena_block *add_block(struct arena *a, size_t need)
{
    size_t size = a->head ? a->head->size * 2 : FIRST_BLOCK;
    if (size > MAX_BLOCK)
        size = MAX_BLOCK;
    if (size < need)
        size = need;
    if (a->max_bytes - a->bytes < size) {
        size = need;
        if (a->max_bytes - a->bytes < size)
            return NULL;
    }
    struct arena_block *b = mem_alloc(sizeof *b + size);
    if (b == NULL)
        return NULL;
    b->size = size;
    b->next = a->head;
    a->head = b;
    a->used = 0;
    a->bytes += size;
    return b;
}

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct arena_block *b = a->head;
    if (b == NULL || b->size - a->used < size) {
        b = add_block(a, size);
        if (b == NULL)
            return NULL;
    }
    void *piece = b->data + a->used;
    a->used += size;
    return piece;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    void *piece = arena_alloc(a, size);
    if (piece != NULL)
        memset(piece, 0, size);
    return piece;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *copy = arena_alloc(a, s.len + 1);
    if (copy == NULL)
        return STR_NONE;
    if (s.len > 0)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return (struct str){copy, s.len};
}
