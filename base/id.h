#ifndef SLUICE_BASE_ID_H
#define SLUICE_BASE_ID_H
/* Time-ordered ids in ULID layout: 48 bits of milliseconds, 80 random bits, written as 26
 * characters of Crockford's base 32 behind a prefix ("run_01JD3Y..."). https://github.com/ulid/spec
 *
 * An `id_source` belongs to one thread and gives strictly growing ids, also within one millisecond
 * and when the wall clock steps back. Ids themselves are plain data. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { ID_TEXT = 26 };

struct id {
    uint8_t bytes[16]; /* big-endian, so that memcmp orders by time */
};

struct id_source {
    struct id last;
    uint8_t pool[160]; /* random bytes fetched ahead: one system call for 16 ids */
    size_t pool_left;
};

void id_source_init(struct id_source *s);
struct id id_next(struct id_source *s, int64_t wall_ms);

/* The 26 characters, no NUL. */
void id_format(const struct id *id, char ret_text[ID_TEXT]);

/* Reads PREFIX followed by 26 upper-case Crockford characters and nothing else. */
bool id_parse(struct str text, struct str prefix, struct id *ret_id);

bool id_eq(const struct id *a, const struct id *b);
uint64_t id_hash(const struct id *id);
#endif
