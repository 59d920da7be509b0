#ifndef UPSTREAM_HTTP_H
#define UPSTREAM_HTTP_H
/* Requests as the upstream reads them. It trusts its client to be well-behaved: the client under
 * test is libcurl. */
#include "text.h"

enum { MAX_HEADERS = 100, MAX_REQUEST_BYTES = 64 << 20 };

struct header {
    struct slice name;
    struct slice value;
};

/* Slices point into the connection's input, or into `unchunked`. */
struct request {
    struct slice method;
    struct slice target; /* path and query as sent */
    struct slice path;
    struct slice query;
    struct header headers[MAX_HEADERS];
    size_t header_count;
    struct slice body;
    struct buf unchunked;
    size_t bytes; /* of the whole request in the input */
    bool keep_alive;
    bool expects_continue;
};

static struct slice request_header(const struct request *r, const char *name)
{
    for (size_t i = 0; i < r->header_count; i++) {
        if (slice_is_nocase(r->headers[i].name, name))
            return r->headers[i].value;
    }
    return (struct slice){NULL, 0};
}

/* The value of `name` in a query string, with its escapes; `at` is NULL where it is missing. */
static struct slice query_get(struct slice query, const char *name)
{
    while (query.len > 0) {
        struct slice pair = slice_split(&query, '&');
        struct slice key = slice_split(&pair, '=');
        if (slice_is(key, name))
            return pair;
    }
    return (struct slice){NULL, 0};
}

static int64_t query_int(struct slice query, const char *name, int64_t otherwise)
{
    bool ok = false;
    struct slice s = query_get(query, name);
    int64_t n = s.at ? slice_int(s, &ok) : 0;
    return ok ? n : otherwise;
}

/* The chunked body at p: 1 whole, 0 not yet, -1 bad. */
static int request_unchunk(struct request *r, const char *p, const char *end,
                           const char **ret_after)
{
    for (;;) {
        const char *line = memchr(p, '\n', (size_t)(end - p));
        if (line == NULL)
            return 0;
        size_t n = 0;
        if (hex_digit(*p) < 0)
            return -1;
        for (; hex_digit(*p) >= 0; p++)
            n = n * 16 + (size_t)hex_digit(*p);
        p = line + 1;
        if (n > MAX_REQUEST_BYTES)
            return -1;
        if ((size_t)(end - p) < n + 2)
            return 0;
        if (n == 0) { /* no client of ours sends trailers */
            *ret_after = p + 2;
            return 1;
        }
        buf_add(&r->unchunked, p, n);
        p += n + 2;
    }
}

static bool request_head(struct request *r, struct slice head)
{
    struct slice line = slice_split(&head, '\n');
    r->method = slice_split(&line, ' ');
    r->target = slice_split(&line, ' ');
    r->query = r->target;
    r->path = slice_split(&r->query, '?');
    r->keep_alive = slice_starts(line, "HTTP/1.1");
    if (!slice_starts(line, "HTTP/1."))
        return false;
    while (head.len > 0) {
        line = slice_split(&head, '\n');
        if (line.len > 0 && line.at[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0)
            break;
        struct slice name = slice_split(&line, ':');
        while (line.len > 0 && *line.at == ' ')
            line = slice_from(line, 1);
        if (r->header_count < MAX_HEADERS)
            r->headers[r->header_count++] = (struct header){name, line};
    }
    if (slice_is_nocase(request_header(r, "connection"), "close"))
        r->keep_alive = false;
    r->expects_continue = slice_is_nocase(request_header(r, "expect"), "100-continue");
    return true;
}

/* Parses the request at the start of `in`: 1 whole, 0 not yet (`expects_continue` is already true
 * where it applies), -1 bad. Whoever got a 1 frees `unchunked`. */
static int request_parse(const struct buf *in, struct request *r)
{
    *r = (struct request){0};
    const char *mark = in->len ? memmem(in->data, in->len, "\r\n\r\n", 4) : NULL;
    if (mark == NULL)
        return in->len > 1 << 20 ? -1 : 0;
    size_t head = (size_t)(mark - in->data) + 4;
    if (!request_head(r, (struct slice){in->data, head}))
        return -1;
    const char *body = in->data + head, *end = in->data + in->len;
    if (slice_is_nocase(request_header(r, "transfer-encoding"), "chunked")) {
        const char *after = NULL;
        int whole = request_unchunk(r, body, end, &after);
        if (whole != 1) {
            buf_free(&r->unchunked);
            return whole;
        }
        r->body = (struct slice){r->unchunked.data, r->unchunked.len};
        r->bytes = (size_t)(after - in->data);
        return 1;
    }
    bool ok = true;
    struct slice length = request_header(r, "content-length");
    int64_t n = length.at ? slice_int(length, &ok) : 0;
    if (!ok || n < 0 || n > MAX_REQUEST_BYTES)
        return -1;
    if (end - body < n)
        return 0;
    r->body = (struct slice){body, (size_t)n};
    r->bytes = head + (size_t)n;
    return 1;
}
#endif
