#include "cli/follow.h"

#include "cli/answer.h"

enum { STRINGS_MAX = 2 * FOLLOW_MAX_EVENT };

static void end(struct follow *f, const struct event *e)
{
    f->has_ended = true;
    buf_clear(&f->run);
    buf_add_str(&f->run, json_raw(json_get_lit(e->data, "run")));
    live_end(&f->live);
    screen_end_line(f->screen);
}

static void pass_on(struct follow *f, struct str json)
{
    screen_out(f->screen, json);
    screen_out(f->screen, STR("\n"));
}

/* A tree that is shown needs no words. */
static void show(struct follow *f, const struct event *e)
{
    live_take(&f->live, e);
    if (!live_is_shown(&f->live))
        tell_event(&f->tell, e, &f->arena);
}

static bool on_event(void *ctx, const struct sse_event *event)
{
    struct follow *f = ctx;
    struct event e;
    arena_fini(&f->arena);
    arena_init(&f->arena, STRINGS_MAX);
    if (json_parse(&f->doc, event->data, NULL) != OK ||
        !event_read(json_root(&f->doc), &f->arena, &e))
        return false;
    if (str_eq(e.type, STR("stream.end")))
        return true; /* the connection ends; the run goes on */
    if (e.has_seq)
        f->seq = e.seq;
    f->events++;
    if (f->as_json)
        pass_on(f, event->data);
    else
        show(f, &e);
    if (str_eq(e.type, STR("run.finished")))
        end(f, &e);
    return !f->has_ended;
}

void follow_init(struct follow *f, struct screen *screen, enum follow_form form, uint64_t after)
{
    *f = (struct follow){.screen = screen, .as_json = form == FOLLOW_JSON, .seq = after};
    buf_init(&f->run, FOLLOW_MAX_EVENT);
    answer_doc_init(&f->doc);
    arena_init(&f->arena, STRINGS_MAX);
    tell_init(&f->tell, screen);
    live_init(&f->live, screen, form != FOLLOW_JSON, form == FOLLOW_NEW);
    sse_parse_init(&f->parser, FOLLOW_MAX_EVENT, on_event, f);
}

void follow_fini(struct follow *f)
{
    sse_parse_fini(&f->parser);
    live_fini(&f->live);
    arena_fini(&f->arena);
    json_doc_fini(&f->doc);
    buf_fini(&f->run);
}

bool follow_bytes(struct follow *f, struct str bytes)
{
    bool fine = sse_parse_feed(&f->parser, bytes.at, bytes.len) == OK && !f->parser.stopped;
    return screen_flush(f->screen) && fine;
}

void follow_reconnected(struct follow *f)
{
    sse_parse_fini(&f->parser);
    sse_parse_init(&f->parser, FOLLOW_MAX_EVENT, on_event, f);
}
