#include "cli/follow.h"

#include <stdio.h>

#include "cli/render.h"

enum { STRINGS_MAX = 2 * FOLLOW_MAX_EVENT };

struct event {
    struct str type;
    struct str task; /* path; STR_NONE: an event of the run */
    int64_t at_ms;   /* 0: not told */
    int64_t attempt; /* 0: none */
    struct json data;
};

/* --- words ------------------------------------------------------------------------------------ */

/* A string member, "" where there is none. Valid until the next event. */
static struct str text_of(struct follow *f, struct json object, struct str name)
{
    struct str s;
    return json_string(json_get(object, name), &f->arena, &s) ? s : STR("");
}

static void say_reason(struct follow *f, const char *what, const struct event *e)
{
    struct buf b;
    buf_init(&b, 4096);
    render_reason(&b, json_get_lit(e->data, "reason"), e->at_ms);
    if (b.len > 0)
        screen_say(f->screen, "%s: %.*s", what, STR_ARG(buf_str(&b)));
    else
        screen_say(f->screen, "%s", what);
    buf_fini(&b);
}

/* --- events ----------------------------------------------------------------------------------- */

/* Whatever made the earlier attempt fail after it had begun to answer: what was shown is void. */
static void begin_anew(struct follow *f, int64_t attempt)
{
    screen_say(f->screen, "attempt %lld begins the answer anew", (long long)attempt);
    screen_end_line(f->screen);
}

static void on_text(struct follow *f, struct str text, int64_t attempt)
{
    if (text.len == 0)
        return;
    if (f->has_text && attempt != f->attempt)
        begin_anew(f, attempt);
    if (f->is_thinking)
        screen_end_line(f->screen);
    f->is_thinking = false;
    f->has_text = true;
    f->attempt = attempt;
    screen_out(f->screen, text);
}

/* Reasoning is no part of the answer: only a person gets to see it. */
static void on_reasoning(struct follow *f, struct str text)
{
    if (text.len == 0 || !f->screen->out_is_terminal)
        return;
    if (!f->is_thinking)
        screen_end_line(f->screen);
    f->is_thinking = true;
    screen_aside(f->screen, text);
}

static void on_delta(struct follow *f, const struct event *e)
{
    if (e->task.len > 0)
        return;
    on_reasoning(f, text_of(f, e->data, STR("reasoning")));
    on_text(f, text_of(f, e->data, STR("text")), e->attempt);
    struct str tool = text_of(f, json_get_lit(e->data, "tool_call"), STR("name"));
    if (tool.len > 0)
        screen_say(f->screen, "asks for the tool %.*s", STR_ARG(tool));
}

/* Retries have lines of their own. */
static void on_waiting(struct follow *f, const struct event *e)
{
    struct json code = json_get_lit(json_get_lit(e->data, "reason"), "code");
    if (!json_string_is(code, STR("retry_timer")))
        say_reason(f, "waiting", e);
}

static void on_cancelling(struct follow *f, const struct event *e)
{
    if (!f->is_cancelled)
        say_reason(f, "cancelling", e);
}

static void on_attempt_failed(struct follow *f, const struct event *e)
{
    struct json error = json_get_lit(e->data, "error");
    struct str code = text_of(f, error, STR("code")), message = text_of(f, error, STR("message"));
    snprintf(f->failure, sizeof f->failure, "attempt %lld failed: %.*s: %.*s",
             (long long)e->attempt, STR_ARG(code), STR_ARG(message));
}

static void on_attempt_lost(struct follow *f, const struct event *e)
{
    snprintf(f->failure, sizeof f->failure, "attempt %lld was lost when the gateway stopped",
             (long long)e->attempt);
}

static void on_retrying(struct follow *f, const struct event *e)
{
    struct buf b;
    int64_t in_ms;
    buf_init(&b, 64);
    if (json_int(json_get_lit(e->data, "retry_in_ms"), 0, INT64_MAX, &in_ms) == OK && in_ms > 0) {
        buf_add_lit(&b, " in ");
        render_duration(&b, in_ms);
    }
    screen_say(f->screen, "%s%sretrying%.*s", f->failure, f->failure[0] != '\0' ? "; " : "",
               STR_ARG(buf_str(&b)));
    f->failure[0] = '\0';
    buf_fini(&b);
}

