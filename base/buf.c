#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_SIZE = 256, TRIM_FROM = 32 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_fini(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = b->full = false;
}

void buf_trim(struct buf *b)
{
    if (b->cap - b->len < TRIM_FROM)
        return;
    b->cap = b->len > 0 ? b->len : 1;
    b->data = mem_shrink(b->data, b->cap);
}

char *buf_take(struct buf *b, size_t *ret_len)
{
    if (b->failed || (b->data == NULL && buf_reserve(b, 1) == NULL)) {
        buf_fini(b);
        return NULL;
    }
    buf_trim(b);
    char *data = b->data;
    *ret_len = b->len;
    *b = (struct buf){.max = b->max};
    return data;
}

enum err buf_ok(const struct buf *b)
{
    if (!b->failed)
        return OK;
    return b->full ? ERR_LIMIT : ERR_NOMEM;
}

/* Nobody will want the bytes: they are freed at once. */
static bool refuse(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){.max = b->max, .full = true};
    return false;
}

/* Doubles until `need` fits. */
static bool grow(struct buf *b, size_t need)
{
    if (need > b->max)
        return refuse(b);
    size_t cap = b->cap ? b->cap : FIRST_SIZE;
    while (cap < need)
        cap = cap > b->max / 2 ? b->max : cap * 2;
    if (cap > b->max)
        cap = b->max;
    char *data = mem_realloc(b->data, cap);
    if (data == NULL)
        return false;
    b->data = data;
    b->cap = cap;
    return true;
}

char *buf_make_room(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    size_t need; /* saturated: past any memory */
    if (__builtin_add_overflow(b->len, n, &need))
        need = SIZE_MAX;
    if (grow(b, need))
        return b->data + b->len;
    buf_fail(b);
    return NULL;
}

void buf_add_char(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_add_u64(struct buf *b, uint64_t value)
{
    char digits[20];
    size_t n = 0;
    do {
        digits[sizeof digits - ++n] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_add(b, digits + sizeof digits - n, n);
}

void buf_add_i64(struct buf *b, int64_t value)
{
    if (value < 0)
        buf_add_char(b, '-');
    buf_add_u64(b, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* Formatted beside the buffer, whose cap may leave no room for vsnprintf's NUL. */
static void PRINTF_LIKE(3, 0) add_long(struct buf *b, size_t n, const char *format, va_list args)
{
    if (buf_reserve(b, n) == NULL)
        return;
    char *text = mem_alloc(n + 1);
    if (text == NULL) {
        buf_fail(b);
        return;
    }
    vsnprintf(text, n + 1, format, args);
    buf_add(b, text, n);
    mem_free(text);
}

void buf_addf(struct buf *b, const char *format, ...)
{
    char small[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    if (n < 0)
        return;
    if ((size_t)n < sizeof small) {
        buf_add(b, small, (size_t)n);
        return;
    }
    va_start(args, format);
    add_long(b, (size_t)n, format, args);
    va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->len);
    b->len -= n;
    if (n > 0 && b->len > 0)
        memmove(b->data, b->data + n, b->len);
}
