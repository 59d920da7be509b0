#include "net/sse_parse.h"

#include <string.h>

void sse_parse_init(struct sse_parser *p, size_t max_bytes, sse_event_fn *on_event, void *ctx)
{
    *p = (struct sse_parser){.on_event = on_event, .ctx = ctx, .max_bytes = max_bytes};
    buf_init(&p->line, max_bytes);
    buf_init(&p->data, max_bytes);
    buf_init(&p->type, max_bytes);
    buf_init(&p->id, max_bytes);
}

void sse_parse_fini(struct sse_parser *p)
{
    buf_fini(&p->line);
    buf_fini(&p->data);
    buf_fini(&p->type);
    buf_fini(&p->id);
}

/* Moves the data line that was left in the chunk to a place where it can stay. */
static void settle_view(struct sse_parser *p)
{
    if (p->view.at != NULL) {
        buf_add_str(&p->data, p->view);
        p->view = STR_NONE;
    }
}

static void on_data(struct sse_parser *p, struct str value, bool in_chunk)
{
    if (!p->has_data && in_chunk) {
        p->view = value;
    } else {
        settle_view(p);
        if (p->has_data)
            buf_add_char(&p->data, '\n');
        buf_add_str(&p->data, value);
    }
    p->has_data = true;
}

static void replace(struct buf *b, struct str value)
{
    buf_clear(b);
    buf_add_str(b, value);
}

static void on_field(struct sse_parser *p, struct str name, struct str value, bool in_chunk)
{
    if (str_eq(name, STR("data")))
        on_data(p, value, in_chunk);
    else if (str_eq(name, STR("event")))
        replace(&p->type, value);
    else if (str_eq(name, STR("id")) &&
             (value.len == 0 || memchr(value.at, '\0', value.len) == NULL))
        replace(&p->id, value);
}

static void dispatch(struct sse_parser *p)
{
    if (p->has_data) {
        struct sse_event event = {.type = buf_str(&p->type), .id = buf_str(&p->id)};
        event.data = p->view.at != NULL ? p->view : buf_str(&p->data);
        p->stopped = !p->on_event(p->ctx, &event);
    }
    p->has_data = false;
    p->view = STR_NONE;
    buf_clear(&p->data);
    buf_clear(&p->type);
}

static void on_line(struct sse_parser *p, struct str line, bool in_chunk)
{
    if (!p->started) {
        p->started = true;
        if (str_starts(line, STR("\xEF\xBB\xBF")))
            line = (struct str){line.at + 3, line.len - 3};
    }
    if (line.len == 0) {
        dispatch(p);
        return;
    }
    struct str value = line;
    struct str name = str_cut(&value, ':');
    if (name.len == 0)
        return; /* a comment */
    if (value.len > 0 && value.at[0] == ' ')
        value = (struct str){value.at + 1, value.len - 1};
    if (value.at == NULL)
        value = STR("");
    on_field(p, name, value, in_chunk);
}

/* The end of the line that begins at `at`: the first CR or LF, NULL if it has not come. */
static const char *find_end(const char *at, size_t len)
{
    const char *lf = memchr(at, '\n', len);
    const char *cr = memchr(at, '\r', lf ? (size_t)(lf - at) : len);
    return cr ? cr : lf;
}

static void take_line(struct sse_parser *p, const char *at, size_t len)
{
    if (p->line.len == 0) {
        on_line(p, (struct str){at, len}, true);
        return;
    }
    buf_add(&p->line, at, len);
    if (buf_ok(&p->line) != OK)
        return; /* it stays failed, and ends the feeding */
    on_line(p, buf_str(&p->line), false);
    buf_clear(&p->line);
}

/* May `more` bytes be taken for the line at hand? What a line leaves behind is never more than the
 * line was, so this is the only place where the bound is looked at, and it does not matter how the
 * bytes were cut. */
static enum err check(const struct sse_parser *p, size_t more)
{
    const struct buf *all[] = {&p->line, &p->data, &p->type, &p->id};
    size_t bytes = p->view.len;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        enum err e = buf_ok(all[i]);
        if (e != OK)
            return e;
        bytes += all[i]->len;
    }
    return more > p->max_bytes - bytes ? ERR_LIMIT : OK;
}

enum err sse_parse_feed(struct sse_parser *p, const char *bytes, size_t len)
{
    const char *at = bytes, *end = bytes + len;
    while (at < end && p->failed == OK && !p->stopped) {
        bool is_rest_of_crlf = p->after_cr && *at == '\n';
        p->after_cr = false;
        if (is_rest_of_crlf) {
            at++;
            continue;
        }
        const char *eol = find_end(at, (size_t)(end - at));
        size_t n = (size_t)((eol != NULL ? eol : end) - at);
        p->failed = check(p, n);
        if (p->failed != OK)
            break;
        if (eol == NULL) {
            buf_add(&p->line, at, n);
            break;
        }
        p->after_cr = *eol == '\r';
        take_line(p, at, n);
        at = eol + 1;
    }
    settle_view(p);
    if (p->failed == OK)
        p->failed = check(p, 0);
    return p->failed;
}
