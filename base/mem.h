#ifndef SLUICE_BASE_MEM_H
#define SLUICE_BASE_MEM_H
/* The heap, with one seam: a test can make the n-th allocation fail.
 *
 * Out of memory fails a request, never the process: every result is checked by its caller. What
 * mem_alloc and its siblings give is freed with mem_free, on any thread. */
#include <stddef.h>

#include "base/str.h"

void *mem_alloc(size_t size);                /* uninitialised; NULL when there is none */
void *mem_zalloc(size_t size);               /* zeroed */
void *mem_realloc(void *block, size_t size); /* NULL leaves `block` as it was */
void *mem_shrink(void *block, size_t size);  /* to fewer bytes; where it has to, in place */
void mem_free(void *block);                  /* NULL is fine */
char *mem_strdup(struct str s);              /* NUL-terminated copy */

/* Gives pages of zeros that lie whole in this memory back to the system, and keeps the addresses:
 * they read as zeros until something is written. For what somebody else has cleared and keeps for
 * long. Private memory (the heap's, or an anonymous mapping) that no other thread writes to. */
void mem_drop_zeros(void *start, size_t size);

/* For tests: the n-th allocation from now on fails (1: the next), and only that one; 0 turns it
 * off. */
void mem_fail_nth(unsigned long n);
/* For tests: allocations that are not freed yet. */
long mem_live(void);
#endif
