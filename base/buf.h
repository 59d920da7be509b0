#ifndef SLUICE_BASE_BUF_H
#define SLUICE_BASE_BUF_H
/* A growing byte buffer with a mandatory cap.
 *
 * Appending cannot be answered with an error at each call: a failure (cap reached, no memory)
 * sticks in `failed`, later appends do nothing, and whoever uses the bytes asks buf_ok once at the
 * end. Life: buf_init, appends, buf_fini or buf_take. One thread at a time. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *data; /* not NUL-terminated */
    size_t len;
    size_t cap;
    size_t max;  /* bytes; `len` never passes it */
    bool failed; /* then there is no room: cap is len */
    bool full;   /* it failed for the cap's sake */
};

void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* forgets the content and the failure, keeps the memory */

/* Gives back the room that is not used, if that is worth a call; cannot fail. */
void buf_trim(struct buf *b);

/* Moves the bytes out, trimmed: the caller frees `*ret_len` bytes with mem_free. NULL if the buffer
 * failed; empty is not NULL. */
char *buf_take(struct buf *b, size_t *ret_len);

/* What should have been appended could not be made: as if there had been no memory for it. */
static inline void buf_fail(struct buf *b)
{
    b->failed = true;
    b->cap = b->len;
}

/* OK, ERR_LIMIT where the cap was reached, ERR_NOMEM. */
enum err buf_ok(const struct buf *b) MUST_CHECK;

/* Room for `n` more bytes at data + len; NULL (and failed) if there cannot be. buf_added says how
 * many were written. */
char *buf_make_room(struct buf *b, size_t n); /* the same where there is not enough yet */
static inline bool buf_has_room(const struct buf *b, size_t n)
{
    size_t room = b->cap - b->len;
    return room > 0 && n <= room;
}
static inline char *buf_reserve(struct buf *b, size_t n)
{
    return buf_has_room(b, n) ? b->data + b->len : buf_make_room(b, n);
}
static inline void buf_added(struct buf *b, size_t n)
{
    b->len += n;
}

static inline void buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0 || (!buf_has_room(b, n) && buf_make_room(b, n) == NULL))
        return;
    memcpy(b->data + b->len, bytes, n);
    b->len += n;
}
void buf_add_char(struct buf *b, char c);
void buf_add_u64(struct buf *b, uint64_t value);
void buf_add_i64(struct buf *b, int64_t value);
void buf_addf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

static inline void buf_add_str(struct buf *b, struct str s)
{
    if (s.at != NULL)
        buf_add(b, s.at, s.len);
}
#define buf_add_lit(b, literal) buf_add((b), "" literal, sizeof(literal) - 1)

/* Drops the first `n` <= len bytes. */
void buf_consume(struct buf *b, size_t n);

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){b->data, b->len};
}
#endif
