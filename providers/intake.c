#include "providers/intake.h"

enum intake_form intake_form_of(struct str content_type)
{
    struct str media = str_trim(str_cut(&content_type, ';'));
    if (str_eq_nocase(media, STR("text/event-stream")))
        return INTAKE_SSE;
    if (str_eq_nocase(media, STR("application/x-ndjson")) ||
        str_eq_nocase(media, STR("application/jsonl")) ||
        str_eq_nocase(media, STR("application/json-seq")))
        return INTAKE_NDJSON;
    return INTAKE_DOCUMENT;
}

static bool on_event(void *ctx, const struct sse_event *event)
{
    struct intake *i = ctx;
    i->is_stopped = !i->on_piece(i->ctx, event->type, event->data);
    return !i->is_stopped;
}

void intake_open(struct intake *i, enum intake_form form, size_t max_bytes, intake_fn *on_piece,
                 void *ctx)
{
    *i = (struct intake){.form = form, .is_open = true, .on_piece = on_piece, .ctx = ctx};
    buf_init(&i->held, max_bytes);
    if (form == INTAKE_SSE)
        sse_parse_init(&i->sse, max_bytes, on_event, i);
}

void intake_fini(struct intake *i)
{
    if (!i->is_open)
        return;
    if (i->form == INTAKE_SSE)
        sse_parse_fini(&i->sse);
    buf_fini(&i->held);
    i->is_open = false;
}

/* RS in front of a record is what application/json-seq has (RFC 7464). */
static void give_line(struct intake *i, struct str line)
{
    if (line.len > 0 && line.at[line.len - 1] == '\r')
        line.len--;
    if (line.len > 0 && line.at[0] == '\x1E')
        line = (struct str){line.at + 1, line.len - 1};
    if (str_trim(line).len > 0)
        i->is_stopped = !i->on_piece(i->ctx, STR(""), line);
}

static enum err feed_lines(struct intake *i, struct str rest)
{
    const char *end;
    while (!i->is_stopped && rest.len > 0 && (end = memchr(rest.at, '\n', rest.len)) != NULL) {
        struct str line = {rest.at, (size_t)(end - rest.at)};
        rest = (struct str){end + 1, rest.len - line.len - 1};
        if (i->held.len == 0) {
            give_line(i, line);
            continue;
        }
        buf_add_str(&i->held, line);
        if (buf_ok(&i->held) != OK)
            break;
        give_line(i, buf_str(&i->held));
        buf_clear(&i->held);
    }
    if (!i->is_stopped)
        buf_add_str(&i->held, rest);
    return buf_ok(&i->held);
}

enum err intake_feed(struct intake *i, const char *bytes, size_t len)
{
    if (i->is_stopped)
        return OK;
    if (i->form == INTAKE_SSE)
        return sse_parse_feed(&i->sse, bytes, len);
    if (i->form == INTAKE_NDJSON)
        return feed_lines(i, (struct str){bytes, len});
    buf_add(&i->held, bytes, len);
    return buf_ok(&i->held);
}

void intake_end(struct intake *i)
{
    if (i->is_stopped || i->form == INTAKE_SSE) /* half an event is none */
        return;
    if (i->form == INTAKE_NDJSON)
        give_line(i, buf_str(&i->held));
    else
        i->is_stopped = !i->on_piece(i->ctx, STR(""), buf_str(&i->held));
}
