#include "base/mem.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Counting costs an atomic per call, so the product does not count: tests are built with
 * SLUICE_TEST. */
#ifdef SLUICE_TEST
static atomic_long live;
static atomic_ulong countdown;

static bool must_fail(void)
{
    unsigned long n = atomic_load(&countdown);
    while (n > 0) {
        if (atomic_compare_exchange_weak(&countdown, &n, n - 1))
            return n == 1;
    }
    return false;
}

static void *counted(void *block)
{
    if (block != NULL)
        atomic_fetch_add(&live, 1);
    return block;
}

void mem_fail_nth(unsigned long n)
{
    atomic_store(&countdown, n);
}

long mem_live(void)
{
    return atomic_load(&live);
}
#else
#define must_fail()    false
#define counted(block) (block)

void mem_fail_nth(unsigned long n)
{
    (void)n;
}

long mem_live(void)
{
    return 0;
}
#endif

void *mem_alloc(size_t size)
{
    return must_fail() ? NULL : counted(malloc(size ? size : 1));
}

void *mem_zalloc(size_t size)
{
    return must_fail() ? NULL : counted(calloc(1, size ? size : 1));
}

void *mem_realloc(void *block, size_t size)
{
    if (block == NULL)
        return mem_alloc(size);
    return must_fail() ? NULL : realloc(block, size ? size : 1);
}

void *mem_shrink(void *block, size_t size)
{
    void *less = realloc(block, size ? size : 1);
    if (less == NULL)
        return block;
    return less;
}

void mem_free(void *block)
{
#ifdef SLUICE_TEST
    if (block != NULL)
        atomic_fetch_sub(&live, 1);
#endif
    free(block);
}

char *mem_strdup(struct str s)
{
    char *copy = mem_alloc(s.len + 1);
    if (copy == NULL)
        return NULL;
    if (s.len > 0)
        memcpy(copy, s.at, s.len);
    copy[s.len] = '\0';
    return copy;
}

/* Each byte is the one before it, and the first is 0. */
static bool is_zero(const char *page, size_t size)
{
    return page[0] == 0 && memcmp(page, page + 1, size - 1) == 0;
}

void mem_drop_zeros(void *start, size_t size)
{
    size_t page = (size_t)getpagesize(), skip = -(uintptr_t)start & (page - 1);
    if (size < skip)
        return;
    char *at = (char *)start + skip, *end = (char *)start + size;
    while ((size_t)(end - at) >= page) {
        char *run = at;
        while ((size_t)(end - at) >= page && is_zero(at, page))
            at += page;
        if (at > run)
            (void)madvise(run, (size_t)(at - run), MADV_DONTNEED); /* at worst they stay */
        else
            at += page;
    }
}