static void on_gap(struct follow *f, const struct event *e)
{
    (void)e;
    screen_say(f->screen, "the gateway stopped in between: some of the text is lost");
}

static void on_finished(struct follow *f, const struct event *e)
{
    f->has_ended = true;
    buf_clear(&f->run);
    buf_add_str(&f->run, json_raw(json_get_lit(e->data, "run")));
    screen_end_line(f->screen);
}

static const struct {
    const char *type;
    void (*on)(struct follow *f, const struct event *e);
} handlers[] = {
    {"output.delta", on_delta},
    {"run.waiting", on_waiting},
    {"run.cancelling", on_cancelling},
    {"attempt.failed", on_attempt_failed},
    {"attempt.lost", on_attempt_lost},
    {"task.retrying", on_retrying},
    {"stream.gap", on_gap},
    {"run.finished", on_finished},
};

/* "[0/2 draft] succeeded": how a step of a tree gets on. The root's own state is the run's. */
static void show_step(struct follow *f, const struct event *e)
{
    struct str state = e->type, kind = str_cut(&state, '.');
    struct str name = text_of(f, e->data, STR("name"));
    if (!str_eq(kind, STR("task")) || e->task.len == 0 || str_eq(state, STR("retrying")))
        return;
    screen_say(f->screen, "[%.*s%s%.*s] %.*s", STR_ARG(e->task), name.len > 0 ? " " : "",
               STR_ARG(name), STR_ARG(state));
}

static void show(struct follow *f, const struct event *e)
{
    show_step(f, e);
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (str_eq(e->type, str_of(handlers[i].type)))
            handlers[i].on(f, e);
    }
}

/* --- from the stream -------------------------------------------------------------------------- */

static bool read_event(struct follow *f, struct str json, struct event *ret)
{
    if (json_parse(&f->doc, json, NULL) != OK)
        return false;
    struct json root = json_root(&f->doc), task = json_get_lit(root, "task");
    int64_t seq;
    *ret =
        (struct event){.type = text_of(f, root, STR("type")), .data = json_get_lit(root, "data")};
    if (json_int(json_get_lit(root, "seq"), 0, INT64_MAX, &seq) == OK) /* stream.end has none */
        f->seq = (uint64_t)seq;
    if (json_is(task, JSON_STRING))
        ret->task = text_of(f, root, STR("task"));
    if (!render_read_time(json_get_lit(root, "at"), &ret->at_ms))
        ret->at_ms = 0;
    if (json_int(json_get_lit(root, "attempt"), 0, INT64_MAX, &ret->attempt) != OK)
        ret->attempt = 0;
    return ret->type.len > 0;
}

static void pass_on(struct follow *f, const struct event *e, struct str json)
{
    screen_out(f->screen, json);
    screen_out(f->screen, STR("\n"));
    if (str_eq(e->type, STR("run.finished")))
        on_finished(f, e);
}

static bool on_event(void *ctx, const struct sse_event *event)
{
    struct follow *f = ctx;
    struct event e;
    arena_fini(&f->arena);
    arena_init(&f->arena, STRINGS_MAX);
    if (!read_event(f, event->data, &e))
        return false;
    if (str_eq(e.type, STR("stream.end")))
        return true; /* the connection ends; the run goes on */
    f->events++;
    if (f->as_json)
        pass_on(f, &e, event->data);
    else
        show(f, &e);
    return !f->has_ended;
}

void follow_init(struct follow *f, struct screen *screen, bool as_json, uint64_t after)
{
    *f = (struct follow){.screen = screen, .as_json = as_json, .seq = after};
    buf_init(&f->run, FOLLOW_MAX_EVENT);
    json_doc_init(&f->doc);
    arena_init(&f->arena, STRINGS_MAX);
    sse_parse_init(&f->parser, FOLLOW_MAX_EVENT, on_event, f);
}

void follow_fini(struct follow *f)
{
    sse_parse_fini(&f->parser);
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
