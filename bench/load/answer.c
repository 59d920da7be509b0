#include "load/answer.h"

#include "tool.h"

enum { HEAD_MAX_BYTES = 64 << 10 };

void answer_begin(struct answer *a)
{
    a->state = ANSWER_HEAD;
    a->close_after = false;
    a->status = 0;
    a->line_len = 0;
    a->left = 0;
    a->head_len = 0;
}

void answer_fini(struct answer *a)
{
    free(a->head);
    a->head = NULL;
    a->head_len = 0;
}

/* One line of the head, without its CR LF; sets what it says about the body. */
static void on_head_line(struct answer *a, const char *line, size_t len)
{
    static const char length[] = "content-length:", coding[] = "transfer-encoding: chunked",
                      closing[] = "connection: close";
    if (len > sizeof length - 1 && strncasecmp(line, length, sizeof length - 1) == 0) {
        a->left = strtoull(line + sizeof length - 1, NULL, 10);
        a->state = ANSWER_BODY;
    } else if (len >= sizeof coding - 1 && strncasecmp(line, coding, sizeof coding - 1) == 0) {
        a->left = 0;
        a->state = ANSWER_CHUNK_SIZE;
    } else if (len >= sizeof closing - 1 && strncasecmp(line, closing, sizeof closing - 1) == 0) {
        a->close_after = true;
    }
}

/* A whole head, its empty line included; false if it is not one of HTTP/1. */
static bool on_head(struct answer *a, const char *head, size_t len)
{
    if (len < 16 || memcmp(head, "HTTP/1.", 7) != 0)
        return false;
    a->status = (uint16_t)strtoul(head + 9, NULL, 10);
    a->state = ANSWER_TO_THE_END;
    const char *end = head + len;
    for (const char *line = head; line < end;) {
        const char *eol = memchr(line, '\n', (size_t)(end - line));
        if (!eol)
            break;
        on_head_line(a, line, (size_t)(eol - line) - (eol > line && eol[-1] == '\r'));
        line = eol + 1;
    }
    if (a->status == 204 || a->status == 304) {
        a->state = ANSWER_BODY;
        a->left = 0;
    }
    return true;
}

/* Takes the head, or keeps its part. Returns how many bytes it used; SIZE_MAX where it is no head.
 */
static size_t feed_head(struct answer *a, const char *bytes, size_t len)
{
    const char *blank = a->head_len == 0 ? memmem(bytes, len, "\r\n\r\n", 4) : NULL;
    if (blank) {
        size_t n = (size_t)(blank + 4 - bytes);
        return on_head(a, bytes, n) ? n : SIZE_MAX;
    }
    if (a->head_len + len > HEAD_MAX_BYTES)
        return SIZE_MAX;
    char *grown = realloc(a->head, a->head_len + len);
    if (!grown)
        die("realloc");
    a->head = grown;
    memcpy(a->head + a->head_len, bytes, len);
    size_t before = a->head_len;
    a->head_len += len;
    blank = memmem(a->head, a->head_len, "\r\n\r\n", 4);
    if (!blank)
        return len;
    size_t n = (size_t)(blank + 4 - a->head);
    return on_head(a, a->head, n) ? n - before : SIZE_MAX;
}

static int hex_value(char ch)
{
    if (ch >= '0' && ch <= '9')
        return ch - '0';
    if ((ch | 32) >= 'a' && (ch | 32) <= 'f')
        return (ch | 32) - 'a' + 10;
    return -1;
}

/* One byte of chunked framing; false where it does not belong there. */
static bool feed_framing(struct answer *a, char ch)
{
    int digit;
    switch (a->state) {
    case ANSWER_CHUNK_SIZE:
        digit = hex_value(ch);
        if (digit >= 0)
            a->left = a->left * 16 + (uint64_t)digit;
        else if (ch == '\r' || ch == ';' || ch == ' ')
            a->state = ANSWER_CHUNK_EXTRA;
        else
            return false;
        return true;
    case ANSWER_CHUNK_EXTRA:
        a->line_len = 0;
        if (ch == '\n')
            a->state = a->left > 0 ? ANSWER_CHUNK_DATA : ANSWER_TRAILER;
        return true;
    case ANSWER_CHUNK_END:
        if (ch == '\n')
            a->state = ANSWER_CHUNK_SIZE;
        return ch == '\n' || ch == '\r';
    case ANSWER_TRAILER:
        if (ch == '\n' && a->line_len == 0)
            a->state = ANSWER_COMPLETE;
        else if (ch == '\n')
            a->line_len = 0;
        else if (ch != '\r')
            a->line_len++;
        return true;
    default: return false;
    }
}

/* A piece of body of at most `left` bytes; returns how many it took. */
static size_t feed_body(struct answer *a, const char *bytes, size_t len, answer_body_fn body,
                        void *context)
{
    size_t n = a->state == ANSWER_TO_THE_END || len < a->left ? len : (size_t)a->left;
    body(context, bytes, n);
    if (a->state == ANSWER_TO_THE_END)
        return n;
    a->left -= n;
    if (a->left == 0)
        a->state = a->state == ANSWER_CHUNK_DATA ? ANSWER_CHUNK_END : ANSWER_COMPLETE;
    return n;
}

static bool is_in_body(const struct answer *a)
{
    return a->state == ANSWER_BODY || a->state == ANSWER_CHUNK_DATA ||
           a->state == ANSWER_TO_THE_END;
}

enum answer_state answer_feed(struct answer *a, const char *bytes, size_t len, answer_body_fn body,
                              void *context)
{
    while (len > 0 || (a->state == ANSWER_BODY && a->left == 0)) {
        size_t n = 1;
        if (a->state == ANSWER_HEAD)
            n = feed_head(a, bytes, len);
        else if (is_in_body(a))
            n = feed_body(a, bytes, len, body, context);
        else if (!feed_framing(a, *bytes)) /* nor anything behind the end: nobody asked for more */
            n = SIZE_MAX;
        if (n == SIZE_MAX)
            return a->state = ANSWER_WRONG;
        bytes += n;
        len -= n;
    }
    return a->state;
}
