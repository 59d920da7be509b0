#include "cli/tell.h"

#include <stdio.h>

#include "cli/render.h"

void tell_init(struct tell *t, struct screen *screen)
{
    *t = (struct tell){.screen = screen};
}

/* --- lines ------------------------------------------------------------------------------------ */

/* "[0/2 draft] " in front of what is said of a step; nothing for the root, whose state is the
 * run's. */
static void add_step(struct buf *b, const struct event *e, struct arena *arena)
{
    struct str name = event_text(e->data, STR("name"), arena);
    if (e->task.len == 0)
        return;
    buf_add_char(b, '[');
    buf_add_str(b, e->task);
    if (name.len > 0)
        buf_add_char(b, ' ');
    buf_add_str(b, name);
    buf_add_lit(b, "] ");
}

static void add_reason(struct buf *b, const struct event *e)
{
    struct json reason = json_get_lit(e->data, "reason");
    if (!json_is(reason, JSON_OBJECT))
        return;
    buf_add_lit(b, ": ");
    render_reason(b, reason, e->at_ms);
}

static void say(struct tell *t, const struct buf *b)
{
    screen_say(t->screen, "%.*s", STR_ARG(buf_str(b)));
}

static void say_reason(struct tell *t, const char *what, const struct event *e)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_addf(&b, "%s", what);
    add_reason(&b, e);
    say(t, &b);
    buf_fini(&b);
}

/* --- text ------------------------------------------------------------------------------------- */

/* Whatever made the earlier attempt fail after it had begun to answer: what was shown is void. */
static void begin_anew(struct tell *t, int64_t attempt)
{
    screen_say(t->screen, "attempt %lld begins the answer anew", (long long)attempt);
    screen_end_line(t->screen);
}

static void on_text(struct tell *t, struct str text, int64_t attempt)
{
    if (text.len == 0)
        return;
    if (t->has_text && attempt != t->attempt)
        begin_anew(t, attempt);
    if (t->is_thinking)
        screen_end_line(t->screen);
    t->is_thinking = false;
    t->has_text = true;
    t->attempt = attempt;
    screen_out(t->screen, text);
}

/* Reasoning is no part of the answer: only a person gets to see it. */
static void on_reasoning(struct tell *t, struct str text)
{
    if (text.len == 0 || !t->screen->out_is_terminal)
        return;
    if (!t->is_thinking)
        screen_end_line(t->screen);
    t->is_thinking = true;
    screen_aside(t->screen, text);
}

static void on_delta(struct tell *t, const struct event *e, struct arena *arena)
{
    if (e->task.len > 0)
        return;
    on_reasoning(t, event_text(e->data, STR("reasoning"), arena));
    on_text(t, event_text(e->data, STR("text"), arena), e->attempt);
    struct str tool = event_text(json_get_lit(e->data, "tool_call"), STR("name"), arena);
    if (tool.len > 0)
        screen_say(t->screen, "asks for the tool %.*s", STR_ARG(tool));
}

/* --- the run ---------------------------------------------------------------------------------- */

/* Retries have lines of their own. */
static void on_waiting(struct tell *t, const struct event *e, struct arena *arena)
{
    struct json code = json_get_lit(json_get_lit(e->data, "reason"), "code");
    (void)arena;
    if (!json_string_is(code, STR("retry_timer")))
        say_reason(t, "waiting", e);
}

static void on_cancelling(struct tell *t, const struct event *e, struct arena *arena)
{
    (void)arena;
    if (!t->is_cancelled)
        say_reason(t, "cancelling", e);
}

static void on_gap(struct tell *t, const struct event *e, struct arena *arena)
{
    (void)e;
    (void)arena;
    screen_say(t->screen, "the gateway stopped in between: some of the text is lost");
}

/* --- attempts --------------------------------------------------------------------------------- */

static void remember_task(struct tell *t, const struct event *e)
{
    str_copy(t->failed_task, sizeof t->failed_task, e->task);
}

static void on_attempt_failed(struct tell *t, const struct event *e, struct arena *arena)
{
    struct json error = json_get_lit(e->data, "error");
    struct str code = event_text(error, STR("code"), arena),
               message = event_text(error, STR("message"), arena);
    snprintf(t->failure, sizeof t->failure, "attempt %lld failed: %.*s: %.*s",
             (long long)e->attempt, STR_ARG(code), STR_ARG(message));
    remember_task(t, e);
}

static void on_attempt_lost(struct tell *t, const struct event *e, struct arena *arena)
{
    (void)arena;
    snprintf(t->failure, sizeof t->failure, "attempt %lld was lost when the gateway stopped",
             (long long)e->attempt);
    remember_task(t, e);
}

/* Attempts of tasks that go side by side may end before this one tells what comes of its own. */
static void on_retrying(struct tell *t, const struct event *e, struct arena *arena)
{
    struct buf b;
    int64_t in_ms;
    buf_init(&b, 65536);
    add_step(&b, e, arena);
    if (t->failure[0] != '\0' && str_eq(str_of(t->failed_task), e->task)) {
        buf_addf(&b, "%s; ", t->failure);
        t->failure[0] = '\0';
    }
    buf_add_lit(&b, "retrying");
    if (json_int(json_get_lit(e->data, "retry_in_ms"), 0, INT64_MAX, &in_ms) == OK && in_ms > 0) {
        buf_add_lit(&b, " in ");
        render_duration(&b, in_ms);
    }
    say(t, &b);
    buf_fini(&b);
}

/* --- steps ------------------------------------------------------------------------------------ */

/* "provider_error: HTTP 500"; that a step was cancelled its state says. */
static void add_error(struct buf *b, const struct event *e, struct arena *arena)
{
    struct json error = json_get_lit(e->data, "error");
    struct str code = event_text(error, STR("code"), arena);
    if (code.len == 0 || str_eq(code, STR("cancelled")))
        return;
    buf_add_lit(b, ": ");
    buf_add_str(b, code);
    buf_add_lit(b, ": ");
    buf_add_str(b, event_text(error, STR("message"), arena));
}

/* How a step of a tree gets on. The root's own state is the run's. */
static void tell_step(struct tell *t, const struct event *e, struct arena *arena)
{
    struct str state = e->type, kind = str_cut(&state, '.');
    struct buf b;
    if (!str_eq(kind, STR("task")) || e->task.len == 0 || str_eq(state, STR("retrying")))
        return;
    buf_init(&b, 65536);
    add_step(&b, e, arena);
    buf_add_str(&b, state);
    add_reason(&b, e);
    add_error(&b, e, arena);
    say(t, &b);
    buf_fini(&b);
}

static const struct {
    const char *type;
    void (*on)(struct tell *t, const struct event *e, struct arena *arena);
} handlers[] = {
    {"output.delta", on_delta},
    {"run.waiting", on_waiting},
    {"run.cancelling", on_cancelling},
    {"attempt.failed", on_attempt_failed},
    {"attempt.lost", on_attempt_lost},
    {"task.retrying", on_retrying},
    {"stream.gap", on_gap},
};

void tell_event(struct tell *t, const struct event *e, struct arena *arena)
{
    tell_step(t, e, arena);
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (str_eq(e->type, str_of(handlers[i].type)))
            handlers[i].on(t, e, arena);
    }
}
