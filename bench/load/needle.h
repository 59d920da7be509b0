#ifndef SLUICE_BENCH_NEEDLE_H
#define SLUICE_BENCH_NEEDLE_H
/* A text that is looked for in bytes that come in pieces: Knuth, Morris, Pratt. Made once, shared
 * by all connections; the place where one of them stands is a byte that it keeps. */
#include <stddef.h>
#include <stdint.h>

enum { NEEDLE_MAX_BYTES = 128 };

struct needle {
    const char *text; /* the command line's */
    size_t len;
    uint8_t back[NEEDLE_MAX_BYTES + 1]; /* how much still matches where the next byte does not */
};

/* Ends the program with a word where the text is empty or too long. */
void needle_init(struct needle *n, const char *text);

/* How often the text ends within these bytes; `*at`, 0 at first, keeps the place between pieces. */
uint32_t needle_count(const struct needle *n, uint8_t *at, const char *bytes, size_t len);
#endif
